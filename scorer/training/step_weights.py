"""The parameters of a BERT-like model as a step of a fit on a CPU uses them, and where their gradients go.

Matrices are cast to the step's precision once, into tensors that stay, and so do gradients: the pages of a new tensor
cost more than what is written to them. The model is trained, saved and loaded as if it had computed the step itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from scorer.classifier.forward.bert_weights import WeightNames

_JOINED: Final = ("query", "key", "value")


class StepWeights:
    """What `model` has, as leaves of a step's graph: matrices in `dtype`, those of queries, keys and values one below
    the other under the first one's name; all else as it is."""

    def __init__(self, model: PreTrainedModel, dtype: torch.dtype) -> None:
        self.names = WeightNames(model.config)
        self._parameters = dict(model.named_parameters())
        self.words = self._parameters[self.names.words]
        """The embeddings of words (vocabulary, width); they are no leaf, since a batch has few of them."""
        self._padding = getattr(model.get_input_embeddings(), "padding_idx", None)
        self._leaves: dict[str, Tensor] = {}
        self._of_leaf: dict[str, list[nn.Parameter]] = {}
        for joined in self._products(model.config.num_hidden_layers):
            for kind in ("weight", "bias"):
                found = [self._parameters[f"{name}.{kind}"] for name in joined]
                leaf = torch.cat([one.detach() for one in found]).to(dtype)
                self._leaves[f"{joined[0]}.{kind}"] = leaf.requires_grad_(any(one.requires_grad for one in found))
                self._of_leaf[f"{joined[0]}.{kind}"] = found
        cast = {id(one) for found in self._of_leaf.values() for one in found}
        for name, parameter in self._parameters.items():
            if id(parameter) not in cast and parameter is not self.words:
                self._leaves[name], self._of_leaf[name] = parameter, [parameter]
        self._learned = [name for name, leaf in self._leaves.items() if leaf.requires_grad]
        self._gradients: dict[int, Tensor] = {}
        self._written: list[Tensor] = []

    def has(self, name: str) -> bool:
        """Whether there is a product of this name, or a table."""
        return f"{name}.weight" in self._parameters or name in self._parameters

    def __getitem__(self, name: str) -> Tensor:
        return self._leaves[name]

    @property
    def learned(self) -> list[Tensor]:
        """What gradients are asked for, beside the words."""
        return [self._leaves[name] for name in self._learned]

    @torch.no_grad()
    def refresh(self) -> None:
        """Take over what the parameters are by now."""
        for name, found in self._of_leaf.items():
            leaf = self._leaves[name]
            if leaf is not found[0]:
                for parameter, rows in _rows_of(found):
                    leaf[rows].copy_(parameter)

    @torch.no_grad()
    def learn(self, parts: Sequence[Sequence[Tensor | None]]) -> None:
        """Add the gradients of several parts of a batch, each in the order of `learned`, to those of the parameters;
        always in the same order."""
        for name, *gradients in zip(self._learned, *parts, strict=True):
            there = [gradient for gradient in gradients if gradient is not None]
            for parameter, rows in _rows_of(self._of_leaf[name]):
                for gradient in there if parameter.requires_grad else ():
                    self._add(parameter, gradient[rows])

    @torch.no_grad()
    def learn_words(self, ids: Tensor, gradient: Tensor) -> None:
        """Add the `gradient` (m, width) of the words `ids` (m,). Padding learns nothing, also where a text has it."""
        if self.words.grad is None:
            self.words.grad = self._cleared()
        if self._padding is not None:
            gradient = gradient.masked_fill((ids == self._padding).unsqueeze(1), 0.0)
        self.words.grad.index_add_(0, ids, gradient)
        self._written.append(ids)

    def _cleared(self) -> Tensor:
        """The gradient of the words, all 0. No more is written than was written before: all of it would cost as much as
        two layers."""
        kept = self._gradients.get(id(self.words))
        if kept is None:
            kept = self._gradients[id(self.words)] = torch.zeros_like(self.words)
        for ids in self._written:
            kept.index_fill_(0, ids, 0.0)
        self._written.clear()
        return kept

    def _add(self, parameter: nn.Parameter, gradient: Tensor) -> None:
        if parameter.grad is not None:
            parameter.grad.add_(gradient)
            return
        if id(parameter) not in self._gradients:
            self._gradients[id(parameter)] = torch.empty_like(parameter)
        parameter.grad = self._gradients[id(parameter)].copy_(gradient)

    def _products(self, layers: int) -> Iterator[list[str]]:
        """The names of matrices that are cast; those that are joined stand together."""
        for layer in range(layers):
            parts = {part: self.names.of_layer(layer, part) for part in self.names.parts if not part.endswith("_norm")}
            yield [parts.pop(part) for part in _JOINED]
            yield from ([name] for name in parts.values())
        if self.has(self.names.projection):
            yield [self.names.projection]


def _rows_of(parameters: Sequence[nn.Parameter]) -> Iterator[tuple[nn.Parameter, slice]]:
    """Each of the `parameters`, and its rows where they stand one below the other."""
    first = 0
    for parameter in parameters:
        yield parameter, slice(first, first + len(parameter))
        first += len(parameter)
