"""What happens to a run that is killed, or whose disk fails: the fast versions of `tests/torture`."""

from __future__ import annotations

import os
import random
import shutil
import signal
import time
from collections.abc import Iterator
from contextlib import closing

import pytest

from scorer.classifier.decision import Decision
from scorer.classifier.labels import LabelSet
from scorer.classifier.long_text import LongText
from scorer.classifier.metadata import ModelMetadata
from tests.models import FIVE_STARS
from tests.scoring.files import read
from tests.torture.disks import grow, read_only, small_disk
from tests.torture.injection import BROKEN, FULL, KILL, Fault, need_strace, run_with
from tests.torture.kills import kill_randomly, kill_when_written, start_writing
from tests.torture.launcher import Launcher
from tests.torture.pipes import read_and_leave
from tests.torture.scene import Figures, Jobs, Scene, one_line
from tests.torture.starts import start_together


@pytest.fixture(scope="module")
def launcher(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Launcher]:
    with closing(Launcher(tmp_path_factory.mktemp("launcher"))) as launcher:
        yield launcher


@pytest.fixture(scope="module")
def jobs(tmp_path_factory: pytest.TempPathFactory, launcher: Launcher, tiny_model) -> Jobs:
    return Jobs(tmp_path_factory.mktemp("jobs"), launcher, tiny_model())


@pytest.mark.parametrize("ending", [".csv", ".parquet"])
def test_killed_at_random_moments(tmp_path, launcher, jobs, ending):
    figures = Figures(f"SIGKILL, {ending[1:]}")
    job = jobs(ending, rows=300, window_rows=25)
    kill_randomly(tmp_path, launcher, job, trials=2, draw=random.Random(5), figures=figures)
    figures.check(2)


def test_killed_with_texts_in_windows_and_rows_that_abstain(tmp_path, launcher, tiny_model):
    model = shutil.copytree(tiny_model(), tmp_path / "model")
    ModelMetadata(
        base_model="base",
        text_columns=("text",),
        label_column="label",
        labels=LabelSet(FIVE_STARS, "int"),
        max_length=12,
        long_text=LongText("window", 3, "max"),
        decision=Decision((1.5,), abstain_below=0.7),
    ).write(model)
    (tmp_path / "jobs").mkdir()
    job, figures = Jobs(tmp_path / "jobs", launcher, model)(".parquet", rows=300, window_rows=25), Figures("windows")
    statuses = {row["score_status"] for row in read(tmp_path / "jobs" / "whole-300-25-512.parquet")}
    assert statuses == {"ok", "abstain", "null", "empty"}
    kill_randomly(tmp_path, launcher, job, trials=3, draw=random.Random(6), figures=figures)
    figures.check(3)


def test_a_kill_near_the_end_leaves_little_to_compute(tmp_path, launcher, jobs):
    job = jobs(".csv", rows=1_500, window_rows=25)
    scene, figures = Scene(tmp_path / "folder", job), Figures("SIGKILL near the end")
    whole = launcher.run(Scene(tmp_path / "whole", job).arguments).summary
    kill_when_written(launcher, scene, 0.9)
    scene.judge(figures)
    again = scene.finish(launcher, figures).summary
    assert again["tokens"] == whole["tokens"]
    assert again["computed_tokens"] < 0.2 * whole["computed_tokens"]
    figures.check(1)


def test_a_run_killed_while_it_tidies_up_after_publishing(tmp_path, launcher, jobs):
    """The output stands, and so does what the run kept: the next one has nothing to do but to tidy up."""
    job, figures = jobs(".csv", rows=300, window_rows=25), Figures("killed after publishing")
    scene = Scene(tmp_path / "folder", job)
    kill_when_written(launcher, scene, 0.5)
    scene.target.write_bytes(job.whole)
    scene.judge(figures)
    scene.finish(launcher, figures)
    figures.check(1)


