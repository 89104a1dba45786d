"""A report as one HTML file that needs nothing else: the document, and the blocks it is built from.

The looks are in `page.css`. What is not `Html` is escaped where it enters a block, so a text of a user's file cannot
become markup. The page runs no script and loads nothing.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from html import escape
from importlib.resources import files
from typing import Any

# What HTML may not hold, and what no UTF-8 file can: control characters and halves of surrogate pairs. And what makes
# letters stand in another order than they are read in.
_UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202d\u202e\ud800-\udfff\ufffe\uffff]")
_FIGURES = {
    "rmse": "RMSE (root mean squared error)",
    "mae": "MAE (mean absolute error)",
    "r2": "R²",
    "pearson": "Pearson correlation",
    "spearman": "Spearman correlation",
    "macro_f1": "macro F1",
    "micro_f1": "micro F1",
    "nll": "negative log-likelihood",
    "coverage": "rows kept",
    "selective_accuracy": "accuracy of the rows kept",
    "ece": "calibration error (15 bins)",
    "brier": "Brier score",
}
_ENDLESS = re.compile(r"([!-~]{20})(?=[!-~])")
_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"


class Html(str):
    """Markup that was made here, of which every foreign part has been escaped."""

    __slots__ = ()


def safe(value: object) -> Html:
    """`value` as text that is harmless in an element and in a quoted attribute; `Html` stays as it is."""
    return value if isinstance(value, Html) else Html(escape(_UNPRINTABLE.sub(_REPLACEMENT, str(value)), quote=True))


def joined(parts: Iterable[object], between: str = "\n") -> Html:
    """`parts`, escaped where they are not `Html`, one after the other."""
    return Html(between.join(safe(part) for part in parts))


def quoted(text: str, limit: int = 60) -> Html:
    """A text or name from a user's file: on one line, cut to `limit` characters, with its own direction of writing.

    A cut one shows its first 500 characters when pointed at.
    """
    line = " ".join(text.split()) or "(blank)"
    if len(line) <= limit:
        return Html(f"<bdi>{_breakable(line)}</bdi>")
    return Html(f'<bdi title="{safe(line[:500])}">{_breakable(line[: limit - 1].rstrip())}…</bdi>')


def _breakable(line: str) -> str:
    """A line whose longest words may be broken, as those of addresses and identifiers must be on a phone."""
    return "<wbr>".join(safe(part) for part in _ENDLESS.split(line) if part)


def page(title: str, sections: Iterable[object], *, lead: object = "") -> Html:
    """A complete document of what `section` returned, with `lead` under the title, and links to its parts.

    `tiles` and other blocks may stand before the first section.
    """
    body = joined(sections)
    entries = re.findall(r'<section id="([^"]*)">\n<h2>(.*?)</h2>', body)
    links = "".join(f'<a href="#{name}">{heading}</a>\n' for name, heading in entries)
    nav = f'<nav aria-label="Sections">\n{links}</nav>\n' if len(entries) > 2 else ""
    under = f'<p class="lead">{safe(lead)}</p>\n' if lead else ""
    head = f"<header>\n<h1>{quoted(title, 120)}</h1>\n{under}</header>\n"
    return Html(_PAGE.format(title=safe(title), style=_style(), body=f"{head}{nav}{body}"))


def figure_name(name: str) -> str:
    """What people call the figure that `Metrics` calls `name`."""
    return _FIGURES.get(name, name.replace("_", " "))


def percent(share: float) -> str:
    """A share as people read it, such as 12.5 %."""
    return f"{share * 100:.1f} %"


def section(heading: str, *content: object, note: object = "") -> Html:
    """A part of the page under its own heading; `note` says how to read it. Nothing at all without content."""
    kept = [safe(part) for part in content if part]
    if not kept:
        return Html("")
    slug = re.sub(r"[^a-z0-9]+", "-", heading.lower()).strip("-")
    body = joined([paragraph(note), *kept] if note else kept)
    return Html(f'<section id="{slug}">\n<h2>{safe(heading)}</h2>\n{body}\n</section>')


def paragraph(text: object) -> Html:
    return Html(f"<p>{safe(text)}</p>")


def tiles(figures: Iterable[tuple[str, str]]) -> Html:
    """The few figures that matter most, as (name, value)."""
    shown = "".join(f"<div><dd>{safe(value)}</dd><dt>{safe(name)}</dt></div>\n" for name, value in figures)
    return Html(f'<dl class="tiles">\n{shown}</dl>')


def table(head: Sequence[object], rows: Iterable[Sequence[object]], *, words: Collection[int] = ()) -> Html:
    """A table whose first column names its rows. Other columns hold figures, but for those at the positions `words`.

    It scrolls within itself where the screen is narrower.
    """
    top = "".join(f"<th{_kind(position, words)}>{safe(name)}</th>" for position, name in enumerate(head))
    body = "".join(f"<tr>{_cells(row, words)}</tr>\n" for row in rows)
    content = f"<thead><tr>{top}</tr></thead>\n<tbody>\n{body}</tbody>"
    return Html(f'<div class="wide" tabindex="0"><table>\n{content}\n</table></div>')


def definitions(items: Mapping[str, Any]) -> Html:
    """Names and their values: configuration, lineage."""
    rows = "".join(f"<div><dt>{safe(name)}</dt><dd>{safe(_value(value))}</dd></div>\n" for name, value in items.items())
    return Html(f'<dl class="definitions">\n{rows}</dl>')


def meter(share: float, text: object) -> Html:
    """A figure of a table with a bar of length `share` (0 to 1) behind it."""
    return Html(f'<span class="meter" style="--share:{min(max(share, 0.0), 1.0):.3f}">{safe(text)}</span>')


def figure(drawing: object, *, title: object, caption: object = "", legend: object = "") -> Html:
    """A drawing with its name above it, and below it what its marks mean and how to read it."""
    below = f"<figcaption>{safe(caption)}</figcaption>\n" if caption else ""
    return Html(f"<figure>\n<h3>{safe(title)}</h3>\n{safe(legend)}{safe(drawing)}\n{below}</figure>")


def beside(*figures: object) -> Html:
    """Figures next to each other, or below each other where the screen is narrow."""
    return Html(f'<div class="beside">\n{joined(figures)}\n</div>')


def more(summary: str, content: object) -> Html:
    """What only some readers want, folded away."""
    return Html(f"<details>\n<summary>{safe(summary)}</summary>\n{safe(content)}\n</details>")


def _style() -> str:
    return files("scorer.reports").joinpath("page.css").read_text(encoding="utf-8")


def _kind(position: int, words: Collection[int]) -> str:
    return ' class="words"' if position in words or not position else ""


def _cells(row: Sequence[object], words: Collection[int]) -> str:
    first, *rest = row
    cells = "".join(f"<td{_kind(position, words)}>{safe(cell)}</td>" for position, cell in enumerate(rest, 1))
    return f'<th scope="row">{safe(first)}</th>{cells}'


def _value(value: Any) -> object:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_value(part)}" for name, part in value.items()) or "none"
    if isinstance(value, (list, tuple)):
        return ", ".join(str(_value(part)) for part in value) or "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "none" if value is None else value


_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
{body}
</body>
</html>
"""
