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
