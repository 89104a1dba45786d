"""One set of columns for files that differ in theirs: by name, each in a type that holds what all files have in it.

Decides by types alone. Nothing is rounded and nothing spelt anew: integers go into doubles only where the values allow
it, which whoever casts them finds out, and what contradicts each other, such as numbers and texts, is refused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pyarrow as pa

from scorer.errors import DataError, shown
from scorer.tables.dictionaries import castable
from scorer.tables.texts import type_name

_SIGNED: Final = (pa.int8(), pa.int16(), pa.int32(), pa.int64())
_UNSIGNED: Final = (pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64())
_FLOATS: Final = (pa.float16(), pa.float32(), pa.float64())
_TEXTS: Final = (pa.string_view(), pa.string(), pa.large_string())
_BYTES: Final = (pa.binary_view(), pa.binary(), pa.large_binary())
_UNITS: Final = ("s", "ms", "us", "ns")
# Digits of decimals of 128 and of 256 bits.
_DIGITS: Final = (38, 76)


@dataclass(frozen=True)
class United:
    """The `schema` of several files together, and for each column that not all of them have, the files that `lack`
    it."""

    schema: pa.Schema
    lack: Mapping[str, tuple[Path, ...]]


def united(schemas: Sequence[pa.Schema], paths: Sequence[Path]) -> United:
    """The columns of all `schemas`, of the files `paths`: in the order in which they first appear, each in the widest
    of its types. A column that some files lack is null there. Metadata are those of the first file that has some.
    DataError where the types of a column contradict each other, with both files."""
    fields: dict[str, pa.Field] = {}
    origin: dict[str, Path] = {}
    for schema, path in zip(schemas, paths, strict=True):
        for field in schema:
            known = fields.get(field.name)
            if known is not None and known.equals(field):
                continue
            fields[field.name] = field if known is None else _widened(known, field, path, origin[field.name])
            if known is None or fields[field.name].type != known.type:
                origin[field.name] = path
    lack = lacking([schema.names for schema in schemas], paths)
    whole = [field.with_nullable(True) if name in lack else field for name, field in fields.items()]
    metadata = next((schema.metadata for schema in schemas if schema.metadata), None)
    return United(pa.schema(whole, metadata=metadata), lack)


def lacking(names: Sequence[Sequence[str]], paths: Sequence[Path]) -> dict[str, tuple[Path, ...]]:
    """Each column that not all of the files `paths` have, which have columns of these `names`, with those that lack
    it."""
    having: dict[str, list[int]] = {}
    for number, columns in enumerate(names):
        for name in columns:
            having.setdefault(name, []).append(number)
    lack = {name: set(range(len(paths))).difference(found) for name, found in having.items() if len(found) < len(paths)}
    return {name: tuple(paths[number] for number in sorted(numbers)) for name, numbers in lack.items()}


def _widened(known: pa.Field, field: pa.Field, path: Path, other: Path) -> pa.Field:
    kind = widened(known.type, field.type)
    if kind is None:
        raise DataError(
            f"{path}: column {shown(field.name)} is {type_name(field.type)}, and in {other} {type_name(known.type)}; "
            "write it alike in all files, or take the files on their own"
        )
    both = known.with_type(kind).with_nullable(known.nullable or field.nullable)
    return both if known.metadata or not field.metadata else both.with_metadata(field.metadata)


def widened(one: pa.DataType, other: pa.DataType) -> pa.DataType | None:
    """The type for columns that are `one` here and `other` there; None where nothing holds both as they are."""
    if one.equals(other):
        return one
    if pa.types.is_null(one) or pa.types.is_null(other):
        return other if pa.types.is_null(one) else one
    if isinstance(one, pa.BaseExtensionType) or isinstance(other, pa.BaseExtensionType):
        return None
    if pa.types.is_dictionary(one) or pa.types.is_dictionary(other):
        return _of_dictionaries(one, other)
    if one.num_fields or other.num_fields:
        return _of_nests(one, other)
    return _of_numbers(one, other) or _of_strings(one, other) or _of_times(one, other) or _of_decimals(one, other)


def _of_numbers(one: pa.DataType, other: pa.DataType) -> pa.DataType | None:
    both = (one, other)
    for family in (_SIGNED, _UNSIGNED, _FLOATS):
        if all(kind in family for kind in both):
            return max(both, key=family.index)
    integers = [kind for kind in both if kind in _SIGNED or kind in _UNSIGNED]
    if len(integers) == 1 and any(kind in _FLOATS for kind in both):
        return pa.float64()
    if len(integers) < 2:
        return None
    signed, unsigned = sorted(both, key=lambda kind: kind in _UNSIGNED)
    needed = max(_SIGNED.index(signed), _UNSIGNED.index(unsigned) + 1)
    return _SIGNED[needed] if needed < len(_SIGNED) else None


def _of_strings(one: pa.DataType, other: pa.DataType) -> pa.DataType | None:
    for family in (_TEXTS, _BYTES):
        if one in family and other in family:
            return max((one, other), key=family.index)
    return None


def _of_times(one: pa.DataType, other: pa.DataType) -> pa.DataType | None:
    """The finer of two of a kind; whether the times are within its reach is for whoever casts them to find out."""
    if pa.types.is_timestamp(one) and pa.types.is_timestamp(other):
        return pa.timestamp(_finer(one, other), one.tz) if one.tz == other.tz else None
    if pa.types.is_duration(one) and pa.types.is_duration(other):
        return pa.duration(_finer(one, other))
    if pa.types.is_time(one) and pa.types.is_time(other):
        unit = _finer(one, other)
        return pa.time32(unit) if unit in ("s", "ms") else pa.time64(unit)
    return None


def _finer(one: pa.DataType, other: pa.DataType) -> str:
    return str(max(one.unit, other.unit, key=_UNITS.index))


def _of_decimals(one: pa.DataType, other: pa.DataType) -> pa.DataType | None:
    if not (pa.types.is_decimal(one) and pa.types.is_decimal(other)):
        return None
    scale = max(one.scale, other.scale)
    digits = scale + max(one.precision - one.scale, other.precision - other.scale)
    if digits > _DIGITS[1]:
        return None
    return pa.decimal128(digits, scale) if digits <= _DIGITS[0] else pa.decimal256(digits, scale)


def _of_dictionaries(one: pa.DataType, other: pa.DataType) -> pa.DataType | None:
    """A dictionary where both are, of the same values; else what is in it."""
    if not (pa.types.is_dictionary(one) and pa.types.is_dictionary(other)):
        values = [kind.value_type if pa.types.is_dictionary(kind) else kind for kind in (one, other)]
        return widened(*values)
    index = _of_numbers(one.index_type, other.index_type) or one.index_type
    if one.value_type.equals(other.value_type) and one.ordered == other.ordered:
        return pa.dictionary(index, one.value_type, one.ordered)
    return widened(one.value_type, other.value_type)


def _of_nests(one: pa.DataType, other: pa.DataType) -> pa.DataType | None:
    if pa.types.is_struct(one) and pa.types.is_struct(other):
        return _of_structs(one, other)
    if pa.types.is_map(one) and pa.types.is_map(other):
        key, item = widened(one.key_type, other.key_type), widened(one.item_type, other.item_type)
        same = one.keys_sorted == other.keys_sorted
        return pa.map_(key, item, one.keys_sorted) if same and key is not None and item is not None else None
    if not (_is_list(one) and _is_list(other)):
        return None
    item = widened(one.value_type, other.value_type)
    if item is None:
        return None
    field = one.value_field.with_type(item).with_nullable(one.value_field.nullable or other.value_field.nullable)
    sizes = [kind.list_size if pa.types.is_fixed_size_list(kind) else None for kind in (one, other)]
    if sizes[0] is not None and sizes[0] == sizes[1]:
        return pa.list_(field, sizes[0])
    large = pa.types.is_large_list(one) or pa.types.is_large_list(other)
    return pa.large_list(field) if large else pa.list_(field)


def _is_list(kind: pa.DataType) -> bool:
    return any(test(kind) for test in (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list))


def _of_structs(one: pa.DataType, other: pa.DataType) -> pa.DataType | None:
    """The fields of both by name; one that the other lacks is null there."""
    fields = {field.name: field for field in one}
    names = [field.name for field in other]
    if len(fields) < one.num_fields or len(set(names)) < len(names):
        return None
    found = {name: field if name in names else field.with_nullable(True) for name, field in fields.items()}
    for field in other:
        known = fields.get(field.name)
        if known is None:
            found[field.name] = field.with_nullable(True)
        elif (kind := widened(known.type, field.type)) is not None:
            found[field.name] = known.with_type(kind).with_nullable(known.nullable or field.nullable)
        else:
            return None
    return pa.struct(list(found.values()))


def cast(column: pa.ChunkedArray, kind: pa.DataType) -> pa.ChunkedArray:
    """`column` in the type `kind`, to which its own was widened; ArrowInvalid for a value that does not survive."""
    if column.type.equals(kind):
        return column
    if pa.types.is_null(column.type):
        return pa.chunked_array([pa.nulls(len(column), kind)], kind)
    return castable(column).cast(kind)
