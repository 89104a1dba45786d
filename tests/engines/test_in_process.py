"""Parts one after the other in this process: each gets its rows back, in order, by the Scorer that it names."""

from __future__ import annotations

import pickle
from dataclasses import dataclass, field, replace
from pathlib import Path

import pyarrow as pa
import pytest

from scorer.config import FrameConfig
from scorer.engines.in_process import run_parts
from scorer.errors import Interrupted
from scorer.scoring.part import PartTask
from scorer.scoring.scorer import ScorerSpec
from scorer.testing import FakeScorer

SPEC = ScorerSpec(options=FrameConfig())


def rows(part: int, count: int = 40) -> pa.Table:
    return pa.table({"text": [f"part {part} text {n % 15}" for n in range(count)], "n": range(count)})


def task(number: int, **options) -> PartTask:
    fixed = {"scorer": SPEC, "text_columns": ("text",), "reuse": False, "cache": None, "fingerprint": "f"}
    return PartTask(number=number, **fixed | options)


@dataclass
class Part:
    """A part in memory; `before` is the run that left it unfinished."""

    rows: pa.Table
    folder: Path
    window: int = 10
    before: int | None = None
    written: list[pa.Table] = field(default_factory=list)
    runs: list[int] = field(default_factory=list)

    @property
    def schema(self) -> pa.Schema:
        return self.rows.schema

    def windows(self):
        for start in range(0, self.rows.num_rows, self.window):
            yield self.rows.slice(start, self.window)

    def unfinished_run(self) -> int | None:
        return self.before

    def begin(self, run: int, schema: pa.Schema):
        self.runs.append(run)
        self.expected = schema
        return self

    def write(self, table: pa.Table) -> None:
        assert table.schema == self.expected
        self.written.append(table)


@dataclass
class Watch:
    stop_after: int = 1 << 30
    windows: list = field(default_factory=list)

    def check(self) -> None:
        if len(self.windows) >= self.stop_after:
            raise Interrupted(15)

    def wrote(self, window) -> None:
        self.windows.append(window)


@pytest.fixture
def parts(tmp_path):
    return {number: Part(rows(number), tmp_path) for number in range(3)}


def run(tasks, parts, watch=None, load=lambda _: FakeScorer()):
    opened = run_parts(tasks, open_part=lambda task: parts[task.number], watch=watch or Watch(), load=load)
    return [done.number for done, _ in opened]


def test_every_part_gets_its_own_rows_with_answers(parts):
    loaded = []

    def load(spec):
        loaded.append(spec)
        return FakeScorer()

    assert run(map(task, range(3)), parts, load=load) == [0, 1, 2]
    assert loaded == [SPEC]
    for number, part in parts.items():
        found = pa.concat_tables(part.written)
        assert found.select(["text", "n"]) == rows(number)
        assert len(part.written) == 4
        assert found["score"].null_count == 0


def test_a_part_of_another_model_is_scored_by_that(parts):
    other = replace(SPEC, options=FrameConfig(prefix="new_"))
    tasks = [task(0), task(1, scorer=other), task(2)]
    run(tasks, parts, load=lambda spec: FakeScorer(prefix=spec.options.prefix))
    names = [part.written[0].schema.names[2] for part in parts.values()]
    assert names == ["score", "new_score", "score"]


def test_nothing_is_opened_before_its_turn(parts):
    opened = []

    def open_part(task):
        opened.append(task.number)
        return parts[task.number]

    running = run_parts(map(task, range(3)), open_part=open_part, watch=Watch(), load=lambda _: FakeScorer())
    next(running)
    assert opened == [0]


def test_a_stop_ends_the_part_at_work_and_no_later_one_begins(parts):
    watch = Watch(stop_after=6)
    with pytest.raises(Interrupted):
        run(map(task, range(3)), parts, watch)
    assert [len(part.written) for part in parts.values()] == [4, 2, 0]


def test_scores_are_kept_for_the_parts_that_follow_where_a_cache_is_named(parts, tmp_path):
    parts[1].rows = parts[0].rows
    watch = Watch()
    run([task(number, reuse=True, cache=tmp_path / "cache") for number in range(2)], parts, watch)
    assert [sum(window.reused for window in watch.windows[start : start + 4]) for start in (0, 4)] == [25, 40]
    assert pa.concat_tables(parts[0].written) == pa.concat_tables(parts[1].written)
    assert (tmp_path / "cache" / "scores.f.sqlite").exists()
    assert parts[1].runs[0] > parts[0].runs[0]


def test_an_unfinished_part_goes_on_as_the_same_run(parts, tmp_path):
    with pytest.raises(Interrupted):
        run([task(0, reuse=True)], parts, Watch(stop_after=2))
    (first,) = parts[0].runs
    again = Part(parts[0].rows, tmp_path, before=first)
    watch = Watch()
    run([task(0, reuse=True)], {0: again}, watch)
    assert again.runs == [first]
    assert sum(window.computed_tokens for window in watch.windows) == 0


def test_tasks_are_plain_data():
    assert pickle.loads(pickle.dumps(task(3))) == task(3)
