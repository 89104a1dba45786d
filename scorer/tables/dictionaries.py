"""Dictionaries in columns, however deep they lie: made fit to be written, and joined where a file keeps but one.

A dictionary may hold a null among its values, which other programs allow and Arrow's own writers do not. An index has
so many bits, and counts no more values than these allow.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import accumulate
from typing import Final

import pyarrow as pa

from scorer.errors import DataError, shown
from scorer.tables import compute as pc

# An index of so many bits counts more values than a table has rows.
_WIDE: Final = 32
OF_VIEWS: Final = {pa.string_view(): pa.string(), pa.binary_view(): pa.binary()}
"""The types that hold what a view does, in which Arrow can do more."""


def has_dictionary(kind: pa.DataType) -> bool:
    """Whether there is a dictionary in `kind`, however deep."""
    kind = plain(kind)
    return pa.types.is_dictionary(kind) or any(has_dictionary(field.type) for field in fields_of(kind))


def plain(kind: pa.DataType) -> pa.DataType:
    """`kind`, or of an extension the type that stores it."""
    return plain(kind.storage_type) if isinstance(kind, pa.BaseExtensionType) else kind


def decoded(array: pa.DictionaryArray) -> pa.Array:
    """The values of `array`, one a row; views as plain text or bytes, as Arrow does not take from views."""
    values = array.dictionary
    if (kind := OF_VIEWS.get(values.type)) is not None:
        array = pa.DictionaryArray.from_arrays(array.indices, pc.cast(values, kind))
    return array.dictionary_decode()


def with_plain_values(kind: pa.DataType) -> pa.DataType:
    """`kind` with plain texts and bytes in its dictionaries, however deep, where these are of views. Arrow casts from
    the one to the other, and from dictionaries of views to nothing else."""
    if isinstance(kind, pa.BaseExtensionType) or not has_dictionary(kind):
        return kind
    if pa.types.is_dictionary(kind):
        return pa.dictionary(kind.index_type, OF_VIEWS.get(kind.value_type, kind.value_type), kind.ordered)
    fields = [kind.field(index) for index in range(kind.num_fields)]
    plain_fields = [field.with_type(with_plain_values(field.type)) for field in fields]
    if pa.types.is_struct(kind):
        return pa.struct(plain_fields)
    if pa.types.is_map(kind):
        items = [field.with_type(with_plain_values(field.type)) for field in (kind.key_field, kind.item_field)]
        return pa.map_(*items, keys_sorted=kind.keys_sorted)
    if pa.types.is_list(kind):
        return pa.list_(*plain_fields)
    if pa.types.is_large_list(kind):
        return pa.large_list(*plain_fields)
    return pa.list_(*plain_fields, kind.list_size) if pa.types.is_fixed_size_list(kind) else kind


def castable(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """The values of `column` in a type from which Arrow casts, see `with_plain_values`."""
    kind = with_plain_values(column.type)
    return column if kind == column.type else column.cast(kind)


def fields_of(kind: pa.DataType) -> list[pa.Field]:
    """What `kind` is made of: its fields, the values of a dictionary, the fields of an extension's storage."""
    kind = plain(kind)
    if pa.types.is_dictionary(kind):
        return [pa.field("", kind.value_type)]
    return [kind.field(index) for index in range(kind.num_fields)]


def without_null_values(array: pa.Array) -> pa.Array:
    """`array`, which is no slice, with the same values in the same type; where the index told a null of a dictionary,
    the index itself is null."""
    return _with_dictionaries(array, _drop_null_values)


def _drop_null_values(array: pa.DictionaryArray) -> pa.DictionaryArray:
    indices, values = array.indices, without_null_values(array.dictionary)
    present = values.is_valid()
    if values.null_count:
        places = pc.subtract(pc.cumulative_sum(pc.cast(present, pa.int64())), 1)
        places = pc.if_else(present, places, pa.scalar(None, pa.int64()))
        indices = pc.cast(places.take(indices), array.type.index_type)
        values = values.filter(present)
    return pa.DictionaryArray.from_arrays(indices, values, ordered=array.type.ordered)


def _with_dictionaries(array: pa.Array, change: Callable[[pa.DictionaryArray], pa.DictionaryArray]) -> pa.Array:
    """`array`, which is no slice, with `change` made to each dictionary in it, in order."""
    kind = array.type
    if not has_dictionary(kind):
        return array
    if isinstance(array, pa.ExtensionArray):
        return pa.ExtensionArray.from_storage(kind, _with_dictionaries(array.storage, change))
    if pa.types.is_dictionary(kind):
        return change(array)
    children = [_with_dictionaries(child, change) for child in _children(array)]
    return pa.Array.from_buffers(kind, len(array), array.buffers()[: kind.num_buffers], children=children)


