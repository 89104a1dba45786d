"""A run dies, or its disk does, at every single call that writes, makes durable, renames or tidies."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.torture.injection import BROKEN, FULL, KILL, TIDYING, WRITING, Fault, calls_of, need_strace, run_with
from tests.torture.kills import kill_when_written
from tests.torture.launcher import Launcher
from tests.torture.scene import Figures, Job, Scene, one_line

pytestmark = pytest.mark.torture

ENDINGS = (".csv", ".parquet")


@pytest.fixture(scope="module", autouse=True)
def strace(launcher: Launcher, tmp_path_factory: pytest.TempPathFactory) -> None:
    need_strace(launcher, tmp_path_factory.mktemp("strace") / "log")


@pytest.mark.parametrize("ending", ENDINGS)
def test_killed_at_every_call(tmp_path, launcher, jobs, ending):
    inject(tmp_path, launcher, jobs(ending, rows=160, window_rows=40), what=KILL, calls=(*WRITING, *TIDYING))


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("what", [FULL, BROKEN])
def test_an_error_at_every_call_that_writes(tmp_path, launcher, jobs, ending, what):
    inject(tmp_path, launcher, jobs(ending, rows=160, window_rows=40), what=what, calls=WRITING)


def inject(folder: Path, launcher: Launcher, job: Job, *, what: str, calls: Sequence[str]) -> None:
    """Run `job` with `what` at every call of `calls` that it makes on any of its files, each time from the start."""
    figures = Figures(f"{what}, {job.ending[1:]}")
    for number, fault in enumerate(faults(folder, launcher, job, what=what, calls=calls)):
        scene = Scene(folder / str(number), job, old=number % 2 == 1)
        ended, reached = run_with(launcher, scene, fault)
        if not reached:
            # What is merged in the background, and whether before the run ends, is another thing each time.
            assert in_background(fault), f"{fault}: never came"
            assert ended.code == 0, (fault, ended.stderr)
            figures.notes["never came"] += 1
            scene.remove()
            continue
        figures.notes["came"] += 1
        if what == KILL:
            assert ended.code == -9, fault
            scene.judge(figures)
        else:
            judge_error(scene, ended.code, ended.stderr, fault=fault, figures=figures)
        figures.notes[fault.call] += 1
        before = (figures.different, figures.unfinished, figures.left_behind)
        again = scene.finish(launcher, figures)
        assert (figures.different, figures.unfinished, figures.left_behind) == before, (fault, again)
        scene.remove()
    figures.check(figures.trials)
    assert figures.trials >= 20
    assert figures.notes["never came"] < figures.trials / 2


def judge_error(scene: Scene, code: int, stderr: str, *, fault: Fault, figures: Figures) -> None:
    """A failed call ends the run with 74 and one line; or it did not matter, and the output is whole."""
    scene.judge_failure(figures)
    if code == 0:
        figures.notes["did not matter"] += 1
        assert scene.state == "new", fault
        # Nobody waits for the last merge of scores that go with the workspace.
        assert in_background(fault), f"{fault}: was not noticed"
        return
    assert code == 74, (fault, code, stderr)
    assert one_line(stderr), (fault, stderr)


def in_background(fault: Fault) -> bool:
    return fault.name.endswith((".segments", "merged.new"))


def faults(folder: Path, launcher: Launcher, job: Job, *, what: str, calls: Sequence[str]) -> Iterator[Fault]:
    probe = Scene(folder / "probe", job)
    counted = calls_of(launcher, probe, names_of(launcher, probe), calls)
    probe.remove()
    for (name, call), count in sorted(counted.items()):
        yield from (Fault(name, call, when, what) for when in range(1, count + 1))


def names_of(launcher: Launcher, scene: Scene) -> list[str]:
    """The files that a run of `scene` touches, relative to its folder; the folder itself is "."."""
    kill_when_written(launcher, scene, 0)
    store = next(path.name for path in scene.workspace.glob("scores.*.segments"))
    scene.remove()
    scene.renew()
    in_store = (f"{store}/{name}" for name in ("runs", "added.new", "taken.new", "merged.new"))
    kept = ("lock", "job.json", "job.json.new", scene.partial.name, store, *in_store)
    return [".", scene.target.name, scene.workspace.name, *(f"{scene.workspace.name}/{name}" for name in kept)]
