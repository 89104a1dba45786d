"""Thresholds and slices on a page."""

from __future__ import annotations

import re

import pytest

from scorer.metrics.judged_rows import Slice
from scorer.metrics.reliability import LabelThreshold, Threshold
from scorer.reports.answers import slice_section, threshold_section
from tests.reports.markup import checked

KEPT = [Threshold(0.0, 1.0, 100, 0.8), Threshold(0.5, 0.4, 40, 0.9), Threshold(0.99, 0.0, 0, 0.0)]


def part(value: str, *, worse: bool = False) -> Slice:
    return Slice("country", value, 10, 0.5, 0.4, 0.7, 0.2, worse)


def test_every_threshold_has_its_row_and_nothing_kept_has_no_accuracy() -> None:
    html = threshold_section(KEPT)
    texts = checked(html).texts
    assert {"100.0 %", "80.0 %", "40.0 %", "90.0 %", "0.0 %"} <= set(texts)
    assert texts.count("0.0 %") == 1, "the share of rows, and no accuracy of none"
    accuracy, kept = re.findall(r'<polyline class="(?:one|two) stroke" points="(.*?)"', html)[:2]
    assert (len(accuracy.split()), len(kept.split())) == (2, 3)


def test_the_line_of_abstaining_stands_where_it_abstains() -> None:
    html = threshold_section(KEPT, abstain_below=0.5)
    assert "abstains below 0.500" in html
    middle = re.findall(r'class="mark" d="M([\d.]+) ', html.split('class="chart"')[1])
    ends = [float(x) for x in re.findall(r'<text x="([\d.]+)" y="\d+" text-anchor="middle">[01]\.0</text>', html)[:2]]
    assert float(middle[0]) == pytest.approx(sum(ends) / 2, abs=0.1)


def test_a_model_that_always_abstains_is_told_and_has_no_line() -> None:
    html = threshold_section(KEPT, abstain_below=2.0)
    assert "abstains from every row" in html
    assert 'class="mark"' not in html


def test_several_labels_have_precision_recall_and_f1() -> None:
    html = threshold_section([LabelThreshold(0.25, 0.125, 0.875, 0.21875), LabelThreshold(0.5, 0.5, 0.25, 0.333)])
    assert html.count("<polyline") == 3
    faint = threshold_section([LabelThreshold(0.5, 0.5, 0.25, 0.333), LabelThreshold(0.99, 0.0, 0.0, 0.0)])
    precision, recall = re.findall(r'<polyline class="(?:one|two) stroke" points="(.*?)"', faint)
    assert (len(precision.split()), len(recall.split())) == (1, 2), "no precision where no label is given"
    assert {"0.25", "0.125", "0.875", "0.219"} <= set(checked(html).texts)


def test_without_thresholds_or_slices_there_is_nothing() -> None:
    assert threshold_section([]) == slice_section([]) == ""


def test_only_a_worse_slice_is_marked() -> None:
    html = slice_section([part("de"), part("fr", worse=True)])
    assert re.findall(r"<bdi>(\w+)</bdi>.*?<b class=\"worse\">(.*?)</b>", html) == [("fr", "worse")]
    assert 'class="worse"' not in slice_section([part("de"), part("fr")])
    assert "exact match" in checked(slice_section([part("de")], several=True)).texts
