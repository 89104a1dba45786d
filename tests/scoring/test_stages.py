"""The steps of a Scorer against the oracle, with and without a score cache, window by window."""

from __future__ import annotations

import threading
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from transformers import AutoTokenizer

from scorer.classifier.classifier import Classifier
from scorer.classifier.directory import open_model
from scorer.config import FrameConfig
from scorer.errors import StorageError
from scorer.runs.background_store import BackgroundStore
from scorer.runs.score_store import ScoreStore
from scorer.scoring.cache import ScoreCache
from scorer.scoring.classify import Classify
from scorer.scoring.encode import Encode
from scorer.scoring.scorer import Scorer
from scorer.scoring.windows import ClassifiedWindow, EncodedWindow, ScoredWindow, Window, score_dtype
from tests.scoring.oracle import Oracle, assert_answers, mixed_texts

# [UNK] in the vocabulary of the tiny model.
UNKNOWN = 1


@pytest.fixture(scope="module")
def directory(tiny_model) -> Path:
    return tiny_model("bert")


@pytest.fixture(scope="module")
def classifier(directory) -> Classifier:
    return Classifier(open_model(str(directory)), precision="fp32", batch_tokens=300)


@pytest.fixture(scope="module")
def oracle(directory) -> Oracle:
    return Oracle(directory)


class Stages:
    """A Scorer's steps, one after the other, on one store or none; a `keeper` keeps what was computed."""

    def __init__(
        self,
        classifier: Classifier,
        store: Path | None,
        *,
        columns=("text",),
        run: int = 1,
        keeper: type[ScoreStore] = ScoreStore,
        classify: Classify | None = None,
    ) -> None:
        width = score_dtype(len(classifier.labels)).itemsize
        self.stores = [kind(store, width=width) for kind in (ScoreStore, keeper)] if store else []
        self.cache = None
        if store:
            self.cache = ScoreCache(self.stores[0], BackgroundStore(self.stores[1]), run, "f")
        self._columns = columns
        self._encode = Encode(classifier.encode, labels=5, count_unknown=lambda inputs: inputs.count(UNKNOWN))
        self.classify = partial(classify or Classify(classifier), cache=self.cache)
        self._scorer = Scorer(classifier, FrameConfig(token_count=True))

    def encode(self, number: int, table: pa.Table) -> EncodedWindow:
        return self._encode(Window(number, table, self._columns), self.cache)

    def append(self, classified: ClassifiedWindow) -> ScoredWindow:
        return self._scorer.append(self._scorer.answer(classified))

    def __call__(self, number: int, table: pa.Table) -> ScoredWindow:
        return self.append(self.classify(self.encode(number, table)))

    def close(self) -> None:
        if self.cache is not None:
            self.cache.kept.close()
        for store in self.stores:
            store.close()


@pytest.fixture(params=["store", "no store"])
def stages(request, classifier, tmp_path):
    stages = Stages(classifier, tmp_path / "scores.segments" if request.param == "store" else None)
    yield stages
    stages.close()


