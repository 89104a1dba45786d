"""A block of complete records of a delimited file, as Arrow columns of text.

Owns the way from field bounds to strings and nulls. Does not know files, headers or types.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from scorer.tables.fields import QUOTE, Bytes, Positions


@dataclass(frozen=True)
class Block:
    """Complete records of a file: field bounds (rows, columns) into `data`, quotes excluded."""

    data: Bytes
    starts: Positions
    ends: Positions
    quoted: NDArray[np.bool_]
    escaped: frozenset[int]

    @classmethod
    def of(cls, data: Bytes, starts: Positions, ends: Positions, *, escapes: Positions, width: int) -> Block:
        """Records of `width` fields each, whose bounds `starts` and `ends` (fields,) are in order and include quotes.

        `escapes` are the positions of doubled quotes; those that lie in no field do no harm.
        """
        quoted = np.zeros(len(starts), bool)
        full = starts < ends
        quoted[full] = data[starts[full]] == QUOTE
        columns = np.unique(np.searchsorted(ends, escapes) % width) if len(escapes) else np.empty(0, np.int64)
        shape = (-1, width)
        return cls(
            data=data,
            starts=(starts + quoted).reshape(shape),
            ends=(ends - quoted).reshape(shape),
            quoted=quoted.reshape(shape),
            escaped=frozenset(columns.tolist()),
        )

    @property
    def rows(self) -> int:
        return len(self.starts)

    def column(self, index: int) -> pa.Array:
        """Column `index` as strings (rows,), with doubled quotes undone.

        An unquoted empty field is null and a quoted one is empty text; in a one-column file, where an empty line is
        a record, both are empty text.
        """
        starts, ends = self.starts[:, index], self.ends[:, index]
        size = len(starts)
        offsets = np.empty(2 * size + 1, np.int32)
        offsets[0:-1:2] = starts
        offsets[1::2] = ends
        offsets[-1] = offsets[-2] if size else 0
        # The even slots of this array are the fields, the odd ones what lies between them.
        slots = pa.Array.from_buffers(pa.string(), 2 * size, [None, pa.py_buffer(offsets), pa.py_buffer(self.data)])
        missing = self.missing(index)
        fields = slots.take(pa.array(np.arange(0, 2 * size, 2), mask=missing if missing.any() else None))
        return pc.replace_substring(fields, '""', '"') if index in self.escaped else fields

    def missing(self, index: int) -> NDArray[np.bool_]:
        """Which fields of column `index` are null (rows,)."""
        if self.starts.shape[1] == 1:
            return np.zeros(self.rows, bool)
        empty: NDArray[np.bool_] = self.starts[:, index] == self.ends[:, index]
        return empty & ~self.quoted[:, index]
