"""What libraries say of their build, held against another source."""

import subprocess
import sys

import pytest

from harness.measure.machine.library_builds import library_builds


def test_numpy_names_the_blas_that_is_loaded():
    import numpy as np

    found = library_builds()["numpy"]
    assert found.startswith("BLAS ")
    blas = np.show_config(mode="dicts")["Build Dependencies"]["blas"]
    assert blas["version"] in found


def test_faiss_tells_its_instructions():
    faiss = pytest.importorskip("faiss")
    assert library_builds()["faiss"] == faiss.get_compile_options().strip() != ""


def test_nothing_is_imported_for_it():
    code = (
        "import sys; from harness.measure.machine.library_builds import library_builds; print(library_builds());"
        " print({'numpy', 'torch', 'faiss', 'numba'} & set(sys.modules))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert found.split() == ["{}", "set()"]
