"""The forward pass of a fit on a CPU: logits and gradients are those of transformers' own, with less work.

- The head of a BERT-like classifier reads the first token, so the last layer computes that alone.
- Dropout takes 16 random bits an element from long draws; torch's own draws a number for each.
- Queries, keys and values are one product.

Batches are padded, which costs little where they are of rows of about one length.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

import torch
from torch import Tensor
from torch.nn import functional
from transformers import PreTrainedModel

from scorer.classifier.forward.bert_family import (
    activation_of,
    first_position,
    head_activation_of,
    variance_floor,
    why_not_of_the_family,
)
from scorer.classifier.forward.bert_weights import WeightNames
from scorer.training.exits import mean_states
from scorer.training.step_weights import StepWeights

_ACTIVATIONS: Final[Mapping[str, Callable[[Tensor], Tensor]]] = MappingProxyType(
    {"gelu": functional.gelu, "relu": functional.relu, "tanh": torch.tanh}
)
# Heads that drop before their first product, too.
_DROPS_FIRST: Final = ("roberta", "xlm-roberta", "electra")
# A draw is cut into so many parts of 16 bits.
_PARTS: Final = 4
_DRAWN: Final = 1 << 16
# What a token that is padding has in place of a score: no probability comes of it, also in bf16.
_NEVER: Final = -1e4


def why_not_fast(model: PreTrainedModel, device: torch.device) -> str | None:
    """Why transformers computes `model` in training, or None: a GPU has kernels of its own for all of this, and other
    models, or those with adapters, have other parts."""
    if device.type != "cpu":
        return "not on a CPU"
    if (why_not := why_not_of_the_family(model.config)) is not None:
        return why_not
    if model.config.model_type == "deberta-v2":
        return "does not compute deberta-v2 models"
    there, names = dict(model.named_parameters()), WeightNames(model.config)
    parts = [names.of_layer(layer, part) for layer in range(model.config.num_hidden_layers) for part in names.parts]
    lacking = [name for name in (*parts, *names.head) if f"{name}.weight" not in there]
    return f"has no {lacking[0]}" if lacking else None


@dataclass(frozen=True)
class Dropout:
    """Sets shares of values to 0 by numbers of its `generator`; nothing where that is None."""

    generator: torch.Generator | None

    def __call__(self, values: Tensor, share: float) -> Tensor:
        """`values` of which a `share` is 0, to a 65,536th, and the others are that much larger."""
        if self.generator is None or share == 0.0:
            return values
        size, dropped = values.numel(), round(share * _DRAWN)
        drawn = torch.empty(-(-size // _PARTS), dtype=torch.int64).random_(-(1 << 63), None, generator=self.generator)
        parts = drawn.view(torch.int16)[:size].view(values.shape)
        kept = (parts >= dropped - _DRAWN // 2).to(values.dtype)
        return values * kept.mul_(_DRAWN / (_DRAWN - dropped))


@dataclass(frozen=True)
class _Shares:
    """What dropout takes: of hidden states, of attention, of what was attended to, and before and inside the head."""

    hidden: float
    attention: float
    attended: float
    before_head: float
    inside_head: float

    @classmethod
    def of(cls, config: Any) -> _Shares:
        if config.model_type == "distilbert":
            return cls(config.dropout, config.attention_dropout, 0.0, 0.0, config.seq_classif_dropout)
        hidden, own = config.hidden_dropout_prob, config.classifier_dropout
        head = hidden if own is None else own
        before = head if config.model_type in _DROPS_FIRST else 0.0
        return cls(hidden, config.attention_probs_dropout_prob, hidden, before, head)


@dataclass(frozen=True)
class _Batch:
    """Rows of a batch and tokens of a row, and what is added to scores of attention, (rows * heads, 1, tokens)."""

    rows: int
    tokens: int
    bias: Tensor | None
    dropout: Dropout


class FastForward:
    """The pass of a model with this `config` and these `weights`. Products are in `dtype`; sums, norms and logits are
    in fp32. With `exits` it tells what is seen behind each layer, too. Several threads may call it at once."""

    def __init__(self, config: Any, weights: StepWeights, dtype: torch.dtype, *, exits: bool = False) -> None:
        self._exits = exits
        self._weights, self._names, self._dtype = weights, weights.names, dtype
        self._heads: int = config.num_attention_heads
        self._layers: int = config.num_hidden_layers
        self._first = first_position(config)
        self._floor = variance_floor(config)
        self._activation = _ACTIVATIONS[activation_of(config)]
        self._head_activation = _ACTIVATIONS[head_activation_of(config)]
        self._drops = _Shares.of(config)

    def __call__(self, words: Tensor, inputs: Mapping[str, Tensor], dropout: Dropout) -> dict[str, Any]:
        """The `logits` (n, labels) fp32 of a batch whose tokens have the embeddings `words` (n, tokens, width);
        `inputs` is what the model is called with. With exits also `states`, of each layer the means (n, hidden) of
        what it is given."""
        mask, states = inputs.get("attention_mask"), []
        with torch.autocast("cpu", enabled=False):
            batch = self._batch(words, mask, dropout)
            hidden = self._embedded(words, inputs, batch)
            for layer in range(self._layers):
                if self._exits:
                    states.append(mean_states(hidden.view(batch.rows, batch.tokens, -1), mask))
                hidden = self._layer(layer, hidden, batch)
            return {"logits": self._head(hidden, batch)} | ({"states": states} if self._exits else {})

    def _batch(self, words: Tensor, mask: Tensor | None, dropout: Dropout) -> _Batch:
        rows, tokens, _ = words.shape
        if mask is None or bool(mask.all()):
            return _Batch(rows, tokens, None, dropout)
        bias = torch.zeros(mask.shape, dtype=self._dtype).masked_fill_(mask == 0, _NEVER)
        return _Batch(rows, tokens, bias.repeat_interleave(self._heads, dim=0).unsqueeze(1), dropout)

    def _embedded(self, words: Tensor, inputs: Mapping[str, Tensor], batch: _Batch) -> Tensor:
        """(n * tokens, hidden)."""
        names = self._names
        found = words + self._positions(inputs["input_ids"], inputs.get("attention_mask"))
        if self._weights.has(names.types):
            kinds, types = self._weights[names.types], inputs.get("token_type_ids")
            found = found + (kinds[0] if types is None else functional.embedding(types, kinds))
        found = batch.dropout(self._normed(found, names.embedding_norm), self._drops.hidden).flatten(0, 1)
        return self._product(found, names.projection).float() if self._weights.has(names.projection) else found

    def _positions(self, ids: Tensor, mask: Tensor | None) -> Tensor:
        """What the places of tokens `ids` (n, tokens) say, (tokens, width); (n, tokens, width) where they differ from
        row to row. RoBERTa and its kin count the tokens that are not padding: one that a text spells has its place."""
        table, padding = self._weights[self._names.positions], self._first - 1
        if self._first:
            counted = ids != padding
            if not bool((counted if mask is None else counted | (mask == 0)).all()):
                places = counted.cumsum(dim=1) * counted + padding
                return functional.embedding(places, table, padding_idx=padding)
        return table[self._first : self._first + ids.shape[1]]

    def _layer(self, layer: int, hidden: Tensor, batch: _Batch) -> Tensor:
        """What is behind a layer, of `hidden` (n * tokens, hidden); of the last one the first tokens (n, hidden)."""

        def name(part: str) -> str:
            return self._names.of_layer(layer, part)

        last = layer == self._layers - 1
        asking = hidden.view(batch.rows, batch.tokens, -1)[:, 0] if last else hidden
        query, key, value = self._projected(name("query"), asking, hidden, batch.rows)
        attended = self._product(self._attended(query, key, value, batch), name("attention_output"))
        middle = self._normed(asking + batch.dropout(attended, self._drops.attended), name("attention_norm"))
        wide = self._activation(self._product(middle, name("feed_forward_in")))
        narrow = batch.dropout(self._product(wide, name("feed_forward_out")), self._drops.hidden)
        return self._normed(middle + narrow, name("output_norm"))

    def _projected(self, name: str, asking: Tensor, hidden: Tensor, rows: int) -> tuple[Tensor, ...]:
        """Queries (n * heads, k, width) of the tokens `asking` (n * k, hidden), keys and values of all of `hidden`."""
        weight, bias = self._weights[f"{name}.weight"], self._weights[f"{name}.bias"]
        if asking is hidden:
            return self._by_heads(functional.linear(hidden.to(self._dtype), weight, bias), rows, 3)
        width = len(weight) // 3
        (query,) = self._by_heads(functional.linear(asking.to(self._dtype), weight[:width], bias[:width]), rows, 1)
        others = functional.linear(hidden.to(self._dtype), weight[width:], bias[width:])
        return query, *self._by_heads(others, rows, 2)

    def _by_heads(self, products: Tensor, rows: int, count: int) -> tuple[Tensor, ...]:
        """`count` products that stand side by side (n * k, count * hidden), as (n * heads, k, width) each."""
        apart = products.view(rows, len(products) // rows, count, self._heads, -1).permute(2, 0, 3, 1, 4)
        return apart.reshape(count, rows * self._heads, len(products) // rows, -1).unbind(0)

    def _attended(self, query: Tensor, key: Tensor, value: Tensor, batch: _Batch) -> Tensor:
        """What the queries (n * heads, k, width) take from the values, (n * k, hidden)."""
        scale = query.shape[2] ** -0.5
        if batch.bias is None:
            scores = torch.bmm(query * scale, key.transpose(1, 2))
        else:
            scores = torch.baddbmm(batch.bias, query, key.transpose(1, 2), alpha=scale)
        # torch's softmax of rows that are so short is faster in fp32.
        shares = torch.softmax(scores.float(), dim=2).to(self._dtype)
        found = torch.bmm(batch.dropout(shares, self._drops.attention), value)
        _, asked, width = found.shape
        return found.view(batch.rows, self._heads, asked, width).transpose(1, 2).reshape(batch.rows * asked, -1)

    def _head(self, first: Tensor, batch: _Batch) -> Tensor:
        """Logits (n, labels) of the first tokens (n, hidden); it is small, and in fp32."""
        inside, out = ((self._weights[f"{name}.weight"], self._weights[f"{name}.bias"]) for name in self._names.head)
        found = functional.linear(batch.dropout(first, self._drops.before_head), *inside)
        return functional.linear(batch.dropout(self._head_activation(found), self._drops.inside_head), *out)

    def _product(self, tokens: Tensor, name: str) -> Tensor:
        """The product of `tokens` (m, in) with a weight, (m, out), in `dtype`."""
        return functional.linear(tokens.to(self._dtype), self._weights[f"{name}.weight"], self._weights[f"{name}.bias"])

    def _normed(self, hidden: Tensor, name: str) -> Tensor:
        weight, bias = self._weights[f"{name}.weight"], self._weights[f"{name}.bias"]
        return functional.layer_norm(hidden, weight.shape, weight, bias, self._floor)
