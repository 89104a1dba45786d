"""What a text in a label column may be besides a name: a list, a vector, a number, or several names in one.

Pure functions: one text, or all texts of a column, in; what they are, out.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable
from itertools import chain

Value = str | int | float | bool | None

# What people and programs write where there is no value.
NOT_AVAILABLE = frozenset(
    ("nan", "na", "n/a", "#n/a", "<na>", "nat", "null", "nil", "none", "missing", "unknown", "undefined", "-", "?", ".")
)
# Those of them that nobody would call a label.
NEVER_A_NAME = frozenset(("nan", "n/a", "#n/a", "<na>", "nat", "null", "nil"))
# These stand in names, too, so there only pieces that are all labels of their own are evidence.
SEPARATORS = (";", "|", "\t", "\n", ",", "/", "+", "&", " ")
_RARE_IN_NAMES = frozenset(SEPARATORS[:4])
_MOST_DIGITS = 400
# Beyond, a float stands for several whole numbers.
EXACT = 2**53

_BRACKETS = {"[": "]", "(": ")", "{": "}"}
_QUOTED = r"""[uU]?(?P<text>'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")"""
_ITEM = re.compile(
    _QUOTED + r"|(?P<number>[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?)(?![\w.])"
    r"|(?P<word>True|False|true|false|None|null)\b",
    re.DOTALL,
)
_BETWEEN = re.compile(r"\s*,\s*|\s+")
_ESCAPE = re.compile(r"\\(x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|.)", re.DOTALL)
_ESCAPED = {"n": "\n", "t": "\t", "r": "\r"}
_WORDS: dict[str, Value] = {"true": True, "false": False, "none": None, "null": None}
_NUMBER = re.compile(r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?")
_WHOLE = re.compile(r"-?(?:0|[1-9][0-9]{0,17})(?:\.0+)?")
_BARE_VECTOR = re.compile(r"[-+0-9.eE]+(?:\s*[,;|]\s*|\s+)[-+0-9.eE]+(?:(?:\s*[,;|]\s*|\s+)[-+0-9.eE]+)*")


def read_list(text: str) -> list[Value] | None:
    """The items of `text` if it is a list as JSON, Python or numpy write one: in brackets, texts in quotes; else None.

    What numpy prints has spaces between the items, a tuple of one has a comma at its end. A list within a list is none.
    """
    text = text.strip()
    if len(text) < 2 or _BRACKETS.get(text[0]) != text[-1] or (text[0] == "(" and "," not in text and text != "()"):
        return None
    if text[0] == "[":
        try:
            found = json.loads(text)
        except (ValueError, RecursionError):
            found = None
        if isinstance(found, list) and not any(isinstance(item, list | dict) for item in found):
            return found
    return _items(text[1:-1].strip(), empty=text[0] != "{")


def read_bare_list(text: str) -> list[Value] | None:
    """The items of `text` if it is in square brackets, whose names may stand there without quotes; else None."""
    text = text.strip()
    found = read_list(text)
    if found is not None or not (text.startswith("[") and text.endswith("]")) or "[" in text[1:]:
        return found
    return [item.strip().strip("'\"") for item in text[1:-1].split(",") if item.strip().strip("'\"")]


def read_vector(text: str) -> list[float] | None:
    """The numbers of `text` if it holds at least two and nothing else, in brackets or not; else None."""
    found = read_list(text)
    if found is None and _BARE_VECTOR.fullmatch(text.strip()):
        parts = [part for part in re.split(r"[\s,;|]+", text.strip()) if part]
        if all(_NUMBER.fullmatch(part) for part in parts):
            found = [float(part) for part in parts]
    if found is None or len(found) < 2 or not all(isinstance(item, bool | int | float) for item in found):
        return None
    return [_as_float(item) for item in found]


def is_broken_list(text: str) -> bool:
    """Whether `text` looks like a list, with quotes or lists in square brackets, and cannot be read as one."""
    text = text.strip()
    return re.match(r"\[\s*['\"\[]", text) is not None and text.endswith("]") and read_list(text) is None


def is_object(text: str) -> bool:
    """Whether `text` looks like a JSON object or a Python dictionary."""
    return re.match(r"\{\s*(?:['\"].*['\"]\s*:|\})", text.strip(), re.DOTALL) is not None and text.strip().endswith("}")


def number_of(text: str) -> float | None:
    """The number that `text` is, or None."""
    text = text.strip()
    return float(text) if len(text) <= _MOST_DIGITS and _NUMBER.fullmatch(text) else None


def is_whole(text: str) -> bool:
    """Whether `text` is a whole number as a program writes one: `3`, `-1` and `3.0`, but not `03`."""
    return _WHOLE.fullmatch(text.strip()) is not None


def find_separator(names: Collection[str]) -> tuple[str, list[str]] | None:
    """What probably stands between several labels in those of `names` that hold it, and these; None where nothing does.

    The evidence are pieces that are names by themselves, or that stand in one name in another place than in another. In
    `Food, Drink` a comma is part of the name as long as `Food` and `Drink` are none. What is rare in names, such as a
    semicolon, needs a single such piece, or one that stands in two names; anything else a name of nothing but them.
    """
    for separator in SEPARATORS:
        split = {name: pieces for name in names if len(pieces := _pieces(name, separator)) > 1}
        if split and (found := _combined(names, split, rare=separator in _RARE_IN_NAMES)):
            return separator, sorted(split if separator in _RARE_IN_NAMES else found)
    return None


def _combined(names: Collection[str], split: dict[str, list[str]], *, rare: bool) -> list[str]:
    """Those of the names that are `split` that look like several."""
    free = {name.strip() for name in names if name not in split}
    places: dict[str, set[int]] = {}
    counts: dict[str, int] = {}
    for pieces in split.values():
        for place, piece in enumerate(pieces):
            places.setdefault(piece, set()).add(place)
        for piece in set(pieces):
            counts[piece] = counts.get(piece, 0) + 1
    free |= {piece for piece, found in places.items() if len(found) > 1 and counts[piece] > 1}
    if rare:
        free |= {piece for piece, count in counts.items() if count > 1}
        return [name for name, pieces in split.items() if free.intersection(pieces)]
    return [name for name, pieces in split.items() if free.issuperset(pieces)]


def described(separator: str) -> str:
    """`separator` as a shell takes it."""
    return {"\t": "$'\\t'", "\n": "$'\\n'"}.get(separator, f"'{separator}'")


def kind_of(items: Iterable[Value]) -> str | None:
    """int or bool if all `items` are (null is any), float with a number that is no whole one of 64 bits, else string;
    None without any."""
    kinds = {_kind(item) for item in items if item is not None}
    if not kinds:
        return None
    if kinds == {"int", "float"}:
        return "float"
    return kinds.pop() if len(kinds) == 1 else "string"


def each(lists: Iterable[list[Value]]) -> Iterable[Value]:
    """All items of all lists."""
    return chain.from_iterable(lists)


def _pieces(name: str, separator: str) -> list[str]:
    return [piece for part in name.split(separator) if (piece := part.strip())]


def _items(text: str, *, empty: bool) -> list[Value] | None:
    """The items of the inside of a list; None where it is none, an empty one unless it may be `empty`."""
    if not text:
        return [] if empty else None
    found: list[Value] = []
    place = 0
    while place < len(text):
        item = _ITEM.match(text, place)
        if item is None:
            return None
        found.append(_value(item))
        place = item.end()
        if place < len(text):
            between = _BETWEEN.match(text, place)
            if between is None:
                return None
            place = between.end()
    return found


def _value(item: re.Match[str]) -> Value:
    if (text := item["text"]) is not None:
        return _ESCAPE.sub(lambda found: _unescaped(found[1]), text[1:-1])
    if (number := item["number"]) is not None:
        return int(number) if re.fullmatch(rf"[-+]?[0-9]{{1,{_MOST_DIGITS}}}", number) else float(number)
    return _WORDS[item["word"].lower()]


def _unescaped(escape: str) -> str:
    if len(escape) > 1 and escape[0] in "xuU":
        point = int(escape[1:], 16)
        return chr(point) if point <= 0x10FFFF and not 0xD800 <= point <= 0xDFFF else "\ufffd"
    return _ESCAPED.get(escape, escape)


def _kind(item: Value) -> str:
    if isinstance(item, bool):
        return "bool"
    if isinstance(item, float):
        return "int" if item.is_integer() and abs(item) <= EXACT else "float"
    if isinstance(item, int):
        return "int" if -(2**63) <= item < 2**63 else "float"
    return "string"


def _as_float(item: Value) -> float:
    try:
        return float(item)  # type: ignore[arg-type]
    except OverflowError:
        return float("inf")
