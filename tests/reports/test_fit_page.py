"""The section of several seeds."""

from __future__ import annotations

import re

import pytest

from scorer.reports.fit_page import SeedFigures, seed_section
from tests.reports.markup import checked
from tests.reports.samples import EMOTIONS, HISTORY, HOSTILE, TEXT, fit_report, names

SECTIONS = [
    "Data checks",
    "Labels",
    "Confusion",
    "Learning curves",
    "Seeds",
    "Calibration",
    "Thresholds",
    "Slices",
    "Hardest rows",
    "Label frequencies",
    "Text lengths",
    "Configuration",
    "Lineage",
]


def test_a_figure_that_one_seed_lacks_is_an_empty_cell() -> None:
    """A fit that keeps no row has no accuracy of the rows it keeps."""
    seeds = [SeedFigures(1, True, {"accuracy": 0.5}), SeedFigures(2, False, {"accuracy": 0.25, "coverage": 0.125})]
    for order in (seeds, seeds[::-1]):
        page = seed_section(order)
        assert all(figure in page for figure in ("0.5000", "0.2500", "0.1250"))
        assert page.count("<td") + page.count("<th ") + page.count("<th>") == 9


def test_a_single_seed_has_no_section() -> None:
    assert seed_section([SeedFigures(1, True, {"accuracy": 0.5})]) == ""


def headings(html: str) -> list[str]:
    return re.findall("<h2>(.*?)</h2>", html)


def test_the_page_is_well_formed_and_shows_every_figure() -> None:
    report = fit_report(("bad", "good"))
    checker, figures = checked(report.html()), report.metrics
    for value in figures.headline().values():
        assert f"{value:.4f}" in checker.texts
    for label in figures.labels:
        assert {label.name, f"{label.precision:.3f}", f"{label.recall:.3f}", f"{label.f1:.3f}"} <= set(checker.texts)
    assert figures.confusion is not None
    for row in figures.confusion:
        assert {str(count) for count in row} <= set(checker.texts)
    assert "0.0001" in checker.texts
    assert headings(report.html()) == SECTIONS


@pytest.mark.parametrize("labels", [2, 5, 28, 100])
@pytest.mark.parametrize("multi", [False, True])
def test_every_number_and_kind_of_labels_gives_a_page(labels: int, multi: bool) -> None:
    html = fit_report(names(labels), multi=multi).html()
    checked(html)
    assert headings(html) == [heading for heading in SECTIONS if not (multi and heading == "Confusion")]


def test_what_nobody_knows_has_no_section() -> None:
    empty = ("history", "seeds", "train_labels", "thresholds", "slices", "hardest", "remarks", "lineage")
    html = fit_report(names(2), profile=None, **dict.fromkeys(empty, ())).html()
    assert headings(html) == ["Labels", "Confusion", "Calibration", "Configuration"]


def test_hostile_texts_and_names_stay_texts() -> None:
    everything = "".join(HOSTILE)
    html = fit_report(HOSTILE, texts=HOSTILE, title=everything, lineage={everything: everything}).html()
    found = checked(html)
    assert not {"script", "img"} & set(found.tags)
    assert {name for name in found.attributes if name.startswith("on") or name == "src"} == set()
    assert set(re.findall(r'href="(.)', html)) == {"#"}
    html.encode("utf-8")
    assert not re.search("[\x00-\x08\x0b-\x1f]", html)


def test_the_page_loads_nothing_and_runs_nothing() -> None:
    html = fit_report(names(28)).html()
    assert "://" not in html
    assert not re.search(r"(?i)<script|@import|url\(|\bsrc=|<link|<iframe", html)


def test_texts_are_cut_and_each_is_shown_once() -> None:
    found = checked(fit_report(names(2), texts=(TEXT,)).html())
    shown = [text for text in found.texts if text.startswith(TEXT.strip()[:40])]
    assert max(map(len, shown)) <= 300
    assert any(text.endswith("…") for text in shown)


def test_stars_keep_their_order_and_names_come_by_frequency() -> None:
    def order(labels: tuple[str, ...]) -> list[str]:
        html = fit_report(labels).html().split('id="label-frequencies"')[1]
        return re.findall(r'class="name"><bdi>(.*?)</bdi>', html)

    assert order(names(5)) == ["1", "2", "3", "4", "5"]
    by_frequency = order(names(28))
    assert sorted(by_frequency) == sorted(EMOTIONS.split())
    assert by_frequency != sorted(by_frequency)


def test_the_seed_that_was_kept_is_told() -> None:
    found = checked(fit_report(names(2)).html()).texts
    assert {"1", "0.5100", "2, kept", "0.5200"} <= set(found)


def test_every_evaluation_is_a_point() -> None:
    section = fit_report(names(2)).html().split('id="learning-curves"')[1].split("</section>")[0]
    # The second evaluation has no training loss.
    assert section.count("<circle") == 4 * len(HISTORY) - 1
