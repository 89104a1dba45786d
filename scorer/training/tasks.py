"""What a fit learns: labels, or real numbers. What is done otherwise for the one and for the other stands here.

The task is chosen once, by the labels at hand. Network and Trainer see targets and give logits in its terms.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from scorer.classifier.decision import Decision
from scorer.classifier.labels import LabelSet, RowTargets, Targets
from scorer.classifier.network import output_layer
from scorer.config import FitConfig
from scorer.errors import DataError, ModelError
from scorer.examples.targets import trouble_with
from scorer.metrics.classification import measure
from scorer.metrics.regression import JudgedNumbers, Numbers, measure_numbers
from scorer.training.calibration import decide, in_training
from scorer.training.dataset import Collator, TokenRows
from scorer.training.losses import SoftCrossEntropy, SquaredError, choose_loss
from scorer.training.pretrained import BaseModel, start_from_frequencies
from scorer.training.verdict import Measured, MeasuredLabels, MeasuredNumbers

# So many rows show whether a scale can be put into a model's output layer.
_PROBES = 4


class Task(Protocol):
    """What differs between the kinds of things that are learned.

    scores  the figures that the learning curve shows beside the loss, and what people call them
    """

    @property
    def scores(self) -> Mapping[str, str]: ...

    def learned(self, targets: RowTargets) -> RowTargets:
        """What the network is to say of rows with `targets`."""
        ...

    def loss(self) -> Callable[..., Tensor]:
        """What training minimises."""
        ...

    def taught(self, answers: NDArray[np.float32]) -> NDArray[np.float32]:
        """A teacher's `answers` (n, labels), in the network's terms."""
        ...

    def soft_loss(self, temperature: float) -> Callable[..., Tensor]:
        """What training minimises of the distance to what was `taught`."""
        ...

    def start(self, base: BaseModel, rows: TokenRows) -> None:
        """Prepare a fresh head, before it learns `rows`. ModelError where the model cannot learn this."""
        ...

    def headline(self, logits: NDArray[np.float32], learned: RowTargets) -> dict[str, float]:
        """The figures of validation rows by which checkpoints are compared; both in the network's terms."""
        ...

    def valid_loss(self, figures: Mapping[str, float]) -> float:
        """The loss of the validation rows with these `figures`."""
        ...

    def measure(self, logits: NDArray[np.float32], targets: RowTargets) -> Measured:
        """How good the network's `logits` (n, labels) are on rows with `targets` as the data has them."""
        ...

    def logits(self, logits: NDArray[np.float32]) -> NDArray[np.floating[Any]]:
        """What the finished model will give where the network gives `logits` (n, labels)."""
        ...

    def finish(self, base: BaseModel) -> None:
        """Let the trained network give what the model is to give."""
        ...


def task_of(config: FitConfig, labels: LabelSet, targets: RowTargets) -> Task:
    """What is learned from rows with training `targets`, whose `labels` say which kind they are of. DataError where the
    rows that are left for training have one and the same number."""
    if not labels.is_number:
        return LabelTask(config, labels, targets)
    if (trouble := trouble_with(targets)) is not None:
        raise DataError(f"{config.train}: labels: of the {len(targets)} rows to learn from: {'; '.join(trouble)}")
    return NumberTask.of(targets)


@dataclass(frozen=True)
class LabelTask:
    """One label a row, or several."""

    config: FitConfig
    labels: LabelSet
    targets: Targets

    scores: ClassVar[Mapping[str, str]] = MappingProxyType({"accuracy": "accuracy", "macro_f1": "macro F1"})

    def learned(self, targets: RowTargets) -> RowTargets:
        return targets

    def loss(self) -> Callable[..., Tensor]:
        return choose_loss(self.config, self.targets, self.labels)

    def taught(self, answers: NDArray[np.float32]) -> NDArray[np.float32]:
        return answers

    def soft_loss(self, temperature: float) -> Callable[..., Tensor]:
        return SoftCrossEntropy(self.labels.multi, temperature)

    def start(self, base: BaseModel, rows: TokenRows) -> None:  # noqa: ARG002 (labels need no proof)
        start_from_frequencies(base.model, self.targets)

    def headline(self, logits: NDArray[np.float32], learned: RowTargets) -> dict[str, float]:
        decision = in_training(logits, learned, labels=self.labels)
        return measure(logits, learned, labels=self.labels, decision=decision).headline()

    def valid_loss(self, figures: Mapping[str, float]) -> float:
        return figures["nll"]

    def measure(self, logits: NDArray[np.float32], targets: RowTargets) -> Measured:
        calibration = decide(logits, targets, labels=self.labels, abstain=self.config.abstain)
        return MeasuredLabels.of(logits, targets, labels=self.labels, calibration=calibration)

    def logits(self, logits: NDArray[np.float32]) -> NDArray[np.floating[Any]]:
        return logits

    def finish(self, base: BaseModel) -> None:
        """Nothing: the network is the model."""


