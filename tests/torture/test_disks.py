"""A disk that is full at 50 sizes, a limit of the file size, a read-only folder, a folder that is deleted meanwhile."""

from __future__ import annotations

import contextlib

import pytest

from tests.torture.disks import grow, read_only, small_disk
from tests.torture.kills import start_writing
from tests.torture.launcher import Launcher
from tests.torture.scene import Figures, Scene, one_line

pytestmark = pytest.mark.torture

SIZES = 50
ENDINGS = (".csv", ".parquet")


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_disk_that_fills_at_fifty_sizes(tmp_path, launcher, jobs, ending):
    job = jobs(ending, rows=1_000, window_rows=100)
    figures = Figures(f"disk full, {ending[1:]}")
    enough = needed_kib(launcher, Scene(tmp_path / "probe", job))
    for number in range(SIZES):
        size = 8 + 4 * round(number * (enough - 8) / 4 / SIZES)
        with small_disk(tmp_path / "disk", size) as disk:
            scene = Scene(disk, job, old=number % 2 == 1)
            ended = launcher.run(scene.arguments)
            scene.judge_failure(figures)
            if ended.code == 0:
                figures.notes["had room"] += 1
                assert scene.state == "new"
            else:
                assert ended.code == 74, (size, ended)
                assert one_line(ended.stderr), (size, ended.stderr)
                assert scene.state == ("old" if scene.old else "nothing"), size
                beforehand = "MiB are needed" in ended.stderr
                resumable = "resumable" if scene.workspace.exists() else "nothing left"
                figures.notes["seen beforehand" if beforehand else resumable] += 1
            grow(disk, 4 * enough)
            scene.finish(launcher, figures)
    assert figures.notes["had room"] < SIZES / 2
    figures.check(SIZES)


def needed_kib(launcher: Launcher, scene: Scene) -> int:
    """About how many KiB a run of `scene` needs at its fullest: the output, the store and its log."""
    launcher.start(scene.arguments)
    blocks = 0
    while scene.state != "new":
        with contextlib.suppress(FileNotFoundError):
            blocks = max(blocks, sum(path.stat().st_blocks for path in scene.workspace.iterdir()))
    (ended,) = launcher.wait()
    assert ended.code == 0, ended
    scene.remove()
    return round(1.1 * blocks / 2)


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_limit_of_the_file_size(tmp_path, launcher, jobs, ending):
    job = jobs(ending, rows=1_000, window_rows=100)
    figures = Figures(f"ulimit -f, {ending[1:]}")
    # Below some KiB not even the error could be written into the file that stderr is.
    step = len(job.whole) // 12
    for number, limit in enumerate(range(step, 11 * step, step)):
        scene = Scene(tmp_path / str(number), job, old=number % 2 == 1)
        ended = launcher.run(scene.arguments, file_size=limit)
        assert ended.code == 74, (limit, ended)
        scene.judge_failure(figures)
        assert scene.state == ("old" if scene.old else "nothing"), limit
        scene.finish(launcher, figures)
    figures.check(10)


@pytest.mark.parametrize("old", [False, True])
def test_a_folder_that_may_only_be_read(tmp_path, launcher, jobs, old):
    scene = Scene(tmp_path / "folder", jobs(".csv", rows=160, window_rows=40), old=old)
    with read_only(scene.folder):
        ended = launcher.run(scene.arguments)
        assert ended.code == 77
        assert one_line(ended.stderr)
        assert scene.state == ("old" if old else "nothing")
        assert not scene.workspace.exists()


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("share", [0.0, 0.5])
def test_a_folder_that_is_deleted_meanwhile(tmp_path, launcher, jobs, ending, share):
    scene = Scene(tmp_path / "folder", jobs(ending, rows=3_000, window_rows=100), old=True)
    start_writing(launcher, scene, share)
    scene.vanish()
    (ended,) = launcher.wait()
    assert ended.code in (73, 74), ended
    assert one_line(ended.stderr)
    assert not scene.folder.exists()


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_folder_that_is_deleted_and_taken_by_another_run(tmp_path, launcher, jobs, ending):
    """The first run must not publish, or tidy away, what the second one is writing under the same names."""
    figures = Figures(f"folder deleted, then a second run, {ending[1:]}")
    scene = Scene(tmp_path / "folder", jobs(ending, rows=3_000, window_rows=100))
    first = start_writing(launcher, scene, 0.3)
    scene.vanish()
    scene.renew()
    second = launcher.start(scene.arguments)
    ended = {one.pid: one for one in launcher.wait()}
    assert ended[first].code in (73, 74), ended[first]
    assert ended[second].code == 0, ended[second]
    assert scene.state == "new"
    scene.judge(figures)
    figures.check(1)
