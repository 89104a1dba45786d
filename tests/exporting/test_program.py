"""The program of a README answers as `scorer predict` does, for every kind of model."""

from __future__ import annotations

import json

import pytest

import scorer
from scorer.classifier.classifier import Classifier
from scorer.classifier.directory import EXPORT_FILE, open_model
from scorer.classifier.loading import load
from scorer.classifier.sequences import EncodedInputs, TokenSequences
from scorer.exporting.description import Exported
from scorer.exporting.parity import Difference
from scorer.exporting.runtimes.onnx import RUNTIME
from scorer.exporting.tokenizer_file import write_tokenizer
from tests.exporting.kinds import KINDS, make_kind
from tests.exporting.programs import code_of, run_with
from tests.models import sentences

NUMBERS = ("number", "chance")
TEXTS = [*sentences(30, seed=6, longest=60), "naïve 房间", "a" * 300]


@pytest.fixture
def described(tmp_path):
    """`described(model)`: the files of an export of it, all but the graph."""

    def write(directory):
        loaded = load(open_model(str(directory)), plain=False)
        same = Difference(of="nothing", rows=0, logit=0.0, magnitude=0.0, answer=0.0, flips=0)
        exported = Exported(
            loaded=loaded,
            runtime=RUNTIME,
            differences=[same],
            quantized=[],
            tolerance=1e-5,
            max_flips="1%",
            tokenized=0,
            computed_by="nobody",
            pairs=directory.name == "pairs",
        )
        (tmp_path / "README.md").write_text(exported.page())
        (tmp_path / EXPORT_FILE).write_text(json.dumps(exported.document()))
        write_tokenizer(loaded, tmp_path / "tokenizer.json")
        return tmp_path

    return write


@pytest.mark.parametrize("kind", KINDS)
def test_score_and_confidence(kind, tmp_path_factory, described):
    directory = make_kind(tmp_path_factory.mktemp(kind), kind)
    folder, model = described(directory), scorer.load(directory, precision="fp32")
    classifier = Classifier(open_model(str(directory)), precision="fp32", device="cpu")

    def compute(given):
        lengths = given["attention_mask"].sum(axis=1)
        ids = [row[:length].tolist() for row, length in zip(given["input_ids"], lengths, strict=True)]
        seconds = given["token_type_ids"].sum(axis=1)
        rows = TokenSequences.of(ids, first=(lengths - seconds).tolist(), truncated=lengths > 10**6)
        return classifier.logits(EncodedInputs.single(rows))[0]

    if kind == "pairs":
        seconds = list(reversed(TEXTS))
        expected = model.score_texts(TEXTS, seconds)
        found = run_with(folder, [f"{one}\t{other}" for one, other in zip(TEXTS, seconds, strict=True)], compute)
    else:
        expected, found = model.score_texts(TEXTS), run_with(folder, TEXTS, compute)
    for row, other in zip(found, expected, strict=True):
        assert type(row["score"]) is type(other["score"])
        expected_score = pytest.approx(other["score"], abs=1e-6) if kind in NUMBERS else other["score"]
        assert row["score"] == expected_score
        assert row["confidence"] == pytest.approx(other["confidence"], abs=1e-6)
    assert len({json.dumps(row["score"]) for row in found}) > 1


def test_it_is_short(tmp_path_factory, described):
    for kind in KINDS:
        lines = code_of(described(make_kind(tmp_path_factory.mktemp(kind), kind))).splitlines()
        written = [line for line in lines if line and not line.startswith(("import", "from"))]
        assert len(written) <= (25 if kind == "mapped" else 15)
