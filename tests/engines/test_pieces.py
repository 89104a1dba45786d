"""A large Parquet file is scored in pieces by several workers, and nobody sees that it was."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import scorer
from scorer.engines import leases
from scorer.engines.in_process import run_shards
from scorer.errors import DataError, DeviceError, ScorerError, UsageError
from scorer.scoring.pieces import piece_tasks, run_in_pieces
from scorer.scoring.shards import run_shard
from scorer.scoring.tasks import ShardTask
from scorer.tables.layouts import Layout
from scorer.testing import FakeScorer
from tests.models import sentences
from tests.scoring.tasks import Watch, publish, rows, task

ROWS = 400
OPTIONS = {"precision": "fp32", "batch_tokens": 1, "window_rows": 12}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "in.parquet"
    texts = pa.array([*sentences(ROWS - 3, seed=3), None, "", " "])
    kinds = pa.array(["a", "b"] * (ROWS // 2)).dictionary_encode()
    table = pa.table({"n": range(ROWS), "text": texts, "kind": kinds, "nested": [{"x": [1, None]}] * ROWS})
    pq.write_table(table.replace_schema_metadata({"made": "by hand"}), path, row_group_size=60)
    return path


def piece_of(folder: Path, count: int = 200, **options) -> ShardTask:
    path = folder / "in-0.parquet"
    pq.write_table(rows(0, count), path, row_group_size=30)
    return task(folder, source=path, **options)


@pytest.mark.slow
def test_two_workers_and_three_write_the_same_bytes(source, tmp_path, tiny_model):
    model = tiny_model("bert")
    whole = scorer.score(source, tmp_path / "one.parquet", model=model, **OPTIONS)
    summaries = [scorer.score(source, tmp_path / f"{n}.parquet", model=model, workers=n, **OPTIONS) for n in (2, 3)]
    assert (tmp_path / "2.parquet").read_bytes() == (tmp_path / "3.parquet").read_bytes()
    one, two = (pq.read_table(tmp_path / name) for name in ("one.parquet", "2.parquet"))
    assert one.schema.equals(two.schema, check_metadata=True)
    # Rows are computed alone here, so that pieces change nothing.
    assert one.equals(two)
    for summary in summaries:
        assert (summary.rows, summary.statuses, summary.tokens) == (whole.rows, whole.statuses, whole.tokens)
        assert summary.busy["classify"] > 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["2.parquet", "3.parquet", "in.parquet", "one.parquet"]


@pytest.mark.slow
def test_text_comes_out_of_pieces_too(source, tmp_path, tiny_model):
    model = tiny_model("bert")
    flat = tmp_path / "flat.parquet"
    pq.write_table(pq.read_table(source).drop_columns("nested"), flat, row_group_size=60)
    for workers in (1, 2):
        scorer.score(flat, tmp_path / f"{workers}.csv.gz", model=model, workers=workers, **OPTIONS)
    assert (tmp_path / "1.csv.gz").read_bytes() == (tmp_path / "2.csv.gz").read_bytes()


@pytest.mark.slow
def test_a_large_file_of_a_folder_is_in_pieces_and_its_scores_are_kept(source, tmp_path, tiny_model):
    folder = tmp_path / "in"
    folder.mkdir()
    source.rename(folder / "large.parquet")
    pq.write_table(pa.table({"text": sentences(20, seed=9)}), folder / "small.parquet")
    model = tiny_model("bert")
    summary = scorer.score(folder, f"{tmp_path}/out/", model=model, workers=2, **OPTIONS)
    scorer.score(folder, f"{tmp_path}/fresh/", model=model, **OPTIONS)
    for name in ("large", "small"):
        one, two = (pq.read_table(tmp_path / place / f"{name}.parquet") for place in ("out", "fresh"))
        assert one.equals(two)
    assert summary.rows == ROWS + 20
    again = scorer.score(folder, f"{tmp_path}/out/", model=model, workers=2, top_k=1, **OPTIONS)
    assert (again.rows, again.computed_tokens) == (ROWS + 20, 0)


@pytest.mark.slow
def test_scores_outlive_the_pieces_in_a_cache(source, tmp_path, tiny_model):
    options = {"model": tiny_model("bert"), "cache": tmp_path / "cache", **OPTIONS}
    first = scorer.score(source, tmp_path / "1.parquet", workers=2, **options)
    second = scorer.score(source, tmp_path / "2.parquet", **options)
    assert first.computed_tokens > 0
    assert second.computed_tokens == 0


def test_what_is_small_or_no_parquet_stays_whole(tmp_path):
    small = piece_of(tmp_path, 30)
    assert piece_tasks(small) == [small]
    limited = piece_of(tmp_path, 200, limit=100, target=str(tmp_path / "limited.parquet"))
    assert piece_tasks(limited) == [limited]


def test_every_row_group_is_in_one_piece(tmp_path):
    pieces = piece_tasks(piece_of(tmp_path))
    groups = [piece.parts[0].input.shard.row_groups for piece in pieces]
    assert [(group.first, group.end) for group in groups] == [(0, 2), (2, 4), (4, 6), (6, 7)]
    found = [piece.parts[0].input.read() for piece in pieces]
    assert [part.reader.rows for part in found] == [60, 60, 60, 20]
    tables = [table for part in found for table in part.windows()]
    assert pa.concat_tables(tables) == rows(0, 200)


def test_a_piece_that_is_finished_is_not_scored_again_and_a_damaged_one_is(tmp_path):
    one = piece_of(tmp_path, reuse=True)
    pieces = piece_tasks(one)

    def dying(asked) -> Iterator:
        for number, piece in enumerate(asked):
            if number == 3:
                raise DeviceError("the last worker died")
            yield piece, run_shard(piece, FakeScorer(), Watch())

    with pytest.raises(DeviceError):
        list(run_in_pieces([one], dying, profile=None))
    assert not one.parts[0].output.target.exists
    damaged = Path(pieces[1].folder, "piece")
    content = bytearray(damaged.read_bytes())
    content[100] ^= 1
    damaged.write_bytes(content)
    asked = []

    def seen(tasks) -> Iterator:
        for piece in tasks:
            asked.append(piece.parts[0].input.shard.row_groups.first)
            yield piece, run_shard(piece, FakeScorer(), Watch())

    ((_, outcome),) = run_in_pieces([one], seen, profile=None)
    assert asked == [2, 6]
    assert outcome.records[0].rows == 200
    assert pq.read_table(publish(one)).select(["text", "n"]) == rows(0, 200)


def test_pieces_that_end_in_another_order_are_put_together_in_theirs(tmp_path):
    one = piece_of(tmp_path)

    def backwards(asked) -> Iterator:
        yield from reversed(list(run_shards(asked, watch=Watch(), load=lambda _: FakeScorer())))

    ((_, outcome),) = run_in_pieces([one], backwards, profile=None)
    assert outcome.records[0].statuses == {"ok": 200}
    assert pq.read_table(publish(one)).select(["text", "n"]) == rows(0, 200)


def test_a_piece_with_other_rows_than_were_scored_is_not_published(tmp_path):
    one = piece_of(tmp_path)

    def mixed_up(asked) -> Iterator:
        done = list(run_shards(asked, watch=Watch(), load=lambda _: FakeScorer()))
        files = [Path(piece.folder, "piece") for piece, _ in done]
        files[0].write_bytes(files[-1].read_bytes())
        yield from done

    with pytest.raises(ScorerError, match="a piece has 20 rows, and 60 were scored"):
        list(run_in_pieces([one], mixed_up, profile=None))
    assert not one.parts[0].output.target.exists


def test_a_file_that_changes_meanwhile_is_at_fault_once(tmp_path):
    one = piece_of(tmp_path)

    def changed(asked) -> Iterator:
        asked = list(asked)
        pq.write_table(rows(1, 200), asked[0].parts[0].input.shard.files[0].location, row_group_size=30)
        yield from run_shards(asked, watch=Watch(), load=lambda _: FakeScorer())

    with pytest.raises(DataError, match="changed while it was read"):
        list(run_in_pieces([one], changed, profile=None))


@pytest.mark.parametrize("passes_over", [False, True])
def test_what_the_output_cannot_hold_is_the_fault_of_the_file(tmp_path, passes_over):
    """Pieces are files of Arrow, which holds anything."""
    pq.write_table(rows(0, 200).append_column("f", pa.array([0.5] * 200)), tmp_path / "in-0.parquet", row_group_size=30)
    one = replace(task(tmp_path, source=tmp_path / "in-0.parquet"), passes_over=passes_over)
    output = replace(one.parts[0].output, layout=Layout(partition_by=("f",)))
    one = replace(one, parts=(replace(one.parts[0], output=output),))

    def scored() -> list:
        return list(run_in_pieces([one], partial(run_shards, watch=Watch(), load=lambda _: FakeScorer()), profile=None))

    if passes_over:
        ((_, outcome),) = scored()
        assert (outcome.records, list(outcome.faults)) == ((), [0])
    else:
        with pytest.raises(UsageError, match="folders are named after"):
            scored()


def test_a_stream_has_no_workers(tmp_path, tiny_model):
    with pytest.raises(UsageError, match="a stream is scored by one process"):
        scorer.score("-", tmp_path / "out.parquet", model=tiny_model("bert"), workers=2)


class Crew:
    """Workers that die as often as they are told, before they answer."""

    places = 2

    def __init__(self, deaths: dict[int, int]) -> None:
        self.deaths = deaths
        self.tasks: dict[int, ShardTask] = {}
        self.started = 0
        self.ended: list[int] = []

    def start(self, place: int) -> int:  # noqa: ARG002  they are all alike
        self.started += 1
        return self.started

    def give(self, worker: int, task: ShardTask) -> None:
        self.tasks[worker] = task

    def answers(self, workers, seconds):  # noqa: ARG002  they answer at once
        worker = workers[-1]
        task = self.tasks[worker]
        if self.deaths.get(task.number, 0):
            self.deaths[task.number] -= 1
            return [(worker, None)]
        return [(worker, run_shard(task, FakeScorer(), Watch()))]

    def bury(self, worker: int) -> str:
        self.ended.append(worker)
        return "by itself"

    def end(self, workers) -> None:
        self.ended += workers


def test_a_lease_of_a_dead_worker_goes_to_another(tmp_path):
    tasks = [task(tmp_path, number) for number in range(3)]
    crew = Crew({0: 2, 1: 1})
    done = [one.number for one, _ in leases.run_shards(tasks, crew, stop=Watch())]
    assert sorted(done) == [0, 1, 2]
    assert sorted(crew.ended) == list(range(1, crew.started + 1))
    for one in tasks:
        assert pq.read_table(publish(one)).select(["text", "n"]) == rows(one.number)


class Crowded(Crew):
    """So many workers at a time have room; the others wait until one of these is ended."""

    def __init__(self, places: int, *, room: int) -> None:
        super().__init__({})
        self.places = places
        self.room = room

    def answers(self, workers, seconds):
        begun = [worker for worker in sorted(self.tasks) if worker not in self.ended][: self.room]
        able = [worker for worker in workers if worker in begun]
        assert able, "who has a shard waits for the cores of those that have none"
        return super().answers(able, seconds)


@pytest.mark.parametrize("room", [1, 2, 4])
def test_workers_that_wait_for_room_get_it_when_others_have_no_shard_left(tmp_path, room):
    crew = Crowded(5, room=room)
    tasks = [task(tmp_path, number) for number in range(7)]
    done = [one.number for one, _ in leases.run_shards(tasks, crew, stop=Watch())]
    assert sorted(done) == list(range(7))
    assert sorted(crew.ended) == [1, 2, 3, 4, 5]


def test_a_lease_is_given_up_after_three_deaths(tmp_path):
    crew = Crew({1: 3})
    with pytest.raises(DeviceError, match=r"out-1\.parquet: the worker that scored it ended 3 times \(by itself\)"):
        list(leases.run_shards([task(tmp_path, number) for number in range(2)], crew, stop=Watch()))
    assert sorted(crew.ended) == list(range(1, crew.started + 1))


@pytest.mark.parametrize(
    ("options", "versions", "told"),
    [({"precision": "bf16"}, {}, "precision .*, not bf16"), ({}, {"torch": "1.0"}, r"torch .*, not 1\.0")],
)
def test_a_worker_that_computes_otherwise_is_refused(tmp_path, options, versions, told):
    one = task(tmp_path)
    (part,) = one.parts
    job = replace(part.output.job, job=replace(part.output.job.job, options=options, versions=versions))
    other = replace(one, parts=(replace(part, output=replace(part.output, job=job)),))
    with pytest.raises(DeviceError, match=told):
        run_shard(other, FakeScorer(), Watch())


def test_tasks_of_pieces_say_where_they_are_read(tmp_path):
    told = [json.dumps(piece.parts[0].input.shard.fingerprint) for piece in piece_tasks(piece_of(tmp_path))]
    assert len(set(told)) == 4
