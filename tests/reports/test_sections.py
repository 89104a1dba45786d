"""The sections that pages share."""

from __future__ import annotations

import re

import pytest

from scorer.classifier.decision import Decision
from scorer.metrics.classification import measure
from scorer.reports.sections import calibration_note, calibration_section, label_section
from tests.reports.markup import checked
from tests.reports.samples import fit_report, names, outcome


@pytest.mark.parametrize(
    ("temperature", "said"),
    [
        ((1.0,), "stay as they are"),
        ((1.25,), "a temperature of 1.2500,"),
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
