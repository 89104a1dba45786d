"""Exits that are made of some rows of a file, and certified by others, all of them scored by the whole model.

The rows are a random sample of the file, so what holds of them holds of all of its rows, whatever data the model was
fitted on. Some of them fit the probes and suggest the thresholds, the others certify one of those. Of the latter, which
are many where the bound is small, nobody keeps the states.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scorer.classifier.decision import Decision
from scorer.classifier.early import EarlyBatches
from scorer.classifier.exits import Exit, Exits, Probe, clarity
from scorer.scoring.flips.ladder import Drawn, Outcome, Shown, Thresholds, certified, ladder

# What the embeddings cost, and the last layer, which is computed of first tokens alone, in layers.
_BEFORE, _AFTER = 0.1, 0.2
_FACTORS = np.geomspace(0.4, 6.0, 40)


@dataclass(frozen=True)
class Recorded:
    """Rows (m) that make exits, as the whole model saw them: its `logits` (m, labels), and the `states` (layers + 1, m,
    width) before the first layer and behind all but the last one."""

    logits: NDArray[np.float32]
    states: NDArray[np.float32]


@dataclass(frozen=True)
class Suggested:
    """What so many `rows` suggest: `probes`, one before each layer and one behind all but the last, and `steps` of
    thresholds for them."""

    probes: tuple[Probe, ...]
    steps: list[Thresholds]
    rows: int


@dataclass(frozen=True)
class Calibrated:
    """The `exits`, what came of the certifying rows with them, and the upper bound on the share of flips."""

    exits: Exits
    outcome: Outcome
    bound: float


def suggested(recorded: Recorded, model: EarlyBatches) -> Suggested:
    """Probes that are fitted on what was `recorded`, and thresholds for them."""
    decision, whole = model.decision, recorded.logits
    fitted = model.each_alone(
        lambda states: Probe.fit(states, whole, multi=decision.multi),
        list(recorded.states),
    )
    probes, without = [], []
    for probe, said in fitted:
        factor = confident(said, whole, decision)
        probes.append(probe.scaled(factor))
        without.append(said * np.float32(factor))
    return Suggested(tuple(probes), ladder(shown(without, whole, decision)), len(whole))


def calibrated(
    made: Suggested, certifying: Shown, decision: Decision, *, share: float, confidence: float, rows: int | None = None
) -> Calibrated | None:
    """Exits with which at most a `share` of rows flip, at this `confidence`, by what the probes show of `certifying`
    rows, which had no say in them; None where no row can leave. The share is that of a file of so many `rows`, of which
    all these are exact; of all rows there ever are where that is None."""
    file = None if rows is None else Drawn(rows, made.rows)
    found = certified(made.steps, certifying, share=share, confidence=confidence, file=file)
    if found is None:
        return None
    outcome, bound = found
    exits = tuple(
        Exit(layer, probe, least)
        for layer, (probe, least) in enumerate(zip(made.probes, outcome.thresholds, strict=True))
        if np.isfinite(least)
    )
    return Calibrated(Exits(exits, decision), outcome, bound) if exits else None


def shown(
    said: Sequence[NDArray[np.float32]] | NDArray[np.float32], whole: NDArray[np.float32], decision: Decision
) -> Shown:
    """What exits show of rows (n): each has `said` logits (n, labels) of its own, and the `whole` model others."""
    return Shown(
        np.stack([clarity(logits, decision) for logits in said]),
        np.stack([flipped(logits, whole, decision) for logits in said]),
        work_of(len(said)),
    )


def work_of(exits: int) -> NDArray[np.float64]:
    """The share of the whole model's work that is done when a row leaves at each of the `exits`, one before each layer.
    Counted in layers, never by the clock: the same file gets the same exits everywhere."""
    return np.asarray((_BEFORE + np.arange(exits)) / (_BEFORE + exits - 1 + _AFTER), np.float64)


def flipped(
    logits: NDArray[np.floating[Any]], whole: NDArray[np.floating[Any]], decision: Decision
) -> NDArray[np.bool_]:
    """Which rows (n,) have another answer by their `logits` (n, labels) than by those of the `whole` model: another
    label, one more or less, or one that is too unsure in one of the two."""
    ours, theirs = decision.probabilities(logits), decision.probabilities(whole)
    other = (decision.chosen(ours) != decision.chosen(theirs)).any(axis=1)
    return np.asarray(other | (decision.abstains(ours) != decision.abstains(theirs)))


def confident(logits: NDArray[np.float32], whole: NDArray[np.float32], decision: Decision) -> float:
    """What `logits` (n, labels) are multiplied by so that their calibrated probabilities come nearest to those of the
    `whole` model, in cross-entropy."""
    aim = decision.probabilities(whole).astype(np.float64)

    def loss(factor: float) -> float:
        said = np.clip(decision.probabilities(logits * factor).astype(np.float64), 1e-9, 1 - 1e-9)
        each = -(aim * np.log(said))
        if decision.multi:
            each -= (1 - aim) * np.log1p(-said)
        return float(each.sum())

    return float(min(_FACTORS.tolist(), key=loss))
