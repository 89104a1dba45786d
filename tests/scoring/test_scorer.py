"""The Scorer: one description makes the same one anywhere, and whoever scores rows by it says the same of them."""

from __future__ import annotations

import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import scorer
from scorer.classifier.decision import Decision
from scorer.classifier.directory import open_model
from scorer.config import FrameConfig, ScoreConfig
from scorer.errors import ModelError, UsageError
from scorer.scoring.answers import Status
from scorer.scoring.scorer import Scorer, ScorerSpec
from scorer.testing import FakeScorer
from tests.scoring.oracle import is_blank, mixed_texts

ROOT = Path(__file__).parents[2]
OPTIONS = {"precision": "fp32", "probabilities": True, "top_k": 2, "token_count": True}

ELSEWHERE = """
import pickle, sys
import pyarrow as pa
from scorer.scoring.scorer import Scorer
spec, table = pickle.load(sys.stdin.buffer)
scorer = Scorer.build(spec)
for window in scorer.windows(table, ("text",)):
    scored = scorer.append(scorer.score(window)).table
    with pa.ipc.new_stream(sys.stdout.buffer, scored.schema) as stream:
        stream.write_table(scored)
"""


@pytest.fixture(scope="module")
def model(tiny_model):
    return tiny_model("bert")


@pytest.fixture(scope="module")
def table():
    return pa.table({"text": mixed_texts(60, seed=11), "n": range(60)})