@dataclass(frozen=True)
class NumberTask:
    """A real number a row. The network learns it less the `mean` of the training rows and divided by their standard
    `deviation`, whatever its unit; both are put into the output layer in the end."""

    mean: float
    deviation: float

    scores: ClassVar[Mapping[str, str]] = MappingProxyType(
        {"rmse": "RMSE", "pearson": "Pearson", "spearman": "Spearman"}
    )

    @classmethod
    def of(cls, targets: Numbers) -> NumberTask:
        """By the training `targets` (n,), which are not all equal."""
        return cls(float(targets.mean()), float(targets.std()))

    def learned(self, targets: RowTargets) -> RowTargets:
        return np.asarray((targets - self.mean) / self.deviation)

    def loss(self) -> Callable[..., Tensor]:
        return SquaredError()

    def taught(self, answers: NDArray[np.float32]) -> NDArray[np.float32]:
        return ((answers - self.mean) / self.deviation).astype(np.float32)

    def soft_loss(self, temperature: float) -> Callable[..., Tensor]:  # noqa: ARG002 (a number has none)
        return SquaredError()

    def start(self, base: BaseModel, rows: TokenRows) -> None:
        """ModelError where it shows on `rows` that mean and deviation cannot be put into the output layer."""
        batch = Collator(base)(rows.take(range(min(len(rows), _PROBES))))
        del batch["labels"]
        layer = output_layer(base.model, outputs=1)
        if layer is not None:
            before = _outputs(base, batch)
            kept = {name: value.clone() for name, value in layer.state_dict().items()}
            _rescale(layer, mean=1.0, deviation=2.0)
            after = _outputs(base, batch)
            layer.load_state_dict(kept)
            if torch.allclose(after, 2.0 * before + 1.0, rtol=1e-3, atol=1e-3):
                return
        raise ModelError(
            f"{base.name}: its head has no output layer that the mean of the labels can be put into; choose an encoder "
            "such as BERT with --base-model"
        )

    def headline(self, logits: NDArray[np.float32], learned: RowTargets) -> dict[str, float]:
        return measure_numbers(self._numbers(learned), self._numbers(logits[:, 0])).headline()

    def valid_loss(self, figures: Mapping[str, float]) -> float:
        return (figures["rmse"] / self.deviation) ** 2

    def measure(self, logits: NDArray[np.float32], targets: RowTargets) -> Measured:
        decision = Decision(activation="identity")
        judged = JudgedNumbers(targets, decision.numbers(self.logits(logits)))
        return MeasuredNumbers(decision, measure_numbers(judged.targets, judged.predicted), judged)

    def logits(self, logits: NDArray[np.float32]) -> NDArray[np.floating[Any]]:
        return self._numbers(logits)

    def finish(self, base: BaseModel) -> None:
        layer = output_layer(base.model, outputs=1)
        assert layer is not None, "it was there when the fit began; this is a bug"
        _rescale(layer, mean=self.mean, deviation=self.deviation)

    def _numbers(self, standardised: NDArray[Any]) -> Numbers:
        return np.asarray(self.mean + self.deviation * standardised.astype(np.float64))


@torch.no_grad()
def _outputs(base: BaseModel, batch: Mapping[str, Tensor]) -> Tensor:
    """What the model gives for `batch` in evaluation, (n, 1)."""
    mode = base.model.training
    outputs = base.model.eval()(**batch)
    base.model.train(mode)
    found: Tensor = outputs["logits"].float().clone()
    return found


@torch.no_grad()
def _rescale(layer: nn.Linear, *, mean: float, deviation: float) -> None:
    """Let `layer` give `mean` + `deviation` times what it gave; computed in float64."""
    weight, bias = (parameter.double() for parameter in (layer.weight, layer.bias))
    layer.weight.copy_(weight * deviation)
    layer.bias.copy_(bias * deviation + mean)
