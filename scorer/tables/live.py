"""Rows that are read while they arrive: once, in order, without knowing what follows.

A thread reads pieces ahead. They become windows that are sent on when they are full, or when their first row has waited
long enough, whichever comes first.
"""

from __future__ import annotations

import queue
import threading
import time
from abc import abstractmethod
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pyarrow as pa

from scorer.stores.fingerprints import Stamp
from scorer.tables.arrivals import Arriving
from scorer.tables.reader import OTHERS, Reader, head, nothing, regroup

# Pieces that are read ahead; each is what arrived at once, 64 KiB or a batch of Arrow.
_AHEAD: Final = 4
_JOIN_SECONDS: Final = 0.05


class LiveReader(Reader):
    """The rows of a stream that is `arriving`, of which nothing more is known than how it begins.

    Its names are known when it is made. `settle` says which columns are texts, and with that the schema; then the
    windows are read, once. `flush_seconds` is how long a row waits at most for its window to be full.
    """

    rows = None

    def __init__(self, arriving: Arriving) -> None:
        super().__init__((), ())
        self.arriving = arriving
        self.path = Path(arriving.arrivals.title)
        self.flush_seconds = 0.0

    @property
    def again(self) -> bool:
        return False

    @abstractmethod
    def settle(self, text_columns: tuple[str, ...]) -> None:
        """Take `text_columns` for the texts; UsageError or ConfigError where they cannot be."""

    @abstractmethod
    def pieces(self) -> Iterator[pa.Table]:
        """The rows as they arrive; what is wrong with one is raised behind those before it."""

    def pieces_of(self, stamp: Stamp) -> Iterator[pa.Table]:
        raise AssertionError(f"{stamp.path}: a stream has no files; this is a bug")

    def windows(
        self, *, max_rows: int, max_bytes: int, limit: int | None = None, check: Callable[[], None] = nothing
    ) -> Iterator[pa.Table]:
        arriving = self.checked(self.pieces(), self.path)
        with closing(_in_time(arriving, self._watched(check), self.flush_seconds)) as timed:
            pieces: Iterator[pa.Table | None] = timed if limit is None else head(timed, limit)
            yield from regroup(pieces, self.text_columns, max_rows=max_rows, max_bytes=max_bytes, others=OTHERS)

    def _watched(self, check: Callable[[], None]) -> threading.Event:
        """An event that ends the waiting for bytes, as `check` does by what it raises."""
        stopped = threading.Event()

        def both() -> None:
            check()
            if stopped.is_set():
                raise _Stopped

        self.arriving.arrivals.check = both
        return stopped


class _Stopped(Exception):
    """Nobody wants what would arrive; nobody gets to see this error."""


@dataclass(frozen=True)
class _Failure:
    error: BaseException


class _End:
    pass


def _in_time(pieces: Iterator[pa.Table], stopped: threading.Event, seconds: float) -> Generator[pa.Table | None]:
    """`pieces`, read in a thread of its own, and None when the first since the last None came `seconds` ago.

    An error comes behind a None, so that rows that came before it are out. Closing the generator ends the thread, which
    looks at `stopped`.
    """
    arrived: queue.Queue[pa.Table | _Failure | _End] = queue.Queue(_AHEAD)

    def produce() -> None:
        try:
            for piece in pieces:
                arrived.put(piece)
                if stopped.is_set():
                    return
            arrived.put(_End())
        except BaseException as error:  # noqa: BLE001  raised again by the consumer
            arrived.put(_Failure(error))

    thread = threading.Thread(target=produce, name="scorer-arrivals")
    thread.start()
    try:
        yield from _timed(arrived, seconds)
    finally:
        stopped.set()
        # Whoever waits to put finds room now, and sees that it is to stop before it puts anything more.
        while thread.is_alive():
            while not arrived.empty():
                arrived.get_nowait()
            thread.join(timeout=_JOIN_SECONDS)


def _timed(arrived: queue.Queue[pa.Table | _Failure | _End], seconds: float) -> Iterator[pa.Table | None]:
    deadline: float | None = None
    while True:
        try:
            item = arrived.get(timeout=None if deadline is None else max(deadline - time.monotonic(), 0.0))
        except queue.Empty:
            deadline = None
            yield None
            continue
        if isinstance(item, _End):
            return
        if isinstance(item, _Failure):
            yield None
            raise item.error
        if deadline is None:
            deadline = time.monotonic() + seconds
        yield item
