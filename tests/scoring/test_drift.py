"""Stability indices against a slow sum and against chance; what a run does with them."""

from __future__ import annotations

import dataclasses
import json
import math
import shutil

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scipy.stats import chi2

import scorer
from scorer.classifier.decision import Decision
from scorer.classifier.labels import LabelSet
from scorer.classifier.metadata import ModelMetadata
from scorer.classifier.profile import Profile
from scorer.errors import DataError, ModelError
from scorer.scoring.drift import chance_index, compare, stability_index
from tests.models import sentences
from tests.scoring.files import write


def slow_index(ours, theirs):
    kept = [(a + 0.5, b + 0.5) for a, b in zip(ours, theirs, strict=True) if a + b]
    total = [sum(column) for column in zip(*kept, strict=True)]
    return sum((a / total[0] - b / total[1]) * math.log(a / total[0] / (b / total[1])) for a, b in kept)


def test_the_stability_index_is_the_sum_over_bins():
    draw = np.random.default_rng(0)
    for bins in (2, 5, 28):
        ours, theirs = draw.poisson(3, bins), draw.poisson(40, bins)
        ours[0] = theirs[0] = 0
        assert stability_index(ours, theirs) == pytest.approx(slow_index(ours.tolist(), theirs.tolist()))


@pytest.mark.parametrize(("ours", "theirs"), [([0, 0], [3, 4]), ([3, 4], [0, 0]), ([30, 40], [30, 40])])
def test_nothing_moved(ours, theirs):
    assert stability_index(np.array(ours), np.array(theirs)) == pytest.approx(0, abs=1e-12)


def test_an_empty_bin_is_finite_and_a_moved_population_far_above_what_counts_as_much():
    assert 0.25 < stability_index(np.array([100, 0, 0]), np.array([0, 0, 1000])) < 20


def test_chance_is_what_samples_of_one_population_rarely_exceed():
    draw = np.random.default_rng(1)
    shares = np.array([0.1, 0.2, 0.3, 0.25, 0.15])
    theirs, ours = draw.multinomial(600, shares, 4000), draw.multinomial(150, shares, 4000)
    indices = np.array([stability_index(a, b) for a, b in zip(ours, theirs, strict=True)])
    chance = chance_index(ours[0], theirs[0])
    assert chance == pytest.approx(chi2.ppf(0.999, 4) * (1 / 150 + 1 / 600), rel=0.02)
    assert (indices > chance).mean() < 0.004
    assert (indices > chance / 2).mean() > 0.004


def test_one_bin_does_not_move():
    assert chance_index(np.array([5, 0]), np.array([7, 0])) == 0


@pytest.fixture(scope="module")
def texts():
    return sentences(400, seed=3)


@pytest.fixture(scope="module")
def model(tiny_model, texts, tmp_path_factory):
    """A model whose profile is that of `texts` under itself."""
    directory = shutil.copytree(tiny_model("bert"), tmp_path_factory.mktemp("profiled") / "model")
    labels = LabelSet.from_values([1, 2, 3, 4, 5])
    fields = {"base_model": "base", "text_columns": ("text",), "label_column": "stars", "labels": labels}
    metadata = ModelMetadata(**fields, max_length=64, decision=Decision((1.5,)))
    metadata.write(directory)
    table = scorer.load(directory, token_count=True, precision="fp32").score_frame(pa.table({"text": texts}))
    rows = table.to_pylist()
    profile = Profile(
        training_labels=(80, 80, 80, 80, 80, 0),
        rows=len(texts),
        lengths=counted([row["token_count"] for row in rows], Profile.length_edges),
        truncated_share=0.0,
        unknown_token=1,
        unknown_share=0.0,
        validation_rows=len(texts),
        true_labels=(80, 80, 80, 80, 80, 0),
        predicted_labels=(*[sum(row["score"] == value for row in rows) for value in labels.values], 0),
        confidences=counted([row["confidence"] for row in rows], Profile.confidence_edges),
    )
    dataclasses.replace(metadata, profile=profile).write(directory)
    return directory


def counted(values, edges):
    bounds = [-math.inf, *edges, math.inf]
    return tuple(sum(bounds[i] < value <= bounds[i + 1] for value in values) for i in range(len(bounds) - 1))


@pytest.fixture
def score(model, tmp_path):
    def score(table, target="out.parquet", **options):
        source = write(tmp_path / "in.parquet", table)
        fixed = {"model": str(model), "precision": "fp32", "report": tmp_path / "run.json"}
        return scorer.score(source, tmp_path / target, **fixed | options)

    return score


def lineage(path):
    return json.loads(pq.read_metadata(path).metadata[b"scorer"])


