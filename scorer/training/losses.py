"""What training minimises: cross entropy, what --class-weight, --label-smoothing and --focal-gamma make of it, the
squared error of numbers, and beside them how far a teacher's answers are.

The losses take logits and targets in the form in which the Trainer hands them over. Validation must not use them: its
figures stay the plain likelihood.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from scorer.classifier.labels import LabelSet
from scorer.config import FitConfig

# A label that one row in a thousand has would else weigh a thousand times, and a single wrong row spoil an epoch.
HEAVIEST = 10.0


def balanced_weights(targets: NDArray[np.integer[Any]], labels: LabelSet) -> NDArray[np.float32]:
    """The weight of each label, (labels,) float32, from training `targets`.

    One label a row, (n,) class indices: n / (labels * count), as scikit-learn's "balanced" (King and Zeng 2001), so
    that the mean over rows is 1; a label without a row weighs 1. Several labels, (n, labels) of 0 and 1: what a row
    with the label weighs against one without it, count of 0 / count of 1, at most `HEAVIEST`.
    """
    if labels.multi:
        present = targets.sum(axis=0)
        ratios = (len(targets) - present) / np.maximum(present, 1)
        return np.asarray(np.minimum(ratios, HEAVIEST), dtype=np.float32)
    counts = np.bincount(targets, minlength=len(labels))
    weights = len(targets) / (np.count_nonzero(counts) * np.maximum(counts, 1))
    weights[counts == 0] = 1.0
    return weights.astype(np.float32)


@dataclass(frozen=True)
class Loss:
    """The mean of a loss over the rows of an optimizer step (several labels: over rows and labels).

    `weights` (labels,) are those of `balanced_weights`, or None. `smoothing` s takes s of a target's 1 and spreads it
    evenly over all labels (Szegedy et al. 2016); several labels: over yes and no. `gamma` is that of the focal loss,
    -(1 - p)^gamma log p for the probability p of what is true (Lin et al. 2017); 0 is cross entropy.
    """

    multi: bool
    weights: Tensor | None = None
    smoothing: float = 0.0
    gamma: float = 0.0

    def __call__(self, outputs: Any, targets: Tensor, num_items_in_batch: Tensor | int | None = None) -> Tensor:
        """A scalar. `num_items_in_batch` counts the targets of all batches that are added up before a step.

        The sequence classifiers of transformers 5 ignore it, so that theirs would add up means of batches.
        """
        logits = outputs["logits"].float()
        each = self._binary(logits, targets.to(logits.dtype)) if self.multi else self._categorical(logits, targets)
        return each.sum() / (num_items_in_batch if num_items_in_batch is not None else each.numel())

    def _categorical(self, logits: Tensor, targets: Tensor) -> Tensor:
        """(n,): `logits` (n, labels), `targets` (n,)."""
        each = functional.cross_entropy(logits, targets, label_smoothing=self.smoothing, reduction="none")
        if self.gamma:
            each = each * self._focus(-functional.cross_entropy(logits, targets, reduction="none"))
        return each if self.weights is None else each * self.weights.to(each.device)[targets]

    def _binary(self, logits: Tensor, targets: Tensor) -> Tensor:
        """(n, labels): `logits` and `targets` are (n, labels)."""
        smooth = targets * (1.0 - self.smoothing) + self.smoothing / 2
        weights = None if self.weights is None else self.weights.to(logits.device)
        each = functional.binary_cross_entropy_with_logits(logits, smooth, pos_weight=weights, reduction="none")
        if self.gamma:
            each = each * self._focus(-functional.binary_cross_entropy_with_logits(logits, targets, reduction="none"))
        return each

    def _focus(self, log_probabilities: Tensor) -> Tensor:
        """(1 - p)^gamma. The floor keeps the gradient finite where p is 1 and gamma below 1."""
        return (-torch.expm1(log_probabilities)).clamp_min(1e-12) ** self.gamma


@dataclass(frozen=True)
class SoftCrossEntropy:
    """The cross entropy with a teacher's probabilities, of logits that are all divided by a `temperature` T (Hinton et
    al. 2015, section 2), times T^2: so its gradients are of the size of those of the labels' loss, whatever T is."""

    multi: bool
    temperature: float

    def __call__(self, outputs: Any, answers: Tensor, num_items_in_batch: Tensor | int | None = None) -> Tensor:
        """A scalar, of logits and the teacher's logits `answers` (n, labels); `num_items_in_batch` is as for `Loss`."""
        logits, said = (found.float() / self.temperature for found in (outputs["logits"], answers))
        if self.multi:
            each = functional.binary_cross_entropy_with_logits(logits, said.sigmoid(), reduction="none")
        else:
            each = functional.cross_entropy(logits, said.softmax(dim=1), reduction="none")
        total = each.sum() * self.temperature**2
        return total / (num_items_in_batch if num_items_in_batch is not None else each.numel())


@dataclass(frozen=True)
class Distilled:
    """A loss of labels, and one of a teacher's answers, which has the share `weight` of both."""

    hard: Callable[..., Tensor]
    soft: Callable[..., Tensor]
    weight: float

    def of(self, answers: Tensor | None) -> Callable[..., Tensor]:
        """The loss of rows to which the teacher gave these `answers` (n, labels); of labels alone where there are
        none."""
        if answers is None:
            return self.hard

        def loss(outputs: Any, targets: Tensor, num_items_in_batch: Tensor | int | None = None) -> Tensor:
            hard = self.hard(outputs, targets, num_items_in_batch)
            return (1.0 - self.weight) * hard + self.weight * self.soft(outputs, answers, num_items_in_batch)

        return loss


class SquaredError:
    """The mean squared error over the rows of an optimizer step, of numbers."""

    def __call__(self, outputs: Any, targets: Tensor, num_items_in_batch: Tensor | int | None = None) -> Tensor:
        """A scalar, of logits (n, 1) and `targets` (n,), or (n, 1) of a teacher; `num_items_in_batch` is as for
        `Loss`."""
        each: Tensor = (outputs["logits"].float().view(-1) - targets.float().view(-1)) ** 2
        return each.sum() / (num_items_in_batch if num_items_in_batch is not None else each.numel())


def choose_loss(config: FitConfig, targets: NDArray[np.integer[Any]], labels: LabelSet) -> Loss:
    """The loss of `config`; training `targets` decide the weights."""
    weights = torch.from_numpy(balanced_weights(targets, labels)) if config.class_weight == "balanced" else None
    return Loss(labels.multi, weights, config.label_smoothing, config.focal_gamma)
