"""Streams of real processes: who waits for whom, and what happens where one end is gone."""

from __future__ import annotations

import os
import pty
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from tests.torture.disks import small_disk

ROOT = Path(__file__).parents[2]
SECONDS = 120
Started = Callable[..., "subprocess.Popen[bytes]"]


@pytest.fixture
def start(tiny_model: Any, tmp_path: Path, forked: list[str]) -> Iterator[Started]:
    """`start(*arguments, **popen)`: a score command with pipes on both sides, which is killed in the end."""
    started: list[subprocess.Popen[bytes]] = []

    def run(source: str = "-", target: str = "-", *arguments: str, **popen: Any) -> subprocess.Popen[bytes]:
        command = ["score", source, target, "-m", str(tiny_model("bert")), "--flush-seconds", "0.1", *arguments]
        env = {"PYTHONPATH": str(ROOT), **os.environ} | popen.pop("env", {})
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | popen
        process = subprocess.Popen([*forked, *command], cwd=tmp_path, env=env, **pipes)
        started.append(process)
        return process

    yield run
    for process in started:
        process.kill()
        process.communicate()


def send(process: subprocess.Popen[bytes], data: bytes) -> None:
    assert process.stdin is not None
    process.stdin.write(data)
    process.stdin.flush()


def answer(process: subprocess.Popen[bytes], lines: int) -> list[bytes]:
    """The next `lines` lines of output, as they come."""
    assert process.stdout is not None
    handle, data = process.stdout.fileno(), b""
    while data.count(b"\n") < lines:
        ready, _, _ = select.select([handle], [], [], SECONDS)
        assert ready, f"only {data!r} within {SECONDS} s"
        part = os.read(handle, 1 << 16)
        assert part, f"ended after {data!r}"
        data += part
    return data.splitlines()


def test_a_row_is_answered_before_the_next_is_written_and_a_broken_one_ends_it(start):
    process = start()
    send(process, b"id,text\n1,good room\n")
    assert answer(process, 2)[1].startswith(b"1,good room,")
    for number in range(2, 5):
        send(process, b"%d,bad soup\n" % number)
        (line,) = answer(process, 1)
        assert line.startswith(b"%d,bad soup," % number)
    send(process, b"5,good\n6\n")
    out, error = process.communicate(timeout=SECONDS)
    assert (process.returncode, out.count(b"\n")) == (65, 1)
    assert error == b"scorer: error: standard input: record 6 (line 7): 1 field instead of 2\n"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_a_run_whose_producer_waits(start, number):
    process = start()
    send(process, b'{"text": "good room"}\n')
    answer(process, 1)
    process.send_signal(number)
    assert process.wait(timeout=SECONDS) == 128 + number


def test_a_reader_that_has_gone_ends_the_run(start):
    process = start()
    send(process, b"text\ngood room\n")
    answer(process, 2)
    process.stdout.close()
    send(process, b"bad soup\n")
    assert process.wait(timeout=SECONDS) == 141
    assert process.stderr.read() == b""


def test_a_closed_standard_input_is_empty(start):
    process = start(stdin=None, preexec_fn=lambda: os.close(0))
    _, error = process.communicate(timeout=SECONDS)
    assert (process.returncode, error) == (65, b"scorer: error: standard input: empty\n")


def test_fifos_and_what_shells_make_of_commands(tmp_path, tiny_model):
    script = f"""
        scorer() {{ {sys.executable} -m scorer "$@" -m {tiny_model("bert")}; }}
        scorer score <(printf 'id,text\\n1,good room\\n') - | tail -n 1
        printf 'id,text\\n2,good room\\n' | scorer score /dev/stdin - | tail -n 1
        mkfifo pipe.jsonl; printf '{{"text": "good"}}\\n' > pipe.jsonl & scorer score pipe.jsonl -
    """
    ran = subprocess.run(
        ["bash", "-c", script],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert ran.stderr == ""
    first, second, third = ran.stdout.splitlines()
    assert (first[:12], second[:12]) == ("1,good room,", "2,good room,")
    assert third.startswith('{"text": "good","score":')


def test_binary_rows_are_not_shown_on_a_terminal(start, tmp_path):
    (tmp_path / "in.arrow").write_bytes(b"")
    with pa.OSFile(str(tmp_path / "in.arrow"), "wb") as out, pa.ipc.new_file(out, pa.schema([("text", "string")])):
        pass
    master, slave = pty.openpty()
    process = start("in.arrow", stdout=slave)
    os.close(slave)
    _, error = process.communicate(timeout=SECONDS)
    os.close(master)
    assert process.returncode == 2
    assert b"-: a terminal, and arrow is no text; say --output-format csv, or name a file" in error


def test_a_full_disk_for_a_copy_is_named(start, tmp_path):
    with small_disk(tmp_path / "small", 64) as folder:
        process = start("-", "out.parquet", env={"TMPDIR": str(folder)})
        out, error = process.communicate(b"text\n" + b"good room\n" * 50_000, timeout=SECONDS)
        assert not list(folder.iterdir())
    assert (process.returncode, out) == (74, b"")
    assert error.decode() == (
        f"scorer: error: {folder}: No space left on device; a copy of standard input is needed there: free some space, "
        "or name another folder (TMPDIR=/some/folder)\n"
    )


PEAK = """
import runpy, sys
from pathlib import Path
try:
    runpy.run_module("scorer", run_name="__main__", alter_sys=True)
finally:
    lines = Path("/proc/self/status").read_text().splitlines()
    print(next(line.split()[1] for line in lines if line.startswith("VmHWM")), file=sys.stderr)
"""


@pytest.mark.slow
@pytest.mark.parametrize("format", ["csv", "jsonl"])
def test_memory_is_one_window_however_long_the_stream_is(tiny_model, format):
    def peak(rows: int) -> float:
        """MiB."""
        begin, line = (b"text\n", b"good room %d\n") if format == "csv" else (b"", b'{"text": "good room %d"}\n')
        data = begin + b"".join(line % (number % 100) for number in range(rows))
        options = ["--window-rows", "4096", "--flush-seconds", "9", "-m", str(tiny_model("bert"))]
        ran = subprocess.run(
            [sys.executable, "-c", PEAK, "score", "-", "-", *options],
            input=data,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            timeout=600,
            check=True,
        )
        return int(ran.stderr.split()[-1]) / 1024

    assert peak(300_000) - peak(50_000) < 32


def test_the_header_is_out_before_any_row(start):
    process = start("-", "-", "--output-format", "csv")
    begun = time.monotonic()
    send(process, b"id,text\n")
    assert answer(process, 1) == [b"id,text,score,confidence,score_status"]
    assert time.monotonic() - begun < SECONDS
