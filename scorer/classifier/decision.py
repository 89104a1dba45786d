"""How logits become answers: calibrated probabilities, and the thresholds that a fit learned on held-out rows.

All that is applied after the forward pass stands here. It needs the number of labels and whether a row may have
several, nothing else of the model. Pure: arrays in, arrays out.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from scorer.classifier.labels import LabelSet

Activation = Literal["sigmoid", "identity"]
"""What makes the number of a model with one output: the logistic function of its logit, or the logit itself."""

Points = tuple[tuple[float, float], ...]
"""A rising, piecewise linear map by its points (from, to), both rising; beyond them its outer pieces go on."""


@dataclass(frozen=True)
class Decision:
    """What stands between logits and labels.

    temperature    divides the logits: one number for all labels, or one for each (multi-label)
    thresholds     multi-label: a label is given when its probability is at least its threshold; None means that each
                   row has exactly one label, the likeliest
    abstain_below  one label a row: a row whose confidence is lower is marked `abstain`; None marks no row, a number
                   above 1 every row
    exponent       one label a row: before they are divided, each logit's distance from the row's mean is raised to this
                   power, which leaves their order; 1 leaves them as they are
    odds_map       one label a row: what becomes of the log-odds of the confidence, log p / (1 - p), after scaling; the
                   other labels share what is left as before; without points they stay as they are
    activation     one output: what makes a row's number of its logit; None means that rows have labels
    """

    temperature: tuple[float, ...] = (1.0,)
    thresholds: tuple[float, ...] | None = None
    abstain_below: float | None = None
    exponent: float = 1.0
    activation: Activation | None = None
    odds_map: Points = ()

    @classmethod
    def uncalibrated(cls, labels: LabelSet) -> Decision:
        """What the logits say by themselves: the likeliest label, or all that are at least as likely as not."""
        assert not labels.is_number, "a number is made by an activation, which labels do not know; this is a bug"
        return cls(thresholds=(0.5,) * len(labels) if labels.multi else None)

    def as_document(self) -> dict[str, Any]:
        """JSON types, as records and files have it; without the activation where rows have labels, and without a map
        where there is none: an older description of the same decision stays equal."""
        document = asdict(self)
        if self.activation is None:
            del document["activation"]
        document["odds_map"] = [list(point) for point in self.odds_map]
        if not self.odds_map:
            del document["odds_map"]
        return document

    def without_scaling(self) -> Decision:
        """The same, for logits that were scaled already."""
        return replace(self, temperature=(1.0,), exponent=1.0, odds_map=())

    @property
    def multi(self) -> bool:
        """Whether a row may have any number of labels."""
        return self.thresholds is not None

    def numbers(self, logits: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """The number (n,) float64 of each row by its `logits` (n, 1), where rows have numbers."""
        assert self.activation is not None, "rows have labels; this is a bug"
        found = logits[:, 0].astype(np.float64)
        # Not by tanh: the smallest numbers, too, keep their order.
        return found if self.activation == "identity" else np.asarray(np.exp(-np.logaddexp(0.0, -found)))

    def probabilities(self, logits: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
        """Calibrated probabilities (n, labels) float32 of `logits` (n, labels): they add up to 1, or each is its own
        label's where rows may have several."""
        compute = independent_probabilities if self.multi else probabilities
        return compute(self.scaled(logits))

    def scaled(self, logits: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """Calibrated logits (n, labels) float64 of `logits` (n, labels)."""
        found = scaled(logits, temperature=np.array(self.temperature), exponent=self.exponent)
        return with_odds(found, self.odds_map) if self.odds_map else found

    def chosen(self, probability: NDArray[np.float32]) -> NDArray[np.bool_]:
        """Which labels (n, labels) bool each row has by its `probability` (n, labels)."""
        if self.thresholds is not None:
            return probability >= np.array(self.thresholds, np.float32)
        best = predicted(probability)[0]
        return np.asarray(np.arange(probability.shape[1]) == best[:, None])

    def abstains(self, probability: NDArray[np.float32]) -> NDArray[np.bool_]:
        """Which rows (n,) bool are too unsure to be answered by their `probability` (n, labels)."""
        if self.abstain_below is None:
            return np.zeros(len(probability), np.bool_)
        return np.asarray(predicted(probability)[1] < np.float32(self.abstain_below))


def scaled(
    logits: NDArray[np.floating[Any]], *, temperature: float | NDArray[np.float64], exponent: float = 1.0
) -> NDArray[np.float64]:
    """logits / temperature, (n, labels) float64: temperature scaling after Guo et al. 2017, section 4.2.

    With an `exponent`, each logit's distance from its row's mean is raised to that power first, keeping its sign. A
    model that knows its training rows by heart has logits that crowd at both ends, where one temperature cannot tell
    the sure from the very sure; an exponent above 1 draws them apart. The order of a row's logits stays.
    """
    scores = logits.astype(np.float64)
    if exponent != 1.0:
        scores -= scores.mean(axis=1, keepdims=True)
        scores = np.sign(scores) * np.abs(scores) ** exponent
    return np.asarray(scores / temperature)


def log_odds(scaled: NDArray[np.float64]) -> NDArray[np.float64]:
    """log p / (1 - p) (n,) of each row's likeliest label by `scaled` logits (n, labels), of two labels or more: its
    logit less the log of the sum of the others' exponentials."""
    best = scaled.argmax(axis=1)[:, None]
    others = scaled.copy()
    np.put_along_axis(others, best, -np.inf, axis=1)
    second = others.max(axis=1)
    beyond = second + np.log(np.exp(others - second[:, None]).sum(axis=1))
    return np.asarray(np.take_along_axis(scaled, best, axis=1)[:, 0] - beyond)


def mapped(values: NDArray[np.float64], points: Points) -> NDArray[np.float64]:
    """`values` (n,) by the map through `points`."""
    before, after = np.array(points).T
    piece = np.clip(np.searchsorted(before, values) - 1, 0, len(points) - 2)
    slopes = np.diff(after) / np.diff(before)
    return np.asarray(after[piece] + slopes[piece] * (values - before[piece]))


def with_odds(scaled: NDArray[np.float64], points: Points) -> NDArray[np.float64]:
    """`scaled` logits (n, labels) with another one for each row's likeliest label, so that its log-odds become those
    which the map through `points` makes of them. It stays the likeliest, if only by the smallest step."""
    odds = log_odds(scaled)
    best = scaled.argmax(axis=1)[:, None]
    found = scaled.copy()
    np.put_along_axis(found, best, -np.inf, axis=1)
    least = np.nextafter(found.max(axis=1), np.inf)
    own = np.take_along_axis(scaled, best, axis=1)[:, 0] + mapped(odds, points) - odds
    np.put_along_axis(found, best, np.maximum(own, least)[:, None], axis=1)
    return found


def probabilities(scaled: NDArray[np.float64]) -> NDArray[np.float32]:
    """softmax of `scaled` logits (n, labels), (n, labels) float32; the likeliest label has the highest one, if only by
    the smallest step, where float32 would make it equal to another's."""
    exponentials = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    result: NDArray[np.float32] = (exponentials / exponentials.sum(axis=1, keepdims=True)).astype(np.float32)
    best = scaled.argmax(axis=1)
    equal = np.flatnonzero(result.argmax(axis=1) != best)
    result[equal, best[equal]] = np.nextafter(result[equal, best[equal]], np.float32(2))
    return result


def independent_probabilities(scaled: NDArray[np.float64]) -> NDArray[np.float32]:
    """sigmoid of `scaled` logits (n, labels), (n, labels) float32: each label's probability, whatever the others'."""
    # tanh does not overflow, exp would.
    result: NDArray[np.float32] = (0.5 + 0.5 * np.tanh(0.5 * scaled)).astype(np.float32)
    return result


def predicted(probability: NDArray[np.float32]) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """The likeliest class of each row (n,) int64 and its probability (n,) float32; the lowest index wins a tie."""
    best = probability.argmax(axis=1)
    return best, probability[np.arange(len(best)), best]


def top(probability: NDArray[np.float32], k: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """The `k` likeliest classes of each row (n, k) int64, likeliest first, and their probabilities (n, k) float32."""
    order = np.argsort(-probability, axis=1, kind="stable")[:, :k]
    return order, np.take_along_axis(probability, order, axis=1)


def expected(probability: NDArray[np.float32], values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The probability-weighted mean (n,) float64 of the labels' numeric `values` (labels,)."""
    return probability.astype(np.float64) @ values
