"""Parts one after the other in this process: each gets its rows back, in order, by the Scorer that it names."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from scorer.config import FrameConfig
from scorer.engines.in_process import run_shards
from scorer.errors import Interrupted
from scorer.records.part import Totals
from scorer.scoring.scorer import ScorerSpec
from scorer.scoring.tasks import ShardTask
from scorer.testing import FakeScorer
from tests.scoring.tasks import Watch, publish, rows, task

SPEC = ScorerSpec(options=FrameConfig())


@pytest.fixture
def tasks(tmp_path: Path) -> list[ShardTask]:
    return [task(tmp_path, number) for number in range(3)]


def run(tasks, watch=None, load=lambda _: FakeScorer(), **options) -> Iterator:
    return run_shards(tasks, watch=watch or Watch(), load=load, **options)


def test_every_part_gets_its_own_rows_with_answers(tasks):
    loaded = []

    def load(spec):
        loaded.append(spec)
        return FakeScorer()

    done = list(run(tasks, load=load))
    assert [one for one, _ in done] == tasks
    assert loaded == [SPEC]
    for one in tasks:
        found = pq.read_table(publish(one))
        assert found.select(["text", "n"]) == rows(one.number)
        assert found["score"].null_count == 0
    totals = Totals.of(receipt for _, outcome in done for receipt in outcome.records)
    assert (totals.parts, totals.rows, totals.statuses) == (3, 120, {"ok": 120})


def test_a_part_of_another_model_is_scored_by_that(tasks):
    other = replace(SPEC, options=FrameConfig(prefix="new_"))
    tasks[1] = replace(tasks[1], scorer=other)
    assert len(list(run(tasks, load=lambda spec: FakeScorer(prefix=spec.options.prefix)))) == 3
    names = [pq.read_schema(publish(one)).names[2] for one in tasks]
    assert names == ["score", "new_score", "score"]


def test_nothing_is_opened_before_its_turn(tasks):
    for one in tasks[1:]:
        Path(one.parts[0].input.shard.files[0].location).unlink()
    running = run(tasks)
    assert next(running)[0] == tasks[0]
    assert publish(tasks[0]).exists()


def test_what_was_opened_before_is_not_opened_again(tasks):
    """Reading a CSV anew would take a pass over all of it."""
    opened = {one.number: {0: one.parts[0].input.read()} for one in tasks}
    seen = []
    for number, parts in opened.items():
        opened[number] = {0: replace(parts[0], reader=_Seen(parts[0].reader, seen))}
    assert len(list(run(tasks, opened=opened))) == 3
    assert [parts[0].reader for parts in opened.values()] == seen


class _Seen:
    """A reader that says when it is asked for its windows."""

    def __init__(self, reader, seen: list) -> None:
        self._reader = reader
        self._seen = seen

    def windows(self, **options):
        self._seen.append(self)
        return self._reader.windows(**options)

    def __getattr__(self, name: str):
        return getattr(self._reader, name)


def test_a_stop_ends_the_part_at_work_and_no_later_one_begins(tasks):
    watch = Watch(stop_after=6)
    with pytest.raises(Interrupted):
        list(run(tasks, watch))
    assert len(watch.windows) == 6
    kept = [sorted(path.name for path in Path(one.folder).iterdir()) for one in tasks]
    assert kept == [["job.json", "lock", "partial.out-0.parquet"], ["job.json", "lock"], ["lock"]]


def test_scores_are_kept_for_the_parts_that_follow_where_a_cache_is_named(tmp_path):
    cache = tmp_path / "cache"
    same = [task(tmp_path, number, table=rows(0), reuse=True, cache=str(cache)) for number in range(2)]
    watch = Watch()
    assert len(list(run(same, watch))) == 2
    assert [sum(window.reused for window in watch.windows[start : start + 4]) for start in (0, 4)] == [25, 40]
    assert pq.read_table(publish(same[0])) == pq.read_table(publish(same[1]))
    assert [path.name for path in cache.iterdir()] == ["scores.f.segments"]
    assert pa.types.is_integer(pq.read_schema(same[0].parts[0].output.target.path).field("score").type)
