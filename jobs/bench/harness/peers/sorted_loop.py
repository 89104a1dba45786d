"""The loop that a careful person writes: tokenize all, sort by tokens, pad little, no gradients, undo the order.

Owns the loop, with a forward pass to be filled in, and the loop over transformers' own model. ONNX Runtime and OpenVINO
fill in theirs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from transformers import AutoConfig, AutoModelForSequenceClassification

from harness.answers import label_names, score_file
from harness.batching import Batching, padded_batches, rectangle, softmax
from harness.ceiling import DTYPES
from harness.peers import Setup


class SortedLoop:
    """Scores files in batches of similar length. `choices` are token budgets of a batch."""

    choices: Sequence[Any] = (1024, 2048, 4096, 8192)
    batching: Batching = staticmethod(padded_batches)

    def __init__(self, setup: Setup) -> None:
        config = AutoConfig.from_pretrained(setup.model)
        self.labels = label_names(config)
        self.busy: Mapping[str, float] = {}
        self.stream_seconds: float | None = None
        self.computed_tokens: int | None = None
        self._column = setup.column
        self._pad_id = config.pad_token_id
        self._tokenizer = Tokenizer.from_file(str(setup.model / "tokenizer.json"))
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(setup.max_length)
        self.choose(self.choices[0])

    @property
    def about(self) -> str:
        return f"{self.budget} tokens a batch"

    def choose(self, choice: Any) -> None:
        self.budget = int(choice)

    def score(self, source: Path, target: Path) -> None:
        score_file(source, target, column=self._column, labels=self.labels, probabilities=self.probabilities)

    def token_ids(self, texts: list[str]) -> list[list[int]]:
        return [encoding.ids for encoding in self._tokenizer.encode_batch_fast(texts)]

    def probabilities(self, texts: list[str]) -> NDArray[np.float32]:
        """(n, labels) float32."""
        ids = self.token_ids(texts)
        batches = self.batching([len(row) for row in ids], self.budget)
        self.computed_tokens = 0
        logits = np.zeros((len(texts), len(self.labels)), np.float32)
        self.run(ids, batches, logits)
        return softmax(logits)

    def run(self, ids: list[list[int]], batches: list[list[int]], logits: NDArray[np.float32]) -> None:
        """Fill `logits` (n, labels), batch by batch."""
        for rows in batches:
            logits[rows] = self.forward(*self.pad(ids, rows))

    def pad(self, ids: list[list[int]], rows: list[int]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        padded, mask = rectangle([ids[row] for row in rows], self._pad_id)
        assert self.computed_tokens is not None
        self.computed_tokens += padded.size
        return padded, mask

    def forward(self, ids: NDArray[np.int64], mask: NDArray[np.int64]) -> NDArray[np.float32]:
        """Logits (rows, labels) of a rectangle of token ids and its attention mask, both (rows, tokens)."""
        raise NotImplementedError


class TorchLoop(SortedLoop):
    """transformers' model, as it is, in `precision`."""

    def __init__(self, setup: Setup, *, precision: str) -> None:
        super().__init__(setup)
        if setup.threads is not None:
            torch.set_num_threads(setup.threads)
        model = AutoModelForSequenceClassification.from_pretrained(setup.model, dtype=DTYPES[precision])
        self._device = torch.device(setup.device)
        self._model = model.eval().to(self._device)

    @torch.inference_mode()
    def forward(self, ids: NDArray[np.int64], mask: NDArray[np.int64]) -> NDArray[np.float32]:
        tokens, seen = (torch.from_numpy(array).to(self._device) for array in (ids, mask))
        logits: NDArray[np.float32] = self._model(input_ids=tokens, attention_mask=seen).logits.float().cpu().numpy()
        return logits
