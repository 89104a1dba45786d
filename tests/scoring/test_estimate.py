"""The dry run: its counts are exact where the sample is the whole input, and nothing is written."""

from __future__ import annotations

import io
import json
import time

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import scorer
from scorer.config import ScoreConfig
from scorer.errors import UsageError
from scorer.runs.console import Console
from scorer.scoring.estimate import _interpolated, estimate
from tests.models import sentences


def dry_run(source, model, **options):
    config = ScoreConfig(source=str(source), target=str(source.parent / "out.parquet"), model=str(model), **options)
    return estimate(config, Console(stream=io.StringIO()), started=time.monotonic())


@pytest.fixture
def source(tmp_path):
    """120 rows: 40 texts three times over, one null, one blank and one too long among them."""
    texts = [*sentences(37, seed=8), None, " ", "good room " * 200]
    pq.write_table(pa.table({"text": texts * 3}), tmp_path / "in.parquet")
    return tmp_path / "in.parquet"


def test_counts_are_those_of_the_run(source, tiny_model):
    model = tiny_model("bert")
    found = dry_run(source, model)
    assert sorted(path.name for path in source.parent.iterdir()) == ["in.parquet"]

    summary = scorer.score(source, source.parent / "out.parquet", model=str(model))
    assert found.rows == found.sampled_rows == summary.rows == 120
    assert found.tokens == summary.tokens
    assert found.statuses == {"ok": 114, "null": 3, "empty": 3}
    assert found.truncated_share == pytest.approx(3 / 114, abs=1e-4)
    assert found.duplicate_share == pytest.approx(76 / 114, abs=1e-4)
    assert found.cached_share == 0.0
    assert found.engine == summary.engine


def test_without_reuse_there_are_no_duplicates(source, tiny_model):
    assert dry_run(source, tiny_model("bert"), reuse=False).duplicate_share == 0.0


def test_what_the_cache_knows_is_told(source, tiny_model, tmp_path):
    model, cache = tiny_model("bert"), tmp_path / "cache"
    scorer.score(source, tmp_path / "first.parquet", model=str(model), cache=cache, limit=20)
    found = dry_run(source, model, cache=cache)
    # The first twenty texts, three times each, of 114.
    assert found.cached_share == pytest.approx(60 / 114, abs=1e-4)


def test_a_sample_is_scaled_up(source, tiny_model):
    whole = dry_run(source, tiny_model("bert"))
    sampled = dry_run(source, tiny_model("bert"), window_rows=40)
    assert (sampled.sampled_rows, sampled.rows) == (40, 120)
    assert sampled.tokens == whole.tokens
    limited = dry_run(source, tiny_model("bert"), window_rows=40, limit=60)
    assert limited.rows == 60


def test_a_small_first_window_does_not_make_a_large_file_exact(tmp_path, tiny_model):
    pq.write_table(pa.table({"text": sentences(5_000, seed=3, shortest=3, longest=10)}), tmp_path / "in.parquet")
    found = dry_run(tmp_path / "in.parquet", tiny_model("bert", labels=("no", "yes")), max_flips="5%", window_rows=500)
    assert found.sampled_rows == 500
    assert "a sample pays" not in str(found.flips)
    assert found.flips["work"] < 1


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    """150,000 rows that are alike: an exit that is right of them is right of all."""
    path = tmp_path_factory.mktemp("large") / "in.parquet"
    pq.write_table(pa.table({"text": sentences(50, seed=3, shortest=3, longest=6) * 3_000}), path)
    return path


def test_a_small_bound_has_the_sample_of_the_whole_file(large, tiny_model):
    """Of 4,000 rows, 600 would certify: too few for one row in a thousand, whatever they show."""
    model = tiny_model("bert", labels=("no", "yes"))
    found = dry_run(large, model, max_flips="0.1%", window_rows=500)
    assert found.flips["exact"] is None
    assert found.flips["untold"] is None
    assert found.flips["work"] < 0.9


