"""Dictionaries of columns: they number the distinct values, with an index that may be too small for all of them."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import accumulate

import pyarrow as pa

from scorer.tables import compute as pc


def fitting_parts(table: pa.Table) -> Iterator[pa.Table]:
    """The rows of `table`, in order, in parts whose dictionaries, however deep they lie, have no more values than their
    index counts; there are as few parts as there can be.

    Chunks have dictionaries of their own, each of which fits; joined they may not.
    """
    columns = [column for column in table.columns if column.num_chunks > 1 and _is_small(column.type)]
    ends = {end for column in columns for end in accumulate(map(len, column.chunks))} | {table.num_rows}
    begin = done = 0
    joined: list[pa.Array] = []
    for end in sorted(ends - {0}):
        # Between two ends each of the columns is one chunk.
        arrays = [chunk for column in columns for chunk in column.slice(done, end - done).chunks if len(chunk)]
        dictionaries = [found for array in arrays for found in _dictionaries(array)]
        values = [found.dictionary for found in dictionaries]
        wider = [pc.unique(pa.concat_arrays(pair)) for pair in zip(joined, values, strict=True)] if joined else values
        if any(len(all_) > _most(found.type) for all_, found in zip(wider, dictionaries, strict=True)):
            yield table.slice(begin, done - begin)
            begin, wider = done, values
        joined, done = wider, end
    yield table.slice(begin)


def _is_small(kind: pa.DataType) -> bool:
    """Whether a dictionary in `kind` has an index of fewer bits than the number of a row may need."""
    if pa.types.is_dictionary(kind):
        return bool(kind.index_type.bit_width < 32)
    if isinstance(kind, pa.BaseExtensionType):
        return _is_small(kind.storage_type)
    return any(_is_small(kind.field(index).type) for index in range(kind.num_fields))


def _most(kind: pa.DictionaryType) -> int:
    """How many values the index of `kind` counts."""
    return int(2 ** (kind.index_type.bit_width - pa.types.is_signed_integer(kind.index_type)))


def _dictionaries(array: pa.Array) -> list[pa.DictionaryArray]:
    """The dictionaries in `array`, however deep, in order."""
    if isinstance(array, pa.ExtensionArray):
        return _dictionaries(array.storage)
    if pa.types.is_dictionary(array.type):
        return [array]
    if pa.types.is_map(array.type):
        return [*_dictionaries(array.keys), *_dictionaries(array.items)]
    if pa.types.is_nested(array.type):
        inner = array.flatten()
        return [found for child in (inner if isinstance(inner, list) else [inner]) for found in _dictionaries(child)]
    return []
