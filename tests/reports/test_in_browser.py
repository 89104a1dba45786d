"""The pages in a real browser: nothing overlaps, is cut off, is too faint to read, or asks the network for anything."""

from __future__ import annotations

from pathlib import Path

import pytest

from scorer.metrics.masked import MaskedFigures
from scorer.reports.adapt_page import AdaptPage
from scorer.reports.axes import Axis
from scorer.reports.charts import Curve, histogram, line_chart
from scorer.reports.fit_page import Evaluation
from scorer.reports.page import Html, beside, figure, page, section, table
from tests.reports.browser import Browser
from tests.reports.samples import HOSTILE, evaluate_page, fit_report, names

LOOKS = Path(__file__).with_name("looks.js").read_text(encoding="utf-8")
SCREENS = [(1280, False), (1280, True), (390, False), (390, True)]


def complaints(chromium: Browser, html: str, *, width: int, dark: bool) -> list[str]:
    """What is wrong with the page on this screen, its requests and its errors among it."""
    chromium.look(width=width, dark=dark)
    chromium.open(html)
    wrong: list[str] = chromium.run(LOOKS)
    # Nothing is taken off these lists, so that what a page does late is a complaint about the next.
    return [*wrong, *(f"request: {url}" for url in chromium.requests), *chromium.errors]


@pytest.mark.parametrize("multi", [False, True], ids=["one a row", "several a row"])
@pytest.mark.parametrize("labels", [2, 5, 28, 100])
def test_pages_of_few_and_many_labels(chromium: Browser, labels: int, multi: bool) -> None:
    for html in (make(names(labels), multi=multi).html() for make in (fit_report, evaluate_page)):
        for width, dark in SCREENS:
            assert complaints(chromium, html, width=width, dark=dark) == [], (width, dark)


@pytest.mark.parametrize(
    "values", [(0.792415, 0.792418), (1e-5, 3e-5), (0.0, 0.0), (-2.5e-3, 1e-3), (1234.5, 98765.0), (5e8,)]
)
def test_numbers_of_every_size_fit_their_charts(chromium: Browser, values: tuple[float, ...]) -> None:
    curve = Curve("loss", list(enumerate(values, 1)))
    counts = [round(abs(value) * 1000) for value in values]
    drawn = [
        line_chart([curve], x=Axis("epoch", low=0.0), y=Axis("loss")),
        line_chart([Curve("turned", [(up, across) for across, up in curve.points])], x=Axis("loss"), y=Axis("epoch")),
        histogram(range(len(values) + 1), counts, x=Axis("length", whole=True), y=Axis("rows", low=0.0, whole=True)),
    ]
    html = page("title", [section("Charts", beside(*(figure(chart, title="Chart") for chart in drawn)))])
    assert complaints(chromium, html, width=390, dark=False) == []


@pytest.mark.parametrize("width", [1280, 390])
def test_hostile_names_and_texts(chromium: Browser, width: int) -> None:
    title, lineage = "".join(HOSTILE), {text: text for text in HOSTILE}
    fit = fit_report(HOSTILE, texts=HOSTILE, title=title, lead=title, lineage=lineage)
    for one in (fit, evaluate_page(HOSTILE, texts=HOSTILE)):
        assert complaints(chromium, one.html(), width=width, dark=False) == []
        assert chromium.run("document.querySelectorAll('script, img, [onmouseover]').length") == 0


@pytest.mark.parametrize("parts", [None, 0.75], ids=["tokens", "parts, too"])
def test_the_page_of_an_adaptation(chromium: Browser, parts: float | None) -> None:
    curve = [Evaluation(step / 10, step, 9.0 / step, 8.5 / step, {"accuracy": step / 20}) for step in range(1, 11)]
    html = AdaptPage(
        title="".join(HOSTILE),
        before=MaskedFigures(4_000, 10.85, 0.0, parts),
        after=MaskedFigures(4_000, 2.5, 0.512, parts),
        untrained=True,
        history=curve,
        configuration={"base model": HOSTILE[0], "whole words": False},
        lineage={text: text for text in HOSTILE},
    ).html()
    for width, dark in SCREENS:
        assert complaints(chromium, html, width=width, dark=dark) == [], (width, dark)
    told = chromium.run("document.body.innerText")
    assert "nobody had trained it" in told
    assert ("share of pairs told rightly" in told) == (parts is not None)


def test_the_matrix_changes_between_shares_and_counts(chromium: Browser) -> None:
    chromium.open(fit_report(names(2)).html())
    shown = "document.querySelector('.heat td.hit').innerText"
    share = chromium.run(shown)
    chromium.run("document.querySelector('label[for=confusion-count]').click()")
    count = chromium.run(shown)
    confusion = fit_report(names(2)).metrics.confusion
    assert confusion is not None
    assert (share, count) == (f"{confusion[0][0] / sum(confusion[0]):.0%}".rstrip("%"), str(confusion[0][0]))


@pytest.mark.parametrize(
    ("html", "wrong"),
    [
        ('<p style="width: 900px">wide</p>', "the page is"),
        ('<p style="overflow: hidden; width: 2em; white-space: nowrap">a long text that is cut</p>', "cut off"),
        ('<p style="color: #ccc">faint</p>', "contrast"),
        (
            '<svg class="chart" viewBox="0 0 100 50"><text x="9" y="20">one</text><text x="9" y="20">two</text></svg>',
            "overlap",
        ),
        ('<svg class="chart" viewBox="0 0 100 50"><text x="95" y="20">long word</text></svg>', "outside its chart"),
        ('<p>above</p><p style="margin-top: -1.6em">below</p>', "texts overlap"),
        ('<img src="http://127.0.0.1:9/x.png" alt="">', "request: http://127.0.0.1:9/x.png"),
        ("<script>throw 'x'</script>", "exception"),
    ],
)
def test_the_examination_finds_what_is_wrong(chromium: Browser, html: str, wrong: str) -> None:
    found = complaints(chromium, page("title", [Html(html)]), width=390, dark=False)
    chromium.renew()
    assert any(wrong in complaint for complaint in found), found


def test_a_wide_table_scrolls_in_its_own_box(chromium: Browser) -> None:
    html = page("title", [section("Wide", table([f"column {i}" for i in range(40)], [["x"] * 40]))])
    assert complaints(chromium, html, width=390, dark=False) == []
    assert chromium.run("document.querySelector('.wide').scrollWidth > document.querySelector('.wide').clientWidth")
