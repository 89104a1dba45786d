"""Single rows of a file on a page: their text, their label, the model's answer.

Owns how they are shown. Does not know which rows are worth showing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from scorer.reports.page import Html, quoted, safe

MOST_CHARACTERS = 300


@dataclass(frozen=True, kw_only=True)
class ShownRow:
    """A row with its texts as the file has them, and the names of its labels.

    truth, predicted  label names: one, or any number where a row may have several
    confidence        calibrated probability of the answer
    loss              in nats
    row               counted from 1 without the header, where it is known
    """

    texts: tuple[str, ...]
    truth: tuple[str, ...]
    predicted: tuple[str, ...]
    confidence: float
    loss: float
    row: int | None = None


def row_list(rows: Sequence[ShownRow], *, truth: str = "label", predicted: str = "predicted") -> Html:
    """The rows one below the other, each text cut to 300 characters; `truth` and `predicted` are what its labels are
    called there."""
    items = "".join(f"<li>{_texts(row)}{_facts(row, truth, predicted)}</li>\n" for row in rows)
    return Html(f'<ol class="rows">\n{items}</ol>')


def names(labels: Sequence[str]) -> Html:
    """Label names as they are read in a sentence."""
    return Html(", ".join(quoted(name, 40) for name in labels) or "none")


def _texts(row: ShownRow) -> str:
    return "".join(f"<blockquote>{quoted(text, MOST_CHARACTERS)}</blockquote>" for text in row.texts)


def _facts(row: ShownRow, truth: str, predicted: str) -> str:
    number = f"<span>row {row.row:,}</span>" if row.row is not None else ""
    return (
        f'<p class="facts"><span>{safe(truth)} <b class="truth">{names(row.truth)}</b></span>'
        f'<span>{safe(predicted)} <b class="predicted">{names(row.predicted)}</b></span>'
        f"<span>confidence {row.confidence:.3f}</span><span>loss {row.loss:.2f}</span>{number}</p>"
    )
