"""What was found wrong with the data, most severe first.

Owns how it is shown. Does not know how anything was found.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from scorer.reports.page import Html, safe, section


@dataclass(frozen=True)
class Remark:
    """One thing that was found: how severe it is, what it is, and what to do about it."""

    severity: Literal["error", "warning", "note"]
    what: str
    advice: str = ""


def remark_list(remarks: Sequence[Remark]) -> Html:
    items = "".join(
        f'<li><b class="{remark.severity}">{remark.severity}</b><div>{safe(remark.what)}'
        f"{f'<p>{safe(remark.advice)}</p>' if remark.advice else ''}</div></li>\n"
        for remark in remarks
    )
    return Html(f'<ul class="remarks">\n{items}</ul>')


def remark_section(heading: str, remarks: Sequence[Remark]) -> Html:
    """The remarks under their heading; nothing where there are none."""
    return section(heading, remark_list(remarks)) if remarks else Html("")
