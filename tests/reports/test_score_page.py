"""The page of a score job: what stands on it, hostile texts, and how it looks in a browser."""

from __future__ import annotations

import dataclasses
import re

import pytest

from scorer.reports.outcome import GroupKind
from tests.reports.browser import Browser
from tests.reports.markup import checked
from tests.reports.outcome_samples import number_outcome_page, score_page
from tests.reports.samples import HOSTILE, names
from tests.reports.test_in_browser import SCREENS, complaints

SECTIONS = ["Labels", "Confidence", "Labels over time", "Statuses", "Drift", "Examples", "Model", "Lineage"]


def headings(html: str) -> list[str]:
    return re.findall("<h2>(.*?)</h2>", html)


def test_it_has_every_section_and_all_figures() -> None:
    page = score_page(names(5))
    found = checked(page.html())
    assert headings(page.html()) == ["Before you read on", *SECTIONS]
    for label in page.outcome.labels:
        assert {label.name, f"{label.rows:,}", f"{label.confidence:.3f}"} <= set(found.texts)
    assert {"truncated", "500", "4.1 %", "12,345", "31"} <= set(found.texts)
    assert {f"confidence {row.value:.3f}" for label in page.outcome.labels for row in label.sure} <= set(found.texts)
    assert {"0.300", "much", "some", "no more than chance"} <= set(found.texts)


def test_labels_that_are_numbers_keep_their_order_and_names_are_by_frequency() -> None:
    def listed(html: str) -> list[str]:
        return re.findall(r'<th scope="row"><bdi>(.*?)</bdi>', html.split('id="labels"')[1].split("</section>")[0])

    assert listed(score_page(names(5)).html()) == list(names(5))
    page = score_page(names(28))
    order = sorted(page.outcome.labels, key=lambda label: -label.rows)
    assert listed(page.html()) == [label.name for label in order]


@pytest.mark.parametrize("labels", [2, 28, 100])
def test_of_many_labels_each_has_a_small_drawing(labels: int) -> None:
    page = score_page(names(labels))
    given = sum(label.rows > 0 for label in page.outcome.labels)
    found = len(re.findall(r'<svg class="chart" viewBox="0 0 168 96"', page.html()))
    assert found == given * (1 if labels == 2 else 2), "confidence, and time where one chart would be crowded"


def test_rows_by_a_column_are_a_table_of_its_values() -> None:
    for kind, heading in (("category", "Labels by shop"), ("range", "Labels by shop"), ("part", "Labels by file")):
        page = score_page(names(28), kind=kind, texts=("shop",))  # type: ignore[arg-type]
        html = page.html()
        assert heading in headings(html)
        assert "The 12 most frequent of 28 labels." in html


def test_what_is_not_known_is_not_shown() -> None:
    page = score_page(names(2))
    bare = dataclasses.replace(page.outcome, drift=(), breakdown=None, statuses={}, labels=[], rows=0)
    html = dataclasses.replace(page, outcome=bare, scored=0, remarks=(), parts=None).html()
    assert headings(html) == ["Model", "Lineage"]
    checked(html)


def test_a_page_of_numbers() -> None:
    html = number_outcome_page().html()
    checked(html)
    assert headings(html)[1:4] == ["Numbers", "Numbers over time", "Statuses"]
    assert "mean confidence" not in html
    assert {"Highest numbers", "Lowest numbers"} <= set(re.findall("<h4>(.*?)</h4>", html))


@pytest.mark.parametrize("kind", ["time", "category", "part"])
def test_hostile_names_and_texts_are_harmless(kind: GroupKind) -> None:
    for page in (score_page(HOSTILE, texts=HOSTILE, kind=kind), number_outcome_page(texts=HOSTILE, kind=kind)):
        found = checked(page.html())
        assert not {"script", "img"} & set(found.tags)
        assert not {name for name in found.attributes if name.startswith("on")}


@pytest.mark.parametrize("labels", [2, 5, 28, 100])
def test_pages_of_few_and_many_labels_in_a_browser(chromium: Browser, labels: int) -> None:
    pages = [score_page(names(labels), kind=kind, several=labels == 28) for kind in ("time", "category")]
    for html in (page.html() for page in pages):
        for width, dark in SCREENS:
            assert complaints(chromium, html, width=width, dark=dark) == [], (width, dark)


@pytest.mark.parametrize("width", [1280, 390])
def test_numbers_and_hostile_texts_in_a_browser(chromium: Browser, width: int) -> None:
    for page in (
        number_outcome_page(),
        number_outcome_page(texts=HOSTILE, kind="category"),
        score_page(HOSTILE, texts=HOSTILE, kind="part"),
    ):
        assert complaints(chromium, page.html(), width=width, dark=False) == []
        assert chromium.run("document.querySelectorAll('script, img, [onmouseover]').length") == 0
