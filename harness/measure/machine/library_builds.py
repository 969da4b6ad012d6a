"""How the numerical libraries of this process were built: what decides their speed on this processor."""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import ModuleType


def library_builds() -> dict[str, str]:
    """BLAS and instruction sets of the libraries that this process has imported; imports nothing."""
    looks = {"numpy": _numpy, "faiss": _faiss, "torch": _torch, "numba": _numba}
    builds = {}
    for name, look in looks.items():
        if name in sys.modules:
            with contextlib.suppress(AttributeError, KeyError, TypeError):  # each version tells in another way
                builds[name] = look(sys.modules[name])
    return builds


def _numpy(numpy: ModuleType) -> str:
    config = numpy.show_config(mode="dicts")
    blas, instructions = config["Build Dependencies"]["blas"], config["SIMD Extensions"]
    text = f"BLAS {blas['name']} {blas['version']}"
    return f"{text}; {' '.join([*instructions.get('baseline', ()), *instructions.get('found', ())])}"


def _faiss(faiss: ModuleType) -> str:
    return str(faiss.get_compile_options()).strip()


def _torch(torch: ModuleType) -> str:
    parts = {"MKL": torch.backends.mkl.is_available(), "oneDNN": torch.backends.mkldnn.is_available()}
    return " ".join([torch.backends.cpu.get_cpu_capability(), *(name for name, there in parts.items() if there)])


def _numba(numba: ModuleType) -> str:
    import llvmlite.binding

    return f"compiled here for {llvmlite.binding.get_host_cpu_name()}"