def test_a_bound_whose_sample_takes_too_long_is_not_told(large, tiny_model, monkeypatch):
    monkeypatch.setattr("scorer.scoring.estimate._SAMPLE_SECONDS", 0.0)
    model = tiny_model("bert", labels=("no", "yes"))
    told = io.StringIO()
    config = {"source": str(large), "target": str(large.with_name("out.parquet")), "model": str(model)}
    small = ScoreConfig(**config, max_flips="0.1%", window_rows=500)
    found = estimate(small, Console(stream=told), started=time.monotonic())
    assert found.flips["untold"].startswith("a bound so small takes a sample of 6,500 rows")
    assert found.flips["exact"] is found.flips["work"] is found.flips["times_as_fast"] is None
    assert "--max-flips: how fast is not told: a bound so small" in told.getvalue()
    # Whatever is known of the first rows: those of the sample are scored.
    cache = large.with_name("cache")
    scorer.score(large, large.with_name("some.parquet"), model=model, limit=500, window_rows=500, cache=cache)
    assert dry_run(large, model, max_flips="0.1%", window_rows=500, cache=cache).flips["untold"] is not None
    # A larger one needs few rows, and no time is too long for them.
    assert dry_run(large, model, max_flips="5%", window_rows=500).flips["untold"] is None


@pytest.mark.parametrize(("target", "exact"), [("-", True), ("out.csv", False)])
def test_rows_that_the_job_reads_as_they_arrive_are_exact(tiny_model, run_scorer, target, exact):
    texts = [text.replace('"', "").replace(",", "") for text in sentences(5_000, seed=3, shortest=3, longest=10)]
    lines = "\n".join(["text", *texts])
    model = tiny_model("bert", labels=("no", "yes"))
    options = ("-m", model, "--dry-run", "--max-flips", "5%")
    found = run_scorer("score", "-", target, *options, stdin=lines)
    assert found.returncode == 0, found.stderr
    flips = json.loads(found.stdout)["flips"]
    assert ("as a stream" in str(flips["exact"])) == exact
    assert (flips["work"] == 1) == exact


def test_an_empty_input_costs_nothing(tmp_path, tiny_model):
    pq.write_table(pa.table({"text": pa.array([], pa.string())}), tmp_path / "in.parquet")
    found = dry_run(tmp_path / "in.parquet", tiny_model("bert"))
    assert (found.rows, found.tokens, found.stream_seconds) == (0, 0, 0.0)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"text_column": ("nope",)}, "no column 'nope'"),
        ({"max_flagged": "few"}, "--max-flagged few"),
        ({"top_k": 9}, "this model has 5 labels"),
    ],
)
def test_what_is_wrong_with_the_job_is_said(source, tiny_model, options, match):
    with pytest.raises(UsageError, match=match):
        dry_run(source, tiny_model("bert"), **options)


def test_time_is_interpolated_by_length():
    lengths = np.array([100, 100, 50, 50, 10])
    batches = [np.array([0, 1]), np.array([2, 3]), np.array([4])]
    seconds = _interpolated(lengths, batches, np.array([100.0, 10.0]), np.array([0.002, 0.001]))
    middle = 0.001 + (50 - 10) / 90 * 0.001
    assert seconds == pytest.approx(200 * 0.002 + 100 * middle + 10 * 0.001)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "column"), [("mixed_4096", "text"), ("movie_reviews_long", "review")])
def test_time_and_memory_are_told_to_within_a_quarter(realdata, real_model, run_scorer, name, column):
    """In processes of their own, both of them after one that has brought libraries and model into memory."""
    job = ("score", realdata / f"{name}.parquet", "out.parquet", "-m", real_model, "--text-column", column)
    ran = [run_scorer(*job, *options, timeout=600) for options in (("--dry-run", "--limit", 1), ("--dry-run",), ())]
    assert [one.returncode for one in ran] == [0, 0, 0], [one.stderr for one in ran]
    told, found = (json.loads(one.stdout) for one in ran[1:])
    assert told["tokens"] == found["tokens"]
    for figure in ("seconds", "peak_memory_mib"):
        print(name, figure, "told", told[figure], "found", found[figure])  # noqa: T201  what this is run for
    for figure in ("seconds", "peak_memory_mib"):
        assert told[figure] == pytest.approx(found[figure], rel=0.25), figure
