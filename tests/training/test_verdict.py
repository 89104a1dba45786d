"""The profile that a fit leaves, against a slow count over the same rows."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from transformers import AutoTokenizer

from scorer.classifier.metadata import ModelMetadata
from scorer.training.verdict import profile_of
from tests.conftest import TinyModel
from tests.training.fits import run, write_reviews


@pytest.fixture(autouse=True)
def workdir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_profile_of_a_fit(tiny_model: TinyModel) -> None:
    summary = run(write_reviews(Path("train.csv")), tiny_model("bert"), max_length=12, max_steps=5)
    metadata = ModelMetadata.read(summary.model)
    assert metadata is not None
    profile = metadata.profile
    assert profile is not None
    assert (profile.rows, profile.validation_rows) == (summary.train_rows, summary.valid_rows)
    assert sum(profile.lengths) == sum(profile.training_labels) == summary.train_rows
    assert profile.true_labels[:2] == tuple(label["support"] for label in summary.metrics["labels"])
    confusion = np.array(summary.metrics["confusion"])
    assert profile.predicted_labels == (*confusion.sum(axis=0), 0)
    assert sum(profile.confidences) == summary.valid_rows
    bins = summary.metrics["reliability"]
    assert profile.confidences[-1] <= bins[-1]["rows"]


def test_lengths_and_unknown_tokens_are_those_of_the_tokenizer(tiny_model: TinyModel) -> None:
    from scorer.classifier.decision import Decision
    from scorer.examples.reading import read_examples
    from tests.training.fits import write_csv

    texts = ["good room", "größe 漢字 soup " * 10, "a", "漢"] * 3
    path = write_csv(Path("t.csv"), ("text", "label"), [(text, number % 2) for number, text in enumerate(texts)])
    examples = read_examples(str(path), text_columns=())
    tokenizer = AutoTokenizer.from_pretrained(tiny_model("bert"))
    from tokenizers import Tokenizer

    from scorer.classifier.tokenization import TextEncoder

    encoder = TextEncoder(Tokenizer.from_str(tokenizer.backend_tokenizer.to_str()), max_length=16)
    logits = np.array([[2.0, 0.0], [0.0, 1.0], [3.0, 0.0]], np.float32)
    profile = profile_of(
        examples,
        np.array([0, 1] * 6),
        encoder,
        unknown_token=tokenizer.unk_token_id,
        logits=logits,
        targets=np.array([0, 1, 1]),
        decision=Decision((2.0,)),
    )
    ids = [tokenizer(text, truncation=True, max_length=16)["input_ids"] for text in texts]
    bounds = [0, *profile.length_edges, 10**9]
    expected = Counter(sum(len(row) > bound for bound in bounds) - 1 for row in ids)
    assert {place: count for place, count in enumerate(profile.lengths) if count} == expected
    unknown = sum(row.count(tokenizer.unk_token_id) for row in ids) / sum(map(len, ids))
    assert profile.unknown_share == pytest.approx(unknown, abs=1e-6)
    assert profile.unknown_share > 0
    shares = [row.count(tokenizer.unk_token_id) / len(row) for row in ids]
    bounds = [-1.0, *profile.unknown_edges, 1.0]
    assert profile.unknowns == tuple(sum(low < share <= high for share in shares) for low, high in pairwise(bounds))
    assert profile.truncated_share == 0.25
    assert (profile.true_labels, profile.predicted_labels) == ((1, 2, 0), (2, 1, 0))
    # 1 / (1 + exp(-difference / 2)): 0.73, 0.62 and 0.82
    assert [place for place, count in enumerate(profile.confidences) if count] == [6, 7, 8]

    few = profile_of(
        examples,
        np.array([0, 1] * 6),
        encoder,
        unknown_token=None,
        logits=logits,
        targets=np.array([[0, 1], [1, 1], [0, 0]]),
        decision=Decision((1.0,), (0.5, 0.5)),
        most=4,
    )
    assert (few.rows, few.unknown_share, few.unknowns) == (4, 0.0, None)
    assert (few.training_labels, few.true_labels, few.predicted_labels) == ((6, 6, 0), (1, 2, 1), (3, 3, 0))
