"""Which calibration is chosen, and that what is told of confidences is told of rows that it did not know."""

from __future__ import annotations

import numpy as np
import pytest

from scorer.classifier.decision import Decision
from scorer.classifier.labels import LabelSet
from scorer.metrics.classification import log_softmax, measure
from scorer.training import calibration_choice
from scorer.training.calibration import decide
from scorer.training.calibration_choice import FEW, Calibration, calibrate, folds
from tests.training.test_scaling import drawn, events

FOUR = LabelSet.from_values(["a", "b", "c", "d"])
SEVERAL = LabelSet(("a", "b", "c"), "string", multi=True)


def crooked(rows: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Logits whose sure answers are right as often as they say, whose unsure ones are not: no temperature bends so."""
    generator = np.random.default_rng(seed)
    logits = generator.normal(0.0, 2.5, (rows, 4)).astype(np.float32)
    chance = np.exp(log_softmax(logits.astype(np.float64)))
    best, sure = chance.argmax(axis=1), chance.max(axis=1)
    right = generator.random(rows) < np.where(sure < 0.75, 0.55 * sure, 0.97 * sure)
    return logits, np.where(right, best, (best + generator.integers(1, 4, rows)) % 4)


def test_what_no_temperature_bends_is_bent() -> None:
    found, fresh = calibrate(*crooked(1500), labels=FOUR), crooked(20_000, 1)
    assert found.decision.odds_map
    plain = Decision(found.decision.temperature, exponent=found.decision.exponent)
    before, after = (measure(*fresh, labels=FOUR, decision=way) for way in (plain, found.decision))
    assert after.ece < before.ece * 0.7
    assert after.nll < before.nll
    assert after.confusion == before.confusion == measure(*fresh, labels=FOUR).confusion


def test_the_out_of_fold_error_is_that_of_new_rows_and_the_one_of_known_rows_is_not() -> None:
    known, unknown, new = [], [], []
    for seed in range(12):
        rows, fresh = drawn(150, 2.0, seed), drawn(4000, 2.0, 100 + seed)
        found = calibrate(*rows, labels=FOUR)
        honest = found.decision.without_scaling()
        known.append(measure(*rows, labels=FOUR, decision=found.decision).nll)
        unknown.append(measure(found.out_of_fold, rows[1], labels=FOUR, decision=honest).nll)
        new.append(measure(*fresh, labels=FOUR, decision=found.decision).nll)
    assert np.mean(known) < np.mean(new) - 0.005
    assert np.mean(unknown) == pytest.approx(np.mean(new), abs=0.04)
    assert np.mean(unknown) > np.mean(known) + 0.005


@pytest.mark.parametrize("rows", [1, 2, 9, FEW - 1])
def test_a_few_rows_choose_nothing(rows: int) -> None:
    found = calibrate(*drawn(rows, 2.0), labels=FOUR)
    assert (found.losses, found.decision.exponent, found.decision.odds_map) == ({}, 1.0, ())
    assert found.out_of_fold.shape == (rows, 4)


def test_a_row_alone_is_told_as_it_came() -> None:
    logits, targets = drawn(1, 2.0)
    np.testing.assert_allclose(calibrate(logits, targets, labels=FOUR).out_of_fold, logits, rtol=1e-6)


def test_no_row_has_a_part_in_its_own_confidence(monkeypatch: pytest.MonkeyPatch) -> None:
    logits, targets = drawn(60, 2.0)
    logits += np.arange(60, dtype=np.float32)[:, None] * 1e-3
    seen = []

    def fit(rows: np.ndarray, _targets: np.ndarray) -> dict[str, Decision]:
        seen.append({float(row[0]) for row in rows})
        return {"way": Decision((float(len(seen)),))}

    monkeypatch.setattr(calibration_choice, "_temperature", fit)
    found = calibrate(logits, targets, labels=FOUR)
    for row, told in zip(logits, found.out_of_fold, strict=True):
        number = round(float(row[0] / told[0]))
        assert float(row[0]) not in seen[number - 1]


def test_a_way_that_is_better_by_chance_is_not_taken() -> None:
    """Of honest logits no way is better; the usual one stays, and keeps near to them."""
    for seed in range(6):
        found = calibrate(*drawn(400, 1.0, seed), labels=FOUR)
        fresh = drawn(4000, 1.0, 50 + seed)
        assert measure(*fresh, labels=FOUR, decision=found.decision).ece < 0.05


def test_folds_have_as_many_wrong_answers_each_and_are_always_the_same() -> None:
    logits, targets = drawn(403, 1.0)
    first, again = folds(logits, targets), folds(logits, targets)
    assert first.tolist() == again.tolist()
    wrong = logits.argmax(axis=1) != targets
    counts = np.array([[(first == fold).sum(), (wrong & (first == fold)).sum()] for fold in range(5)])
    assert np.ptp(counts, axis=0).max() <= 1


def test_several_labels_have_a_temperature_each_and_out_of_fold_rows() -> None:
    logits, targets = events(400, (0.5, 1.0, 2.0))
    found: Calibration = decide(logits, targets, labels=SEVERAL)
    assert len(found.decision.temperature) == len(found.decision.thresholds or ()) == 3
    assert not np.allclose(found.out_of_fold, found.decision.scaled(logits))
    np.testing.assert_allclose(found.out_of_fold, found.decision.scaled(logits), rtol=0.3)


def test_the_confidence_to_abstain_below_is_one_of_the_calibrated_ones() -> None:
    logits, targets = crooked(1500)
    decision = decide(logits, targets, labels=FOUR, abstain=0.9).decision
    assert decision.abstain_below in decision.probabilities(logits).max(axis=1)
    fresh, truth = crooked(20_000, 5)
    kept = ~decision.abstains(decision.probabilities(fresh))
    assert kept.mean() > 0.2
    assert (fresh.argmax(axis=1) == truth)[kept].mean() > 0.89


def test_many_rows_and_labels_take_seconds() -> None:
    generator = np.random.default_rng(0)
    logits = generator.normal(0, 2, (3000, 12)).astype(np.float32)
    found = calibrate(logits, generator.integers(0, 12, 3000), labels=LabelSet.from_values([str(n) for n in range(12)]))
    assert set(found.losses) > {"temperature"}
