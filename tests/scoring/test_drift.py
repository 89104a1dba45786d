"""Stability indices against a slow sum and against chance; what a run does with them."""

from __future__ import annotations

import dataclasses
import json
import math
import shutil
from collections import Counter

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scipy.stats import chi2
from transformers import AutoTokenizer

import scorer
from scorer.classifier.decision import Decision
from scorer.classifier.labels import LabelSet
from scorer.classifier.metadata import ModelMetadata
from scorer.classifier.profile import Profile
from scorer.engines.summary import Tally
from scorer.errors import DataError, ModelError
from scorer.records.lineage import Lineage
from scorer.records.part import DriftSums
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


def test_more_rows_cut_off_and_more_unknown_tokens_are_drift_of_their_own():
    lengths = np.array([*[0] * 9, 500, *[0] * 5])
    confidences = np.array([*[0] * 11, 500])
    whole = np.array([480, 20, 0, 0, 0, 0])
    profile = Profile(
        training_labels=(250, 250, 0),
        rows=500,
        lengths=tuple(lengths.tolist()),
        truncated_share=0.02,
        unknown_token=1,
        unknown_share=0.001,
        unknowns=tuple(whole.tolist()),
        validation_rows=500,
        true_labels=(250, 250, 0),
        predicted_labels=(250, 250, 0),
        confidences=tuple(confidences.tolist()),
    )
    same = {"rows": 500, "lengths": profile.lengths, "labels": (250, 250, 0), "confidences": profile.confidences}
    alike = DriftSums(**same, unknowns=profile.unknowns, truncated=10, tokens=50_000, unknown_tokens=50)
    cut_off = dataclasses.replace(alike, truncated=400)
    foreign = dataclasses.replace(alike, unknowns=profile.unknowns[::-1], unknown_tokens=40_000)
    found = [compare(profile, seen).beyond(0.25) for seen in (alike, cut_off, foreign)]
    assert [set(indices) for indices in found] == [set(), {"truncated"}, {"unknown"}]
    assert found[1]["truncated"] == pytest.approx(slow_index([100, 400], [490, 10]), abs=1e-6)
    assert found[2]["unknown"] == pytest.approx(slow_index(whole[::-1].tolist(), whole.tolist()), abs=1e-6)
    older = compare(dataclasses.replace(profile, unknowns=None), foreign)
    assert older.beyond(0.25) == {}
    assert older.unknown_share == 0.8


@pytest.fixture(scope="module")
def texts():
    return sentences(400, seed=3)


@pytest.fixture(scope="module")
def model(tiny_model, texts, tmp_path_factory):
    """A model whose profile is that of `texts` under itself."""
    return profiled(tiny_model("bert"), tmp_path_factory.mktemp("profiled") / "model", texts, stars=5)


