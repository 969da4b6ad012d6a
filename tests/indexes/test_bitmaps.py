"""Which kernel for bitmaps a processor gets, and what compiling for another processor gives."""

import os
import platform
import subprocess
import sys

import pytest

from harness.indexes import _bitmaps

SEARCH = """
import numpy as np
from scipy import sparse
from harness.indexes import _kernels, create

rng = np.random.default_rng(4)
parts = [sparse.random(20_000, terms, share, "csr", np.float32, rng=rng) for terms, share in ((6, 0.4), (40, 0.0035))]
rows = sparse.hstack(parts, format="csr")
index = create("inverted")
index.build(rows)
assert (index.segments[0].widths == 0).any()
assert index.segments[0].heads.any()  # rare terms
ids, scores = index.search(rows[:5], 30)
print(_kernels.KERNEL, ids.tolist(), scores.view(np.int32).tolist())
"""
COMPILE = """
import numba, numpy as np
from harness.indexes import _bitmaps

@numba.njit(_nrt=False)
def add(scores, first, words, entries, factors, gaps, impacts):
    _bitmaps.add_expanded(scores, first, words, entries, factors, gaps, impacts)

bytes_, words, reals = np.zeros(99, np.uint8), np.zeros(3, np.uint64), np.zeros(64, np.float32)
add.compile(tuple(map(numba.typeof, (reals, 0, words, words, reals, bytes_, bytes_))))
print(_bitmaps.KERNEL, "vpexpandb" in next(iter(add.inspect_asm().values())))
"""
AVX512 = "+sse4.2,+popcnt,+avx,+avx2,+avx512f,+avx512bw,+avx512dq,+avx512vl,+avx512vbmi,+avx512vbmi2"
on_x86 = pytest.mark.skipif(platform.machine() != "x86_64", reason="instructions of x86 processors")


def run(code, name=None, features=None):
    """What the code prints where numba compiles for a processor of this name with these instructions."""
    asked = {} if name is None else {"NUMBA_CPU_NAME": name, "NUMBA_CPU_FEATURES": features}
    command = [sys.executable, "-c", code]
    return subprocess.run(command, env=os.environ | asked, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize(
    ("machine", "features", "kernel"),
    [
        ("x86_64", "+ssse3,+avx2,+avx512f,+avx512vbmi2", "expand"),
        ("x86_64", "+ssse3,+avx2,+avx512f,-avx512vbmi2", "shuffle"),
        ("x86_64", "+ssse3,-avx,-avx2", "shuffle"),
        ("x86_64", "+sse2,-ssse3", "bits"),
        ("x86_64", "", "bits"),
        ("aarch64", "+neon", "shuffle"),
        ("arm64", "", "shuffle"),
        ("riscv64", "+v", "bits"),
    ],
)
def test_a_processor_gets_the_kernel_that_it_has_instructions_for(machine, features, kernel):
    assert _bitmaps.kernel_for(machine, features) == kernel


def test_a_pattern_names_the_impact_of_each_document():
    impacts = bytes(range(1, 9))
    for byte, pattern in enumerate(_bitmaps.PATTERNS):
        spread = [impacts[place] if place < 128 else 0 for place in pattern.to_bytes(8, "little")]
        given = iter(impacts)
        assert spread == [next(given) if byte >> bit & 1 else 0 for bit in range(8)]


@on_x86
def test_compiling_for_processors_with_fewer_instructions_changes_the_kernel_and_no_result():
    kernel, hits = run(SEARCH).split(" ", 1)
    assert kernel == _bitmaps.KERNEL
    assert run(SEARCH, "generic", "").split(" ", 1) == ["bits", hits]
    if kernel == "expand":
        assert run(SEARCH, "nehalem", "+ssse3,+sse4.2,+popcnt").split(" ", 1) == ["shuffle", hits]


@on_x86
def test_the_instruction_that_expands_is_written_for_processors_that_have_it():
    """It runs nowhere here but where the processor has it; writing it needs no such processor."""
    assert run(COMPILE, "icelake-server", AVX512).split() == ["expand", "True"]
