"""Compiled loops work where numba has a place for its files, and where it has none."""

import os
import subprocess
import sys

import pytest

SEARCH = """
from numba.core import caching
if {nowhere}:
    caching.CacheImpl._locator_classes = []
import numpy as np
from scipy import sparse
from harness.compiled import compiled
from harness.indexes import create

@compiled
def doubled(value):
    return 2 * value

assert doubled(21) == 42
index = create("inverted")
index.build(sparse.csr_matrix(np.eye(4, dtype=np.float32)))
print(index.search(sparse.csr_matrix(np.eye(4, dtype=np.float32)), 1)[0].ravel().tolist())
"""


@pytest.mark.parametrize("nowhere", [False, True])
def test_an_index_searches_with_and_without_a_cache(tmp_path, nowhere):
    file = tmp_path / "search.py"
    file.write_text(SEARCH.format(nowhere=nowhere))
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path / "cache")} if not nowhere else dict(os.environ)
    done = subprocess.run([sys.executable, str(file)], capture_output=True, text=True, env=environment)
    assert done.stdout.strip() == "[0, 1, 2, 3]", done.stderr
    assert any((tmp_path / "cache").rglob("*.nbi")) is not nowhere


PRODUCT = """
import sys
import numpy as np
from harness.compiled import compiled

@compiled
def product(left, right):
    return np.dot(left, right)

left, right = np.arange(6.0).reshape(2, 3), np.arange(12.0).reshape(3, 4)
print("scipy.linalg" in sys.modules, "scipy.linalg.cython_blas" in sys.modules)
print(np.array_equal(product(left, right), left @ right))
import scipy.linalg
print(scipy.linalg.det(np.eye(3)), hasattr(sys.modules["scipy.linalg.cython_blas"], "__pyx_capi__"))
"""


def test_linear_algebra_is_imported_by_loops_that_use_it_alone(tmp_path):
    file = tmp_path / "product.py"
    file.write_text(PRODUCT)
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path / "cache")}
    done = subprocess.run([sys.executable, str(file)], capture_output=True, text=True, env=environment)
    assert done.stdout.split() == ["False", "False", "True", "1.0", "True"], done.stderr


WITHOUT_HOME = """
import os, pwd, sys
KINDS = tuple(sys.argv[1:])
if len(KINDS) > 1:
    pwd.getpwuid = {}.__getitem__  # the user has no name
from numba.core import caching
# As in a read-only installation: numba does not look beside the package.
places = caching.CacheImpl._locator_classes
caching.CacheImpl._locator_classes = [place for place in places if any(kind in place.__name__ for kind in KINDS)]
from harness.compiled import compiled

@compiled
def doubled(value):
    return 2 * value

print(doubled(21), bool(doubled.stats.cache_hits), bool(doubled.stats.cache_misses))
"""


@pytest.fixture
def without_home(tmp_path):
    """Run the loop in a new process whose temporary files lie in a folder of the test: what it prints."""
    file = tmp_path / "loop.py"
    file.write_text(WITHOUT_HOME)
    environment = {name: value for name, value in os.environ.items() if name != "NUMBA_CACHE_DIR"}

    def run(home="/nonexistent", kinds=("UserProvided",)):
        place = {**environment, "TMPDIR": str(tmp_path), "HOME": home}
        place = {name: value for name, value in place.items() if value is not None}
        command = [sys.executable, str(file), *kinds]
        done = subprocess.run(command, capture_output=True, text=True, env=place, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    return run


def test_without_any_place_of_its_own_a_temporary_folder_is_used(tmp_path, without_home):
    assert without_home() == "42 False True"
    folder = tmp_path / f"laconic-bench-{os.getuid()}"
    assert folder.stat().st_mode & 0o777 == 0o700
    assert without_home() == "42 True False"


def test_nothing_is_stored_in_the_current_folder_for_a_user_without_a_name(tmp_path, without_home):
    kinds = ("UserProvided", "UserWide")
    assert without_home(home=None, kinds=kinds) == "42 False True"
    assert without_home(home=None, kinds=kinds) == "42 True False"
    assert (tmp_path / f"laconic-bench-{os.getuid()}").is_dir()
    assert not (tmp_path / "~").exists()


@pytest.mark.parametrize("what", ["open to others", "a link"])
def test_what_others_may_have_put_there_is_not_run(tmp_path, without_home, what):
    folder = tmp_path / f"laconic-bench-{os.getuid()}"
    if what == "a link":
        (tmp_path / "elsewhere").mkdir(mode=0o700)
        folder.symlink_to(tmp_path / "elsewhere")
    else:
        folder.mkdir()
        folder.chmod(0o777)
    assert without_home() == "42 False True"
    assert list(folder.iterdir()) == []


def test_a_loop_is_compiled_again_when_one_that_it_calls_has_changed(tmp_path):
    package = tmp_path / "loops"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "outer.py").write_text(
        "from harness.compiled import compiled\nfrom loops.inner import step\n"
        "@compiled\ndef twice(value):\n    return step(step(value))\n"
    )

    def printed(step):
        (package / "inner.py").write_text(
            f"from harness.compiled import compiled\n@compiled\ndef step(value):\n    return value {step}\n"
        )
        code = "from loops.outer import twice; print(twice(3), sum(twice.stats.cache_hits.values()))"
        environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path / "cache"), "PYTHONPATH": str(tmp_path)}
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, env=environment, cwd=tmp_path
        )
        return done.stdout.split() or done.stderr

    assert printed("+ 1") == ["5", "0"]
    assert printed("+ 1") == ["5", "1"]
    assert printed("* 2") == ["12", "0"]
