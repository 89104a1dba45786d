"""An object that is read by ranges, as a file: what a reader asks for is fetched in blocks, some of them ahead.

Every range is asked of the version that was there when the object was opened: one that changes while it is read is a
DataError, never a mixture. At most 20 blocks of 1 MiB are held, whatever the size of the object.
"""

from __future__ import annotations

import io
import os
from collections import OrderedDict
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from scorer.stores.objects import Bucket, ObjectInfo

if TYPE_CHECKING:
    from concurrent.futures import Future, ThreadPoolExecutor

_BLOCK_BYTES: Final = 1 << 20
_KEPT_BLOCKS: Final = 16
# Who reads on gets so many blocks with one request: twice as many each time, up to this.
_MOST_AT_ONCE: Final = 4
_THREADS: Final = 4


class RangedReader(io.RawIOBase):
    """The bytes of the object that `info` tells of. `read` gives fewer than asked for only at the end."""

    def __init__(self, bucket: Bucket, info: ObjectInfo) -> None:
        super().__init__()
        self._bucket = bucket
        self._info = info
        self._at = 0
        self._blocks: OrderedDict[int, bytes] = OrderedDict()
        # Where a sequence of reads will go on, and how many blocks were fetched for it the last time.
        self._runs: dict[int, int] = {}
        self._ahead: dict[int, Future[bytes]] = {}

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._info.size}[whence]
        self._at = max(start + offset, 0)
        return self._at

    def size(self) -> int:
        """Bytes of the object."""
        return self._info.size

    def read(self, size: int = -1) -> bytes:
        end = self._info.size if size is None or size < 0 else min(self._at + size, self._info.size)
        parts = []
        while self._at < end:
            number, inside = divmod(self._at, _BLOCK_BYTES)
            part = self._block(number)[inside : inside + end - self._at]
            parts.append(part)
            self._at += len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def readinto(self, buffer: object) -> int:
        view = memoryview(buffer).cast("B")  # type: ignore[arg-type]
        content = self.read(len(view))
        view[: len(content)] = content
        return len(content)

    def readall(self) -> bytes:
        return self.read()

    def close(self) -> None:
        for future in self._ahead.values():
            future.cancel()
        self._ahead.clear()
        self._blocks.clear()
        super().close()

    def _block(self, number: int) -> bytes:
        if number not in self._blocks:
            self._fetch(number)
        self._blocks.move_to_end(number)
        return self._blocks[number]

    def _fetch(self, number: int) -> None:
        """Bring the block, and those behind it where somebody reads on; what comes then is fetched meanwhile."""
        future = self._ahead.pop(number, None)
        count = self._runs.pop(number, 0)
        if future is not None:
            content = future.result()
        else:
            count = min(max(2 * count, 1), _MOST_AT_ONCE)
            content = self._read(number, count)
        for place in range(0, len(content), _BLOCK_BYTES):
            self._blocks[number + place // _BLOCK_BYTES] = content[place : place + _BLOCK_BYTES]
        following = number + count
        if following * _BLOCK_BYTES < self._info.size:
            self._runs[following] = count
            if count > 1:
                count = min(2 * count, _MOST_AT_ONCE)
                self._runs[following] = count
                self._ahead[following] = _pool(os.getpid()).submit(self._read, following, count)
        self._make_room()

    def _make_room(self) -> None:
        while len(self._blocks) > _KEPT_BLOCKS:
            self._blocks.popitem(last=False)
        while len(self._runs) > _KEPT_BLOCKS:
            oldest = next(iter(self._runs))
            del self._runs[oldest]
        # One sequence is read ahead for at a time, so that memory stays bounded.
        while len(self._ahead) > 1:
            self._ahead.pop(next(iter(self._ahead))).cancel()

    def _read(self, number: int, count: int) -> bytes:
        begin = number * _BLOCK_BYTES
        end = min(begin + count * _BLOCK_BYTES, self._info.size)
        return self._bucket.read(self._info, begin, end)


@lru_cache(maxsize=1)
def _pool(process: int) -> ThreadPoolExecutor:  # noqa: ARG001 - a fork has no threads
    """The threads that read ahead, for all objects of a process; Python joins them when it ends."""
    from concurrent.futures import ThreadPoolExecutor

    return ThreadPoolExecutor(_THREADS, thread_name_prefix="read ahead")
