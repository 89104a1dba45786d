"""`--max-flips`: rows leave the model early, as few get another answer as the certificate says, and nothing else of a
job's promises changes."""

from __future__ import annotations

import gzip
import json
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import scorer
from scorer.classifier.decision import Decision
from scorer.classifier.metadata import ModelMetadata
from scorer.config import FrameConfig
from scorer.errors import DataError, Interrupted, UsageError
from scorer.scoring.flips.bound import FlipBound
from scorer.scoring.scorer import Scorer, ScorerSpec
from scorer.scoring.shards import run_shard
from scorer.tables.formats.parquet import ParquetSink
from scorer.tables.sink import read_lineage
from tests.evaluation.fitted import make_fitted
from tests.models import sentences
from tests.scoring.files import write
from tests.scoring.tasks import Watch, publish, task

ROWS = 6_000


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("flips") / "in.parquet"
    texts = [*sentences(ROWS - 3, seed=3, shortest=3, longest=10), None, "", " "]
    pq.write_table(pa.table({"n": range(ROWS), "text": texts}), path, row_group_size=1_000)
    return path


@pytest.fixture(scope="module")
def model(tiny_model) -> Path:
    return tiny_model("bert", labels=("no", "yes"))


@pytest.fixture(scope="module")
def exact(source, model) -> pa.Table:
    target = source.with_name("exact.parquet")
    scorer.score(source, target, model=model)
    return pq.read_table(target)


def test_no_more_rows_flip_than_the_certificate_says(source, model, exact, tmp_path):
    target = tmp_path / "out.parquet"
    summary = scorer.score(source, target, model=model, max_flips="5%", decided_by=True)
    flips, found = summary.flips, pq.read_table(target)
    assert flips is not None
    assert flips["exact"] is None
    assert found.drop_columns(["score", "confidence", "decided_by"]).equals(exact.drop_columns(["score", "confidence"]))
    changed = pa.compute.sum(pa.compute.not_equal(found["score"], exact["score"])).as_py()
    assert changed <= flips["bound"] * ROWS <= 0.05 * ROWS
    by = found["decided_by"].to_pylist()
    assert by[-3:] == [None] * 3
    counted = {name: by.count(name) for name in flips["decided"]}
    assert counted == flips["decided"]
    assert sum(counted.values()) == ROWS - 3
    early = ROWS - 3 - counted["full"]
    assert early > 0.05 * ROWS
    assert flips["work"] < 0.97
    lineage = read_lineage(target)
    assert lineage is not None
    assert lineage.flips is not None
    assert json.loads(json.dumps(lineage.flips.as_dict())) == flips


def test_windows_workers_and_a_second_run_change_no_byte(source, model, tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "in.parquet").write_bytes(source.read_bytes())
    options = {"model": model, "max_flips": "5%", "decided_by": True, "window_rows": 2_500}
    scorer.score(source, tmp_path / "one.parquet", **options)
    scorer.score(source, tmp_path / "two.parquet", workers=2, **options)
    scorer.score(folder, f"{tmp_path}/out/", **options)
    one = (tmp_path / "one.parquet").read_bytes()
    assert one == (tmp_path / "two.parquet").read_bytes()
    assert pq.read_table(tmp_path / "one.parquet").equals(pq.read_table(tmp_path / "out" / "in.parquet"))
    again = scorer.score(source, tmp_path / "one.parquet", **options)
    assert again.finished_before
    assert again.flips is not None
    assert again.flips["sample_rows"] > 0


def test_an_exact_run_takes_nothing_that_was_decided_early(source, model, exact, tmp_path):
    cache = tmp_path / "cache"
    first = scorer.score(source, tmp_path / "early.parquet", model=model, max_flips="5%", cache=cache)
    second = scorer.score(source, tmp_path / "exact.parquet", model=model, cache=cache)
    assert first.flips is not None
    # What the whole model decided is not computed again, but for the sample, which is not kept.
    assert 0 < second.reused_rows < ROWS - 3
    found = pq.read_table(tmp_path / "exact.parquet")
    assert found.drop_columns("confidence").equals(exact.drop_columns("confidence"))
    ours, theirs = (np.array(table["confidence"].to_pylist()[:-3]) for table in (found, exact))
    assert np.abs(ours - theirs).max() < 1e-5