def _children(array: pa.Array) -> list[pa.Array]:
    """The arrays that a nested array, which is no slice, is made of."""
    kind = array.type
    if pa.types.is_struct(kind) or pa.types.is_union(kind):
        return [array.field(index) for index in range(kind.num_fields)]
    return [array.run_ends, array.values] if pa.types.is_run_end_encoded(kind) else [array.values]


def may_not_join(kind: pa.DataType) -> bool:
    """Whether there is a dictionary in `kind` that may have more values in all than its index counts, or values that
    pyarrow cannot join."""
    if pa.types.is_dictionary(kind) and (kind.index_type.bit_width < _WIDE or not _is_simple(kind.value_type)):
        return True
    return any(may_not_join(field.type) for field in fields_of(kind))


def _is_simple(kind: pa.DataType) -> bool:
    tests = (pa.types.is_string, pa.types.is_large_string, pa.types.is_binary, pa.types.is_large_binary)
    return pa.types.is_primitive(kind) or any(test(kind) for test in tests)


class JoinedDictionaries:
    """The dictionaries of a file that keeps one a column and lets it grow at its end: each table's are joined to those
    of the tables before it."""

    def __init__(self, schema: pa.Schema) -> None:
        self._places = [place for place, kind in enumerate(schema.types) if has_dictionary(kind)]
        self._seen: dict[int, pa.ChunkedArray] = {}

    def join(self, table: pa.Table) -> pa.Table:
        """The same values with the joined dictionaries. DataError names a column whose dictionary cannot grow."""
        for place in self._places if table.num_rows else ():
            field, column = table.field(place), table.column(place)
            seen = self._seen.get(place)
            whole = pa.chunked_array([*(seen.chunks if seen is not None else ()), *column.chunks], column.type)
            try:
                joined = whole.unify_dictionaries()
            except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
                if not _alike(whole.chunks):
                    raise DataError(
                        f"column {shown(field.name)}: its dictionaries cannot be joined to one {_told(field.type)}, as "
                        "an Arrow file needs it; name an output of Parquet or text, or write the column without them"
                    ) from error
                joined = whole
            column = joined.slice(len(seen) if seen is not None else 0)
            self._seen[place] = column.slice(0, 1)
            table = table.set_column(place, field, column)
        return table


def _alike(chunks: list[pa.Array]) -> bool:
    """Whether all of `chunks` have the same dictionaries, which need no joining then."""
    dictionaries = [[found.dictionary for found in dictionaries_in(chunk)] for chunk in chunks if len(chunk)]
    return all(
        one.equals(other) for later in dictionaries[1:] for one, other in zip(dictionaries[0], later, strict=True)
    )


def _told(kind: pa.DataType) -> str:
    """`kind` as a message may show it: nested types by their name alone."""
    return str(kind).partition("<")[0] if kind.num_fields else str(kind)


def _is_small(kind: pa.DataType) -> bool:
    """Whether a dictionary in `kind` is one of few values."""
    return _has_few(kind) or any(_is_small(field.type) for field in fields_of(kind))


def _has_few(kind: pa.DataType) -> bool:
    """Whether `kind` is a dictionary that Parquet may keep, whose index has fewer bits than a row's number may need."""
    if not pa.types.is_dictionary(kind) or plain(kind.value_type).num_fields:
        return False
    return bool(kind.index_type.bit_width < _WIDE)


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
        dictionaries = [found for array in arrays for found in dictionaries_in(array) if _has_few(found.type)]
        values = [found.dictionary for found in dictionaries]
        wider = [pc.unique(pa.concat_arrays(pair)) for pair in zip(joined, values, strict=True)] if joined else values
        if any(len(all_) > _most(found.type) for all_, found in zip(wider, dictionaries, strict=True)):
            yield table.slice(begin, done - begin)
            begin, wider = done, values
        joined, done = wider, end
    yield table.slice(begin)


def _most(kind: pa.DictionaryType) -> int:
    """How many values the index of `kind` counts."""
    return int(2 ** (kind.index_type.bit_width - pa.types.is_signed_integer(kind.index_type)))


def dictionaries_in(array: pa.Array) -> list[pa.DictionaryArray]:
    """The dictionaries in `array`, however deep, in order; those within the values of another follow it."""
    if not has_dictionary(array.type):
        return []
    if isinstance(array, pa.ExtensionArray):
        return dictionaries_in(array.storage)
    if pa.types.is_dictionary(array.type):
        return [array, *dictionaries_in(array.dictionary)]
    if pa.types.is_map(array.type):
        return [*dictionaries_in(array.keys), *dictionaries_in(array.items)]
    if pa.types.is_union(array.type):
        children = [array.field(index) for index in range(array.type.num_fields)]
    elif pa.types.is_run_end_encoded(array.type):
        children = [array.values]
    else:
        inner = array.flatten()
        children = inner if isinstance(inner, list) else [inner]
    return [found for child in children for found in dictionaries_in(child)]
