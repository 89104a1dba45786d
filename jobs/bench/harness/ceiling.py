"""How fast the machine multiplies matrices: the ceiling that a model made of matrix products cannot pass.

Owns the measurement, with torch's own matrix product (oneDNN on a CPU, cuBLAS on a GPU).
"""

from __future__ import annotations

import time
from collections.abc import Sequence

import torch

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
# Long enough for a product to be about nothing but multiplying, small enough for the caches of a core.
_CPU_SIZES = ((1024, 1024, 1024), (2048, 2048, 2048), (2048, 1536, 2048))
_CUDA_SIZES = ((8192, 8192, 8192), (16384, 4096, 4096))
# A processor without instructions for a precision may take minutes for one large product: a small one tells.
_TRIAL = (256, 256, 256)


class Ceiling:
    """Measures matrix products on `device` with `threads` threads."""

    def __init__(self, threads: int | None = None, device: str = "cpu") -> None:
        if threads is not None:
            torch.set_num_threads(threads)
        self._device = torch.device(device)

    def rates(self, precisions: Sequence[str], seconds: float = 0.5) -> dict[str, float]:
        """FLOP a second of each of `precisions`: the best of several sizes, each repeated for `seconds`.

        A precision in which one of the sizes would take longer than that has the rate of a small product.
        """
        return {name: self._best(DTYPES[name], seconds) for name in precisions}

    def _best(self, dtype: torch.dtype, seconds: float) -> float:
        sizes = _CUDA_SIZES if self._device.type == "cuda" else _CPU_SIZES
        trial = self._rate(dtype, _TRIAL, 0.0)
        if self._device.type == "cpu" and any(_work(size) > trial * seconds for size in sizes):
            return trial
        return max(self._rate(dtype, size, seconds) for size in sizes)

    @torch.inference_mode()
    def _rate(self, dtype: torch.dtype, size: tuple[int, int, int], seconds: float) -> float:
        rows, inner, columns = size
        left = torch.randn(rows, inner, device=self._device).to(dtype)
        right = torch.randn(inner, columns, device=self._device).to(dtype)
        best, work = 0.0, _work(size)
        end = time.perf_counter() + seconds
        while time.perf_counter() < end or not best:
            started = self._now()
            for _ in range(4):
                torch.matmul(left, right)
            best = max(best, work / (self._now() - started))
        return best

    def _now(self) -> float:
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
        return time.perf_counter()


def _work(size: tuple[int, int, int]) -> float:
    """The FLOP of the four products that are timed together."""
    rows, inner, columns = size
    return 4 * 2.0 * rows * inner * columns
