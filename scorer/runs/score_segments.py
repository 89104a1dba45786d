"""Sorted files of kept scores, called segments: how one is written, looked into, and several are merged into one.

    header     64 bytes: what this is, how many rows it has room for and has, the width of a record
    buckets    (buckets + 1,): of the keys whose high half begins with the bucket's number, three bits for each, and the
               place of the first row
    rows       (capacity,): key in two halves, origin, record and checksum of each, sorted by the key

Keys are hashes: a bucket has a handful of rows, its filter tells nearly always that a key is not among them, and half a
key tells nearly always which it is. What a look-up costs in a large file is how many places of it are touched that no
cache of the processor holds: one for a key that is not there, two for one that is. So it depends on nothing but how
many keys it is of. The system takes the pages of a file back when memory is wanted. Keys that are no hashes would be
found as well, only more slowly.
"""

from __future__ import annotations

import functools
import itertools
import mmap
import os
import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

KEY_BYTES = 16
MAGIC = b"scorer scores 3\n"
_HEADER = struct.Struct("<16sQQII")
_HEADER_BYTES = 64
# What memory holds of a file at once: the filter of so many rows, so many rows with what lies around them, so many rows
# in a merge, and the whole of one with so few rows.
_FILTERED = 1 << 24
_LOOKED_INTO = 4_096
_MERGED = 1 << 15
_STAYS = 1 << 17
# Bytes of a file that are written at once and begin at a multiple of this: a huge page, which Linux keeps them in and
# maps as a whole. In a file written anyhow most of a look-up's time goes into mapping small pages.
_BLOCK = 1 << 21
_ROWS_A_BUCKET = 6
_FACTOR = np.uint64(0x9E3779B97F4A7C15)
_BUCKET = np.dtype([("bits", "<u8"), ("begin", "<i8")])

Halves = NDArray[np.uint64]
Rows = NDArray[np.void]
Places = NDArray[np.int64]


class DamagedSegment(Exception):
    """A file is no segment, or not what was written; the message says what is wrong with it."""


def row_dtype(width: int) -> np.dtype[np.void]:
    """A row: `record` has `width` bytes, `check` is over the whole row. With `nothing`, which is zeros, all numbers lie
    where a processor reads them at once."""
    key, rest = [("high", "<u8"), ("low", "<u8")], [("nothing", "u1", (-(width + 4) % 8,)), ("check", "<u4")]
    return np.dtype([*key, ("origin", "<i8"), ("record", "u1", (width,)), *rest])


@dataclass(frozen=True)
class Keys:
    """Keys (n,) in two halves, and the bits that the filter of a segment has for each."""

    high: Halves
    low: Halves
    bits: NDArray[np.uint64]

    @classmethod
    def of(cls, keys: Sequence[bytes]) -> tuple[Keys, Places]:
        """The `keys`, sorted by their high halves, and the place in `keys` that each had."""
        both = halves(keys)
        order = np.argsort(both[:, 0])
        high, low = both[order, 0], both[order, 1]
        return cls(high, low, _bits(low)), order

    def __len__(self) -> int:
        return len(self.high)

    def __getitem__(self, chosen: Places) -> Keys:
        return Keys(self.high[chosen], self.low[chosen], self.bits[chosen])


def halves(keys: Sequence[bytes]) -> Halves:
    """The keys (n, 2), each as two numbers."""
    return np.frombuffer(b"".join(keys), "<u8").reshape(-1, 2)


def sorted_rows(keys: Sequence[bytes], records: NDArray[np.uint8], origin: int) -> Rows:
    """The rows (n,) of a segment that has `records` (n, width) under `keys`; of a key twice, the first."""
    both = halves(keys)
    order = _order(both[:, 0], both[:, 1])
    rows = np.zeros(len(order), row_dtype(records.shape[1]))
    rows["high"], rows["low"] = both[order].T
    rows["origin"], rows["record"] = origin, records[order]
    rows["check"] = _checks(rows)
    return _without_repeats(rows)


