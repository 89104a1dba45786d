"""A score store behind threads of its own: whoever computes goes on while what was computed becomes durable, and while
segments are merged."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing

import numpy as np
from numpy.typing import NDArray

from scorer.runs.score_store import ScoreStore

# Additions that wait are memory; two of them keep the thread at work.
_MOST_UNDER_WAY = 2


class BackgroundStore:
    """`store` behind threads of its own, and used by nobody else until `close`.

    Additions are made one after the other. What one failed with, a StorageError, is raised by whoever waits for it, and
    by whichever call comes next, `close` excepted.
    """

    def __init__(self, store: ScoreStore) -> None:
        self._store = store
        self._adder = ThreadPoolExecutor(1, "scorer-keep")
        self._merger = ThreadPoolExecutor(1, "scorer-merge")
        self._stopped = threading.Event()
        self._under_way: deque[Future[None]] = deque()
        self._merging: Future[bool] | None = None
        self.begun = 0
        """How many additions were begun."""
        self.durable = 0
        """How many of them, from the first on, are durable."""

    def add(self, keys: Sequence[bytes], records: NDArray[np.uint8], origin: int) -> Future[None]:
        """Begin what `ScoreStore.add` does, behind the additions before; done when it is durable. `keys` and `records`
        must stay as they are until then. Waits while many additions are under way."""
        while self._under_way and (len(self._under_way) >= _MOST_UNDER_WAY or self._under_way[0].done()):
            self._under_way.popleft().result()
        self.begun += 1
        self._under_way.append(self._adder.submit(self._add, keys, records, origin))
        return self._under_way[-1]

    def finish(self) -> None:
        """Wait until everything that was added is durable."""
        while self._under_way:
            self._under_way.popleft().result()

    def settle(self) -> None:
        """Wait until everything that was added is durable, and what is due is merged."""
        self.finish()
        if self._merging is not None:
            self._merging.result()

    def close(self) -> None:
        """End the threads, when the additions under way are done. A merge is broken off."""
        self._stopped.set()
        self._adder.shutdown()
        self._merger.shutdown()

    def _add(self, keys: Sequence[bytes], records: NDArray[np.uint8], origin: int) -> None:
        room = True
        if self._merging is not None and (self._merging.done() or self._store.crowded):
            room = self._merging.result()
        self._store.add(keys, records, origin)
        self.durable += 1
        # Where there was no room for a merge, this run tries none again: it would write until the disk is full.
        if room and (self._merging is None or self._merging.done()):
            self._merging = self._merger.submit(self._merge)

    def _merge(self) -> bool:
        with closing(self._store.another()) as store:
            return store.tidy(self._stopped.is_set)
