"""The sections that pages share."""

from __future__ import annotations

import re

import numpy as np
import pytest

from scorer.classifier.decision import Decision
from scorer.classifier.labels import LabelSet
from scorer.metrics.classification import Metrics, measure
from scorer.reports.calibration import calibration_note, calibration_section
from scorer.reports.sections import (
    MOST_CHARACTERS,
    MOST_LABELS_IN_MATRIX,
    ShownRow,
    confusion_section,
    label_section,
    row_list,
)
from tests.reports.markup import checked
from tests.reports.samples import fit_report, names, outcome


@pytest.mark.parametrize(
    ("temperature", "said"),
    [
        ((1.0,), "stay as they are"),
        ((1.25,), "a temperature of 1.2500. "),
        ((0.5, 1.0, 2.0), "its own temperature, 0.50 to 2.00"),
    ],
)
def test_the_note_says_what_was_done_to_the_logits(temperature: tuple[float, ...], said: str) -> None:
    assert said in calibration_note(Decision(temperature))


def test_figures_before_and_after_calibration_and_what_thresholds_did_to_the_answers() -> None:
    for multi in (False, True):
        logits, targets, labels, decision = outcome(names(5), multi=multi)
        raw = measure(logits, targets, labels=labels)
        metrics = measure(logits, targets, labels=labels, decision=decision)
        table = calibration_section(metrics, raw, note="").split("<table")[1]
        shown = re.findall(r'<th scope="row">(.*?)</th><td>(.*?)</td><td>(.*?)</td>', table)
        before, after = raw.headline(), metrics.headline()
        expected = ("accuracy", "macro_f1", "micro_f1", "nll", "ece", "brier") if multi else ("ece", "nll", "brier")
        for name, (_, *pair) in zip(expected, shown, strict=True):
            assert pair == [f"{before[name]:.4f}", f"{after[name]:.4f}"]
        assert (shown[1][0] == "macro F1") == multi


def test_of_many_labels_the_weakest_that_have_rows_come_first_and_all_are_there() -> None:
    metrics = fit_report(names(100)).metrics
    weakest, everything = label_section(metrics).split("<details>")
    shown = re.findall(r'<th scope="row"><bdi[^>]*>(.*?)</bdi>', weakest)
    by_f1 = sorted((label for label in metrics.labels if label.support), key=lambda label: label.f1)
    assert shown == [label.name.strip() for label in by_f1[:15]]
    assert everything.count('scope="row"') == 100


def test_thresholds_of_labels_stand_beside_them() -> None:
    metrics = fit_report(names(5), multi=True).metrics
    texts = checked(label_section(metrics, [0.123, 0.2, 0.3, 0.4, 0.5])).texts
    assert {"threshold", "0.123"} <= set(texts)
    assert "threshold" not in checked(label_section(metrics)).texts


def test_true_and_false_positives_and_negatives_stand_in_the_table_where_no_confusion_can() -> None:
    metrics = fit_report(names(5), multi=True).metrics
    html = label_section(metrics)
    texts = checked(html).texts
    assert texts[texts.index("rows") :][:4] == ["rows", "true positives", "false positives", "false negatives"]
    rows = re.findall(r'<th scope="row"><bdi>(\w+)</bdi></th>.*?<td>(.*?)</td></tr>', html)
    shown = {name: [int(text) for text in cells.split("</td><td>")[-4:]] for name, cells in rows}
    counts = ("support", "true_positives", "false_positives", "false_negatives")
    assert shown == {label.name: [getattr(label, name) for name in counts] for label in metrics.labels}
    assert all(label.true_positives and label.false_positives and label.false_negatives for label in metrics.labels)
    assert "false positives" not in checked(label_section(fit_report(names(5)).metrics)).texts


def row(*texts: str, predicted: tuple[str, ...] = ("b",), number: int | None = None) -> ShownRow:
    return ShownRow(texts=texts, truth=("a<",), predicted=predicted, confidence=0.25, loss=1.5, row=number)


def test_a_row_has_its_texts_labels_and_figures() -> None:
    found = checked(row_list([row("<b>one</b>", "two", number=1234)]))
    assert {"<b>one</b>", "two", "a<", "b", "confidence 0.250", "loss 1.50", "row 1,234"} <= set(found.texts)


def test_a_row_of_unknown_place_has_no_number() -> None:
    assert not [text for text in checked(row_list([row("text")])).texts if text.startswith("row")]


def test_no_label_at_all_is_said() -> None:
    assert "none" in checked(row_list([row("text", predicted=())])).texts


def test_labels_are_called_what_they_are_there() -> None:
    texts = checked(row_list([row("text")], truth="given label", predicted="perhaps")).texts
    assert {"given label ", "perhaps "} <= set(texts)


def test_a_text_is_cut() -> None:
    shown = checked(row_list([row("word " * 400)])).texts[0]
    assert len(shown) <= MOST_CHARACTERS
    assert shown.endswith("…")


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
    size = MOST_LABELS_IN_MATRIX + 1
    confusion = np.eye(size, dtype=int) * 5
    confusion[3, 7], confusion[9, 2] = 4, 6
    html = confusion_section(metrics(confusion.tolist()))
    assert 'class="heat' not in html
    found = re.findall(
        r'<th scope="row"><bdi>(\w+)</bdi></th><td class="words"><bdi>(\w+)</bdi></td><td>(\d+)</td>', html
    )
    assert found == [("l9", "l2", "6"), ("l3", "l7", "4")]


def test_many_labels_without_a_confusion_say_so() -> None:
    assert "No label is taken" in confusion_section(metrics(np.eye(MOST_LABELS_IN_MATRIX + 1, dtype=int).tolist()))


@pytest.mark.parametrize("multi", [False, True])
def test_of_many_labels_each_has_a_small_reliability_diagram(multi: bool) -> None:
    logits, targets, labels, decision = outcome(names(28), multi=multi)
    metrics = measure(logits, targets, labels=labels, decision=decision)
    html = calibration_section(metrics, metrics, note="")
    assert html.count('viewBox="0 0 168 96"') == sum(any(bin_.rows for bin_ in bins) for bins in metrics.by_label)
    assert "16 more labels" in html
    logits, targets, labels, decision = outcome(names(5), multi=multi)
    metrics = measure(logits, targets, labels=labels, decision=decision)
    assert 'viewBox="0 0 168 96"' not in calibration_section(metrics, metrics, note="")