class Segment:
    """The segment in the open file `handle`, which is closed; DamagedSegment where it is none."""

    def __init__(self, handle: int) -> None:
        try:
            size = os.fstat(handle).st_size
            if size < _HEADER_BYTES:
                raise DamagedSegment("a file of it is too short")
            self._map = mmap.mmap(handle, 0, access=mmap.ACCESS_READ)
        finally:
            os.close(handle)
        header = self._map[:_HEADER_BYTES]
        magic, capacity, self.size, self.width, check = _HEADER.unpack_from(header)
        if magic != MAGIC or check != zlib.crc32(header[: _HEADER.size - 4]):
            raise DamagedSegment("a file of it is no segment, or of another version")
        layout = _Layout.of(capacity, self.width)
        if self.size > capacity or size < layout.rows + self.size * layout.dtype.itemsize:
            raise DamagedSegment("a file of it is too short")
        self._shift = layout.shift
        buckets = np.frombuffer(self._map, _BUCKET, layout.buckets + 1, _HEADER_BYTES)
        self._filter: Halves = buckets["bits"]
        self._begins: Places = buckets["begin"]
        self._rows: Rows = np.frombuffer(self._map, layout.dtype, self.size, layout.rows)
        self._high: Halves = self._rows["high"]
        self._low: Halves = self._rows["low"]
        if self._begins[0] != 0 or self._begins[-1] != self.size:
            raise DamagedSegment("a file of it is not what was written")

    def find(self, keys: Keys) -> Iterator[tuple[Places, Rows]]:
        """The rows of some of the `keys` at a time, which are sorted by their high halves: which of them have one, and
        these rows."""
        step = max(len(keys) * _FILTERED // self.size, 1)
        for first in range(0, len(keys), step):
            piece = slice(first, first + step)
            buckets, bits = (keys.high[piece] >> self._shift).view(np.int64), keys.bits[piece]
            maybe = np.flatnonzero(self._filter[buckets] & bits == bits)
            for start in range(0, len(maybe), _LOOKED_INTO):
                some = maybe[start : start + _LOOKED_INTO]
                asked = keys[first + some]
                rows = self._rows_at(self._first(asked, self._begin(buckets[some]), self._begin(buckets[some] + 1)))
                known = np.flatnonzero((rows["high"] == asked.high) & (rows["low"] == asked.low))
                # np.take is several times as fast here as an index.
                yield first + some[known], _checked(rows.take(known))
                self.let_go()
        self.let_go()

    def _begin(self, buckets: Places) -> Places:
        """The place of the first row of each of the `buckets` (n,)."""
        # A number that was damaged must not lead out of the file; it only leads astray.
        return np.clip(self._begins[buckets], 0, self.size)

    def _rows_at(self, places: Places) -> Rows:
        rows: Rows = self._rows.take(np.minimum(places, self.size - 1))
        return rows

    def _first(self, keys: Keys, begin: Places, end: Places) -> Places:
        """The first places between `begin` and `end` (n,) whose rows are not less than the `keys` (n,)."""
        while (begin < end).any():
            middle = np.minimum((begin + end) >> 1, self.size - 1)
            high, low = self._high[middle], self._low[middle]
            after = ((high < keys.high) | ((high == keys.high) & (low < keys.low))) & (begin < end)
            begin, end = np.where(after, middle + 1, begin), np.where(after, end, np.minimum(middle, end))
        return begin

    def slice(self, begin: int, end: int) -> Rows:
        """The rows whose high halves are from `begin` up to before `end`, a view of the file."""
        borders = np.array([begin, end % (1 << 64)], np.uint64)
        keys = Keys(borders, np.zeros_like(borders), np.zeros_like(borders))
        buckets = (borders >> self._shift).view(np.int64)
        first, last = self._first(keys, self._begin(buckets), self._begin(buckets + 1)).tolist()
        return self._rows[first : last if end < 1 << 64 else self.size]

    def let_go(self) -> None:
        """Have no page of the file in this process's memory, unless it is a small one."""
        if self.size > _STAYS:
            self._map.madvise(mmap.MADV_DONTNEED)

    def close(self) -> None:
        """Unmap the file, as soon as nobody has a view of it."""
        del self._filter, self._begins, self._high, self._low, self._rows, self._map


def segment_bytes(capacity: int, width: int) -> int:
    """How large the file of a segment with so many rows is, whose records have `width` bytes."""
    layout = _Layout.of(capacity, width)
    return layout.rows + capacity * layout.dtype.itemsize


class SegmentWriter:
    """A segment of at most `capacity` rows, whose records have `width` bytes, in the open file `handle`. Its rows come
    in equal `shares` of the numbers that there are, 1 or another power of two, in order."""

    def __init__(self, handle: int, *, capacity: int, width: int, shares: int = 1) -> None:
        self._handle = handle
        self._capacity = capacity
        self._width = width
        self._layout = _Layout.of(capacity, width)
        self._columns = _Column(handle, _HEADER_BYTES), _Column(handle, self._layout.rows)
        self._buckets = self._layout.buckets // shares
        self._share = 0
        self._size = 0

    def append(self, rows: Rows) -> None:
        """Add the rows (n,) of the next share, sorted."""
        buckets = (rows["high"] >> self._layout.shift).astype(np.int64) - self._share * self._buckets
        counts = np.bincount(buckets, minlength=self._buckets)
        filled = np.flatnonzero(counts)
        found = np.zeros(self._buckets, _BUCKET)
        begins = np.cumsum(counts) - counts
        if len(filled):
            found["bits"][filled] = np.bitwise_or.reduceat(_bits(rows["low"]), begins[filled])
        found["begin"] = begins + self._size
        for column, values in zip(self._columns, (found, rows), strict=True):
            column.append(values)
        self._share += 1
        self._size += len(rows)

    def finish(self) -> None:
        """Bring it to the disk."""
        fields = (MAGIC, self._capacity, self._size, self._width)
        check = zlib.crc32(_HEADER.pack(*fields, 0)[:-4])
        self._columns[0].append(np.array([(0, self._size)], _BUCKET))
        for column in self._columns:
            column.finish()
        _write(self._handle, _HEADER.pack(*fields, check).ljust(_HEADER_BYTES, b"\0"), 0)
        os.fsync(self._handle)


class _Column:
    """A column of the file `handle`, from the `place` of its first byte; its whole blocks are written when full."""

    def __init__(self, handle: int, place: int) -> None:
        self._handle = handle
        self._place = place
        self._waiting = bytearray()

    def append(self, values: NDArray[np.generic]) -> None:
        left = np.ascontiguousarray(values).view(np.uint8).data
        while left:
            room = _BLOCK - (self._place + len(self._waiting)) % _BLOCK
            piece, left = left[:room], left[room:]
            if self._waiting or len(piece) < room:
                self._waiting += piece
                if len(piece) == room:
                    self.finish()
            else:
                self._write(piece)

    def finish(self) -> None:
        self._write(self._waiting)
        self._waiting = bytearray()

    def _write(self, content: bytearray | memoryview) -> None:
        _write(self._handle, content, self._place)
        self._place += len(content)


def _write(handle: int, content: bytes | bytearray | memoryview, place: int) -> None:
    left = memoryview(content)
    while left:
        written = os.pwrite(handle, left, place)
        left, place = left[written:], place + written


def shares(segments: Sequence[Segment]) -> int:
    """How many shares to merge the `segments` in: a power of two."""
    count: int = sum(segment.size for segment in segments) // _MERGED
    return 1 << count.bit_length()


def merged(segments: Sequence[Segment], *, origin: int | None = None) -> Iterator[Rows]:
    """The rows of the `segments`, sorted, share by share; of a key in several of them, the row of the first. With an
    `origin` all rows get that."""
    borders = [share * (1 << 64) // count for count in (shares(segments),) for share in range(count + 1)]
    for begin, end in itertools.pairwise(borders):
        rows = np.concatenate([segment.slice(begin, end) for segment in segments])
        # Sorted pieces one after the other, which a stable sort merges; the earlier segment's row stays before.
        rows = rows.take(_order(rows["high"], rows["low"]))
        if len(rows) and not begin <= int(rows["high"][0]) <= int(rows["high"][-1]) < end:
            raise DamagedSegment("a file of it is not what was written")
        rows = _without_repeats(rows)
        if origin is not None:
            rows = _checked(rows)
            rows["origin"] = origin
            rows["check"] = _checks(rows)
        yield rows
        for segment in segments:
            segment.let_go()


@dataclass(frozen=True)
class _Layout:
    """How many buckets a segment has, by how much a high half is shifted to give the number of its bucket, where the
    rows begin and what they are."""

    buckets: int
    shift: np.uint64
    rows: int
    dtype: np.dtype[np.void]

    @classmethod
    def of(cls, capacity: int, width: int) -> _Layout:
        # At least as many as there are shares in a merge.
        power = max((capacity // _ROWS_A_BUCKET).bit_length(), 1)
        rows = _HEADER_BYTES + ((1 << power) + 4) * _BUCKET.itemsize
        return cls(1 << power, np.uint64(64 - power), rows, row_dtype(width))


def _bits(low: Halves) -> NDArray[np.uint64]:
    """Three bits, or fewer, for each second half of a key."""
    one, most = np.uint64(1), np.uint64(63)
    bits: Halves = one << (low & most) | one << (low >> np.uint64(6) & most) | one << (low >> np.uint64(12) & most)
    return bits


def _order(high: Halves, low: Halves) -> Places:
    """The places (n,) of the keys when they are sorted; equal ones stay in their order."""
    high = np.ascontiguousarray(high)
    order = np.argsort(high, kind="stable")
    return np.lexsort((low, high)) if (np.diff(high[order]) == 0).any() else order


def _without_repeats(rows: Rows) -> Rows:
    """The sorted rows whose keys the row before does not have."""
    high, low = rows["high"], rows["low"]
    other = (high[1:] != high[:-1]) | (low[1:] != low[:-1])
    return rows if other.all() else rows.take(np.flatnonzero(np.concatenate([[True], other])))


def _checked(rows: Rows) -> Rows:
    """The rows; DamagedSegment where one is not what was written."""
    if not np.array_equal(_checks(rows), rows["check"]):
        raise DamagedSegment("a row of it is not what was written")
    return rows


def _checks(rows: Rows) -> NDArray[np.uint32]:
    """The checksums (n,) of rows: 32 bits of a sum of all their words, each multiplied by an odd number of its own."""
    words = np.ascontiguousarray(rows).view("<u8").reshape(len(rows), rows.itemsize // 8)
    factors = _factors(words.shape[1])
    # A row of zeros, which is what a disk may leave, has another one. The checksum itself is half of the last word.
    last = words[:, -1] & np.uint64(0xFFFFFFFF)
    total = _FACTOR + words[:, :-1] @ factors[:-1] + last * factors[-1]
    checks: NDArray[np.uint32] = (total >> np.uint64(32)).astype(np.uint32)
    return checks


@functools.cache
def _factors(count: int) -> NDArray[np.uint64]:
    return np.array([pow(int(_FACTOR), power + 1, 1 << 64) for power in range(count)], np.uint64)
