"""What the JSON values of a column have been, and the Arrow type that holds every one of them exactly; and which rows
have a value of another kind than those before them.

A type is given only where nothing is invented and nothing is lost: all objects at one place have the same keys, all
values at one place are of one kind, integers fit 64 bits, and every decimal is one that a float64 stands for. Anything
else stays JSON text. Pure: values in, a type out.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from itertools import chain
from types import NoneType
from typing import Any, Final

import pyarrow as pa

from scorer.errors import shown

# Arrow's own formats take no type that is nested more deeply than about twice this.
_DEEPEST: Final = 32
# Up to this, every integer is a float64.
_WHOLE: Final = 2**53
# With so many characters and no exponent, a decimal has at most 15 digits, and each of those is its own float64.
_SURE: Final = 16
# A float64 has at most 767 significant digits.
_MOST_DIGITS: Final = 800


class Number(str):
    """A JSON number with a fraction or an exponent, as it is spelt."""

    __slots__ = ()


WORDS: Final[dict[type, str]] = {
    bool: "true or false",
    int: "a number",
    Number: "a number",
    str: "text",
    dict: "an object",
    list: "a list",
}
"""What each kind of value is called."""


class Kinds:
    """Which kind of value each column has: that of its first value, for all rows. `columns` are those that count; None
    stands for all. In a value that is an object or a list there may be anything.

    Rows that were refused have no say. So a second time, after all rows, the same rows are refused.
    """

    def __init__(self, columns: Collection[str] | None = None, *, known: Mapping[str, str] | None = None) -> None:
        self._columns = columns
        self._words = dict(known or {})

    def refuse(self, row: Mapping[str, Any]) -> str | None:
        """Why `row`, parsed JSON, cannot stand among those before it; None where it can, and then it counts."""
        new = {}
        for name, value in row.items():
            if value is None or (self._columns is not None and name not in self._columns):
                continue
            here, before = WORDS[type(value)], self._words.get(name)
            if before is None:
                new[name] = here
            elif here != before:
                return f"column {shown(name)} is {here} here and {before} before"
        self._words |= new
        return None


class Shape:
    """What the values at one place have been so far; `depth` counts the objects and lists around it."""

    def __init__(self, depth: int = 0) -> None:
        self._depth = depth
        self._types: set[type] = set()
        self._low = self._high = 0
        self._exact = True
        # Of objects: whether all have the same keys, and the shape of each, in the order of the first object.
        self._alike = True
        self._fields: dict[str, Shape] | None = None
        self._items: Shape | None = None

    def see(self, values: Sequence[Any]) -> None:
        """Take note of `values`, parsed JSON whose decimals are `Number`s."""
        types = set(map(type, values)) - {NoneType}
        self._types |= types
        if int in types:
            integers = [value for value in values if type(value) is int]
            self._low, self._high = min(self._low, *integers, 0), max(self._high, *integers, 0)
        if Number in types and self._exact:
            self._exact = all(is_double(value) for value in values if type(value) is Number)
        if self._depth == _DEEPEST:
            return
        if list in types:
            self._items = self._items or Shape(self._depth + 1)
            self._items.see(list(chain.from_iterable(value for value in values if type(value) is list)))
        if dict in types:
            self._see_objects([value for value in values if type(value) is dict])

    def _see_objects(self, objects: list[dict[str, Any]]) -> None:
        if not self._alike:
            return
        if self._fields is None:
            self._fields = {key: Shape(self._depth + 1) for key in objects[0]}
        self._alike = all(keys == self._fields.keys() for keys in map(dict.keys, objects))
        if not self._alike:
            self._fields = {}
            return
        for key, shape in self._fields.items():
            shape.see([value[key] for value in objects])

    @property
    def words(self) -> set[str]:
        """What kinds of values there have been, in words."""
        return {WORDS[kind] for kind in self._types}

    @property
    def type(self) -> pa.DataType | None:
        """The type that holds the values exactly; None where only JSON text does."""
        kinds = self._types
        if not kinds:
            return pa.null()
        if len(self.words) > 1:
            return None
        if Number in kinds:
            fits = self._exact and self._low >= -_WHOLE and self._high <= _WHOLE
            return pa.float64() if fits else None
        if int in kinds:
            return self._integer_type
        if list in kinds:
            inner = self._items.type if self._items is not None else None
            return pa.list_(inner) if inner is not None else None
        return self._struct_type if dict in kinds else pa.bool_() if bool in kinds else pa.string()

    @property
    def _integer_type(self) -> pa.DataType | None:
        if self._low >= -(2**63) and self._high < 2**63:
            return pa.int64()
        return pa.uint64() if self._low == 0 and self._high < 2**64 else None

    @property
    def _struct_type(self) -> pa.DataType | None:
        types = {name: shape.type for name, shape in (self._fields or {}).items()}
        # No Parquet file can hold a struct without fields.
        return pa.struct(list(types.items())) if types and None not in types.values() else None


def is_double(spelt: str) -> bool:
    """Whether a float64 stands for the decimal `spelt`: the nearest one, with so many digits, is spelt as this number.

    So 0.1 is one, and so is 0.10000000000000000555, which some programs write for it; 0.1000000000000000123 and 1e400
    are not.
    """
    if len(spelt) <= _SURE and "e" not in spelt and "E" not in spelt:
        return True
    value = float(spelt)
    if not math.isfinite(value):
        return False
    if repr(value) == spelt:
        return True
    try:
        number = Decimal(spelt)
    except InvalidOperation:  # an exponent of 19 digits
        return False
    digits = len(number.as_tuple().digits)
    return digits <= _MOST_DIGITS and Decimal(f"{value:.{digits - 1}e}") == number
