"""Single rows on a page."""

from __future__ import annotations

from scorer.reports.rows import MOST_CHARACTERS, ShownRow, row_list
from tests.reports.markup import checked


def row(*texts: str, predicted: tuple[str, ...] = ("b",), number: int | None = None) -> ShownRow:
    return ShownRow(texts=texts, truth=("a<",), predicted=predicted, confidence=0.25, loss=1.5, row=number)


def test_a_row_has_its_texts_labels_and_figures() -> None:
    found = checked(row_list([row("<b>one</b>", "two", number=1234)]))
    assert {"<b>one</b>", "two", "a<", "b", "confidence 0.250", "loss 1.50", "row 1,234"} <= set(found.texts)


def test_a_row_of_unknown_place_has_no_number() -> None:
    assert not [text for text in checked(row_list([row("text")])).texts if text.startswith("row")]


def test_no_label_at_all_is_said() -> None:
    assert "none" in checked(row_list([row("text", predicted=())])).texts


def test_labels_are_called_what_they_are_there() -> None:
    texts = checked(row_list([row("text")], truth="given label", predicted="perhaps")).texts
    assert {"given label ", "perhaps "} <= set(texts)


def test_a_text_is_cut() -> None:
    shown = checked(row_list([row("word " * 400)])).texts[0]
    assert len(shown) <= MOST_CHARACTERS
    assert shown.endswith("…")
