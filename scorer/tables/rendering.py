"""Arrow values as text and as JSON: what a CSV field or a JSON line says for a number, a time, bytes or a nest.

Numbers are written in their shortest form that reads back to the same value, floats as Python's `repr` does (1.0,
1e-07); times in ISO 8601, zoned ones in their zone with its offset; bytes in base64; nested values as JSON. NaN and
infinity are `nan` and `inf` as text and null in JSON, which has no word for them. Delimiters and quotes come later, in
`textsinks`.
"""

from __future__ import annotations

import base64
import json
from typing import Any, Final

import numpy as np
import pyarrow as pa

from scorer.errors import DataError, shown
from scorer.tables import compute as pc
from scorer.tables.dictionaries import decoded, fields_of, plain

SPELLING: Final = b"scorer.spelling"
"""Key of the field metadata that say how the column was spelt as text, where that is not our own way."""
BARE_INTEGRALS: Final = b"1 for 1.0"
CAPITALS: Final = b"True and False"
LINE: Final = b"scorer.line"
"""Key of the metadata of a field that holds a row's whole line of JSON. The row's other columns are to be added to it,
but for those whose metadata have the key `IN_LINE`."""
IN_LINE: Final = b"scorer.in_line"

_TICKS: Final = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
# Arrow writes the years from -32767 to 32767.
_FARTHEST_SECONDS: Final = 30_000 * 365 * 86_400
_FAR: Final = "a date or time in it is so far away that text cannot tell it; write Parquet or Arrow"

_INTERVALS: Final = ("month_interval", "day_time_interval")

# Between these Arrow writes no exponent, and neither does Python; elsewhere they differ.
_PLAIN_FROM, _PLAIN_TO = 1e-4, 1e10


def text_of(array: pa.Array, field: pa.Field) -> pa.Array:
    """The values of `array` (of `field`) as strings; null stays null. DataError for a time that text cannot tell."""
    kind = array.type
    spelling = (field.metadata or {}).get(SPELLING)
    if isinstance(array, pa.ExtensionArray):
        return text_of(array.storage, field)
    if pa.types.is_dictionary(kind):
        return text_of(decoded(array), field)
    if pa.types.is_run_end_encoded(kind):
        return text_of(_run_end_decoded(array), field)
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return array
    if pa.types.is_boolean(kind) and spelling == CAPITALS:
        return pc.if_else(array, "True", "False")
    if pa.types.is_floating(kind):
        text = float_text(as_double(array))
        return without_fraction(text) if spelling == BARE_INTEGRALS else text
    if pa.types.is_nested(kind):
        return pa.array([None if value is None else json_text(value) for value in json_values(array)], pa.string())
    if is_binary(kind):
        return pa.array(_base64(array), pa.string())
    if pa.types.is_timestamp(kind):
        return _iso(array)
    if pa.types.is_date(kind) or pa.types.is_time(kind):
        return _told(pc.cast(array, pa.string()))
    if kind == pa.month_day_nano_interval():
        return pa.array([None if value is None else json_text(list(value)) for value in array.to_pylist()], pa.string())
    return pc.cast(array, pa.string())


def json_values(array: pa.Array) -> list[Any]:
    """The values of `array` as what `json.dumps` takes without loss: text for times, decimals and bytes.

    DataError for a time that text cannot tell.
    """
    kind = array.type
    if isinstance(array, pa.ExtensionArray):
        return json_values(array.storage)
    if pa.types.is_dictionary(kind):
        return json_values(decoded(array))
    if pa.types.is_run_end_encoded(kind):
        return json_values(_run_end_decoded(array))
    if pa.types.is_struct(kind):
        return _json_structs(array)
    if pa.types.is_map(kind):
        return json_values(array.cast(pa.list_(pa.struct([kind.key_field, kind.item_field]))))
    if pa.types.is_nested(kind) and hasattr(array, "flatten"):
        return _json_lists(array, json_values(array.flatten()))
    if pa.types.is_union(kind):
        return [json_values(pa.array([value.value]))[0] if value.is_valid else None for value in array]
    if pa.types.is_floating(kind):
        doubles = as_double(array)
        return list(pc.if_else(pc.is_finite(doubles), doubles, None).to_pylist())
    plain = (pa.types.is_integer, pa.types.is_boolean, pa.types.is_null, pa.types.is_string, pa.types.is_large_string)
    if any(test(kind) for test in plain):
        return list(array.to_pylist())
    return list(text_of(array, pa.field("", kind)).to_pylist())


