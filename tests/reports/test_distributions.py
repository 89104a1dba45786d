"""Label frequencies and text lengths on a page."""

from __future__ import annotations

import re

from scorer.reports.distributions import frequency_section, length_section


def test_the_length_that_the_model_sees_stands_between_its_bins() -> None:
    html = length_section((4, 8, 16), [1, 2, 3, 0], max_length=12, truncated_share=0.25)
    drawing = html.split('class="chart"')[1]
    mark = float(re.findall(r'class="mark" d="M([\d.]+) ', drawing)[0])
    ticks = dict(re.findall(r'<text x="([\d.]+)" y="\d+" text-anchor="middle">(\d+)</text>', drawing))
    places = {int(text): float(x) for x, text in ticks.items()}
    assert list(places) == [0, 4, 8, 16], "bins without texts at the end are left out"
    assert abs(mark - (places[8] + places[16]) / 2) < 0.2
    assert "25.0 % of the texts are longer than the max length of 12 tokens." in html
    assert drawing.count("<rect") == 3


def test_a_length_far_beyond_all_texts_is_no_line() -> None:
    assert 'class="mark"' not in length_section((4, 8, 16), [1, 2, 0, 0], max_length=512, truncated_share=0.0)


def test_texts_longer_than_all_edges_have_a_bin() -> None:
    assert length_section((4, 8), [1, 0, 5], max_length=8, truncated_share=0.5).count("<rect") == 2


def test_beyond_forty_labels_the_rest_is_folded_away_at_the_same_scale() -> None:
    counts = list(range(100, 50, -1))
    first, rest = frequency_section([f"l{count}" for count in counts], counts, counts).split("<details>")
    assert [first.count('class="name"'), rest.count('class="name"')] == [40, 10]
    assert '--share:0.6000"' in rest, "60 of 100"


def test_numbers_that_come_by_size_have_the_scale_of_all() -> None:
    counts = [50] * 40 + [100]
    html = frequency_section([str(place) for place in range(41)], counts, counts, ordered=True)
    first, rest = html.split("<details>")
    assert '--share:1.0000"' not in first
    assert '--share:1.0000"' in rest
