"""An object to be called from another process, for the test of `processes`."""

from __future__ import annotations

import os


class Counter:
    """Counts up from `start`."""

    def __init__(self, start: int) -> None:
        if start < 0:
            raise ValueError("counts from 0")
        self.count = start

    def add(self, number: int) -> int:
        self.count += number
        return self.count

    def process(self) -> tuple[int, str]:
        return os.getpid(), os.environ["OMP_NUM_THREADS"]

    def die(self) -> None:
        os._exit(9)
