"""Sorted files of kept scores, called segments: how one is written, looked into, and several are merged into one.

    header     64 bytes: what this is, how many rows it has room for and has, the width of a record
    high       the first half of each row's key, (capacity,) uint64, sorted
    filter     (buckets,) uint64: three bits for each key whose high half begins with the bucket's number
    begins     (buckets + 1,) uint64: the place of a bucket's first row
    rows       the second half of the key, origin, record and checksum of each, sorted with it

Keys are hashes: a bucket has a handful of rows, its filter tells nearly always that a key is not among them, and half a
key tells nearly always which it is. So what a look-up costs depends on nothing but how many keys it is of, and memory
holds a slice of a file, whatever its size. Keys that are no hashes would be found as well, only more slowly.
"""

from __future__ import annotations

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
_MAGIC = b"scorer scores 1\n"
_HEADER = struct.Struct("<16sQQII")
_HEADER_BYTES = 64
# What memory holds of a file at once: the filter of so many rows, so many rows with what lies around them, so many rows
# in a merge, and the whole of one with so few rows.
_FILTERED = 1 << 24
_LOOKED_INTO = 4_096
_MERGED = 1 << 18
_STAYS = 1 << 17
_ROWS_A_BUCKET = 6
_FACTOR = 0x9E3779B97F4A7C15

Halves = NDArray[np.uint64]
Rows = NDArray[np.void]
Places = NDArray[np.int64]


class DamagedSegment(Exception):
    """A file is no segment, or not what was written; the message says what is wrong with it."""


def row_dtype(width: int) -> np.dtype[np.void]:
    """A row, but for the first half of its key: `record` has `width` bytes, `check` is over the whole row."""
    return np.dtype([("low", "<u8"), ("origin", "<i8"), ("record", "u1", (width,)), ("check", "<u4")])


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


