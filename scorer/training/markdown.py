"""Text that stands in a Markdown page or its YAML front matter as it is, whatever is in it: what has to be escaped."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterable, Sequence
from typing import Any

# What YAML does not allow in a text, or takes for the end of a line.
_NOT_YAML = re.compile("[^\t\n\r\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
# What Markdown reads as more than text: anywhere, and where a line begins.
_MARKDOWN = re.compile(r"([\\`*_{}\[\]|~$]|^[#+-])")


def table(columns: dict[str, Sequence[Any]], *, most: int | None = None) -> Iterable[str]:
    """The lines of a table of `columns`, by their headings, at most `most` rows; cells stand as they are."""
    yield "| " + " | ".join(columns) + " |"
    yield "|" + "---|" * len(columns)
    # A column may be longer: the profile counts rows without any label last.
    for row in list(zip(*columns.values(), strict=False))[:most]:
        yield "| " + " | ".join(map(str, row)) + " |"


def listed(names: Sequence[str], most: int = 10) -> str:
    """The first `most` of `names`, and how many more there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(map(plain, names[:most])) + more


def percent(share: float) -> str:
    """A `share` from 0 to 1 for people."""
    return f"{100 * share:.1f} %"


def plain(text: str) -> str:
    """`text` as Markdown that shows it, on one line, whatever is in it."""
    return _MARKDOWN.sub(r"\\\1", html.escape(" ".join(text.split()), quote=False))


def code(text: str) -> str:
    """`text` as Markdown code, on one line."""
    line = " ".join(text.split())
    fence = _fence(line, least=1)
    return f"{fence} {line} {fence}" if "`" in line else f"`{line}`"


def fenced(text: str) -> list[str]:
    """`text` as a block of code."""
    fence = _fence(text, least=3)
    return [fence, text, fence]


def _fence(text: str, *, least: int) -> str:
    """Backticks, more than stand together anywhere in `text`."""
    return "`" * max([least, *(len(run) + 1 for run in re.findall("`+", text))])


class Decimal(float):
    """A number that YAML 1.1, too, reads as one: it takes 1e-05 for a text."""

    def __repr__(self) -> str:
        return f"{float(self):.6f}"


def yaml(value: Any) -> str:
    """`value` as JSON of characters that YAML allows."""
    return _NOT_YAML.sub(lambda found: f"\\u{ord(found[0]):04x}", _json(value))


def _json(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_json(key)}: {_json(part)}" for key, part in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_json, value)) + "]"
    return repr(value) if isinstance(value, Decimal) else json.dumps(value, ensure_ascii=False)
