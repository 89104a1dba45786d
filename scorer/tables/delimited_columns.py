"""The columns of a delimited file: their names, whether those are names at all, and the type that a column may get.

Decides by values alone; opens nothing. A column gets a type only if every value in it comes back as the very same text.
With the type goes the spelling that the way back must use. A quoted number was meant as text, so it stays text.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from typing import Final, Literal, Protocol

import pyarrow as pa

from scorer.errors import UsageError
from scorer.tables import compute as pc
from scorer.tables.rendering import BARE_INTEGRALS, CAPITALS, SPELLING, float_text, without_fraction
from scorer.tables.shapes import is_double

HEADER_IN_DOUBT: Final = (
    "the first line looks like data, not names: say --no-header, and --columns A,B,C to name the columns; if they are "
    "names, name yours with --text-column and --label-column"
)

# More words are a sentence, in whatever column.
_MOST_WORDS: Final = 2
_LONGEST: Final = 40
_SENTENCE: Final = (".", "!", "?", "\u3002", "\uff01", "\uff1f")
_YEAR: Final = re.compile(r"(19|20)\d\d")
_NUMBER: Final = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?", re.ASCII)


class HasHeader(Protocol):
    """A configuration that says whether files have a header."""

    @property
    def no_header(self) -> bool: ...

    @property
    def columns(self) -> str | None: ...


def given_names(config: HasHeader) -> tuple[str, ...] | None:
    """The names of the columns of files without a header: those given, or none, which stands for c1, c2 ...; None where
    files have a header. UsageError for names that contradict themselves."""
    if not config.no_header:
        if config.columns is not None:
            raise UsageError("--columns: names the columns of a file without a header; say --no-header too")
        return None
    if config.columns is None:
        return ()
    names = tuple(next(csv.reader([config.columns]), []))
    if not names or "" in names or len(set(names)) < len(names):
        raise UsageError(f"--columns {config.columns}: a name for each column is needed, and no name twice")
    return names


def counted_names(width: int) -> tuple[str, ...]:
    """c1, c2 ... for `width` columns."""
    return tuple(f"c{number}" for number in range(1, width + 1))


def looks_like_data(names: Sequence[str], values: Sequence[Sequence[str | None]]) -> bool:
    """Whether `names` are likely a record, and no header: one is a sentence or a number, or stands again among the
    `values` of its column."""
    numbers = [name for name in names if _NUMBER.fullmatch(name.strip())]
    if numbers and not _counts([name for name in names if name]) and not all(map(_YEAR.fullmatch, numbers)):
        return True
    if any(_is_sentence(name) for name in names):
        return True
    return any(name and name in column for name, column in zip(names, values, strict=False))


def _counts(names: Sequence[str]) -> bool:
    """Whether `names` are 0, 1, 2 ...: what dataframes call columns that nobody named."""
    return list(names) == [str(number) for number in range(len(names))]


def _is_sentence(name: str) -> bool:
    text = name.strip()
    return len(text) > _LONGEST or len(text.split()) > _MOST_WORDS or (" " in text and text.endswith(_SENTENCE))


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


# What a person may say that a column is.
_SAID: Final[dict[str, Kind | None]] = {"int64": "int", "double": "float", "bool": "bool", "string": None}
_INTEGER: Final = re.compile(r"0|-?[1-9]\d*", re.ASCII)
_LONGEST_INTEGER: Final = 20


def said_types(text: str | None) -> tuple[tuple[str, Kind | None], ...]:
    """The types of columns in `name=type,...`, None for text; UsageError for what says none."""
    found: dict[str, Kind | None] = {}
    for part in next(csv.reader([text]), []) if text is not None else []:
        name, sign, kind = part.rpartition("=")
        if not sign or name in found or kind not in _SAID:
            raise UsageError(
                f"--types {text}: NAME=TYPE is needed for each column, once, with commas between; a type is "
                f"{', '.join(_SAID)}"
            )
        found[name] = _SAID[kind]
    return tuple(found.items())


def type_name(kind: Kind | None) -> str:
    """What a person calls the type of `kind`."""
    return next(name for name, said in _SAID.items() if said == kind)


class WrongType(ValueError):
    """A value, the one at `place`, is not what its column was said to hold."""

    def __init__(self, place: int) -> None:
        super().__init__(place)
        self.place = place


def as_said(values: pa.Array, kind: Kind | None) -> pa.Array:
    """`values` (string) in the type that a person said. WrongType for the first that is no such value: an integer with
    another spelling (007, +7), a number that no float64 stands for, another word than true and false.
    """
    if kind == "int":
        integers = _integers(values)
        if integers is not None:
            return integers
    elif kind == "float":
        if not len(present := values.drop_null()) or _float_kinds(present):
            return convert(values, kind)
    elif kind is None:
        return values
    words = values.to_pylist()
    for place, word in enumerate(words):
        if word is not None and not _is(word, kind):
            raise WrongType(place)
    if kind == "float":
        return pa.array([None if word is None else float(word) for word in words], pa.float64())
    return convert(pc.utf8_lower(values), kind)


def _is(word: str, kind: Kind) -> bool:
    if kind == "int":
        return _INTEGER.fullmatch(word) is not None and len(word) <= _LONGEST_INTEGER and -(2**63) <= int(word) < 2**63
    if kind == "float":
        return _NUMBER.fullmatch(word) is not None and is_double(word.lstrip("+"))
    return word in ("true", "false", "True", "False")


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