def sorted_rows(keys: Sequence[bytes], records: NDArray[np.uint8], origin: int) -> tuple[Halves, Rows]:
    """The rows (n,) of a segment that has `records` (n, width) under `keys`; of a key twice, the first."""
    both = halves(keys)
    order = np.lexsort((both[:, 1], both[:, 0]))
    rows = np.empty(len(order), row_dtype(records.shape[1]))
    high = both[order, 0]
    rows["low"], rows["origin"], rows["record"] = both[order, 1], origin, records[order]
    rows["check"] = _checks(high, rows)
    first = _firsts(high, rows)
    return high[first], rows[first]


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
        if magic != _MAGIC or check != zlib.crc32(header[: _HEADER.size - 4]):
            raise DamagedSegment("a file of it is no segment, or of another version")
        layout = _Layout.of(capacity, self.width)
        if self.size > capacity or size < layout.rows + self.size * layout.dtype.itemsize:
            raise DamagedSegment("a file of it is too short")
        self._shift = layout.shift
        self._high: Halves = np.frombuffer(self._map, "<u8", self.size, layout.high)
        self._filter: NDArray[np.uint64] = np.frombuffer(self._map, "<u8", layout.buckets, layout.filter)
        self._begins: Places = np.frombuffer(self._map, "<i8", layout.buckets + 1, layout.begins)
        self._rows: Rows = np.frombuffer(self._map, layout.dtype, self.size, layout.rows)
        if self._begins[-1] != self.size:
            raise DamagedSegment("a file of it is not what was written")

    def find(self, keys: Keys) -> Iterator[tuple[Places, Rows]]:
        """The rows of some of the `keys` at a time, which are sorted by their high halves: which of them have one, and
        these rows."""
        step = max(len(keys) * _FILTERED // self.size, 1)
        for first in range(0, len(keys), step):
            piece = slice(first, first + step)
            buckets, bits = (keys.high[piece] >> self._shift).view(np.int64), keys.bits[piece]
            maybe = np.flatnonzero(self._filter.take(buckets) & bits == bits)
            for start in range(0, len(maybe), _LOOKED_INTO):
                some = maybe[start : start + _LOOKED_INTO]
                asked = first + some
                found, rows = self._rows_of(keys.high[asked], keys.low[asked], buckets[some])
                yield asked[found], rows
                self.let_go()
        self.let_go()

    def _rows_of(self, high: Halves, low: Halves, buckets: Places) -> tuple[NDArray[np.bool_], Rows]:
        """Which of the keys (n,) in the `buckets` have a row, (n,) bool, and these rows."""
        # A number that was damaged must not lead out of the file; it only leads astray.
        begin, end = (np.clip(self._begins.take(bucket), 0, self.size) for bucket in (buckets, buckets + 1))
        places = self._first(high, begin, end)
        places = self._among_equals(places, high, low)
        rows = self._rows.take(places)
        same = (rows["low"] == low) & (self._high.take(places) == high)
        rows = rows[same]
        _check(high[same], rows)
        return same, rows

    def _first(self, high: Halves, begin: Places, end: Places) -> Places:
        """Where the first row with each `high` (n,) is, if there is one between the places `begin` and `end`."""
        while (begin < end).any():
            middle = np.minimum((begin + end) >> 1, self.size - 1)
            less = (self._high.take(middle) < high) & (begin < end)
            begin, end = np.where(less, middle + 1, begin), np.where(less, end, np.minimum(middle, end))
        found: Places = np.minimum(begin, self.size - 1)
        return found

    def _among_equals(self, places: Places, high: Halves, low: Halves) -> Places:
        """`places` of the first rows with each `high`, moved on to the first whose second half is at least `low`."""
        after = np.minimum(places + 1, self.size - 1)
        several = np.flatnonzero((after > places) & (self._high[after] == high) & (self._high[places] == high))
        if not len(several):
            return places
        begin, end = places[several], np.searchsorted(self._high, high[several], "right")
        while (begin < end).any():
            middle = np.minimum((begin + end) >> 1, self.size - 1)
            less = (self._rows["low"][middle] < low[several]) & (begin < end)
            begin, end = np.where(less, middle + 1, begin), np.where(less, end, np.minimum(middle, end))
        places[several] = np.minimum(begin, self.size - 1)
        return places

    def slice(self, begin: int, end: int) -> tuple[Halves, Rows]:
        """The rows whose high halves are from `begin` up to before `end`, views of the file."""
        last = np.searchsorted(self._high, np.uint64(end)) if end < 1 << 64 else self.size
        chosen = slice(int(np.searchsorted(self._high, np.uint64(begin))), int(last))
        return self._high[chosen], self._rows[chosen]

    def let_go(self) -> None:
        """Have no page of the file in this process's memory, unless it is a small one."""
        if self.size > _STAYS:
            self._map.madvise(mmap.MADV_DONTNEED)

    def close(self) -> None:
        """Unmap the file, as soon as nobody has a view of it."""
        del self._high, self._filter, self._begins, self._rows, self._map


class SegmentWriter:
    """A segment of at most `capacity` rows, whose records have `width` bytes, in the open file `handle`. Its rows come
    in equal `shares` of the numbers that there are, 1 or another power of two, in order."""

    def __init__(self, handle: int, *, capacity: int, width: int, shares: int = 1) -> None:
        self._handle = handle
        self._capacity = capacity
        self._width = width
        self._layout = _Layout.of(capacity, width)
        self._buckets = self._layout.buckets // shares
        self._share = 0
        self._size = 0

    def append(self, high: Halves, rows: Rows) -> None:
        """Add the rows (n,) of the next share, sorted."""
        layout, first = self._layout, self._share * self._buckets
        counts = np.bincount((high >> layout.shift).astype(np.int64) - first, minlength=self._buckets)
        begins = np.cumsum(counts) - counts
        filled = np.flatnonzero(counts)
        bits = np.zeros(self._buckets, np.uint64)
        if len(filled):
            bits[filled] = np.bitwise_or.reduceat(_bits(rows["low"]), begins[filled])
        self._write(high, layout.high + 8 * self._size)
        self._write(bits, layout.filter + 8 * first)
        self._write(begins + self._size, layout.begins + 8 * first)
        self._write(rows, layout.rows + layout.dtype.itemsize * self._size)
        self._share += 1
        self._size += len(rows)

    def finish(self) -> None:
        """Bring it to the disk."""
        self._write(np.array([self._size]), self._layout.begins + 8 * self._layout.buckets)
        fields = (_MAGIC, self._capacity, self._size, self._width)
        check = zlib.crc32(_HEADER.pack(*fields, 0)[:-4])
        self._write(np.frombuffer(_HEADER.pack(*fields, check).ljust(_HEADER_BYTES, b"\0"), np.uint8), 0)
        os.fsync(self._handle)

    def _write(self, values: NDArray[np.generic], place: int) -> None:
        left = memoryview(values.tobytes())
        while left:
            written = os.pwrite(self._handle, left, place)
            left, place = left[written:], place + written


def shares(segments: Sequence[Segment]) -> int:
    """How many shares to merge the `segments` in: a power of two."""
    count: int = sum(segment.size for segment in segments) // _MERGED
    return 1 << count.bit_length()


def merged(segments: Sequence[Segment], *, origin: int | None = None) -> Iterator[tuple[Halves, Rows]]:
    """The rows of the `segments`, sorted, share by share; of a key in several of them, the row of the first. With an
    `origin` all rows get that."""
    borders = [share * (1 << 64) // count for count in (shares(segments),) for share in range(count + 1)]
    for begin, end in itertools.pairwise(borders):
        pieces = [segment.slice(begin, end) for segment in segments]
        high, rows = np.concatenate([one[0] for one in pieces]), np.concatenate([one[1] for one in pieces])
        del pieces
        # Sorted pieces one after the other, which a stable sort merges; the earlier segment's row stays before.
        order = np.argsort(high, kind="stable")
        if (np.diff(high[order]) == 0).any():
            order = np.lexsort((rows["low"], high))
        high, rows = high.take(order), rows.take(order)
        if len(high) and not begin <= int(high[0]) <= int(high[-1]) < end:
            raise DamagedSegment("a file of it is not what was written")
        first = _firsts(high, rows)
        if not first.all():
            high, rows = high[first], rows[first]
        if origin is not None:
            _check(high, rows)
            rows["origin"] = origin
            rows["check"] = _checks(high, rows)
        yield high, rows
        for segment in segments:
            segment.let_go()


@dataclass(frozen=True)
class _Layout:
    """Where the columns of a segment begin, how many buckets it has, and by how much a high half is shifted to give the
    number of its bucket."""

    buckets: int
    shift: np.uint64
    high: int
    filter: int
    begins: int
    rows: int
    dtype: np.dtype[np.void]

    @classmethod
    def of(cls, capacity: int, width: int) -> _Layout:
        # At least as many as there are shares in a merge.
        power = max((capacity // _ROWS_A_BUCKET).bit_length(), 1)
        high = _HEADER_BYTES
        filter_ = high + 8 * capacity
        begins = filter_ + (8 << power)
        rows = begins + (8 << power) + 8
        return cls(1 << power, np.uint64(64 - power), high, filter_, begins, rows, row_dtype(width))


def _bits(low: Halves) -> NDArray[np.uint64]:
    """Three bits, or fewer, for each second half of a key."""
    one, most = np.uint64(1), np.uint64(63)
    bits: Halves = one << (low & most) | one << (low >> np.uint64(6) & most) | one << (low >> np.uint64(12) & most)
    return bits


def _firsts(high: Halves, rows: Rows) -> NDArray[np.bool_]:
    """Which of the sorted rows (n,) have another key than the row before, (n,) bool."""
    first = np.ones(len(high), np.bool_)
    first[1:] = (high[1:] != high[:-1]) | (rows["low"][1:] != rows["low"][:-1])
    return first


def _check(high: Halves, rows: Rows) -> None:
    if not np.array_equal(_checks(high, rows), rows["check"]):
        raise DamagedSegment("a row of it is not what was written")


def _checks(high: Halves, rows: Rows) -> NDArray[np.uint32]:
    """The checksums (n,) of rows: 32 bits of a sum of all their words, each multiplied by an odd number of its own."""
    record = rows["record"]
    words = -(-record.shape[1] // 4)
    padded = np.zeros((len(rows), 4 * words), np.uint8)
    padded[:, : record.shape[1]] = record
    columns = [high, rows["low"], rows["origin"].view(np.uint64), *padded.view("<u4").T]
    total, factor = np.zeros(len(rows), np.uint64), _FACTOR
    for column in columns:
        total += column.astype(np.uint64) * np.uint64(factor)
        factor = factor * _FACTOR % (1 << 64)
    return (total >> np.uint64(32)).astype(np.uint32)
