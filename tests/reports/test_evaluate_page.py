"""The page of an evaluation."""

from __future__ import annotations

import dataclasses
import re

import pytest

from tests.reports.markup import checked
from tests.reports.samples import HOSTILE, evaluate_page, names

SECTIONS = [
    "Labels",
    "Confusion",
    "Calibration",
    "Thresholds",
    "Slices",
    "Suspected label errors",
    "Hardest rows",
    "Label frequencies",
    "Text lengths",
    "Configuration",
    "Lineage",
]


@pytest.mark.parametrize("multi", [False, True])
def test_it_has_every_section_and_all_figures(multi: bool) -> None:
    page = evaluate_page(names(5), multi=multi)
    found = checked(page.html())
    expected = [heading for heading in SECTIONS if not (multi and heading == "Confusion")]
    assert re.findall("<h2>(.*?)</h2>", page.html()) == ["Before you read on", *expected]
    assert {f"{value:.4f}" for value in page.metrics.headline().values()} <= set(found.texts)
    assert {f"loss {row.loss:.2f}" for row in page.hardest} <= set(found.texts)
    assert "The rows with the highest loss. " in page.html(), "right answers may be among them"
    assert "exact match" in found.texts if multi else "accuracy" in found.texts


@pytest.mark.parametrize("multi", [False, True])
def test_how_often_each_label_is_true_and_predicted(multi: bool) -> None:
    page = evaluate_page(names(5), multi=multi)
    section = page.html().split('id="label-frequencies"')[1].split("</section>")[0]
    counts = dict(re.findall(r'class="name"><bdi>(.*?)</bdi>.*?class="value">(.*?)</span>', section))
    assert counts == {label.name: f"{label.support} / {label.predicted}" for label in page.metrics.labels}
    assert multi or list(counts) == ["1", "2", "3", "4", "5"], "the order of numbers"


def test_what_nobody_counted_is_not_shown() -> None:
    page = dataclasses.replace(evaluate_page(names(2)), lengths=None)
    assert "Text lengths" not in page.html()


def test_hostile_names_are_harmless() -> None:
    found = checked(evaluate_page(HOSTILE, texts=HOSTILE, multi=True).html())
    assert not {"script", "img"} & set(found.tags)


def test_a_model_without_a_calibration_is_not_said_to_have_brought_one() -> None:
    page = evaluate_page(names(2))
    assert "the model brought it along" in page.html()
    html = dataclasses.replace(page, calibrated=False).html()
    assert "the model brought it along" not in html
    assert "brought no calibration along" in html
