"""What a fresh process has, brought back in one that has done a task, so that the next one finds no trace of it."""

from __future__ import annotations

import gc
import os
import random
import sys
from pathlib import Path


class FreshState:
    """The environment and the working folder of this process as they are when this object is made."""

    def __init__(self) -> None:
        self.environment, self.folder = dict(os.environ), Path.cwd()

    def restore(self) -> None:
        """Bring them back, and set threads and seeds of the libraries that are loaded as a fresh process has them.

        Threads come from ``OMP_NUM_THREADS``. Seeds that a fresh process takes from the system come from it again.
        """
        if dict(os.environ) != self.environment:
            os.environ.clear()
            os.environ.update(self.environment)
        os.chdir(self.folder)
        gc.enable()
        gc.unfreeze()
        gc.collect()
        random.seed()
        threads = int(self.environment.get("OMP_NUM_THREADS", "1"))
        if "numpy" in sys.modules:
            import numpy as np

            np.random.seed()  # noqa: NPY002 - the generator that libraries share
        if "numba" in sys.modules:
            import numba

            numba.set_num_threads(min(threads, numba.config.NUMBA_NUM_THREADS))
        if "faiss" in sys.modules:
            import faiss

            faiss.omp_set_num_threads(threads)
        if "torch" in sys.modules:
            _restore_torch(threads)


def _restore_torch(threads: int) -> None:
    import torch

    torch.set_num_threads(threads)
    torch.seed()
    torch.set_default_dtype(torch.float32)
    torch.set_grad_enabled(True)
    torch.use_deterministic_algorithms(False)
    torch.set_float32_matmul_precision("highest")
