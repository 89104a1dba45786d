"""One run at a time works in a workspace, and a run that died leaves it free."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from scorer.errors import Busy, OutputRefused
from scorer.stores.workspace import FileLease, TemporaryFolder, WorkFolder, Workspace, holder_of, newest_left

ROOT = Path(__file__).parents[2]
_HOLDER = f"""
import sys
sys.path.insert(0, {str(ROOT)!r})
from pathlib import Path
from scorer.errors import Busy
from scorer.stores.workspace import Workspace
sys.stdin.readline()
try:
    workspace = Workspace(Path(sys.argv[1]))
except Busy:
    print("busy", flush=True)
    sys.exit()
workspace.remember({{"by": "holder"}})
print("held", flush=True)
sys.stdin.readline()
"""


def holder(target: Path) -> subprocess.Popen[str]:
    """A process that takes the workspace at the first line it is sent and ends at the second."""
    arguments = [sys.executable, "-c", _HOLDER, str(target)]
    return subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def tell(process: subprocess.Popen[str]) -> None:
    process.stdin.write("\n")
    process.stdin.flush()


@pytest.fixture
def target(tmp_path) -> Path:
    return tmp_path / "out file.parquet"


def test_the_folder_lies_beside_the_target_and_goes_when_nothing_is_in_it(target):
    workspace = Workspace(target)
    assert workspace.path == target.parent / "out file.parquet.unfinished"
    assert workspace.path.is_dir()
    workspace.release()
    assert not workspace.path.exists()
    workspace.release()


def test_what_is_remembered_is_recalled_by_the_next(target):
    first = Workspace(target)
    assert first.recall() is None
    first.remember({"job": {"a": 1}, "run": 3})
    first.remember({"job": {"a": 2}, "run": 4})
    first.release()
    second = Workspace(target)
    assert second.recall() == {"job": {"a": 2}, "run": 4}
    second.clear()
    assert second.recall() is None
    assert [path.name for path in second.path.iterdir()] == ["lock"]
    second.release()
    assert not second.path.exists()


def test_remove_takes_everything_along(target):
    workspace = Workspace(target)
    workspace.remember({"a": 1})
    (workspace.path / "scores").write_text("x")
    workspace.remove()
    assert not workspace.path.exists()
    workspace.release()


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[1]", b"null"])
def test_a_damaged_memory_is_no_memory(target, content):
    workspace = Workspace(target)
    (workspace.path / "job.json").write_bytes(content)
    assert workspace.recall() is None
    workspace.remove()


def test_twice_in_one_process_is_busy_too(target):
    workspace = Workspace(target)
    with pytest.raises(Busy, match=f"process {os.getpid()} is writing this output"):
        Workspace(target)
    workspace.release()
    Workspace(target).release()


def test_another_process_is_named_and_its_death_frees_the_workspace(target):
    process = holder(target)
    tell(process)
    assert process.stdout.readline() == "held\n"
    with pytest.raises(Busy, match=rf"{target.name}\.unfinished: process {process.pid} is writing"):
        Workspace(target)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=30)

    workspace = Workspace(target)
    assert workspace.recall() == {"by": "holder"}
    workspace.remove()


def test_of_twenty_processes_at_once_exactly_one_holds(target):
    processes = [holder(target) for _ in range(20)]
    for process in processes:
        tell(process)
    answers = sorted(process.stdout.readline() for process in processes)
    for process in processes:
        process.communicate(input="\n", timeout=60)
    assert answers == ["busy\n"] * 19 + ["held\n"]


def test_a_file_in_the_way(target):
    target.with_name(target.name + ".unfinished").write_text("mine")
    with pytest.raises(OutputRefused, match="in the way of this run's workspace"):
        Workspace(target)


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(OutputRefused, match="no such folder"):
        Workspace(tmp_path / "absent" / "out.parquet")
    Workspace(tmp_path / "absent" / "and below" / "model", make_parents=True).release()
    assert (tmp_path / "absent" / "and below").is_dir()


def test_what_another_job_left_goes_but_not_what_it_links_to(target):
    kept = target.parent / "kept"
    kept.mkdir()
    workspace = Workspace(target)
    workspace.folder.folder("checkpoint-1").make_anew()
    (workspace.path / "seed-2").symlink_to(kept)
    workspace.clear()
    assert workspace.folder.names() == ["lock"]
    assert kept.is_dir()
    workspace.release()


def test_the_newest_that_the_same_job_left_is_found(target):
    for number, job in enumerate(({"a": 1}, {"a": 1}, {"a": 2})):
        workspace = Workspace(target.with_name(f"out{number}"))
        workspace.remember(job)
        workspace.release()
        os.utime(workspace.path, (number, number))
    (target.with_name("other.unfinished")).mkdir()
    assert newest_left(target.parent, {"a": 1}) == target.with_name("out1")
    assert newest_left(target.parent, {"a": 3}) is None


def test_another_process_of_the_run_works_in_the_folder_by_its_path(target):
    workspace = Workspace(target)
    folder = WorkFolder(str(workspace.path))
    folder.remember({"job": 1})
    assert workspace.recall() == {"job": 1}
    folder.keep("tail", b"end")
    assert folder.kept("tail") == b"end"
    file = folder.begin(target)
    file.stream.write(b"content")
    assert file.finish() == 7
    file.discard()
    assert not target.exists()
    workspace.publish(target)
    workspace.remove()
    assert target.read_bytes() == b"content"
    with pytest.raises(OutputRefused, match="removed while a run worked in it"):
        folder.remember({"job": 2})


def test_what_was_begun_is_forgotten_by_its_holder_alone(target):
    workspace = Workspace(target)
    workspace.begin(target).finish()
    workspace.path.rename(target.with_name("elsewhere"))
    other = Workspace(target)
    other.begin(target).finish()
    workspace.forget(target)
    assert (other.path / f"partial.{target.name}").exists()
    other.forget(target)
    assert [path.name for path in other.path.iterdir()] == ["lock"]
    other.remove()
    workspace.release()


def test_a_temporary_folder_goes_with_everything_in_it():
    folder = TemporaryFolder()
    folder.keep("scores", b"1")
    folder.remove()
    assert not folder.path.exists()


def test_a_lock_says_who_holds_it_until_it_is_unsigned(tmp_path):
    path = tmp_path / "lock"
    assert holder_of(path) is None
    lease = FileLease.take(path, what=tmp_path)
    assert holder_of(path) is None
    lease.sign()
    assert holder_of(path) == str(os.getpid())
    lease.sign(2**22 + 1)  # the number of no process
    assert holder_of(path) is None
    lease.sign()
    with pytest.raises(Busy, match=rf"process {os.getpid()} is asleep; try again later"):
        FileLease.take(path, what=tmp_path, doing="asleep")
    lease.unsign()
    assert path.read_text() == ""
    lease.let_go()


def test_a_child_that_inherits_a_lock_holds_it(tmp_path):
    path = tmp_path / "lock"
    lease = FileLease.take(path, what=tmp_path)
    child = subprocess.Popen(["cat"], stdin=subprocess.PIPE, pass_fds=[lease.handle])
    lease.sign(child.pid)
    lease.let_go()
    with pytest.raises(Busy, match=f"process {child.pid} is"):
        FileLease.take(path, what=tmp_path)
    child.communicate()
    again = FileLease.take(path, what=tmp_path)
    again.let_go()


def test_a_folder_has_one_worker_at_a_time(tmp_path):
    folder = WorkFolder(tmp_path)

    def another() -> None:
        with WorkFolder(tmp_path).alone(patience=0.1):
            raise AssertionError("two are at work")

    with folder.alone(), pytest.raises(Busy, match=f"process {os.getpid()} is at work in this folder"):
        another()
    with folder.alone():
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_worker_waits_for_one_that_is_about_to_end(tmp_path):
    entered = threading.Event()

    def work() -> None:
        with WorkFolder(tmp_path).alone():
            entered.set()
            time.sleep(0.3)

    other = threading.Thread(target=work)
    other.start()
    assert entered.wait(10)
    with WorkFolder(tmp_path).alone(patience=30):
        assert not other.is_alive() or other.join(10) is None
    other.join()


def test_no_worker_works_in_a_folder_that_is_gone(tmp_path):
    with pytest.raises(OutputRefused, match="removed while a run worked in it"), WorkFolder(tmp_path / "gone").alone():
        pass
