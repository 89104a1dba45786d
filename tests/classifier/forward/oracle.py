"""The slow, obvious way to score: transformers itself, one row at a time, unpadded, in fp64."""

from __future__ import annotations

import numpy as np
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer


def oracle(directory, *columns) -> np.ndarray:
    """Logits (n, labels): each row alone through the model that save_pretrained wrote."""
    tokenizer = AutoTokenizer.from_pretrained(directory)
    model = AutoModelForSequenceClassification.from_pretrained(directory).double().eval()
    with torch.no_grad():
        rows = [
            model(**tokenizer(*([text] for text in row), truncation=True, max_length=128, return_tensors="pt")).logits
            for row in zip(*columns, strict=True)
        ]
    return torch.cat(rows).numpy()


def probabilities(logits: np.ndarray) -> np.ndarray:
    return torch.softmax(torch.from_numpy(logits).double(), dim=1).numpy()