def test_jobs_of_other_bounds_are_other_jobs(source, model, tmp_path):
    target = tmp_path / "out.parquet"
    scorer.score(source, target, model=model, max_flips="5%", limit=100)
    for other in ({}, {"max_flips": "6%"}, {"max_flips": "5%", "flip_confidence": 0.9}):
        with pytest.raises(scorer.errors.OutputRefused):
            scorer.score(source, target, model=model, limit=100, **other)


def test_what_cannot_leave_early_is_exact_and_says_why(source, model, tmp_path, tiny_model):
    few = scorer.score(source, tmp_path / "few.parquet", model=model, max_flips="1%", limit=300)
    assert few.flips is not None
    assert "300 rows" in few.flips["exact"]
    assert few.flips["decided"] == {"full": 300}
    assert few.flips["work"] == 1.0
    other = scorer.score(
        source, tmp_path / "other.parquet", model=tiny_model("albert"), max_flips="1%", limit=50, decided_by=True
    )
    assert other.flips is not None
    assert "packed" in other.flips["exact"]
    assert set(pq.read_table(tmp_path / "other.parquet")["decided_by"].to_pylist()) == {"full"}


@pytest.mark.parametrize("asked", ["1", "0%", "60%", "x%", "-1%"])
def test_what_is_no_bound_is_refused(source, model, tmp_path, asked):
    with pytest.raises(UsageError, match="max-flips"):
        scorer.score(source, tmp_path / "out.parquet", model=model, max_flips=asked)
    assert not (tmp_path / "out.parquet").exists()


def test_how_soon_a_window_is_encoded_changes_no_byte(model, tmp_path, monkeypatch):
    """Whether the score of an earlier window is durable by then is a matter of time; some of these rows are in the
    sample."""
    source = tmp_path / "in.parquet"
    pq.write_table(pa.table({"text": sentences(1_500, seed=5, shortest=3, longest=10) * 4}), source)
    spec = ScorerSpec(options=FrameConfig(model=str(model), precision="fp32"), decided_by=True)
    loaded = Scorer.build(spec)
    encode, outputs = loaded.encode, []
    for name, seconds in (("soon", 0.0), ("late", 0.5)):

        def slow(window, *arguments, seconds=seconds, **options):
            time.sleep(seconds if window.number else 0.0)
            return encode(window, *arguments, **options)

        monkeypatch.setattr(loaded, "encode", slow)
        (tmp_path / name).mkdir()
        flips = FlipBound(0.2, 0.95)
        part = task(tmp_path / name, source=source, scorer=spec, reuse=True, window_rows=900, flips=flips)
        run_shard(part, loaded, Watch())
        outputs.append(publish(part).read_bytes())
    assert outputs[0] == outputs[1]


