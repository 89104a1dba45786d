"""The score cache behind a thread of its own: whoever computes goes on while what was computed becomes durable.

Additions are stored in the order in which they came, and a caller can wait for them. Whether an addition is worth its
price, the caller decides.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from scorer.runs.score_store import Found, ScoreStore


class BackgroundStore:
    """`store`, used by nobody else until `close`: additions are made one after the other, look-ups between them.

    What an addition failed with, a StorageError, is raised by whichever call comes next, `close` excepted.
    """

    def __init__(self, store: ScoreStore) -> None:
        self._store = store
        self._thread = ThreadPoolExecutor(1, "scorer-keep")
        self._under_way: Future[None] | None = None

    def look_up(self, keys: Sequence[bytes]) -> Found:
        """As `ScoreStore.look_up`, when everything that was added is durable."""
        self.finish()
        return self._store.look_up(keys)

    def add(self, keys: Sequence[bytes], records: NDArray[np.uint8], origin: int) -> None:
        """Begin what `ScoreStore.add` does, when the addition before is done; `keys` and `records` must stay as they
        are."""
        self.finish()
        self._under_way = self._thread.submit(self._store.add, keys, records, origin)

    def is_idle(self) -> bool:
        """Whether no addition is under way."""
        if self._under_way is not None and self._under_way.done():
            self.finish()
        return self._under_way is None

    def finish(self) -> None:
        """Wait until everything that was added is durable."""
        under_way, self._under_way = self._under_way, None
        if under_way is not None:
            under_way.result()

    def close(self) -> None:
        """End the thread, when the addition under way is done."""
        self._thread.shutdown()
