"""A part is scored by any process from its task alone, with the bytes of the job, also when it is killed on the way."""

from __future__ import annotations

import json
import os
import pickle
import signal
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import scorer
from scorer.config import ScoreConfig
from scorer.errors import Busy, DataError, Interrupted
from scorer.records.document import from_json, to_json
from scorer.records.part import PartRecord
from scorer.scoring.outputs import Beginning, open_output, work_of
from scorer.scoring.preparation import check, describe_job, logit_fingerprint
from scorer.scoring.scorer import Scorer, ScorerSpec
from scorer.scoring.shards import run_shard
from scorer.scoring.tasks import Part, PartRows, ShardTask
from scorer.stores.workspace import WorkFolder
from scorer.tables.sink import read_lineage
from scorer.testing import FakeScorer
from tests.models import sentences
from tests.scoring.tasks import Watch, publish, rows, task

ROWS = 120
OPTIONS: dict[str, Any] = {"window_rows": 16, "precision": "fp32", "batch_tokens": 256, "token_count": True}


class DeadlyWatch(Watch):
    """Kills its process after so many windows."""

    def check(self) -> None:
        if len(self.windows) >= self.stop_after:
            os.kill(os.getpid(), signal.SIGKILL)


def score_part(pickled: bytes, stop_after: int = 1 << 30) -> tuple[PartRecord, int, int]:
    """The part of a task, in a process that knows nothing else; its receipt, computed tokens and rows read."""
    task: ShardTask = pickle.loads(pickled)
    watch = DeadlyWatch(stop_after)
    (receipt,) = run_shard(task, Scorer.build(task.scorer), watch).records
    return receipt, sum(window.computed_tokens for window in watch.windows), watch.rows


@pytest.fixture(scope="module")
def worker() -> Iterator[ProcessPoolExecutor]:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        yield pool


@pytest.fixture(scope="module")
def model(tiny_model) -> str:
    return str(tiny_model("bert"))


@contextmanager
def job_of(source: object, target: Path, model: str, **options: Any) -> Iterator[tuple[ShardTask, Any]]:
    """The task of a job as the job makes it, and its output, held."""
    config = ScoreConfig(source=str(source), target=str(target), model=model, **OPTIONS | options)
    prepared = check(config).read()
    spec = ScorerSpec.of(config, prepared.directory, observe=True)
    scorer = Scorer.build(spec, prepared.directory)
    job = describe_job(prepared, scorer.engine, labels=scorer.labels, decision=scorer.decision)
    output = open_output(prepared.target, prepared.output_format, force=False)
    fingerprint = logit_fingerprint(prepared.config, prepared.directory, scorer.engine)
    try:
        rows = PartRows.of(prepared, device=scorer.engine.device)
        yield (
            ShardTask.of(rows, prepared, job=job, folder=output.folder, scorer=spec, fingerprint=fingerprint),
            output,
        )
    finally:
        output.close()
        if prepared.rejects is not None:
            prepared.rejects.discard()


def parquet(folder: Path) -> Path:
    path = folder / "in.parquet"
    table = pa.table({"n": range(ROWS), "text": [*sentences(ROWS - 2, seed=4), None, " "]})
    pq.write_table(table, path, row_group_size=50)
    return path


def plain_sentences(seed: int) -> list[str]:
    return [text.replace(",", "").replace('"', "") for text in sentences(ROWS, seed=seed)]


def csv(folder: Path) -> Path:
    path = folder / "in.csv"
    lines = [f"{n:03},{text}" for n, text in enumerate(plain_sentences(5))]
    lines[7] = "7"
    lines[90] = 'a "stray quote,x'
    path.write_text("\n".join(["id,text", *lines]) + "\n")
    return path


def json_lines(folder: Path) -> Path:
    path = folder / "in.jsonl"
    texts = map(json.dumps, sentences(ROWS, seed=6))
    path.write_text("".join(f'{{"n": 1e{n}, "text": {text}}}\n' for n, text in enumerate(texts)))
    return path


