"""Where tests stand: in the folder that mirrors the folder of what they test."""

from pathlib import Path

ROOT = Path(__file__).parents[1]
TESTS = ROOT / "tests"
# They test no folder of the code: helpers, expected files, whole runs, and what is started by hand.
OTHERS = {"support", "golden", "integration", "bench", "drills", "scale"}


def folders(top):
    """The folders below a folder that hold Python files, by their paths from there."""
    return {file.parent.relative_to(top).as_posix() for file in top.rglob("*.py")} - {"."}


def test_every_folder_of_tests_mirrors_a_folder_of_the_code():
    code = folders(ROOT / "harness") | {"reports"} | {f"reports/{name}" for name in folders(ROOT / "reports")}
    tests = {name for name in folders(TESTS) if name.split("/")[0] not in OTHERS}
    assert tests <= code, sorted(tests - code)


def test_every_test_is_found_by_its_name():
    hidden = [
        file.relative_to(TESTS).as_posix()
        for file in TESTS.rglob("*.py")
        if file.relative_to(TESTS).parts[0] not in OTHERS and file.name != "conftest.py"
        if not file.name.startswith("test_")
    ]
    assert hidden == [], "a helper belongs to tests/support/"
