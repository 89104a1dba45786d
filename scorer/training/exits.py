"""Layers that are trained to be left early (`fit --exits`): `score --max-flips` then finds more rows that may.

Before the first layer, and behind each one but the last, a linear head learns what the whole model says, from the mean
of a row's states there (self-distillation, Zhang et al. 2019, "Be Your Own Teacher"). The heads are thrown away in the
end, since scoring makes probes of its own for the file at hand. What stays are layers that know more of the answer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import PreTrainedModel

from scorer.classifier.forward.bert_family import why_not_of_the_family
from scorer.errors import UsageError

EXIT_HEADS: Final = "exit_heads"
"""What the heads are called in a network that is trained."""
HEADS_RATE: Final = 1e-3
"""Their learning rate: they begin with nothing."""
# What the heads' losses together weigh beside that of the labels. Found by measurement: jobs/bench/LOG.md.
_WEIGHT = 0.1


def add_exits(model: PreTrainedModel, *, name: str) -> None:
    """Give `model` heads, which say nothing yet. UsageError where scoring cannot leave the model `name` early."""
    config = model.config
    if (why_not := why_not_of_the_family(config)) is not None:
        raise UsageError(f"--exits: {name} cannot be left early, as scoring {why_not}; leave it out")
    hidden, labels = int(config.hidden_size), int(config.num_labels or 0)
    heads = nn.ModuleList(nn.Linear(hidden, labels) for _ in range(config.num_hidden_layers))
    for parameter in heads.parameters():
        nn.init.zeros_(parameter)
    setattr(model, EXIT_HEADS, heads)


def has_exits(model: nn.Module) -> bool:
    return hasattr(model, EXIT_HEADS)


def remove_exits(model: PreTrainedModel) -> None:
    """Take the heads of `model` out, if it has any."""
    if has_exits(model):
        delattr(model, EXIT_HEADS)


def mean_states(hidden: Tensor, mask: Tensor | None) -> Tensor:
    """The means (n, hidden) of the states (n, tokens, hidden) of the tokens that `mask` (n, tokens) has."""
    if mask is None:
        return hidden.float().mean(dim=1)
    inside = mask.to(torch.float32).unsqueeze(2)
    return (hidden.float() * inside).sum(dim=1) / inside.sum(dim=1)


def outputs_and_states(model: Callable[..., Any], **inputs: Any) -> dict[str, Any]:
    """What a network of transformers gives for `inputs`: its `logits`, and the `states` of each layer."""
    outputs = model(**inputs, output_hidden_states=True)
    mask = inputs.get("attention_mask")
    states = [mean_states(hidden, mask) for hidden in outputs["hidden_states"][:-1]]
    return {"logits": outputs["logits"], "states": states}


def with_exits(loss: Callable[..., Tensor], model: nn.Module, *, multi: bool) -> Callable[..., Tensor]:
    """`loss`, and beside it those of the heads of `model`; `multi` says whether a row may have several labels."""

    def both(outputs: Any, targets: Tensor, num_items_in_batch: Tensor | int | None = None) -> Tensor:
        hard = loss(outputs, targets, num_items_in_batch)
        states = outputs.get("states")
        if states is None:
            return hard
        heads: Sequence[nn.Module] = getattr(model, EXIT_HEADS)
        answers = outputs["logits"].detach().float()
        each = [_distance(head(seen), answers, multi) for head, seen in zip(heads, states, strict=True)]
        items = num_items_in_batch if num_items_in_batch is not None else each[0].numel()
        return hard + _WEIGHT * torch.stack([one.sum() for one in each]).sum() / items

    return both


def _distance(said: Tensor, answers: Tensor, multi: bool) -> Tensor:
    """The cross entropy of what a head `said` with the `answers` of the whole model, logits (n, labels): (n,), or with
    several labels (n, labels)."""
    if multi:
        return functional.binary_cross_entropy_with_logits(said, answers.sigmoid(), reduction="none")
    return functional.cross_entropy(said, answers.softmax(dim=1), reduction="none")
