"""The answers that every peer is measured against: transformers' own model in fp32, one row at a time, nothing padded.

Owns the reference file of a workload (probabilities and token ids), kept so that it is computed once a model. The token
ids are those of the model's own tokenizer, and scorer's TextEncoder must give the same.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from harness.answers import label_names
from harness.expected import Expected, check_ids
from harness.work import flop_per_token
from harness.workloads import texts_of
from scorer.classifier.tokenization import TextEncoder


class Reference:
    """The model of the directory `model` in fp32; its answers are kept in the folder `cache`."""

    def __init__(self, model: Path, cache: Path, threads: int) -> None:
        torch.set_num_threads(threads)
        self._path = model
        self._cache = cache
        self._model = AutoModelForSequenceClassification.from_pretrained(model, dtype=torch.float32).eval()
        self._tokenizer = AutoTokenizer.from_pretrained(model)
        self._weights = hashlib.sha256((model / "model.safetensors").read_bytes()).hexdigest()

    def expected(self, path: Path, max_length: int) -> Expected:
        """The right answers for the file `path` at `max_length`."""
        texts = texts_of(path)
        key = hashlib.sha256("\x00".join([self._weights, str(max_length), *texts]).encode()).hexdigest()[:16]
        file = self._cache / f"{path.stem}-{key}.npz"
        if not file.exists():
            self._compute(texts, max_length, file)
        kept = np.load(file)
        return Expected(
            labels=label_names(self._model.config),
            probabilities=kept["probabilities"],
            lengths=np.diff(kept["offsets"]),
            flop_per_token=flop_per_token(self._path),
            file=file,
        )

    def _compute(self, texts: list[str], max_length: int, file: Path) -> None:
        rows = [self._tokenizer(text, truncation=True, max_length=max_length)["input_ids"] for text in texts]
        self._compare_with_scorer(texts, rows, max_length)
        probabilities = np.stack([self._row(ids) for ids in rows])
        offsets = np.concatenate(([0], np.cumsum([len(ids) for ids in rows])))
        file.parent.mkdir(parents=True, exist_ok=True)
        np.savez(file, probabilities=probabilities, ids=np.concatenate(rows), offsets=offsets)

    def _compare_with_scorer(self, texts: list[str], rows: list[list[int]], max_length: int) -> None:
        encoder = TextEncoder(Tokenizer.from_file(str(self._path / "tokenizer.json")), max_length=max_length)
        found = encoder(texts).sequences
        check_ids([found.ids[a:b].tolist() for a, b in zip(found.offsets, found.offsets[1:], strict=False)], rows)

    @torch.inference_mode()
    def _row(self, ids: list[int]) -> NDArray[np.float32]:
        logits = self._model(input_ids=torch.tensor([ids])).logits[0]
        row: NDArray[np.float32] = torch.softmax(logits, dim=-1).numpy()
        return row
