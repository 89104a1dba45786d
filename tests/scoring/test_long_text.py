"""Long texts all the way through score, against transformers on each window alone."""

from __future__ import annotations

import shutil
from contextlib import closing
from functools import cache
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

import scorer
from scorer.classifier.classifier import Classifier
from scorer.classifier.directory import open_model
from scorer.classifier.forward.resilient import Outcome
from scorer.classifier.labels import LabelSet
from scorer.classifier.long_text import LongText
from scorer.classifier.metadata import ModelMetadata
from scorer.config import FrameConfig
from scorer.errors import ConfigError, UsageError
from scorer.runs.background_store import BackgroundStore
from scorer.runs.score_store import ScoreStore
from scorer.scoring.cache import ScoreCache
from scorer.scoring.classify import Classify
from scorer.scoring.encode import Encode
from scorer.scoring.preparation import logit_fingerprint
from scorer.scoring.windows import Window, score_dtype
from tests.engines.faults import FaultyForward, inject
from tests.models import sentences
from tests.scoring.files import write

MAX_LENGTH = 32
STRIDE = 6


def fitted(source: Path, directory: Path, **long_text) -> Path:
    """A copy of `source` that says of itself how it reads long texts."""
    shutil.copytree(source, directory)
    labels = LabelSet.from_values([1, 2, 3, 4, 5])
    fields = {"base_model": "b", "text_columns": ("text",), "label_column": "l", "labels": labels}
    ModelMetadata(**fields, max_length=MAX_LENGTH, long_text=LongText(**long_text)).write(directory)
    return directory


@pytest.fixture(scope="module", params=["mean", "max"])
def pooling(request):
    return request.param


@pytest.fixture(scope="module")
def model(tiny_model, tmp_path_factory, pooling) -> Path:
    folder = tmp_path_factory.mktemp("models")
    return fitted(tiny_model("bert"), folder / pooling, strategy="window", stride=STRIDE, pooling=pooling)


def texts() -> list[str]:
    """From one token to some forty windows, in no order."""
    joined = [" ".join(sentences(count, seed=count, longest=30)) for count in (30, 1, 2, 60, 3, 1, 9)]
    return [*joined[:3], "good", *joined[3:], "bad " * 30, "bad " * 31]


@cache
def windows_alone(directory: Path, text: str) -> tuple[np.ndarray, int]:
    """The logits of each window of `text`, computed alone in fp64, (windows, labels), and the tokens of all of them."""
    tokenizer = AutoTokenizer.from_pretrained(directory)
    network = AutoModelForSequenceClassification.from_pretrained(directory).double().eval()
    rows = tokenizer(text, truncation=True, max_length=MAX_LENGTH, stride=STRIDE, return_overflowing_tokens=True)
    with torch.no_grad():
        logits = [network(input_ids=torch.tensor([ids])).logits[0].numpy() for ids in rows["input_ids"]]
    return np.stack(logits), sum(map(len, rows["input_ids"]))


@pytest.mark.parametrize("backend", ["packed", "padded"])
@pytest.mark.parametrize("batch_tokens", [1, 100, 5_000])
def test_logits_are_pooled_from_windows_whatever_the_budget(model, pooling, backend, batch_tokens):
    classifier = Classifier(open_model(str(model)), precision="fp32", backend=backend, batch_tokens=batch_tokens)
    inputs = classifier.encode(texts())
    logits, outcomes = classifier.logits(inputs)
    expected = [getattr(windows_alone(model, text)[0], pooling)(axis=0) for text in texts()]
    np.testing.assert_allclose(logits, np.stack(expected), atol=2e-5)
    assert outcomes.tolist() == [Outcome.SCORED] * len(expected)


def test_a_job_scores_texts_whole_and_says_so(model, pooling, tmp_path):
    some = [*texts(), None, "", *texts()[:4]]
    source = write(tmp_path / "in.parquet", pa.table({"text": pa.array(some, pa.string())}))
    options = {"model": str(model), "precision": "fp32", "probabilities": True, "token_count": True}
    summary = scorer.score(source, tmp_path / "out.parquet", batch_tokens=256, window_rows=5, **options)
    found = pq.read_table(tmp_path / "out.parquet")
    rows = found.to_pylist()
    assert [row["score_status"] for row in rows] == ["ok"] * len(texts()) + ["null", "empty"] + ["ok"] * 4
    for row, text in zip(rows, some, strict=True):
        if text:
            logits, tokens = windows_alone(model, text)
            pooled = getattr(logits.astype(np.float64), pooling)(axis=0)
            exponentials = np.exp(pooled - pooled.max())
            np.testing.assert_allclose(
                list(row["probabilities"].values()), exponentials / exponentials.sum(), atol=1e-5
            )
            assert row["token_count"] == tokens
    assert summary.tokens == sum(row["token_count"] or 0 for row in rows)

    frame = scorer.load(str(model), precision="fp32").score_frame(pa.table({"text": pa.array(some, pa.string())}))
    assert frame["score"].equals(found["score"])
    np.testing.assert_allclose(frame["confidence"].to_numpy(), found["confidence"].to_numpy(), atol=1e-5)


