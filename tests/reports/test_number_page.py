"""The page about a model that gives numbers: what stands on it, and how it looks in a browser."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from scorer.metrics.regression import JudgedNumbers, measure_numbers
from scorer.reports.number_page import number_histogram
from tests.reports.browser import Browser
from tests.reports.number_samples import number_page
from tests.reports.samples import HOSTILE
from tests.reports.test_in_browser import SCREENS, complaints


def test_every_section_is_there() -> None:
    html = number_page().html()
    for name in ("remarks", "errors", "learning-curves", "seeds", "slices", "hardest-rows", "numbers", "text-lengths"):
        assert f'<section id="{name}">' in html
    assert html.count("<circle") >= 600
    assert "Spearman correlation" in html
    assert '<b class="worse">worse</b>' in html
    assert "residual " in html
    assert "confidence" not in html
    assert "calibrat" not in html


def test_of_many_rows_some_are_drawn() -> None:
    page = number_page(rows=5000)
    html = page.html()
    assert html.count('<circle class="one faint"') == 2000
    assert "2,000 of 5,000 rows are drawn" in html
    assert len(html) < 400_000


def test_a_page_of_a_few_rows_and_of_equal_answers() -> None:
    targets, predicted = np.array([1.0, 2.0]), np.array([1.5, 1.5])
    judged, metrics = JudgedNumbers(targets, predicted), measure_numbers(targets, predicted)
    html = number_page(judged=judged, metrics=metrics, history=(), seeds=(), slices=(), hardest=(), train=None).html()
    assert "95 % interval" not in html
    assert 'id="learning-curves"' not in html


@pytest.mark.parametrize(("scale", "mean"), [(250.0, 1000.0), (1e-7, 0.0), (3e8, -1e9), (0.5, 3.0)])
def test_it_looks_right_on_every_screen(chromium: Browser, scale: float, mean: float) -> None:
    html = number_page(scale=scale, mean=mean).html()
    for width, dark in SCREENS:
        assert complaints(chromium, html, width=width, dark=dark) == [], (width, dark)


def test_hostile_texts(chromium: Browser) -> None:
    html = number_page(texts=HOSTILE, title="".join(HOSTILE)).html()
    for width in (1280, 390):
        assert complaints(chromium, html, width=width, dark=False) == []
        assert chromium.run("document.querySelectorAll('script, img, [onmouseover]').length") == 0


@pytest.mark.parametrize("values", [[1.7e18, 1.7e18 + 512], [1e299, -1e299], [5e-324, 0.0], [3.0]])
def test_numbers_of_any_size_are_drawn(values):
    assert "<svg" in number_histogram(np.array(values * 20), x="number")


@pytest.mark.parametrize("values", [[1.0, 2.0, sys.float_info.max], [-sys.float_info.max, sys.float_info.max]])
def test_numbers_that_have_no_axis_are_not_drawn(values):
    assert "not drawn" in number_histogram(np.array(values * 20), x="number")