def test_the_rows_of_the_profile_have_not_drifted(score, texts, tmp_path):
    summary = score(pa.table({"text": [*texts, None, " "]}), textfile=tmp_path / "run.prom", fail_on_drift=0.0)
    drift = summary.drift
    assert drift["rows"] == len(texts)
    assert drift["psi"] == pytest.approx({"length": 0.0, "labels": 0.0, "confidence": 0.0}, abs=1e-9)
    assert all(chance > 0 for chance in drift["chance"].values())
    assert json.loads((tmp_path / "run.json").read_text())["drift"] == drift
    assert lineage(tmp_path / "out.parquet")["drift"] == {k: v for k, v in drift.items() if "unknown" not in k}
    assert (
        f'scorer_drift_psi{{output="{tmp_path / "out.parquet"}",of="labels"}} 0.0'
        in (tmp_path / "run.prom").read_text()
    )


def test_other_rows_have_and_are_not_published(score, texts, tmp_path):
    strange = pa.table({"text": [f"漢字{number} " * 30 for number in range(300)] + texts[:20]})
    with pytest.raises(DataError, match=r"drift: the stability index of \w+ .* --fail-on-drift is 0.25; nothing was"):
        score(strange, fail_on_drift=0.25)
    assert not (tmp_path / "out.parquet").exists()
    refused = json.loads((tmp_path / "run.json").read_text())
    assert (refused["exit_code"], refused["drift"]["psi"]["length"] > 0.25) == (65, True)
    assert refused["drift"]["unknown_share"] > 0.3
    summary = score(strange)
    assert summary.computed_tokens == 0, "the scores of the refused run were kept"
    assert summary.drift["psi"] == refused["drift"]["psi"]
    score(strange, "other.parquet")
    assert (tmp_path / "out.parquet").read_bytes() == (tmp_path / "other.parquet").read_bytes(), "resumed or not"


def test_few_rows_drift_by_chance_and_pass(score, texts):
    few = score(pa.table({"text": texts[:6]}), fail_on_drift=0.01)
    assert max(few.drift["psi"].values()) > 0.01


def test_the_footer_does_not_depend_on_what_was_known(score, texts, tmp_path):
    table = pa.table({"text": texts[:200] * 2})
    score(table, "first.parquet", window_rows=64)
    cached = score(table, "second.parquet", window_rows=64, cache=tmp_path / "cache")
    known = score(table, "third.parquet", window_rows=64, cache=tmp_path / "cache")
    assert (cached.drift["unknown_share"], known.drift["unknown_share"]) == (0.0, None)
    bytes_of = {name: (tmp_path / f"{name}.parquet").read_bytes() for name in ("first", "second", "third")}
    assert len(set(bytes_of.values())) == 1


def test_a_finished_job_stays_finished(score, texts):
    table = pa.table({"text": texts[:50]})
    score(table)
    assert score(table, fail_on_drift=100.0).finished_before


def test_no_profile_no_drift(tiny_model, tmp_path):
    source = write(tmp_path / "in.parquet", pa.table({"text": ["good room"]}))
    plain = {"model": str(tiny_model("bert"))}
    assert scorer.score(source, tmp_path / "out.parquet", **plain).drift is None
    assert "drift" not in lineage(tmp_path / "out.parquet")
    with pytest.raises(ModelError, match="has no profile of its training data"):
        scorer.score(source, tmp_path / "other.parquet", fail_on_drift=0.25, **plain)
    assert not (tmp_path / "other.parquet").exists()


def test_no_rows_no_drift(score, tmp_path):
    assert score(pa.table({"text": pa.array([None, ""], pa.string())}), fail_on_drift=0.0).drift is None
    assert "drift" not in lineage(tmp_path / "out.parquet")


def test_labels_of_rows_that_may_have_several():
    from scorer.classifier.forward.resilient import Outcome
    from scorer.classifier.sequences import TokenSequences
    from scorer.scoring.drift import Observer
    from scorer.scoring.windows import record_dtype

    records = np.zeros(4, record_dtype(2))
    records["logits"] = [[5, 5], [5, -5], [-5, -5], [np.nan, 0]]
    records["outcome"] = [Outcome.SCORED, Outcome.SCORED, Outcome.SCORED, Outcome.NONFINITE]
    records["tokens"] = [3, 5, 900, 3]
    profile = Profile(
        training_labels=(1, 1, 0),
        rows=1,
        lengths=(1, *[0] * len(Profile.length_edges)),
        truncated_share=0.0,
        unknown_token=None,
        unknown_share=0.0,
        validation_rows=2,
        true_labels=(1, 1, 0),
        predicted_labels=(1, 1, 0),
        confidences=(*[0] * len(Profile.confidence_edges), 2),
    )
    decision = Decision((1.0,), (0.5, 0.5))
    probability = decision.probabilities(records["logits"])
    seen = Observer(profile, decision)(records, probability, TokenSequences.empty())
    assert seen.labels.tolist() == [2, 1, 1]
    assert (seen.rows, seen.lengths[[0, 1, -1]].tolist()) == (3, [1, 1, 1])
    assert seen.confidences[[0, -1]].tolist() == [1, 2]
    assert compare(profile, seen + seen).rows == 6
