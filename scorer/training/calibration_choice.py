"""Which calibration suits held-out rows: several are fitted, and compared by the likelihood of rows that they have not
seen (cross-validation).

All keep the likeliest label of every row. What remains of the folds is the out-of-fold logits: those of each row by
calibrations that were fitted without it, which alone tell how honest confidences will be on new rows. Pure.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scorer.classifier.decision import Decision, log_odds
from scorer.classifier.labels import LabelSet, Targets
from scorer.metrics.classification import log_softmax
from scorer.training.odds import fit_bend, fit_line, fit_steps
from scorer.training.scaling import TOLERANCE, fit_label_temperatures, fit_scaling, fit_temperature

# Below so many rows one temperature is all that they can tell.
FEW = 100
_FOLDS = 5
_SEED = 0
# A fold's calibration, which is used no further, is fitted on this many rows at most, and less exactly.
_MOST_ROWS = 4_000
_COARSE = 1e-2

_PLAIN, _RAISED = "temperature", "temperature and exponent"
_USUAL = "temperature, exponent and isotonic regression"
_MAPS = {
    "temperature, exponent and Platt scaling": fit_line,
    "temperature, exponent and beta calibration": fit_bend,
    _USUAL: fit_steps,
}

Fit = Callable[[NDArray[np.float32], Targets], dict[str, Decision]]


@dataclass(frozen=True)
class Calibration:
    """What was chosen.

    decision     what makes calibrated probabilities of logits, without thresholds
    out_of_fold  (n, labels) float64, calibrated logits of the held-out rows, each by what was fitted without it
    losses       the NLL of the out-of-fold logits (mean over rows, nats) of each way that was tried; none where there
                 was nothing to choose
    chosen       its name
    """

    decision: Decision
    out_of_fold: NDArray[np.float64]
    losses: dict[str, float]
    chosen: str

    def as_dict(self) -> dict[str, Any]:
        """JSON types only."""
        return {"chosen": self.chosen, "out_of_fold_nll": self.losses}


def calibrate(logits: NDArray[np.float32], targets: Targets, *, labels: LabelSet) -> Calibration:
    """The calibration for rows like those with `logits` (n, labels) and `targets`, one label a row or several.

    Several labels have a temperature each, and fewer than `FEW` rows one temperature. Else it is the usual way, unless
    another one makes the rows likelier out of fold by more than one standard error of the difference (the rule of
    Breiman et al. 1984): what is best by less than that is so by chance, and to follow chance costs more than it gains
    (jobs/bench/LOG.md).
    """
    if labels.multi:
        return _only(logits, targets, _label_temperatures)
    if len(logits) < FEW:
        return _only(logits, targets, _temperature)
    unseen = _out_of_fold(logits, targets, partial(ways, tolerance=_COARSE))
    losses = {name: _loss(found, targets) for name, found in unseen.items()}
    chosen = max(losses, key=lambda name: _gain(losses[name], losses[_USUAL]))
    chosen = chosen if _gain(losses[chosen], losses[_USUAL]) > 1.0 else _USUAL
    means = {name: float(loss.mean()) for name, loss in losses.items()}
    return Calibration(ways(logits, targets)[chosen], unseen[chosen], means, chosen)


def _loss(scaled: NDArray[np.float64], targets: Targets) -> NDArray[np.float64]:
    """-log p (n,) of the true label of each row."""
    return np.asarray(-log_softmax(scaled)[np.arange(len(targets)), targets])


def _gain(loss: NDArray[np.float64], usual: NDArray[np.float64]) -> float:
    """By how many of its standard errors the sum of `loss` (n,) is less than that of the `usual` one."""
    gain = usual - loss
    spread = float(gain.std()) * len(gain) ** 0.5
    return float(gain.sum()) / spread if spread else 0.0


def _only(logits: NDArray[np.float32], targets: Targets, fit: Fit) -> Calibration:
    """What `fit` makes, which knows one way alone."""
    ((name, decision),) = fit(logits, targets).items()
    return Calibration(decision, _out_of_fold(logits, targets, fit)[name], {}, name)


def _temperature(logits: NDArray[np.float32], targets: Targets) -> dict[str, Decision]:
    return {_PLAIN: Decision((fit_temperature(logits, targets) if len(logits) else 1.0,))}


def _label_temperatures(logits: NDArray[np.float32], targets: Targets) -> dict[str, Decision]:
    count = logits.shape[1]
    temperatures = fit_label_temperatures(logits, targets) if len(logits) else (1.0,) * count
    return {"a temperature for each label": Decision(temperatures, (0.5,) * count)}


def ways(logits: NDArray[np.float32], targets: Targets, *, tolerance: float = TOLERANCE) -> dict[str, Decision]:
    """Each way with what it learns of these rows, the simplest first."""
    temperature, exponent = fit_scaling(logits, targets, tolerance=tolerance)
    raised = Decision((temperature,), exponent=exponent)
    scaled = raised.scaled(logits)
    odds, correct = log_odds(scaled), scaled.argmax(axis=1) == targets
    bent = {name: replace(raised, odds_map=fit(odds, correct)) for name, fit in _MAPS.items()}
    return {**_temperature(logits, targets), _RAISED: raised, **bent}


def _out_of_fold(logits: NDArray[np.float32], targets: Targets, fit: Fit) -> dict[str, NDArray[np.float64]]:
    """Calibrated logits (n, labels) of each way that `fit` knows, each row by a fit on the rows of other folds."""
    fold_of = folds(logits, targets)
    found: dict[str, NDArray[np.float64]] = {}
    for fold in range(_FOLDS):
        inside, outside = np.flatnonzero(fold_of == fold), np.flatnonzero(fold_of != fold)
        some = outside[np.linspace(0, len(outside) - 1, min(len(outside), _MOST_ROWS)).astype(np.int64)]
        for name, decision in fit(logits[some], targets[some]).items():
            found.setdefault(name, np.zeros(logits.shape))[inside] = decision.scaled(logits[inside])
    return found


def folds(logits: NDArray[np.float32], targets: Targets) -> NDArray[np.int64]:
    """Which fold (n,) each row is in: at random, always the same, and each with as many answers that are wrong."""
    wrong = logits.argmax(axis=1) != targets if targets.ndim == 1 else np.zeros(len(logits), np.bool_)
    order = np.random.default_rng(_SEED).permutation(len(logits))
    order = order[np.argsort(wrong[order], kind="stable")]
    fold_of = np.empty(len(logits), np.int64)
    fold_of[order] = np.arange(len(logits)) % _FOLDS
    return fold_of
