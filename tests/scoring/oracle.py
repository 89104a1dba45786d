"""What scoring must give, the slow and obvious way: transformers alone, one row at a time, in fp32."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from tests.models import sentences

INVISIBLE = " \t\n\r\u00a0\u3000\u2028\u200b\u200d\u2060\ufeff\u00ad"


def is_blank(text: str) -> bool:
    return all(character in INVISIBLE for character in text)


class Oracle:
    """Answers of the model in `directory` for single rows."""

    def __init__(self, directory: Path, *, max_length: int = 128, temperature: float = 1.0) -> None:
        self._tokenizer = AutoTokenizer.from_pretrained(directory)
        self._model = AutoModelForSequenceClassification.from_pretrained(directory).eval()
        self._max_length = max_length
        self._temperature = temperature
        self.labels = [self._model.config.id2label[index] for index in range(self._model.config.num_labels)]

    def row(self, *texts: str | None) -> dict[str, Any]:
        """Status, label (as text), probabilities and token count; None where there is no score."""
        if any(text is None for text in texts):
            return {"status": "null", "label": None, "probabilities": None, "tokens": None}
        if all(is_blank(text) for text in texts):
            return {"status": "empty", "label": None, "probabilities": None, "tokens": None}
        columns = [[text] for text in texts]
        whole = self._tokenizer(*columns)["input_ids"][0]
        inputs = self._tokenizer(*columns, truncation=True, max_length=self._max_length, return_tensors="pt")
        with torch.no_grad():
            logits = self._model(**inputs).logits[0].double() / self._temperature
        probabilities = torch.softmax(logits, dim=0).numpy()
        return {
            "status": "truncated" if len(whole) > self._max_length else "ok",
            "label": self.labels[int(probabilities.argmax())],
            "probabilities": probabilities,
            "tokens": inputs["input_ids"].shape[1],
        }

    def rows(self, *columns: list[str | None]) -> list[dict[str, Any]]:
        return [self.row(*texts) for texts in zip(*columns, strict=True)]


def assert_answers(found: list[dict[str, Any]], expected: list[dict[str, Any]], *, prefix: str = "") -> None:
    """`found`, rows with the appended columns, say what the oracle says."""
    assert len(found) == len(expected)
    for number, (row, oracle) in enumerate(zip(found, expected, strict=True)):
        assert row[prefix + "score_status"] == oracle["status"], f"row {number}"
        if oracle["label"] is None:
            assert row[prefix + "score"] is row[prefix + "confidence"] is None, f"row {number}"
        else:
            assert str(row[prefix + "score"]) == oracle["label"], f"row {number}"
            assert abs(row[prefix + "confidence"] - oracle["probabilities"].max()) < 1e-5, f"row {number}"


def mixed_texts(count: int, *, seed: int = 0) -> list[str | None]:
    """Sentences with duplicates, nulls, blanks, scripts and texts beyond 128 tokens among them."""
    draw = np.random.default_rng(seed)
    plain = sentences(max(count // 2, 1), seed=seed)
    odd = [
        None,
        "",
        " \t",
        "\u200b\ufeff",
        "good room " * 200,
        "\u202e שלום 👩\u200d👧 e\u0301",
        "0456",
        "NA",
        'a "b", c\nd',
    ]
    return [
        odd[draw.integers(len(odd))] if draw.random() < 0.2 else plain[draw.integers(len(plain))] for _ in range(count)
    ]
