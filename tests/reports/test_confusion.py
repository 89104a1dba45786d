"""The confusion of labels on a page."""

from __future__ import annotations

import re

import numpy as np

from scorer.classifier.labels import LabelSet
from scorer.metrics.classification import Metrics, measure
from scorer.reports.confusion import MOST_LABELS, confusion_section
from tests.reports.markup import checked


def metrics(confusion: list[list[int]]) -> Metrics:
    """Metrics of predictions with this confusion."""
    pairs = [(i, j) for i, row in enumerate(confusion) for j, count in enumerate(row) for _ in range(count)]
    targets, predicted = np.array(pairs).T
    labels = LabelSet(tuple(f"l{i}" for i in range(len(confusion))), "string")
    return measure(np.eye(len(confusion), dtype=np.float32)[predicted], targets, labels=labels)


def test_cells_show_shares_of_their_row_and_counts() -> None:
    html = confusion_section(metrics([[3, 1], [0, 1000]]))
    cells = re.findall(r'<td( class="\w+")?[^>]*?>(?:<span>(.*?)</span><span>(.*?)</span>|·)</td>', html)
    assert cells == [
        (' class="hit"', "75", "3"),
        ("", "25", "1"),
        (' class="none"', "", ""),
        (' class="hit"', "100", "1,000"),
    ]
    checked(html)


def test_a_rare_confusion_is_not_rounded_to_none() -> None:
    assert "<span>&lt;1</span><span>1</span>" in confusion_section(metrics([[1000, 1], [0, 1]]))


def test_many_labels_have_their_most_frequent_confusions_instead() -> None:
    size = MOST_LABELS + 1
    confusion = np.eye(size, dtype=int) * 5
    confusion[3, 7], confusion[9, 2] = 4, 6
    html = confusion_section(metrics(confusion.tolist()))
    assert 'class="heat' not in html
    found = re.findall(
        r'<th scope="row"><bdi>(\w+)</bdi></th><td class="words"><bdi>(\w+)</bdi></td><td>(\d+)</td>', html
    )
    assert found == [("l9", "l2", "6"), ("l3", "l7", "4")]


def test_many_labels_without_a_confusion_say_so() -> None:
    assert "No label is taken" in confusion_section(metrics(np.eye(MOST_LABELS + 1, dtype=int).tolist()))
