"""What a request asks for, whatever the form that it came in: texts or pairs, and which columns of answers.

Pure: documents in, checked values out. What is wrong is Refused with the place of the value, never the value.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from scorer.config import FrameConfig
from scorer.errors import near, shown
from scorer.serving.refusals import too_large, wrong

COLUMN_KEYS = ("probabilities", "expected", "token_count", "top_k")


@dataclass(frozen=True, kw_only=True)
class TextLimits:
    """What a request may have at most."""

    texts: int
    characters: int


@dataclass(frozen=True, kw_only=True)
class Asked:
    """`texts` and, of pairs, their `seconds`; None is a text that is missing. `single` when one was given by itself,
    and not as a list of one. `columns` are the fields of FrameConfig that the request names."""

    texts: Sequence[str | None]
    seconds: Sequence[str | None] | None = None
    single: bool = False
    columns: Mapping[str, Any] = field(default_factory=dict)

    def config(self, config: FrameConfig) -> FrameConfig:
        """`config` with the columns that the request asks for."""
        return replace(config, **self.columns) if self.columns else config


def read_document(body: bytes) -> dict[str, Any]:
    """The JSON object in `body`; Refused when there is none."""
    try:
        document = json.loads(body.decode("utf-8-sig"), object_pairs_hook=_object)
    except (ValueError, RecursionError) as error:
        where = f" (line {error.lineno}, column {error.colno})" if isinstance(error, json.JSONDecodeError) else ""
        raise wrong(f"the body is not JSON in UTF-8{where}") from error
    if not isinstance(document, dict):
        raise wrong(f"the body is {_kind(document)}; an object is expected")
    return document


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise wrong("a key stands twice in one object; keep one of them")
    return found


def refuse_unknown(document: Mapping[str, Any], known: Sequence[str]) -> None:
    """Refused for a key that nobody reads: it may be a known one that is misspelt."""
    for key in document:
        if key not in known:
            close = near(key, known)
            hint = f"did you mean {close[0]!r}?" if close else f"known keys: {', '.join(known)}"
            raise wrong(f"unknown key {shown(key)}; {hint}")


def read_name(document: Mapping[str, Any], key: str = "model") -> str | None:
    """The name of the model, or another word that stands under `key`, if the request says it."""
    name = document.get(key)
    if name is None:
        return None
    if not isinstance(name, str):
        raise wrong(f"{key}: {_kind(name)}, where a string is expected")
    return _unicode(name, key)


def read_columns(document: Mapping[str, Any]) -> dict[str, Any]:
    """Which columns of answers the request asks for."""
    found = {key: document[key] for key in COLUMN_KEYS if document.get(key) is not None}
    for key, value in found.items():
        kind, expected = (int, "a whole number") if key == "top_k" else (bool, "true or false")
        if type(value) is not kind:
            raise wrong(f"{key}: {_kind(value)}, where {expected} is expected")
    if found.get("top_k", 1) < 1:
        raise wrong(f"top_k: {found['top_k']}; 1 is the least")
    return found


def read_texts(value: Any, key: str, limits: TextLimits) -> list[str | None]:
    """The texts of the list `value`, which stood under `key`; null is a text that is missing."""
    if not isinstance(value, list):
        raise wrong(f"{key}: {_kind(value)}, where a list of strings is expected")
    if len(value) > limits.texts:
        raise too_large(f"{key}: {len(value)} texts; a request may have {limits.texts}")
    return [read_text(text, f"{key}[{place}]", limits) for place, text in enumerate(value)]


def read_text(value: Any, key: str, limits: TextLimits) -> str | None:
    """The text `value`, which stood at `key`."""
    if value is None:
        return None
    if not isinstance(value, str):
        raise wrong(f"{key}: {_kind(value)}, where a string is expected")
    if len(value) > limits.characters:
        raise too_large(f"{key}: {len(value)} characters; a text may have {limits.characters}")
    return _unicode(value, key)


def check_pairs(asked: Asked, *, reads_pairs: bool | None) -> None:
    """Refused unless the request has as many second texts as texts, and has them where the model reads pairs."""
    if asked.seconds is not None and len(asked.seconds) != len(asked.texts):
        raise wrong(f"{len(asked.texts)} texts and {len(asked.seconds)} second ones; a pair has one of each")
    if reads_pairs and asked.seconds is None:
        raise wrong("this model reads pairs of texts; give the second texts, too")
    if reads_pairs is False and asked.seconds is not None:
        raise wrong("this model reads single texts; leave the second texts out")


def _unicode(value: str, key: str) -> str:
    """`value`, which JSON lets hold what no answer can: half of a pair that stands for one character."""
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise wrong(f"{key}: half of a surrogate pair at character {error.start}; that is no Unicode text") from error
    return value


def _kind(value: Any) -> str:
    """What JSON calls the type of `value`."""
    names = {dict: "an object", list: "a list", str: "a string", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number")