def partitions(folder: Path) -> Path:
    for day in ("01", "02"):
        (folder / "in" / f"day={day}").mkdir(parents=True)
        pq.write_table(
            pa.table({"text": sentences(ROWS // 2, seed=int(day))}), folder / "in" / f"day={day}" / "a.parquet"
        )
    return folder / "in"


def headless(folder: Path) -> Path:
    path = folder / "in.csv"
    path.write_text("".join(f"{n},{text}\n" for n, text in enumerate(plain_sentences(7))))
    return path


@pytest.mark.parametrize(
    ("make", "ending", "options"),
    [
        (parquet, ".parquet", {}),
        (parquet, ".csv", {"reuse": False, "limit": 77}),
        (csv, ".parquet", {"rejects": "rejects.jsonl", "limit": 100}),
        (json_lines, ".jsonl", {}),
        (partitions, ".parquet", {}),
        (headless, ".csv", {"no_header": True, "columns": "id,text"}),
    ],
)
def test_a_spawned_process_writes_the_bytes_of_the_job(tmp_path, worker, model, make, ending, options):
    source = make(tmp_path)
    for name in options.keys() & {"rejects"}:
        options = options | {name: tmp_path / options[name]}
    whole, target = tmp_path / f"whole{ending}", tmp_path / f"part{ending}"
    summary = scorer.score(source, whole, model=model, **OPTIONS | options)
    with job_of(source, target, model, **options) as (task, output):
        receipt, tokens, read = worker.submit(score_part, pickle.dumps(task)).result(120)
        assert not target.exists()
        assert receipt.size == whole.stat().st_size
        output.publish()
    assert target.read_bytes() == whole.read_bytes()
    assert (receipt.rows, receipt.statuses) == (summary.rows, summary.statuses)
    assert (receipt.rejected, receipt.tokens, read) == (summary.rejected, summary.tokens, summary.rows)
    assert receipt.is_current(job=task.parts[0].output.job.job.fingerprint, shard=task.parts[0].input.shard)
    assert tokens == summary.computed_tokens
    assert from_json(PartRecord, to_json(receipt), where="receipt") == receipt
    assert not target.with_name(target.name + ".unfinished").exists()


def test_a_process_that_is_killed_halfway_is_gone_on_from(tmp_path, worker, model):
    source, whole, target = parquet(tmp_path), tmp_path / "whole.parquet", tmp_path / "part.parquet"
    summary = scorer.score(source, whole, model=model, **OPTIONS)
    with job_of(source, target, model) as (task, output):
        killed = get_context("spawn").Process(target=score_part, args=(pickle.dumps(task), 4))
        killed.start()
        killed.join(120)
        assert killed.exitcode == -signal.SIGKILL
        assert not target.exists()
    # Whoever made the task may be another the next time, too.
    with job_of(source, target, model) as (task, output):
        receipt, tokens, read = worker.submit(score_part, pickle.dumps(task)).result(120)
        output.publish()
    assert target.read_bytes() == whole.read_bytes()
    assert (receipt.rows, receipt.tokens, read) == (ROWS, summary.tokens, ROWS)
    assert 0 < tokens < 0.7 * summary.computed_tokens


def test_an_unfinished_part_goes_on_as_the_same_run(tmp_path):
    one = task(tmp_path, reuse=True)
    with pytest.raises(Interrupted):
        run_shard(one, FakeScorer(), Watch(stop_after=2))
    folder = WorkFolder(one.folder)
    assert Beginning(folder, one.work).run is not None
    other = replace(one.parts[0].output.job, input="another")
    assert Beginning(folder, work_of(other)).run is None
    watch = Watch()
    run_shard(one, FakeScorer(), watch)
    assert sum(window.computed_tokens for window in watch.windows[:2]) == 0
    assert pq.read_table(publish(one)).select(["text", "n"]) == rows(0)


def test_with_another_cache_it_is_another_run(tmp_path):
    """A run of the same number there was of other rows: here of the same, in another order."""
    for name in ("here", "there"):
        (tmp_path / name).mkdir()
    table = pa.table({"text": [f"text {n}" for n in range(40)], "n": range(40)})
    full = task(tmp_path, 1, table=table.take(pa.array(range(39, -1, -1))), reuse=True)
    run_shard(replace(full, cache=str(tmp_path / "there")), FakeScorer(), Watch())
    one = task(tmp_path, table=table, reuse=True)
    with pytest.raises(Interrupted):
        run_shard(replace(one, cache=str(tmp_path / "here")), FakeScorer(), Watch(stop_after=2))
    watch = Watch()
    run_shard(replace(one, cache=str(tmp_path / "there")), FakeScorer(), watch)
    assert sum(window.computed_tokens for window in watch.windows) == 0
    assert pq.read_table(publish(one)).select(["text", "n"]) == table


@dataclass(frozen=True, kw_only=True)
class Contested(Part):
    """A part that another worker wants to work on just when it is finished."""

    def finished(self, writer, totals, *, profile):
        with pytest.raises(Busy), WorkFolder(self.output.folder).alone(patience=0.0):
            pass
        return super().finished(writer, totals, profile=profile)


def test_a_folder_has_one_worker_until_its_parts_are_finished(tmp_path):
    asked = task(tmp_path)
    parts = tuple(Contested(**vars(part)) for part in asked.parts)
    (record,) = run_shard(replace(asked, parts=parts), FakeScorer(), Watch()).records
    assert record.rows == 40
    with WorkFolder(asked.folder).alone(patience=0.0):
        pass


def test_a_file_that_is_another_by_now_is_not_read(tmp_path):
    one = task(tmp_path)
    path = Path(one.parts[0].input.shard.files[0].location)
    pq.write_table(rows(1), path)
    with pytest.raises(DataError, match="changed while it was read"):
        run_shard(one, FakeScorer(), Watch())


def test_the_footer_tells_what_the_receipt_tells(tmp_path):
    table = pa.table({"text": ["good", None, "oom", "nonfinite", ""] * 8})
    one = task(tmp_path, table=table)
    outcome = run_shard(one, FakeScorer(), Watch())
    (receipt,) = outcome.records
    lineage = read_lineage(publish(one))
    assert lineage is not None
    assert lineage.counts is not None
    assert receipt.statuses == lineage.counts.statuses == {"empty": 8, "nonfinite": 8, "null": 8, "ok": 8, "oom": 8}
    assert (receipt.rows, receipt.name, receipt.shard) == (40, "out-0.parquet", one.parts[0].input.shard)
    assert receipt.size == (tmp_path / "out-0.parquet").stat().st_size
    assert set(outcome.pace.busy) == {"read", "encode", "classify", "append", "write"}


def test_a_first_window_of_few_rows_changes_no_row(tmp_path):
    one = task(tmp_path, first_rows=2)
    watch = Watch()
    (receipt,) = run_shard(one, FakeScorer(), watch).records
    assert [window.table.num_rows for window in watch.windows] == [2, 8, 10, 10, 10]
    assert receipt.rows == 40
    assert pq.read_table(publish(one)).select(["text", "n"]) == rows(0)


def test_tasks_are_plain_data(tmp_path):
    one = task(tmp_path)
    assert pickle.loads(pickle.dumps(one)) == one
