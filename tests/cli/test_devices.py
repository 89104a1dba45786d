"""Outputs named /dev/stdout, /dev/null and the like, as root: the node is never replaced by a file.

Root may replace a node of /dev, so the commands run in a mount namespace with a /dev of its own.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from itertools import chain
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pytest

from tests.scoring.files import write

ROOT = Path(__file__).parents[2]
DEVICES = """
set -e
mount -t tmpfs none /dev
mkdir /dev/shm
mknod /dev/null c 1 3; mknod /dev/zero c 1 5; mknod /dev/urandom c 1 9
mkfifo /dev/fifo
ln -s /proc/self/fd /dev/fd
ln -s fd/0 /dev/stdin; ln -s fd/1 /dev/stdout; ln -s fd/2 /dev/stderr
ln -s stdout /dev/again
"""
STATE = "find /dev -printf '%p %y %l %i\\n' | sort"
# Commands that are to be refused, one after the other in one process, which has imported everything once.
REFUSED = """
import json, sys
from scorer.cli.main import main
from scorer.errors import ScorerError
codes = []
for arguments in json.loads(sys.argv[1]):
    try:
        main(arguments, standalone_mode=False)
        codes.append(0)
    except ScorerError as error:
        codes.append(error.exit_code)
print(json.dumps(codes), file=sys.stderr)
"""


def in_namespace(script: str, *arguments: str, **options: Any) -> subprocess.CompletedProcess[bytes]:
    """Run the shell's `script` in a mount namespace whose /dev is a fresh tmpfs; 99 when that is changed afterwards."""
    whole = f"{DEVICES}\nbefore=$({STATE})\nset +e\n({script})\ncode=$?\n"
    whole += f'[ "$before" = "$({STATE})" ] || exit 99\nexit $code\n'
    command = ["unshare", "-m", "bash", "-c", whole, "bash", sys.executable, *arguments]
    return subprocess.run(command, cwd=ROOT, timeout=120, check=False, stderr=subprocess.PIPE, **options)


@pytest.fixture(autouse=True, scope="module")
def namespaces() -> None:
    """Skip where no namespace can be made, or no node in it."""
    if not shutil.which("unshare") or (made := in_namespace("true")).returncode:
        pytest.skip(f"no mount namespace with a /dev of its own here ({made.stderr.decode()[:100].strip()})")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return write(tmp_path / "in.csv", pa.table({"text": ["good room", "bad soup"], "label": [1, 2]}))


def test_47_what_leads_to_stdout_is_stdout(tmp_path, tiny_model, source):
    (tmp_path / "link").symlink_to("/dev/again")
    told = tmp_path / "told.csv"
    with told.open("wb") as stream:
        options = ["--output-format", "csv", "-m", str(tiny_model("bert")), "--text-column", "text"]
        ran = in_namespace(
            '"$@"', "-m", "scorer", "score", str(source), str(tmp_path / "link"), *options, stdout=stream
        )
    assert ran.returncode == 0, ran.stderr
    # Of the summary nothing is among the rows.
    assert pa.csv.read_csv(told).column_names == ["text", "label", "score", "confidence", "score_status"]


def test_47_stderr_is_a_stream_too(tiny_model, source):
    options = ["--output-format", "csv", "-m", str(tiny_model("bert")), "--text-column", "text", "--quiet"]
    ran = in_namespace('"$@"', "-m", "scorer", "score", str(source), "/dev/stderr", *options)
    assert ran.returncode == 0
    assert ran.stderr.startswith(b"text,label,score,confidence,score_status\n")


@pytest.fixture
def commands(tmp_path, tiny_model, source) -> tuple[list[list[str]], list[list[str]]]:
    """Every command up to the name of a file that it is to write, and up to that of a folder."""
    model, data = str(tiny_model("bert")), str(source)
    score = ["score", data, str(tmp_path / "out.csv"), "-m", model, "--text-column", "text"]
    evaluate = ["evaluate", data, "-m", model, "--text-column", "text", "--force"]
    files = [
        *([*score, option] for option in ("--report", "--textfile", "--rejects")),
        ["check", data, "--base-model", model, "--report"],
        *([*evaluate, option] for option in ("--report", "--rows")),
        ["diff", model, model, data, "--text-column", "text", "--force", "--rows"],
    ]
    fit = ["fit", data, "--base-model", model]
    return files, [[*fit, "-o"], [*fit, "--force", "-o"], [*score, "--cache"]]


def refusals(commands: list[list[str]]) -> list[int]:
    ran = in_namespace('"$@"', "-c", REFUSED, json.dumps(commands))
    assert ran.returncode == 0, ran.stderr
    codes: list[int] = json.loads(ran.stderr.splitlines()[-1])
    return codes


def test_47_every_other_device_is_refused_by_every_command(tmp_path, tiny_model, source, commands):
    (tmp_path / "link.csv").symlink_to("/dev/null")
    devices = ["/dev/null", "/dev/zero", "/dev/fifo", str(tmp_path / "link.csv")]
    streams = ["/dev/stdout", "/dev/again", "/proc/self/fd/2"]
    score = ["score", str(source), "-m", str(tiny_model("bert")), "--force", "--output-format", "csv"]
    asked = [[*command, device] for command in (*chain(*commands), score) for device in devices]
    assert refusals(asked) == [73] * len(asked)
    asked = [[*command, stream] for command in chain(*commands) for stream in streams]
    assert refusals(asked) == [2] * len(asked)
    assert not (tmp_path / "out.csv").exists()


def test_46_no_command_writes_what_it_reads(tmp_path, tiny_model, source, commands):
    model = tiny_model("bert")
    before = {path: path.stat().st_mtime_ns for path in (source, *model.iterdir())}
    (tmp_path / "soft.csv").symlink_to(source)
    (tmp_path / "hard.csv").hardlink_to(source)
    data = [source, tmp_path / "soft.csv", tmp_path / "hard.csv"]
    inside = [model / "rows.csv", model / "model.safetensors", model / "new" / "rows.csv"]
    score = ["score", str(source), "-m", str(model), "--force", "--output-format", "csv"]
    asked = [[*command, str(path)] for command in (*chain(*commands), score) for path in (*data, *inside, model)]
    codes = refusals(asked)
    assert [(*words[:1], *words[-2:]) for words, code in zip(asked, codes, strict=True) if code != 2] == []
    assert {path: path.stat().st_mtime_ns for path in (source, *model.iterdir())} == before
