"""Whether a model's logits for a row depend on the rows beside it, found by trying.

Computes a few rows of token ids alone and together, on the CPU in fp32.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import PreTrainedModel

from scorer.classifier import sequences
from scorer.classifier.architectures import Shapes
from scorer.classifier.feeding import Feed
from scorer.classifier.sequences import TokenSequences

# Of what the logits are, this much may be rounding.
_ROUNDING = 2e-5
# Rows are cut off or repeated to these lengths, so many of each: short beside long ones, and several of one length.
_LENGTHS = (3, 3, 9, 9, 17, 40)


def probes(encoded: Sequence[Sequence[int]], *, longest: int) -> TokenSequences:
    """Rows to try a model with: the inner tokens of `encoded` texts, over and over, between their first and last."""
    made = []
    for number, length in enumerate(_LENGTHS):
        ids = np.array(encoded[number % len(encoded)], np.int32)
        inner = np.roll(np.resize(ids[1:-1] if len(ids) > 2 else ids, max(min(length, longest) - 2, 0)), number)
        row = np.concatenate((ids[:1], inner, ids[-1:]))
        made.append(TokenSequences(row, np.array([0, len(row)]), np.array([len(row)], np.int32), np.zeros(1, np.bool_)))
    return sequences.concatenate(made)


def shapes_by_trial(model: PreTrainedModel, feed: Feed, rows: TokenSequences) -> Shapes | None:
    """The batches in which `model` gives each of `rows` the logits that it has alone; None when it gives one row
    different ones from time to time."""
    by_length = np.argsort(rows.lengths, kind="stable").tolist()
    alone = _logits(model, feed, rows, [[row] for row in by_length])
    if not _close(alone, _logits(model, feed, rows, [[row] for row in reversed(by_length)])):
        return None
    if _close(alone, _logits(model, feed, rows, [by_length])):
        return "any"
    equal = [list(group) for _, group in groupby(by_length, key=rows.lengths.__getitem__)]
    return "equal lengths" if _close(alone, _logits(model, feed, rows, equal)) else "alone"


@torch.inference_mode()
def _logits(
    model: PreTrainedModel, feed: Feed, rows: TokenSequences, plan: Sequence[Sequence[int]]
) -> NDArray[np.float32]:
    found = np.zeros((len(rows), int(model.config.num_labels or 0)), np.float32)
    for batch in plan:
        chosen = np.array(batch)
        for part in feed.together(rows.take(chosen)):
            arrays = feed.arguments(rows.take(chosen[part]))
            tensors = {name: torch.from_numpy(array) for name, array in arrays.items()}
            found[chosen[part]] = model(**tensors, **feed.options).logits.numpy()
    return found


def _close(one: NDArray[np.float32], other: NDArray[np.float32]) -> bool:
    return bool(np.abs(one - other).max() <= _ROUNDING * max(1.0, float(np.abs(one).max())))