@pytest.mark.parametrize("size", [1, 7, 60])
def test_windows_of_any_size_are_scored_as_rows_alone(stages, oracle, size):
    texts = mixed_texts(60, seed=size)
    expected = oracle.rows(texts)
    table = pa.table({"text": pa.array(texts), "n": range(60)})
    windows = [stages(start // size, table.slice(start, size)) for start in range(0, 60, size)]
    found = pa.concat_tables([window.table for window in windows])

    assert found.select(["text", "n"]) == table
    assert_answers(found.to_pylist(), expected)
    assert found["token_count"].to_pylist() == [row["tokens"] for row in expected]
    assert sum(window.tokens for window in windows) == sum(row["tokens"] or 0 for row in expected)
    counts = {name: found["score_status"].to_pylist().count(name) for name in ("ok", "truncated", "null", "empty")}
    summed = {name: sum(window.status_counts.get(name, 0) for window in windows) for name in counts}
    assert summed == counts

    scored = [text for text, row in zip(texts, expected, strict=True) if row["label"]]
    if stages.cache is None:
        assert sum(window.reused for window in windows) == 0
    else:
        assert sum(window.reused for window in windows) == len(scored) - len(set(scored))
        distinct = {text: row["tokens"] for text, row in zip(texts, expected, strict=True) if row["label"]}
        assert sum(window.computed_tokens for window in windows) == sum(distinct.values())


def test_windows_encoded_ahead_still_share_what_an_earlier_one_computed(classifier, tmp_path):
    stages = Stages(classifier, tmp_path / "scores.segments")
    table = pa.table({"text": ["good room", "bad soup", "good room"]})
    ahead = [stages.encode(number, table) for number in range(3)]
    scored = [stages.append(stages.classify(window)) for window in ahead]
    stages.close()
    assert [window.reused for window in scored] == [1, 3, 3]
    assert [window.computed_tokens > 0 for window in scored] == [True, False, False]
    assert scored[0].table == scored[1].table == scored[2].table


def test_what_is_kept_of_an_input_is_said_before_it_is_computed(classifier, directory, tmp_path):
    texts = ["good room", "漢字 room", "bad soup " * 150, "漢 字 漢"]
    tokenizer = AutoTokenizer.from_pretrained(directory)
    ids = tokenizer(texts, truncation=True, max_length=128)["input_ids"]
    stages = Stages(classifier, tmp_path / "scores.segments")
    encoded = stages.encode(0, pa.table({"text": texts}))
    stages.classify(encoded).kept.result()
    kept = stages.stores[0].look_up(encoded.keys).records.view(encoded.scores.dtype).reshape(-1)
    stages.close()
    assert tokenizer.unk_token_id == UNKNOWN
    for scores in (encoded.scores, kept):
        assert scores["tokens"].tolist() == [len(row) for row in ids]
        assert scores["unknown"].tolist() == [row.count(UNKNOWN) for row in ids]
        assert scores["truncated"].tolist() == [False, False, True, False]
    assert kept["unknown"].sum() > 0
    assert kept["logits"].any(axis=1).all()


def test_a_window_without_a_text_and_one_without_rows(stages):
    blank = stages(0, pa.table({"text": pa.array([None, "", " "], pa.string())}))
    assert blank.table["score"].to_pylist() == [None] * 3
    assert (blank.tokens, blank.reused) == (0, 0)
    assert stages(1, pa.table({"text": pa.array([], pa.string())})).table.num_rows == 0


@pytest.mark.parametrize(
    "kind",
    [
        pa.large_string(),
        pa.string_view(),
        pa.dictionary(pa.int8(), pa.string()),
        pa.dictionary(pa.int32(), pa.large_string()),
    ],
    ids=str,
)
def test_text_columns_of_every_string_type(stages, oracle, kind):
    texts = [None, "good room", "", "bad soup", "good room"]
    table = pa.table({"text": pa.array(texts, pa.string()).cast(kind)})
    scored = stages(0, table).table
    assert scored.schema.field("text").type == kind
    assert_answers(scored.to_pylist(), oracle.rows(texts))


def test_pairs(classifier, oracle, tmp_path):
    stages = Stages(classifier, tmp_path / "scores.segments", columns=("a", "b"))
    firsts = ["good room", "good", "good roo", None, " ", "x", "good " * 150, "good room"]
    seconds = ["bad soup", "room bad soup", "m bad soup", "x", "\u200b", "", "bad " * 150, "bad soup"]
    window = stages(0, pa.table({"a": firsts, "b": seconds}))
    stages.close()
    assert_answers(window.table.to_pylist(), oracle.rows(firsts, seconds))
    assert window.reused == 1


@pytest.mark.parametrize("by", ["a worker", "a signal"])
def test_a_window_that_is_stopped_makes_the_same_batches_again(classifier, tmp_path, by):
    """What a run computed for a window before it was stopped is taken as it is, and the rest is batched as before."""
    texts = some_texts()
    table = pa.table({"text": texts})
    whole = Stages(classifier, tmp_path / "whole.segments")
    uninterrupted = whole(0, table).table
    whole.close()

    class Stopped(Exception):
        pass

    path = tmp_path / "stopped.segments"
    stages = Stages(classifier, path)
    calls = []

    def dying(sequences, plan):
        for rows, computed in zip(plan, classifier.forward(sequences, plan), strict=True):
            calls.append(len(rows))
            if by == "a worker" and len(calls) == 4:
                raise Stopped
            yield computed

    def stop(_share):
        if by == "a signal" and len(calls) == 4:
            raise Stopped

    class Dying:
        forward = staticmethod(dying)
        plan = staticmethod(classifier.plan)

    broken = Classify(Dying(), commit_seconds=-1.0)
    with pytest.raises(Stopped):
        broken(stages.encode(0, table), stages.cache, after_batch=stop)
    stages.close()

    again = Stages(classifier, path)
    resumed = again(0, table)
    again.close()
    assert resumed.table == uninterrupted
    distinct = len(set(texts))
    assert resumed.reused >= len(texts) - distinct + sum(calls[:3])
    assert sum(calls[:3]) > 0


def some_texts() -> list[str]:
    return [text or "x" for text in mixed_texts(80, seed=3)]


@pytest.mark.parametrize("seconds", [-1.0, 3600.0], ids=["at the next batch", "at the end of the window"])
def test_scores_that_cannot_be_kept_end_the_run(classifier, tmp_path, seconds):
    class Full(ScoreStore):
        def add(self, keys, records, origin):  # noqa: ARG002
            raise StorageError(f"{self.path}: no room")

    stages = Stages(
        classifier,
        tmp_path / "scores.segments",
        keeper=Full,
        classify=Classify(classifier, commit_seconds=seconds),
    )
    batches = []
    encoded = stages.encode(0, pa.table({"text": some_texts()}))
    with pytest.raises(StorageError, match=r"scores\.segments: no room"):
        stages.append(stages.classify(encoded, after_batch=batches.append))
    stages.close()
    assert len(batches) > 1


def test_the_device_waits_for_no_disk_and_the_answers_do(classifier, tmp_path):
    """Windows are computed while nothing becomes durable, each with what those before it computed; nobody gets to see
    a row before it is."""
    disk = threading.Event()

    class Slow(ScoreStore):
        def add(self, keys, records, origin):
            assert disk.wait(10)
            super().add(keys, records, origin)

    stages = Stages(classifier, tmp_path / "scores.segments", keeper=Slow)
    texts = [["good room", "bad soup"], ["bad soup", "a thing"], ["a thing", "good room", "bad soup"]]
    encoded = [stages.encode(number, pa.table({"text": some})) for number, some in enumerate(texts)]
    classified = [stages.classify(window) for window in encoded]
    assert [window.reused for window in classified] == [0, 1, 3]
    assert stages.cache.kept.durable == 0
    answered = threading.Thread(target=lambda: [stages.append(window) for window in classified])
    answered.start()
    answered.join(0.1)
    assert answered.is_alive()
    disk.set()
    answered.join()
    later = stages.encode(3, pa.table({"text": ["a thing", "good room"]}))
    assert later.known.all()
    stages.classify(later)
    assert not stages.cache._recent, "what is durable is remembered no longer"
    stages.close()


def test_rows_that_could_not_be_scored_are_not_kept(classifier, tmp_path):
    path = tmp_path / "scores.segments"
    stages = Stages(classifier, path)

    class Sick:
        plan = staticmethod(classifier.plan)

        @staticmethod
        def forward(sequences, plan):
            for logits, outcomes in classifier.forward(sequences, plan):
                outcomes[0] = 1
                yield logits, outcomes

    table = pa.table({"text": ["good room", "good room"]})
    window = stages.append(Classify(Sick())(stages.encode(0, table), stages.cache))
    assert window.table["score_status"].to_pylist() == ["nonfinite"] * 2
    later = stages(1, table)
    stages.close()
    assert later.table["score_status"].to_pylist() == ["ok"] * 2
    assert np.isfinite(later.table["confidence"].to_numpy()).all()
