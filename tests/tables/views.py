"""Columns as polars has them in Arrow files: categories are dictionaries of views."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa


def categories(values: Sequence[str | None]) -> pa.DictionaryArray:
    """A column of `values`."""
    encoded = pa.array(values, pa.string()).dictionary_encode()
    names = encoded.dictionary.cast(pa.string_view())
    return pa.DictionaryArray.from_arrays(encoded.indices.cast(pa.uint32()), names)


def lists_of_categories(rows: Sequence[Sequence[str | None]]) -> pa.ListArray:
    """A column of lists of values."""
    ends = [0]
    for row in rows:
        ends.append(ends[-1] + len(row))
    return pa.ListArray.from_arrays(pa.array(ends, pa.int32()), categories([value for row in rows for value in row]))
