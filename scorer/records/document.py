"""Records as JSON, both ways: what is read is exactly what was written, or an error.

A record is a frozen dataclass whose fields are texts, numbers, truth values, other records, several of one kind
(tuples), mappings from texts, or any of these or None. A field that has its default is written too.
"""

from __future__ import annotations

import json
import math
from collections.abc import Hashable, Mapping
from dataclasses import fields, is_dataclass
from functools import cache
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from scorer.errors import DataError

Record = TypeVar("Record")


def to_document(record: Any) -> dict[str, Any]:
    """The record as JSON types: tuples are lists; everything is a copy."""
    return {field.name: plain(getattr(record, field.name)) for field in fields(record)}


def from_document(kind: type[Record], document: Any, *, where: str) -> Record:
    """The record of `kind` that `document` was made of. DataError, which begins with `where`, for a key that is unknown
    or missing, and for a value of another type."""
    if not isinstance(document, Mapping):
        raise DataError(f"{where}: {_called(document)}, where an object is expected")
    hints = _hints(cast(Hashable, kind))
    # Every record is a dataclass, which the type of a class cannot say.
    names = {field.name for field in fields(cast(Any, kind))}
    for wrong, what in ((document.keys() - names, "unknown"), (names - document.keys(), "missing")):
        if wrong:
            raise DataError(f"{where}: {what} key {', '.join(sorted(map(repr, wrong))[:3])}")
    return kind(**{name: _parsed(hints[name], document[name], f"{where}: {name}") for name in names})


@cache
def _hints(kind: Any) -> dict[str, Any]:
    """The types of the fields of a record."""
    return get_type_hints(kind)


def to_json(record: Any) -> str:
    """The record as JSON text; equal records give equal texts."""
    return json.dumps(to_document(record), sort_keys=True, ensure_ascii=False, allow_nan=False)


def from_json(kind: type[Record], text: str | bytes, *, where: str) -> Record:
    """The record of `kind` in the JSON `text`; DataError as `from_document` raises it, and for what is no JSON."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{where}: not JSON") from error
    return from_document(kind, document, where=where)


def plain(value: Any) -> Any:
    """`value` as JSON has it: a copy, whose tuples are lists and whose records are objects."""
    if is_dataclass(value):
        return to_document(value)
    if isinstance(value, Mapping):
        return {name: plain(part) for name, part in value.items()}
    return [plain(part) for part in value] if isinstance(value, tuple | list) else value


def _parsed(kind: Any, value: Any, where: str) -> Any:
    """`value` as a field of type `kind` holds it."""
    origin, parts = get_origin(kind), get_args(kind)
    if kind is Any:
        return _checked_json(value, where)
    if origin in (Union, UnionType):
        if value is None and NoneType in parts:
            return None
        (some,) = (part for part in parts if part is not NoneType)
        return _parsed(some, value, where)
    if origin is Literal:
        if not isinstance(value, str) or value not in parts:
            raise DataError(f"{where}: not one of {', '.join(parts)}")
        return value
    if is_dataclass(kind):
        return from_document(cast(Any, kind), value, where=where)
    if origin is tuple:
        values = _expected(list, value, where)
        if parts[-1] is Ellipsis:
            return tuple(_parsed(parts[0], part, where) for part in values)
        if len(values) != len(parts):
            raise DataError(f"{where}: {len(values)} values, where {len(parts)} are expected")
        return tuple(_parsed(part, one, where) for part, one in zip(parts, values, strict=True))
    if origin is Mapping:
        return {name: _parsed(parts[1], part, where) for name, part in _expected(dict, value, where).items()}
    return _number(value, where) if kind is float else _expected(kind, value, where)


def _expected(kind: type, value: Any, where: str) -> Any:
    # True is an int to Python, and not to JSON.
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise DataError(f"{where}: {_called(value)}, where {_NAMES[kind]} is expected")
    return value


def _number(value: Any, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise DataError(f"{where}: {_called(value)}, where a number is expected")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise DataError(f"{where}: not a finite number")
    return number


def _checked_json(value: Any, where: str) -> Any:
    """`value`, which may be any that JSON has; json.loads reads NaN and Infinity, which no other reader does."""
    if isinstance(value, float):
        return _number(value, where)
    if isinstance(value, dict):
        return {name: _checked_json(part, where) for name, part in value.items()}
    return [_checked_json(part, where) for part in value] if isinstance(value, list) else value


_NAMES = {str: "a text", int: "a whole number", bool: "true or false", list: "a list", dict: "an object"}


def _called(value: Any) -> str:
    """What a person calls such a value; the value itself is not shown, as it may be anything."""
    if value is None:
        return "null"
    return next((name for kind, name in _NAMES.items() if type(value) is kind), "a number")
