"""Outputs named /dev/stdout, /dev/null and the like, as root: the node is never replaced by a file.

Root may replace a node of /dev, so the commands run in a mount namespace with a /dev of its own.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
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


def test_47_every_other_device_is_refused_by_every_command(tmp_path, tiny_model, source):
    model, data, out = str(tiny_model("bert")), str(source), str(tmp_path / "out.csv")
    (tmp_path / "link.csv").symlink_to("/dev/null")
    devices = ["/dev/null", "/dev/zero", "/dev/fifo", str(tmp_path / "link.csv")]
    streams = ["/dev/stdout", "/dev/again", "/proc/self/fd/2"]
    score = ["score", data, out, "-m", model, "--text-column", "text"]
    files = [
        *([*score, option] for option in ("--report", "--textfile", "--rejects")),
        ["check", data, "--report"],
        ["evaluate", data, "-m", model, "--text-column", "text", "--report"],
        ["evaluate", data, "-m", model, "--text-column", "text", "--force", "--rows"],
        ["diff", model, model, data, "--text-column", "text", "--force", "--rows"],
    ]
    folders = [["fit", data, "-o"], ["fit", data, "--force", "-o"], [*score, "--cache"]]
    asked = {(*command, device): 73 for command in (*files, *folders) for device in devices}
    asked |= {("score", data, device, "--force", "--output-format", "csv", "-m", model): 73 for device in devices}
    asked |= {(*command, stream): 2 for command in (*files, *folders) for stream in streams}
    ran = in_namespace('"$@"', "-c", REFUSED, json.dumps([list(arguments) for arguments in asked]))
    assert ran.returncode == 0, ran.stderr
    found = json.loads(ran.stderr.splitlines()[-1])
    assert dict(zip(asked, found, strict=True)) == asked
    assert not Path(out).exists()
