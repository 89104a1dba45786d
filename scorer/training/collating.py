"""Rows of a training batch side by side, padded; those of encoder-decoders with one end each.

Owns what becomes of a text that spells its model's end. Does not know how batches are chosen.
"""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
from datasets import Dataset
from transformers import DataCollatorWithPadding

from scorer.training.pretrained import BaseModel


class Collator(DataCollatorWithPadding):
    """Pads on the right, as scoring does; where the rows of a model see their padding, on its tokenizer's own side.

    Some tokenizers pad on the left, which moves the words of a model that counts places.

    An encoder-decoder reads the answer at the last end of a row, and refuses rows with unlike numbers of them. In a
    batch of such rows all ends but the last become unknown tokens; a row alone is left as it is, as in scoring.
    """

    def __init__(self, base: BaseModel) -> None:
        tokenizer = copy.copy(base.tokenizer)
        if base.shapes == "any":
            tokenizer.padding_side = "right"
        super().__init__(tokenizer)
        self._end = base.feed.end
        self._unknown = base.tokenizer.unk_token_id

    def __call__(self, features: list[dict[str, Any]]) -> dict[str, Any]:
        """`features`, a row each, as tensors (n, longest)."""
        if self._end is not None and len({row["input_ids"].count(self._end) for row in features}) > 1:
            features = [row | {"input_ids": self._one_end(row["input_ids"])} for row in features]
        collated: dict[str, Any] = super().__call__(features)
        return collated

    def _one_end(self, ids: list[int]) -> list[int]:
        last = max((place for place, token in enumerate(ids) if token == self._end), default=-1)
        return [self._unknown if token == self._end and place != last else token for place, token in enumerate(ids)]


def evaluation_rows(base: BaseModel, valid: Dataset, asked: int) -> int:
    """Rows to evaluate together: as many as `asked`, or one where a row's logits depend on those beside it."""
    if base.shapes != "any":
        return 1
    end = base.feed.end
    if end is None or all(np.count_nonzero(np.asarray(ids) == end) == 1 for ids in valid["input_ids"]):
        return asked
    return 1
