"""Steps of a fit on a CPU: a part of each batch on each core, and their gradients added up.

Threads that share an operation wait for each other at every one of the thousand that a step has. Threads that have some
rows each wait once. Which rows are computed together, and in which order gradients are added, depends on the number of
threads and on nothing else, and so do the weights that come out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import torch
from torch import Tensor
from torch.nn import functional
from transformers import PreTrainedModel

from scorer.classifier.workers import Workers, worker_count
from scorer.training.exits import has_exits
from scorer.training.forward import Dropout, FastForward, why_not_fast
from scorer.training.step_weights import StepWeights

# A part of fewer rows costs more than the core that computes it is worth.
_LEAST_ROWS: Final = 8

Item = TypeVar("Item")
Result = TypeVar("Result")

LossOf = Callable[[dict[str, Any], dict[str, Tensor]], Tensor]
"""The loss () of some rows, by what the model gives for them and what stands in the batch beside its inputs."""


Part = dict[str, Tensor]
"""Some rows of a batch: what is handed to the model, and what is not."""


@dataclass(frozen=True)
class _Learned:
    """What a part came to."""

    loss: Tensor
    ids: Tensor
    words: Tensor | None
    others: Sequence[Tensor | None]


class DataParallel:
    """Computes `model`, in products of `dtype`, on the cores of this process."""

    def __init__(self, model: PreTrainedModel, dtype: torch.dtype) -> None:
        self._weights = StepWeights(model, dtype)
        self._forward = FastForward(model.config, self._weights, dtype, exits=has_exits(model))
        count = worker_count(torch.device("cpu"))
        self._workers = Workers(count, torch.device("cpu"), cores=None)

    @classmethod
    def of(cls, model: PreTrainedModel, *, device: torch.device, precision: str) -> DataParallel | None:
        """What computes `model` in place of transformers; None where this cannot."""
        if why_not_fast(model, device) is not None:
            return None
        return cls(model, torch.bfloat16 if precision == "bf16" else torch.float32)

    def step(self, inputs: Mapping[str, Tensor], loss_of: LossOf) -> Tensor:
        """The loss () of a batch of `inputs` (n, ...), whose gradients are added to those of the parameters. Losses of
        parts add up to that of the batch."""
        self._weights.refresh()
        parts = self._parts(inputs)
        seeds = torch.empty(len(parts), dtype=torch.int64).random_().tolist()
        found = self._each(lambda one: self._learned(*one, loss_of), list(zip(parts, seeds, strict=True)))
        self._weights.learn([part.others for part in found])
        for part in found:
            if part.words is not None:
                self._weights.learn_words(part.ids.flatten(), part.words.flatten(0, 1))
        return torch.stack([part.loss for part in found]).sum()

    @torch.no_grad()
    def outputs(self, **inputs: Any) -> dict[str, Tensor]:
        """The `logits` (n, labels) fp32 of a batch, without dropout; called as the model is."""
        self._weights.refresh()
        none = Dropout(None)

        def compute(part: Part) -> Tensor:
            with torch.no_grad():
                found: Tensor = self._forward(self._looked_up(part["input_ids"]), part, none)["logits"]
                return found

        tensors = {name: value for name, value in inputs.items() if isinstance(value, Tensor) and value.ndim}
        return {"logits": torch.cat(self._each(compute, self._parts(tensors)))}

    def _each(self, compute: Callable[[Item], Result], items: list[Item]) -> list[Result]:
        """`compute` of each item. One alone has all threads that torch uses."""
        return [compute(items[0])] if len(items) == 1 else list(self._workers.map(compute, items))

    def _parts(self, inputs: Mapping[str, Tensor]) -> list[Part]:
        rows, count = len(inputs["input_ids"]), self._workers.count
        # Where cores are more than that, threads share the operations of the one part.
        count = count if count * _LEAST_ROWS <= rows else 1
        pieces = {name: torch.tensor_split(value, count) for name, value in inputs.items()}
        return [{name: found[place] for name, found in pieces.items()} for place in range(count)]

    def _learned(self, part: Part, seed: int, loss_of: LossOf) -> _Learned:
        """What is learned from a part, whose dropout begins at `seed`."""
        words = self._looked_up(part["input_ids"]).requires_grad_(self._weights.words.requires_grad)
        outputs = self._forward(words, part, Dropout(torch.Generator().manual_seed(seed)))
        loss = loss_of(outputs, part)
        learned = self._weights.learned
        if not words.requires_grad:
            found = torch.autograd.grad(loss, learned, allow_unused=True)
            return _Learned(loss.detach(), part["input_ids"], None, found)
        of_words, *others = torch.autograd.grad(loss, [words, *learned], allow_unused=True)
        return _Learned(loss.detach(), part["input_ids"], of_words, others)

    def _looked_up(self, ids: Tensor) -> Tensor:
        """The embeddings (n, tokens, width) of `ids` (n, tokens)."""
        return functional.embedding(ids, self._weights.words.detach())