def test_a_text_has_no_score_when_one_of_its_windows_has_none(model):
    some = texts()
    marked = some[3] = some[0] + " zebra " + some[0]
    tokenizer = AutoTokenizer.from_pretrained(model)
    mark = tokenizer("zebra", add_special_tokens=False)["input_ids"]

    def has_mark(ids: np.ndarray) -> bool:
        row = ids.tolist()
        return any(row[start : start + len(mark)] == mark for start in range(len(row)))

    for fault in ("poisoned", "too_large"):
        with pytest.MonkeyPatch.context() as patch:
            inject(patch, lambda forward, fault=fault: FaultyForward(forward, **{fault: has_mark}))
            classifier = Classifier(open_model(str(model)), precision="fp32", batch_tokens=128)
        logits, outcomes = classifier.logits(classifier.encode(some))
        sound = np.array([text is not marked for text in some])
        if fault == "too_large":
            assert outcomes.tolist() == np.where(sound, Outcome.SCORED, Outcome.OUT_OF_MEMORY).tolist()
            assert not logits[~sound].any()
        else:
            # The same model in fp32 rescues them.
            assert outcomes.tolist() == [Outcome.SCORED] * len(some)
        expected = [windows_alone(model, text)[0] for text in some]
        assert np.isfinite(logits).all()
        pooled = np.stack([getattr(rows, classifier.encode.long_text.pooling)(axis=0) for rows in expected])
        np.testing.assert_allclose(logits[sound], pooled[sound], atol=2e-5)


def test_head_and_tail_are_marked_as_truncated(tiny_model, tmp_path):
    model = fitted(tiny_model("bert"), tmp_path / "model", strategy="head-tail")
    loaded = scorer.load(str(model), precision="fp32", token_count=True)
    beginning, end = "lovely room " * 4, " never again" * 20
    table = pa.table({"text": [beginning + "x " * 40 + end, beginning + "y " * 99 + end, "lovely room", "y " * 99]})
    found = loaded.score_frame(table)
    assert found["score_status"].to_pylist() == ["truncated", "truncated", "ok", "truncated"]
    assert found["token_count"].to_pylist()[:2] == [MAX_LENGTH] * 2
    confidence = found["confidence"].to_pylist()
    assert confidence[0] == pytest.approx(confidence[1], abs=1e-6)
    assert confidence[0] != pytest.approx(confidence[3], abs=1e-3)


def test_scores_of_other_ways_to_read_are_not_mixed_up(tiny_model, tmp_path):
    ways = [{}, {"strategy": "head-tail"}, {"strategy": "window"}, {"strategy": "window", "stride": 3}]
    ways.append({"strategy": "window", "stride": 3, "pooling": "max"})
    models = [fitted(tiny_model("bert"), tmp_path / f"model-{number}", **way) for number, way in enumerate(ways)]
    directories = [open_model(str(model)) for model in models]
    engine = Classifier(directories[0], precision="fp32").engine
    assert len({logit_fingerprint(FrameConfig(), directory, engine) for directory in directories}) == len(ways)


def test_a_pair_is_refused_before_the_model_is_loaded(model, tmp_path):
    source = write(tmp_path / "in.parquet", pa.table({"a": ["x"], "b": ["y"]}))
    with pytest.raises(UsageError, match="fitted on 'text'; name one column, not 2"):
        scorer.score(source, tmp_path / "out.parquet", model=str(model), text_column=("a", "b"))
    with pytest.raises(UsageError, match="reads one text a row"):
        scorer.load(str(model)).score_texts(["x"], ["y"])


def test_a_shorter_max_length_must_leave_room_for_windows(model):
    with pytest.raises(ConfigError, match=f"the {STRIDE} that windows share leave no room for others; say 9 at least"):
        scorer.load(str(model), max_length=8)
    assert scorer.load(str(model), max_length=9).score_texts(["good " * 20])[0]["score_status"] == "ok"


def test_what_is_kept_of_a_text_counts_all_its_windows(model, tmp_path):
    some = list(dict.fromkeys([*texts(), "漢字 room " * 30]))
    tokenizer = AutoTokenizer.from_pretrained(model)
    classifier = Classifier(open_model(str(model)), precision="fp32", batch_tokens=256)
    with closing(ScoreStore(tmp_path / "scores.segments", width=score_dtype(5).itemsize)) as store:
        encode = Encode(classifier.encode, labels=5, count_unknown=lambda inputs: inputs.count(tokenizer.unk_token_id))
        with closing(BackgroundStore(store)) as background:
            cache = ScoreCache(store, background, run=1, fingerprint="f")
            encoded = encode(Window(0, pa.table({"text": some}), ("text",)), cache)
            Classify(classifier)(encoded, cache).kept.result()
        kept = store.look_up(encoded.keys).records.view(score_dtype(5)).reshape(-1)
    assert kept["tokens"].tolist() == [windows_alone(model, text)[1] for text in some]
    assert not kept["truncated"].any()
    options = {"truncation": True, "max_length": MAX_LENGTH, "stride": STRIDE, "return_overflowing_tokens": True}
    windows = [tokenizer(text, **options)["input_ids"] for text in some]
    assert kept["unknown"].tolist() == [sum(row.count(tokenizer.unk_token_id) for row in rows) for rows in windows]
    assert kept["unknown"][-1] > 0