def profiled(base, directory, texts, *, stars):
    """The model `base`, which gives so many stars, in a `directory`, with the profile of `texts`."""
    shutil.copytree(base, directory)
    labels = LabelSet.from_values(list(range(1, stars + 1)))
    shares = (*[len(texts) // stars] * stars, 0)
    fields = {"base_model": "base", "text_columns": ("text",), "label_column": "stars", "labels": labels}
    metadata = ModelMetadata(**fields, max_length=64, decision=Decision((1.5,)))
    metadata.write(directory)
    tokenizer = AutoTokenizer.from_pretrained(directory)
    ids = tokenizer(texts, truncation=True, max_length=64)["input_ids"]
    unknown = [row.count(tokenizer.unk_token_id) for row in ids]
    table = scorer.load(directory, token_count=True, precision="fp32").score_frame(pa.table({"text": texts}))
    rows = table.to_pylist()
    profile = Profile(
        training_labels=shares,
        rows=len(texts),
        lengths=counted([row["token_count"] for row in rows], Profile.length_edges),
        truncated_share=sum(row["score_status"] == "truncated" for row in rows) / len(rows),
        unknown_token=tokenizer.unk_token_id,
        unknown_share=sum(unknown) / sum(map(len, ids)),
        unknowns=counted([count / len(row) for count, row in zip(unknown, ids, strict=True)], Profile.unknown_edges),
        validation_rows=len(texts),
        true_labels=shares,
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
    assert drift["psi"] == pytest.approx(
        {"length": 0.0, "truncated": 0.0, "labels": 0.0, "confidence": 0.0, "unknown": 0.0}, abs=1e-9
    )
    assert all(drift["chance"][name] > 0 for name in ("length", "labels", "confidence"))
    assert json.loads((tmp_path / "run.json").read_text())["drift"] == drift
    assert lineage(tmp_path / "out.parquet")["drift"] == drift
    assert (
        f'scorer_drift_psi{{output="{tmp_path / "out.parquet"}",of="labels"}} 0.0'
        in (tmp_path / "run.prom").read_text()
    )


def test_confidences_of_exits_are_not_held_against_those_of_the_model(score, texts):
    many = pa.table({"text": sentences(6_000, seed=5, shortest=3, longest=10)})
    exact, early = score(many), score(many, "early.parquet", max_flips="20%", force=True)
    assert early.flips["exact"] is None
    assert "confidence" in exact.drift["psi"]
    assert early.drift["psi"].keys() == exact.drift["psi"].keys() - {"confidence"}
    assert early.drift["rows"] == exact.drift["rows"] == 6_000
    few = score(pa.table({"text": texts}), "few.parquet", max_flips="20%", force=True)
    assert few.flips["exact"]
    assert few.drift["psi"]["confidence"] == pytest.approx(0.0, abs=1e-9)


def test_confidences_of_some_rows_say_nothing_of_all(model, texts, tmp_path, monkeypatch):
    """A folder of a part whose rows may leave early and of one that is too small for that."""
    monkeypatch.setattr("scorer.engines.planned_shards._BYTES_OF_A_ROW", 1)
    folder = tmp_path / "in"
    folder.mkdir()
    many = sentences(6_000, seed=5, shortest=3, longest=10)
    for name, rows in {"many": many, "few": texts[:30]}.items():
        write(folder / f"{name}.parquet", pa.table({"text": rows}))
    summary = scorer.score(folder, f"{tmp_path}/out/", model=str(model), precision="fp32", max_flips="20%")
    assert summary.flips["decided"]["full"] < summary.drift["rows"] == 6_030
    assert "confidence" not in summary.drift["psi"]
    assert lineage(tmp_path / "out" / "few.parquet")["drift"]["psi"]["confidence"] > 0


def test_a_folder_that_is_finished_is_held_to_what_it_says(model, texts, tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    write(folder / "a.parquet", pa.table({"text": [text.upper() + " 7" * 40 for text in texts[:200]]}))
    options = {"model": str(model), "precision": "fp32"}
    first = scorer.score(folder, f"{tmp_path}/out/", **options)
    again = scorer.score(folder, f"{tmp_path}/out/", **options)
    assert again.rows == first.rows
    assert again.parts["scored"] == 0
    assert again.drift == first.drift
    assert again.labels == first.labels
    with pytest.raises(DataError, match="drift: the stability index of length"):
        scorer.score(folder, f"{tmp_path}/out/", fail_on_drift=0.25, **options)


@pytest.mark.parametrize("stars", [3, 5])
def test_what_rows_of_another_model_looked_like_is_not_added(model, texts, tiny_model, tmp_path, run_scorer, stars):
    names = tuple(f"{star} stars" for star in range(1, stars + 1))
    other = profiled(tiny_model("bert", seed=1, labels=names), tmp_path / "other", texts, stars=stars)
    folder = tmp_path / "in"
    folder.mkdir()
    write(folder / "a.parquet", pa.table({"text": texts[:200]}))
    write(folder / "b.parquet", pa.table({"text": texts[200:]}))
    options = {"precision": "fp32", "on_error": "quarantine"}
    scorer.score(folder, f"{tmp_path}/out/", model=str(model), **options)
    (folder / "a.parquet").write_bytes(b"junk")
    (folder / "b.parquet").write_bytes(b"junk")
    report = tmp_path / "run.json"
    with pytest.raises(DataError, match="could not be scored"):  # all parts are of the other model
        scorer.score(folder, f"{tmp_path}/out/", model=str(other), report=report, fail_on_drift=0.25, **options)
    told = json.loads(report.read_text())
    assert (told["rows"], told["drift"], told["labels"]) == (400, None, None)
    write(folder / "b.parquet", pa.table({"text": texts[:90]}))
    with pytest.raises(DataError, match=r"a\.parquet could not be scored"):
        scorer.score(folder, f"{tmp_path}/out/", model=str(other), report=report, **options)
    told = json.loads(report.read_text())
    assert (told["rows"], told["drift"]["rows"], sum(told["labels"].values())) == (290, 90, 90)
    inspected = run_scorer("inspect", f"{tmp_path}/out")
    assert inspected.returncode == 0, inspected.stderr
    (folder / "a.parquet").unlink()
    scorer.score(folder, f"{tmp_path}/out/", model=str(other), **options)
    inspected = run_scorer("inspect", f"{tmp_path}/out")
    assert json.loads(inspected.stdout)["totals"]["drift"] is None


def test_the_summary_counts_rows_by_label(score, texts, tmp_path):
    summary = score(pa.table({"text": [*texts, None]}))
    found = Counter(map(str, pq.read_table(tmp_path / "out.parquet")["score"].drop_null().to_pylist()))
    assert summary.labels == {name: found[name] for name in summary.labels}
    assert sum(summary.labels.values()) == len(texts)


def test_other_rows_have_and_are_not_published(score, texts, tmp_path):
    strange = pa.table({"text": [f"漢字{number} " * 30 for number in range(300)] + texts[:20]})
    with pytest.raises(DataError, match=r"drift: the stability index of \w+ .* --fail-on-drift is 0.25; nothing was"):
        score(strange, fail_on_drift=0.25)
    assert not (tmp_path / "out.parquet").exists()
    refused = json.loads((tmp_path / "run.json").read_text())
    assert refused["exit_code"] == 65
    assert min(refused["drift"]["psi"][name] for name in ("length", "truncated", "unknown")) > 0.25
    assert refused["drift"]["unknown_share"] > 0.3
    summary = score(strange)
    assert summary.computed_tokens == 0, "the scores of the refused run were kept"
    assert summary.drift == refused["drift"], "what is kept of a score tells its unknown tokens"
    score(strange, "other.parquet")
    assert (tmp_path / "out.parquet").read_bytes() == (tmp_path / "other.parquet").read_bytes(), "resumed or not"


def test_rows_that_abstain_are_counted_as_cut_off_too(model, score, tmp_path):
    unsure = shutil.copytree(model, tmp_path / "unsure")
    every_row = Decision((1.5,), abstain_below=2.0)
    dataclasses.replace(ModelMetadata.read(model), decision=every_row).write(unsure)
    summary = score(pa.table({"text": ["good room " * 100, "good room"]}), model=str(unsure))
    assert summary.statuses == {"abstain": 2}
    assert summary.drift["truncated_share"] == 0.5


def test_few_rows_drift_by_chance_and_pass(score, texts):
    few = score(pa.table({"text": texts[:6]}), fail_on_drift=0.01)
    assert max(few.drift["psi"].values()) > 0.01


def test_the_footer_does_not_depend_on_what_was_known(score, texts, tmp_path):
    table = pa.table({"text": [*texts[:200], "漢字 room"] * 2})
    score(table, "first.parquet", window_rows=64)
    cached = score(table, "second.parquet", window_rows=64, cache=tmp_path / "cache")
    known = score(table, "third.parquet", window_rows=64, cache=tmp_path / "cache")
    assert cached.drift["unknown_share"] == known.drift["unknown_share"] > 0
    bytes_of = {name: (tmp_path / f"{name}.parquet").read_bytes() for name in ("first", "second", "third")}
    assert len(set(bytes_of.values())) == 1


def test_scores_that_were_kept_without_counting_unknown_tokens_are_computed_again(model, score, tmp_path):
    plain = shutil.copytree(model, tmp_path / "plain")
    dataclasses.replace(ModelMetadata.read(model), profile=None).write(plain)
    table = pa.table({"text": ["漢字 room", "good room"]})
    assert score(table, "plain.parquet", model=str(plain), cache=tmp_path / "cache").drift is None
    assert score(table, "profiled.parquet", cache=tmp_path / "cache").drift["unknown_share"] > 0


def test_an_output_of_an_earlier_version_is_held_to_what_it_says(score, texts, tmp_path):
    found = score(pa.table({"text": texts[:50]})).drift
    document = lineage(tmp_path / "out.parquet")
    earlier = {key: value for key, value in document["drift"].items() if not key.startswith("unknown")}
    document = {name: value for name, value in document.items() if name != "kind"}
    tally = Tally()
    tally.recall(Lineage.of_document(document | {"lineage_version": 1, "drift": earlier}, where="earlier"))
    assert (tally.drift.psi, tally.drift.unknown_share) == (found["psi"], None)


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


@pytest.mark.parametrize("rows", [[None, ""], []])
def test_no_scores_no_drift(score, tmp_path, capfd, rows):
    table = pa.table({"text": pa.array(rows, pa.string())})
    for _ in range(2):
        assert score(table, fail_on_drift=0.0).drift is None
        assert "--fail-on-drift: no row has a score, so nothing was compared" in capfd.readouterr().err
    assert "drift" not in lineage(tmp_path / "out.parquet")


def test_labels_of_rows_that_may_have_several():
    from scorer.classifier.forward.resilient import Outcome
    from scorer.scoring.drift import Observer
    from scorer.scoring.windows import score_dtype

    scores = np.zeros(4, score_dtype(2))
    scores["logits"] = [[5, 5], [5, -5], [-5, -5], [np.nan, 0]]
    scores["outcome"] = [Outcome.SCORED, Outcome.SCORED, Outcome.SCORED, Outcome.NONFINITE]
    scores["tokens"] = [3, 5, 900, 3]
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
    probability = decision.probabilities(scores["logits"])
    seen = Observer(profile, decision)(scores, probability)
    assert seen.labels == (2, 1, 1)
    assert (seen.rows, seen.lengths[0], seen.lengths[1], seen.lengths[-1]) == (3, 1, 1, 1)
    assert (seen.confidences[0], seen.confidences[-1]) == (1, 2)
    drift = compare(profile, seen + seen)
    assert (drift.rows, drift.unknown_share) == (6, None)
    assert "unknown" not in drift.psi
