"""Steps of a fit on a CPU: a part of each batch on each core, and their gradients added up.

Threads that share an operation wait for each other at every one of the thousand that a step has. Threads that have some
rows each wait once. Which rows are computed together, and in which order gradients are added, depends on the number of
threads and on nothing else, and so do the weights that come out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import torch
from torch import Tensor
from torch.nn import functional
from transformers import PreTrainedModel

from scorer.classifier.workers import Workers, worker_count
from scorer.training.exits import has_exits
from scorer.training.forward import Dropout, FastForward, StepWeights, why_not_fast

# A part of fewer rows costs more than the core that computes it is worth.
_LEAST_ROWS: Final = 8

LossOf = Callable[[dict[str, Any], dict[str, Tensor]], Tensor]
"""The loss () of some rows, by what the model gives for them and what stands in the batch beside its inputs."""


@dataclass(frozen=True)
class _Part:
    """Some rows of a batch: what is handed to the model and what is not, and where their dropout begins."""

    inputs: dict[str, Tensor]
    seed: int


@dataclass(frozen=True)
class _Learned:
    """What a part came to."""

    loss: Tensor
    ids: Tensor
    words: Tensor | None
    others: tuple[Tensor | None, ...]


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
        found = self._each(lambda part: self._learned(part, loss_of), parts)
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

        def compute(part: _Part) -> Tensor:
            with torch.no_grad():
                found: Tensor = self._forward(self._looked_up(part.inputs["input_ids"]), part.inputs, none)["logits"]
                return found

        tensors = {name: value for name, value in inputs.items() if isinstance(value, Tensor) and value.ndim}
        return {"logits": torch.cat(self._each(compute, self._parts(tensors)))}

    def _each(self, compute: Callable[[_Part], Any], parts: list[_Part]) -> list[Any]:
        """`compute` of each part. One alone has all threads that torch uses."""
        return [compute(parts[0])] if len(parts) == 1 else list(self._workers.map(compute, parts))

    def _parts(self, inputs: Mapping[str, Tensor]) -> list[_Part]:
        rows, count = len(inputs["input_ids"]), self._workers.count
        # Where cores are more than that, threads share the operations of the one part.
        count = count if count * _LEAST_ROWS <= rows else 1
        seeds = torch.empty(count, dtype=torch.int64).random_().tolist()
        pieces = {name: torch.tensor_split(value, count) for name, value in inputs.items()}
        return [_Part({name: found[k] for name, found in pieces.items()}, seed) for k, seed in enumerate(seeds)]

    def _learned(self, part: _Part, loss_of: LossOf) -> _Learned:
        words = self._looked_up(part.inputs["input_ids"]).requires_grad_(self._weights.words.requires_grad)
        outputs = self._forward(words, part.inputs, Dropout(torch.Generator().manual_seed(part.seed)))
        loss = loss_of(outputs, part.inputs)
        learned = self._weights.learned
        asked = [words, *learned] if words.requires_grad else learned
        found = torch.autograd.grad(loss, asked, allow_unused=True)
        mine = found[0] if words.requires_grad else None
        return _Learned(loss.detach(), part.inputs["input_ids"], mine, found[len(asked) - len(learned) :])

    def _looked_up(self, ids: Tensor) -> Tensor:
        """The embeddings (n, tokens, width) of `ids` (n, tokens)."""
        return functional.embedding(ids, self._weights.words.detach())
