"""The page of an evaluation."""

from __future__ import annotations

import re

import pytest

from tests.reports.markup import checked
from tests.reports.samples import HOSTILE, evaluate_page, names

SECTIONS = ["Labels", "Confusion", "Calibration", "Thresholds", "Slices", "Suspected label errors", "Hardest rows"]


@pytest.mark.parametrize("multi", [False, True])
def test_it_has_every_section_and_all_figures(multi: bool) -> None:
    page = evaluate_page(names(5), multi=multi)
    found = checked(page.html())
    expected = [heading for heading in SECTIONS if not (multi and heading == "Confusion")]
    assert re.findall("<h2>(.*?)</h2>", page.html()) == ["Before you read on", *expected, "Lineage"]
    assert {f"{value:.4f}" for value in page.metrics.headline().values()} <= set(found.texts)
    assert {f"loss {row.loss:.2f}" for row in page.hardest} <= set(found.texts)
    assert "The rows with the highest loss. " in page.html(), "right answers may be among them"
    assert "exact match" in found.texts if multi else "accuracy" in found.texts


def test_hostile_names_are_harmless() -> None:
    found = checked(evaluate_page(HOSTILE, texts=HOSTILE, multi=True).html())
    assert not {"script", "img"} & set(found.tags)
