"""The section that tells how many rows have each `score_status`, and what that means."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from scorer.reports.page import Html, meter, percent, section, table

MEANINGS: Final[Mapping[str, str]] = {
    "ok": "scored",
    "truncated": "scored, and the text is longer than what the model reads",
    "abstain": "scored, and the model is too unsure",
    "null": "no score: there is no text",
    "empty": "no score: the text is empty or blank",
    "nonfinite": "no score: the model gave a number that is not finite",
    "oom": "no score: too little memory for this row",
}


def status_section(statuses: Mapping[str, int], *, rows: int) -> Html:
    """How many of the `rows` have each `score_status`, and what it means."""
    listed = (
        (
            name,
            MEANINGS.get(name, ""),
            f"{count:,}",
            meter(count / max(rows, 1), percent(count / max(rows, 1))),
        )
        for name, count in sorted(statuses.items(), key=lambda item: -item[1])
    )
    shown = table(("score_status", "what it means", "rows", "share"), listed, words={1})
    return section("Statuses", shown if statuses else "")