def as_stream(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    return sink.getvalue().to_pybytes()


def scored_here(built: Scorer, table: pa.Table) -> pa.Table:
    (window,) = built.windows(table, ("text",))
    return built.append(built.score(window)).table


def test_another_process_builds_the_same_scorer_of_its_description(model, table):
    directory = open_model(str(model))
    spec = ScorerSpec.of(FrameConfig(model="models/latest", **OPTIONS), directory)
    assert pickle.loads(pickle.dumps(spec)) == spec
    done = subprocess.run(
        [sys.executable, "-c", ELSEWHERE],
        input=pickle.dumps((spec, table)),
        capture_output=True,
        check=True,
        cwd=ROOT,
    )
    assert done.stdout == as_stream(scored_here(Scorer.build(spec), table))


def test_a_job_is_described_by_what_its_scorer_needs_alone(model):
    config = ScoreConfig(source="in.csv", target="out.csv", model=str(model), prefix="p_")
    spec = ScorerSpec.of(config, open_model(str(model)))
    assert type(spec.options) is FrameConfig
    assert (spec.options.prefix, spec.options.model) == ("p_", str(model))


def test_a_model_that_took_the_place_of_the_described_one_is_refused(model, tiny_model, tmp_path):
    latest = tmp_path / "latest"
    latest.symlink_to(model)
    spec = ScorerSpec.of(FrameConfig(model=str(latest)), open_model(str(latest)))
    Scorer.build(spec)
    other = ScorerSpec(options=FrameConfig(model=str(tiny_model("roberta"))), fingerprint=spec.fingerprint)
    with pytest.raises(ModelError, match="another model took its place"):
        Scorer.build(other)


@pytest.fixture(scope="module")
def labelled(table):
    """The rows of `table` that evaluate and diff both look at, with labels."""
    rows = [row for row in table.to_pylist() if row["text"] and not is_blank(row["text"])]
    stars = [1 + row["n"] % 5 for row in rows]
    return pa.table({"text": [row["text"] for row in rows], "label": stars})


@pytest.fixture
def said(model, labelled, tmp_path):
    """What each of those who score rows says of the rows in `labelled`: label, confidence, by row."""
    from scorer.config import DiffConfig, EvaluateConfig
    from scorer.evaluation.diff_job import diff
    from scorer.evaluation.evaluate_job import evaluate
    from scorer.runs.console import Console

    source, quiet = tmp_path / "in.parquet", Console(quiet=True)
    pq.write_table(labelled, source)
    common = {"model": str(model), "precision": "fp32"}

    scorer.score(source, tmp_path / "out.parquet", reuse=False, **common)
    job = pq.read_table(tmp_path / "out.parquet")

    frame = scorer.load(str(model), precision="fp32").score_frame(labelled)

    evaluate(EvaluateConfig(data=str(source), rows=tmp_path / "ranked.parquet", **common), quiet)
    evaluated = pq.read_table(tmp_path / "ranked.parquet").sort_by("row")

    # The other model has none of these labels, so every row that has a score changes.
    from tests.models import make_model

    other = make_model(tmp_path / "other", "bert", labels=tuple("abcde"))
    diff(
        DiffConfig(
            old=str(model),
            new=str(other),
            data=str(source),
            precision="fp32",
            label_column="label",
            rows=tmp_path / "rows.parquet",
        ),
        quiet,
    )
    compared = pq.read_table(tmp_path / "rows.parquet")
    return {
        "job": (job["score"].to_pylist(), job["confidence"].to_numpy()),
        "frame": (frame["score"].to_pylist(), frame["confidence"].to_numpy()),
        "evaluate": (evaluated["score"].to_pylist(), evaluated["confidence"].to_numpy()),
        "diff": (compared["old_score"].to_pylist(), compared["old_confidence"].to_numpy()),
    }


def test_all_who_score_rows_say_the_same_of_them(said, labelled):
    labels, confidence = said["job"]
    assert len(labels) == labelled.num_rows > 40
    assert len(set(labels)) > 1
    for who, (found, how_sure) in said.items():
        assert found == labels, who
        assert how_sure.tobytes() == confidence.tobytes(), who


# What holds of every Scorer, with a model or without.


@pytest.fixture(params=["model", "fake"])
def built(request, model):
    if request.param == "fake":
        return FakeScorer((1, 2, 3, 4, 5), max_length=32, **OPTIONS)
    return Scorer.build(ScorerSpec.of(FrameConfig(model=str(model), **OPTIONS)))


def test_rows_alone_and_rows_together_get_the_same_answers(built, table):
    whole = built.score(next(iter(built.windows(table, ("text",))))).answers
    alone = [built.score(window).answers for window in built.windows(table, ("text",), rows=1)]
    assert np.concatenate([one.status for one in alone]).tolist() == whole.status.tolist()
    assert np.concatenate([one.label for one in alone]).tolist() == whole.label.tolist()
    assert np.concatenate([one.tokens for one in alone]).tolist() == whole.tokens.tolist()
    np.testing.assert_allclose(np.concatenate([one.probability for one in alone]), whole.probability, atol=1e-5)
    assert {Status.OK, Status.NULL, Status.EMPTY, Status.TRUNCATED} <= set(whole.status.tolist())


def test_answers_and_columns_say_the_same(built, table):
    (window,) = built.windows(table, ("text",))
    answered = built.score(window)
    answers, scored = answered.answers, built.append(answered)
    values = built.labels.values
    expected = [values[label] if known else None for label, known in zip(answers.label, answers.scored, strict=True)]
    assert scored.table["score"].to_pylist() == expected
    assert scored.table["confidence"].drop_null().to_numpy().tolist() == answers.confidence[answers.scored].tolist()
    assert sum(scored.status_counts.values()) == len(answers) == table.num_rows
    assert scored.tokens == answers.tokens.sum() == answered.computed_tokens
    assert scored.table.schema == built.columns.schema(table.schema)
    sums = answers.probability[answers.scored].sum(axis=1)
    np.testing.assert_allclose(sums, 1.0, atol=1e-6)


def test_no_rows_and_no_texts(built):
    none = pa.table({"text": pa.array([], pa.string())})
    (window,) = built.windows(none, ("text",))
    assert built.append(built.score(window)).table.num_rows == 0
    blank = built.score(next(built.windows(pa.table({"text": pa.array([None, " "])}), ("text",)))).answers
    assert (blank.scored.any(), blank.chosen.any(), blank.tokens.sum()) == (False, False, 0)


def test_pairs_are_not_the_first_text_alone(built):
    table = pa.table({"a": ["good room"] * 2, "b": ["bad soup", "good soup"]})
    (window,) = built.windows(table, ("a", "b"))
    answers = built.score(window).answers
    (alone,) = built.windows(table, ("a",))
    assert len({*answers.confidence.tolist(), *built.score(alone).answers.confidence.tolist()}) == 3
    assert (answers.tokens > built.score(alone).answers.tokens).all()


def test_a_stop_between_batches_is_raised(built, table):
    class Stop(Exception):
        pass

    def stop(_share: float) -> None:
        raise Stop

    (window,) = built.windows(table, ("text",))
    with pytest.raises(Stop):
        built.classify(built.encode(window), after_batch=stop)


# What the fake alone can be asked for.


def test_the_fake_has_rows_that_cannot_be_scored():
    fake = FakeScorer(("no", "yes"))
    texts = ["fine", "a nonfinite one", "much oom", "fine"]
    (window,) = fake.windows(pa.table({"text": texts}), ("text",))
    answers = fake.score(window).answers
    assert answers.status.tolist() == [Status.OK, Status.NONFINITE, Status.OOM, Status.OK]
    assert answers.confidence[0] == answers.confidence[3]


def test_the_fake_gives_several_labels_abstains_and_refuses_as_a_model_does():
    (window,) = FakeScorer().windows(pa.table({"text": [f"text {n}" for n in range(50)]}), ("text",))
    several = FakeScorer(("a", "b", "c"), multi=True).score(window).answers
    assert set(several.chosen.sum(axis=1)) == {0, 1, 2, 3}
    unsure = FakeScorer(decision=Decision(abstain_below=0.6)).score(window).answers
    assert 0 < unsure.abstained.sum() < 50
    assert (unsure.confidence[~unsure.abstained] >= 0.6).all()
    with pytest.raises(UsageError, match="--top-k 4: this model has 3 labels"):
        FakeScorer(top_k=4)


def test_the_fake_needs_neither_torch_nor_transformers():
    code = (
        "import sys, scorer.testing; scorer.testing.FakeScorer(); print({'torch', 'transformers'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "set()"
