"""The environment variables of a worker: an allow-list, and the same settings on every machine."""

from __future__ import annotations

import os

from harness.spec.paths import variables

PASSED_ON = (
    *("HOME", "PATH", "TMPDIR", "LANG", "LC_ALL", "USER", "LD_LIBRARY_PATH", "VIRTUAL_ENV", "SSL_CERT_FILE"),
    "RAY_ADDRESS",
)
PASSED_ON_PREFIXES = (
    "HF_",
    "XDG_",
    "LACONIC_",
    "CUDA_VISIBLE_DEVICES",
    "OPENBLAS_CORETYPE",
    "OPENBLAS_L2",
    "NUMBA_CACHE_DIR",
    "COVERAGE_",
    "NCCL_",
    "GLOO_",
)
THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "NUMBA_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)


def scrubbed_environment(threads: int, order: str = "") -> dict[str, str]:
    """The environment of a worker: an allow-list of this one's, thread counts of every library set, hashes fixed.

    Variables that the order itself names, as a spec's ``${DATA}/scifact`` does, are passed on too.
    """
    wanted = {*PASSED_ON, *variables(order)}
    passed = {name: text for name, text in os.environ.items() if name in wanted or name.startswith(PASSED_ON_PREFIXES)}
    return {
        **passed,
        **dict.fromkeys(THREAD_VARIABLES, str(threads)),
        "TOKENIZERS_PARALLELISM": "false",
        "OMP_DYNAMIC": "FALSE",
        "MKL_DYNAMIC": "FALSE",
        "OMP_WAIT_POLICY": "PASSIVE",
        "PYTHONHASHSEED": "0",
        "PYTHONUNBUFFERED": "1",
        "TRANSFORMERS_VERBOSITY": "error",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
    }
