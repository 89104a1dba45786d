"""Which type a column of text may get: only one in which every value comes back as the very same text.

Decides the type, and the spelling that the way back must use. A quoted number was meant as text, so it stays text.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal

import pyarrow as pa

from scorer.tables import compute as pc
from scorer.tables.rendering import BARE_INTEGRALS, CAPITALS, SPELLING, float_text, without_fraction

Kind = Literal["int", "float", "bare float", "bool", "capital bool"]

_ARROW_TYPES: Final[dict[Kind, pa.DataType]] = {
    "int": pa.int64(),
    "float": pa.float64(),
    "bare float": pa.float64(),
    "bool": pa.bool_(),
    "capital bool": pa.bool_(),
}
_SPELLINGS: Final[dict[Kind, bytes]] = {"bare float": BARE_INTEGRALS, "capital bool": CAPITALS}
# Arrays only where they are needed: the first that pyarrow makes of a list imports pandas.
_BOOLS: Final[dict[Kind, list[str]]] = {"bool": ["true", "false"], "capital bool": ["True", "False"]}
# Below this, every integer is a float64 that is written with the same digits.
_EXACT: Final = 2**53
# In order of preference: a column that could be several becomes the first.
_KINDS: Final[tuple[Kind, ...]] = ("int", "bool", "capital bool", "float", "bare float")


class TypeGuess:
    """What one column may still be, after the values seen so far."""

    def __init__(self, *, text: bool) -> None:
        self._kinds: list[Kind] = [] if text else list(_KINDS)
        self._seen = False

    @property
    def open(self) -> bool:
        """Whether more values could change the answer; False once the column is text."""
        return bool(self._kinds)

    def see(self, values: pa.Array, *, quoted: bool) -> None:
        """Take note of `values` (string, nulls ignored); `quoted` says that at least one stood in quotes."""
        present = values.drop_null()
        if quoted:
            self._kinds = []
        if not self._kinds or not len(present):
            return
        self._seen = True
        self._kinds = _survivors(present, self._kinds)

    @property
    def kind(self) -> Kind | None:
        """The type that every value survived; None is text, also for a column of nulls only."""
        return self._kinds[0] if self._seen and self._kinds else None


def field_of(name: str, kind: Kind | None) -> pa.Field:
    """The Arrow field of a column of that kind; its metadata keep an unusual spelling for the way back to text."""
    if kind is None:
        return pa.field(name, pa.string())
    spelling = _SPELLINGS.get(kind)
    return pa.field(name, _ARROW_TYPES[kind], metadata={SPELLING: spelling} if spelling else None)


def convert(values: pa.Array, kind: Kind | None) -> pa.Array:
    """`values` (string) in the type of `kind`; ArrowInvalid if one does not fit, which `see` would have noticed."""
    if kind is None:
        return values
    if kind == "capital bool":
        return pc.cast(pc.utf8_lower(values), pa.bool_())
    return pc.cast(values, _ARROW_TYPES[kind])


def _survivors(values: pa.Array, kinds: Sequence[Kind]) -> list[Kind]:
    """Those of `kinds` in which every one of `values` (string, no nulls) comes back as the same text."""
    found: set[Kind] = {
        kind for kind in kinds if kind in _BOOLS and pc.all(pc.is_in(values, pa.array(_BOOLS[kind]))).as_py()
    }
    if "int" in kinds and (integers := _integers(values)) is not None:
        found.add("int")
        extremes = pc.min_max(integers).as_py()
        if extremes["min"] >= -_EXACT and extremes["max"] <= _EXACT:
            # No need to compare: these are the same digits as float64, and never with a fraction.
            return [kind for kind in kinds if kind in (*found, "bare float")]
    if "float" in kinds or "bare float" in kinds:
        found |= _float_kinds(values)
    return [kind for kind in kinds if kind in found]


def _integers(values: pa.Array) -> pa.Array | None:
    try:
        integers = pc.cast(values, pa.int64())
    except pa.ArrowInvalid:
        return None
    return integers if pc.all(pc.equal(pc.cast(integers, pa.string()), values)).as_py() else None


def _float_kinds(values: pa.Array) -> set[Kind]:
    try:
        doubles = pc.cast(values, pa.float64())
    except pa.ArrowInvalid:
        return set()
    if not pc.all(pc.is_finite(doubles)).as_py():
        return set()
    text = float_text(doubles)
    spelt: dict[Kind, pa.Array] = {"float": text, "bare float": without_fraction(text)}
    return {kind for kind, texts in spelt.items() if pc.all(pc.equal(texts, values)).as_py()}
