"""Label frequencies, text lengths, thresholds and slices on a page."""

from __future__ import annotations

import re
from typing import Any

import pytest

from scorer.classifier.long_text import LongText
from scorer.metrics.judged_rows import Slice
from scorer.metrics.reliability import LabelThreshold, Threshold
from scorer.reports.breakdowns import (
    TextLengths,
    frequency_section,
    length_section,
    prediction_section,
    slice_section,
    threshold_section,
)
from tests.reports.markup import checked


def lengths(edges: tuple[int, ...], counts: list[int], **changed: Any) -> str:
    """The section of texts with these lengths; `changed` replaces what else is said of them."""
    fields = {"truncated_share": 0.0, "max_length": 512, "long_text": LongText()} | changed
    return length_section(TextLengths(edges=edges, counts=counts, **fields), of="training text")


def test_the_length_that_the_model_sees_stands_between_its_bins() -> None:
    html = lengths((4, 8, 16), [1, 2, 3, 0], max_length=12, truncated_share=0.25)
    drawing = html.split('class="chart"')[1]
    mark = float(re.findall(r'class="mark" d="M([\d.]+) ', drawing)[0])
    ticks = dict(re.findall(r'<text x="([\d.]+)" y="\d+" text-anchor="middle">(\d+)</text>', drawing))
    places = {int(text): float(x) for x, text in ticks.items()}
    assert list(places) == [0, 4, 8, 16], "bins without texts at the end are left out"
    assert abs(mark - (places[8] + places[16]) / 2) < 0.2
    assert drawing.count("<rect") == 3


@pytest.mark.parametrize(
    ("long_text", "share", "said"),
    [
        (LongText(), 0.25, "25.0 % of the texts are longer than the max length of 12 tokens: their end is cut off."),
        (LongText("head-tail"), 0.25, "longer than the max length of 12 tokens: their middle is left out."),
        (LongText("head-tail"), 0.25, "A text that is longer than 12 tokens counts with those that are left of it."),
        (LongText("window", 3), 0.0, "in windows of at most 12 tokens.</p>"),
        (LongText("window", 3), 0.02, "in windows of at most 12 tokens. 2.0 % of them are too long even for that"),
        (LongText("window", 3), 0.0, "special ones stand in each, and neighbouring windows share 3."),
    ],
)
def test_what_becomes_of_long_texts_is_said_as_it_is(long_text: LongText, share: float, said: str) -> None:
    html = lengths((4, 8, 16), [1, 2, 3, 0], max_length=12, truncated_share=share, long_text=long_text)
    assert said in html
    assert ("longer than the max length" in html) == (long_text.strategy != "window")
    assert "Tokens that the model sees of each training text" in html


def test_a_length_far_beyond_all_texts_is_no_line() -> None:
    assert 'class="mark"' not in lengths((4, 8, 16), [1, 2, 0, 0])


def test_texts_longer_than_all_edges_have_a_bin_that_is_told() -> None:
    beyond = lengths((4, 8), [1, 0, 5], max_length=8)
    assert beyond.count("<rect") == 2
    assert "The last bar holds all beyond 8." in beyond
    assert "The last bar" not in lengths((4, 8), [1, 5, 0], max_length=8)


def test_beyond_forty_labels_the_rest_is_folded_away_at_the_same_scale() -> None:
    counts = list(range(100, 50, -1))
    first, rest = frequency_section([f"l{count}" for count in counts], counts, counts).split("<details>")
    assert [first.count('class="name"'), rest.count('class="name"')] == [40, 10]
    assert '--share:0.6000"' in rest, "60 of 100"


def test_true_and_predicted_rows_have_one_scale_and_the_two_sides_of_a_split_have_two() -> None:
    both = prediction_section(["a", "b"], [10, 20], [40, 5])
    assert re.findall('--share:(.*?)"', both) == ["0.5000", "0.1250", "0.2500", "1.0000"]
    split = frequency_section(["a", "b"], [10, 20], [40, 5])
    assert re.findall('--share:(.*?)"', split) == ["1.0000", "0.1250", "0.5000", "1.0000"]


def test_numbers_that_come_by_size_have_the_scale_of_all() -> None:
    counts = [50] * 40 + [100]
    html = frequency_section([str(place) for place in range(41)], counts, counts, ordered=True)
    first, rest = html.split("<details>")
    assert '--share:1.0000"' not in first
    assert '--share:1.0000"' in rest


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
