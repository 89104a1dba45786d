"""What fit writes for architectures beside BERT: transformers' pipeline gives the labels that scorer gives."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from transformers import pipeline

from scorer.classifier.classifier import Classifier
from scorer.classifier.directory import open_model
from tests.architectures import make_architecture
from tests.training.fits import reviews, run, write_csv

SPELT = ["a {} good room", "bad soup {}", "{} fine {}", "warm <b>bread</b>, <s>cold</s> soup"]


@pytest.mark.parametrize("architecture", ["t5", "xlnet", "fnet"])
@pytest.mark.filterwarnings("ignore")  # what these architectures warn of themselves
def test_the_pipeline_gives_the_labels_that_scorer_gives(architecture, tmp_path, monkeypatch):
    """Rows hold the end of the architecture, too, which encoder-decoders read their answer at."""
    monkeypatch.chdir(tmp_path)
    base = make_architecture(tmp_path / "base", architecture)
    rows = [(text.replace("room", "</s>"), 1 + len(mood) % 2) for text, mood in reviews(60)]
    train = write_csv(tmp_path / "train.csv", ("text", "label"), rows)
    fitted = Path(run(train, base, epochs=1.0, max_length=48).model)
    classifier = Classifier(open_model(str(fitted)), precision="fp32", device="cpu")
    texts = [text.format("</s>", "</s>") for text in SPELT] + [text for text, _ in rows[:20]]
    logits, outcomes = classifier.logits(classifier.encode(texts))
    assert not outcomes.any()
    classify = pipeline("text-classification", model=str(fitted), device="cpu", top_k=None)
    answers = [{one["label"]: one["score"] for one in classify([text], truncation=True)[0]} for text in texts]
    expected = np.array([[answer[name] for name in classifier.labels.names] for answer in answers])
    found = np.exp(logits - logits.max(axis=1, keepdims=True))
    np.testing.assert_allclose(found / found.sum(axis=1, keepdims=True), expected, atol=1e-5)