def json_text(value: object) -> str:
    """One value of `json_values` as compact JSON."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def as_double(array: pa.Array) -> pa.Array:
    """Floats of any width as float64 whose shortest decimal form is that of the narrow value (0.9, not 0.89999998)."""
    if pa.types.is_float64(array.type):
        return array
    if pa.types.is_float16(array.type):
        return pc.cast(array, pa.float64())
    return pc.cast(pc.cast(array, pa.string()), pa.float64())


def float_text(doubles: pa.Array) -> pa.Array:
    """float64 as Python's `repr` writes it."""
    text = pc.cast(doubles, pa.string())
    size = pc.abs(doubles)
    tiny = pc.and_(pc.less(size, _PLAIN_FROM), pc.greater(size, 0.0))
    odd = pc.and_(pc.is_finite(doubles), pc.or_(tiny, pc.greater_equal(size, _PLAIN_TO)))
    if pc.any(odd).as_py():
        replacement = pa.array([repr(value) for value in doubles.filter(odd).to_pylist()], pa.string())
        text = pc.replace_with_mask(text, pc.fill_null(odd, False), replacement)
    whole = pc.and_(pc.equal(doubles, pc.trunc(doubles)), pc.less(size, _PLAIN_TO))
    return pc.if_else(whole, pc.binary_join_element_wise(text, ".0", ""), text)


def without_fraction(text: pa.Array) -> pa.Array:
    """`float_text` without the `.0` of integral values."""
    return pc.if_else(pc.ends_with(text, ".0"), pc.utf8_slice_codeunits(text, 0, -2), text)


def is_binary(kind: pa.DataType) -> bool:
    """Whether values of `kind` are bytes."""
    tests = (pa.types.is_binary, pa.types.is_large_binary, pa.types.is_fixed_size_binary, pa.types.is_binary_view)
    return any(test(kind) for test in tests)


def why_no_text(kind: pa.DataType) -> str | None:
    """Why values of `kind` have no text that tells all of them; None where they have."""
    kind = plain(kind)
    # Python has no name for the type.
    if str(kind) in _INTERVALS:
        return f"a {kind}, for which there is no text"
    names = [field.name for field in fields_of(kind)]
    if pa.types.is_struct(kind) and len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        return f"a struct with two fields {shown(twice)}, of which text would lose one"
    return next((why for why in (why_no_text(field.type) for field in fields_of(kind)) if why is not None), None)


def _run_end_decoded(array: pa.Array) -> pa.Array:
    """The values of a run-end encoded array, one a row. By hand, as Arrow decodes no nested ones."""
    bounds = array.run_ends.to_numpy().astype(np.int64)
    rows = np.arange(array.offset, array.offset + len(array))
    return array.values.take(pa.array(np.searchsorted(bounds, rows, side="right")))


def _base64(array: pa.Array) -> list[str | None]:
    return [None if value is None else base64.b64encode(value).decode("ascii") for value in array.to_pylist()]


def _iso(array: pa.Array) -> pa.Array:
    """`2024-05-01T12:00:00.000`; a zoned time has its offset, `+02:00`."""
    text = pc.replace_substring(_told(pc.cast(array, pa.string())), " ", "T", max_replacements=1)
    if array.type.tz is None:
        return text
    text = pc.replace_substring_regex(text, r"([+-]\d\d)(\d\d)$", r"\1:\2")
    return _with_seconds_of_offsets(text, array)


def _told(text: pa.Array) -> pa.Array:
    """`text` as Arrow writes dates and times; DataError where it says that there is none for a value."""
    if pc.any(pc.starts_with(text, "<")).as_py():
        raise DataError(_FAR)
    return text


def _with_seconds_of_offsets(text: pa.Array, array: pa.Array) -> pa.Array:
    """`text` of zoned times with whole offsets: before there were time zones, clocks went by the sun, and Arrow leaves
    out the seconds (`+00:53:28`). DataError for a time whose local one is beyond what its type can hold."""
    utc = pc.fill_null(array.cast(pa.int64()), 0).to_numpy()
    local = pc.fill_null(pc.local_timestamp(array).cast(pa.int64()), 0).to_numpy()
    ticks = _TICKS[array.type.unit]
    offsets = local - utc
    # A sum beyond 64 bits begins again at the other end; so does the difference, which is right all the same.
    wrapped = (local < utc) != (offsets < 0)
    # Arrow makes hours of years that it cannot write.
    if wrapped.any() or (np.abs(utc // ticks) > _FARTHEST_SECONDS).any():
        raise DataError(_FAR)
    odd = offsets % (60 * ticks) != 0
    if not odd.any():
        return text
    seconds = pa.array([f":{abs(int(offset)) // ticks % 60:02}" if offset % (60 * ticks) else "" for offset in offsets])
    return pc.binary_join_element_wise(text, seconds, "")


def _json_structs(array: pa.Array) -> list[Any]:
    names = [field.name for field in array.type]
    children = [json_values(child) for child in array.flatten()]
    valid = array.is_valid().to_pylist()
    if not names:
        return [{} if present else None for present in valid]
    rows = zip(*children, strict=True)
    return [dict(zip(names, row, strict=True)) if present else None for present, row in zip(valid, rows, strict=True)]


def _json_lists(array: pa.Array, flat: list[Any]) -> list[Any]:
    """Lists of `flat` values, which leave out what lies under a null."""
    result: list[Any] = []
    begin = 0
    for length in pc.list_value_length(array).to_pylist():
        if length is None:
            result.append(None)
            continue
        result.append(flat[begin : begin + length])
        begin += length
    return result