def test_a_run_that_was_interrupted_ends_with_the_bytes_of_one_that_was_not(model, tmp_path):
    # Equal texts in several windows: some leave in one and are audited in another.
    source = tmp_path / "in.parquet"
    texts = sentences(ROWS // 4, seed=5, shortest=3, longest=10) * 4
    pq.write_table(pa.table({"text": texts}), source)
    spec = ScorerSpec(options=FrameConfig(model=str(model)))
    loaded = Scorer.build(spec)
    options = {"source": source, "scorer": spec, "reuse": True, "window_rows": 900, "flips": FlipBound(0.05, 0.95)}
    written = []
    for name, stops in (("whole", ()), ("again", (2, 5))):
        folder = tmp_path / name
        folder.mkdir()
        part = task(folder, **options)
        for stop in stops:
            with pytest.raises(Interrupted):
                run_shard(part, loaded, Watch(stop_after=stop))
        kept = [*folder.rglob("scores.*/*-*")]
        assert bool(kept) == bool(stops), "nothing was kept; the test proves nothing"
        (record,) = run_shard(part, loaded, Watch()).records
        assert record.flips is not None
        assert record.flips.early > 0
        written.append(publish(part).read_bytes())
    assert written[0] == written[1]


def test_of_small_files_that_share_windows_each_counts_its_own_rows(model, tmp_path, monkeypatch):
    """However far ahead rows are scored."""
    folder, write = tmp_path / "in", ParquetSink.write
    folder.mkdir()
    sizes = {"a": 300, "b": 50, "c": 7, "d": 0}
    for name, rows in sizes.items():
        texts = pa.array(sentences(rows, seed=rows), pa.string())
        pq.write_table(pa.table({"text": texts}), folder / f"{name}.parquet")

    def slowly(sink: ParquetSink, table: pa.Table) -> None:
        time.sleep(0.2)
        write(sink, table)

    def scored(out: Path) -> dict[str, bytes]:
        summary = scorer.score(folder, out, model=model, max_flips="2%", window_rows=40)
        assert summary.flips["decided"] == {"full": 357}
        return {name: (out / f"{name}.parquet").read_bytes() for name in sizes}

    quick = scored(tmp_path / "quick")
    for name, rows in sizes.items():
        decided = read_lineage(tmp_path / "quick" / f"{name}.parquet").flips.decided
        assert decided == ({"full": rows} if rows else {})
    monkeypatch.setattr(ParquetSink, "write", slowly)
    assert scored(tmp_path / "slow") == quick


@pytest.mark.parametrize("ending", [".parquet", ".csv", ".csv.gz", ".jsonl"])
def test_a_large_file_among_small_ones_has_a_certificate_of_its_own(source, model, tmp_path, ending):
    """However few bytes of a row there are, and however many workers."""
    folder = tmp_path / "in"
    folder.mkdir()
    rows = pq.read_table(source, columns=["text"]).to_pylist()
    few = {"text": "good room"}
    for name, texts in (("a", rows[:50]), ("b", rows), ("c", rows[:50]), ("d", [few] * 3_900)):
        path = write(folder / f"{name}{ending.removesuffix('.gz')}", pa.Table.from_pylist(texts))
        if ending.endswith(".gz"):
            path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
            path.unlink()
    flips = {}
    for workers in (1, 2):
        out = tmp_path / f"out{workers}"
        scorer.score(folder, out, model=model, max_flips="5%", workers=workers)
        manifest = json.loads((out / "_manifest.json").read_text())
        flips[workers] = {part["name"][0]: part["flips"] for part in manifest["parts"]}
    assert flips[1] == flips[2]
    found = flips[1]
    assert found["b"]["exact"] is None
    assert set(found["b"]["decided"]) > {"full"}
    assert {found[name]["exact"] for name in "acd"} == {"small files are scored together"}
    assert manifest["totals"]["flips"]["exact"] == "small files are scored together"


def test_rows_leave_early_also_where_an_exact_run_was_refused_before(source, model, tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    write(folder / "a.parquet", pa.table({"text": sentences(50, seed=9)}))
    write(folder / "b.parquet", pq.read_table(source, columns=["text"]))
    with pytest.raises(DataError, match="nothing was published"):
        scorer.score(folder, tmp_path / "out", model=model, min_rows=ROWS * 2)
    scorer.score(folder, tmp_path / "out", model=model, max_flips="5%")
    assert read_lineage(tmp_path / "out" / "b.parquet").flips.exact is None


def test_rows_of_several_labels_leave_early_within_the_bound(source, tmp_path):
    """Labels that nearly all rows have, from the scores of a sample to the certificate."""
    model = make_fitted(tmp_path / "model", ("joy", "anger"), multi=True)
    options = {"model": model, "text_column": "text", "precision": "fp32"}
    scorer.score(source, tmp_path / "first.parquet", probabilities=True, **options)
    found = pq.read_table(tmp_path / "first.parquet")["probabilities"].drop_null().to_pylist()
    thresholds = tuple(np.quantile([list(row.values()) for row in found], 0.02, axis=0).tolist())
    metadata = ModelMetadata.read(model)
    replace(metadata, decision=Decision(metadata.decision.temperature, thresholds)).write(model)
    scorer.score(source, tmp_path / "exact.parquet", **options)
    flips = scorer.score(source, tmp_path / "out.parquet", max_flips="5%", **options).flips
    assert flips["exact"] is None
    assert flips["work"] < 0.8
    exact, found = (pq.read_table(tmp_path / f"{name}.parquet")["score"].to_pylist() for name in ("exact", "out"))
    changed = sum(one != other for one, other in zip(exact, found, strict=True))
    assert changed <= flips["bound"] * ROWS <= 0.05 * ROWS