@pytest.mark.parametrize(
    ("what", "name", "call", "when"),
    [
        (KILL, "out.csv.unfinished/partial.out.csv", "write", 2),
        (FULL, "out.csv.unfinished/partial.out.csv", "write", 2),
        (BROKEN, "out.csv.unfinished/partial.out.csv", "fsync", 1),
        (KILL, "out.csv.unfinished/partial.out.csv", "rename", 1),
        (BROKEN, ".", "fsync", 1),
    ],
)
def test_a_call_that_fails(tmp_path, launcher, jobs, what, name, call, when):
    need_strace(launcher, tmp_path / "log")
    scene = Scene(tmp_path / "folder", jobs(".csv", rows=160, window_rows=40), old=True)
    figures = Figures(f"{what} at {call}")
    ended, reached = run_with(launcher, scene, Fault(name, call, when, what))
    assert reached
    assert ended.code == (-signal.SIGKILL if what == KILL else 74)
    assert what == KILL or one_line(ended.stderr)
    scene.judge(figures)
    scene.finish(launcher, figures)
    figures.check(1)


@pytest.mark.parametrize("share", [0.2, 0.6])
def test_a_disk_that_fills(tmp_path, launcher, jobs, share):
    job, figures = jobs(".parquet", rows=300, window_rows=25), Figures("disk full")
    size = 4 * round(share * 3 * len(job.whole) / 1024 / 4)
    with small_disk(tmp_path / "disk", size) as disk:
        scene = Scene(disk, job, old=True)
        ended = launcher.run(scene.arguments)
        assert ended.code == 74
        assert one_line(ended.stderr)
        scene.judge_failure(figures)
        assert scene.state == "old"
        grow(disk, 1 << 14)
        scene.finish(launcher, figures)
    figures.check(1)


def test_a_limit_of_the_file_size(tmp_path, launcher, jobs):
    job, figures = jobs(".csv", rows=300, window_rows=25), Figures("ulimit -f")
    scene = Scene(tmp_path / "folder", job, old=True)
    ended = launcher.run(scene.arguments, file_size=len(job.whole) // 2)
    assert ended.code == 74
    assert one_line(ended.stderr)
    scene.judge_failure(figures)
    assert scene.state == "old"
    scene.finish(launcher, figures)
    figures.check(1)


def test_a_folder_that_may_only_be_read(tmp_path, launcher, jobs):
    scene = Scene(tmp_path / "folder", jobs(".csv", rows=160, window_rows=40), old=True)
    with read_only(scene.folder):
        ended = launcher.run(scene.arguments)
        assert ended.code == 77
        assert one_line(ended.stderr)
        assert [path.name for path in scene.folder.iterdir()] == [scene.target.name]
        assert scene.state == "old"


def test_a_folder_that_is_deleted_and_taken_by_another_run(tmp_path, launcher, jobs):
    """The first run must not publish, or tidy away, what the second one is writing under the same names."""
    scene, figures = Scene(tmp_path / "folder", jobs(".csv", rows=1_500, window_rows=25)), Figures("folder deleted")
    first = start_writing(launcher, scene, 0.2)
    scene.vanish()
    scene.renew()
    second = launcher.start(scene.arguments)
    ended = {one.pid: one for one in launcher.wait()}
    assert ended[first].code in (73, 74)
    assert one_line(ended[first].stderr)
    assert ended[second].code == 0
    scene.judge(figures)
    assert scene.state == "new"
    figures.check(1)


def test_of_six_starts_exactly_one_runs(tmp_path, launcher, jobs):
    scene = Scene(tmp_path / "folder", jobs(".csv", rows=1_500, window_rows=25))
    figures = Figures("6 starts at once")
    # How soon is measured where nothing else runs: tests/torture.
    start_together(launcher, scene, 6, figures, within_seconds=30)
    figures.check(1)


def test_the_first_signal_stops_the_run(tmp_path, launcher, jobs):
    scene, figures = Scene(tmp_path / "folder", jobs(".csv", rows=1_500, window_rows=25)), Figures("SIGTERM")
    pid = start_writing(launcher, scene, 0.1)
    sent = time.monotonic()
    os.kill(pid, signal.SIGTERM)
    (ended,) = launcher.wait()
    assert ended.code == 143
    assert ended.at - sent < 10
    assert one_line(ended.stderr)
    scene.judge_failure(figures)
    scene.finish(launcher, figures)
    figures.check(1)


def test_whoever_reads_stdout_goes_away(tmp_path, launcher, jobs):
    ended = read_and_leave(launcher, Scene(tmp_path / "folder", jobs(".csv", rows=1_500, window_rows=25)), 0.2)
    assert (ended.code, ended.stderr) == (141, "")
