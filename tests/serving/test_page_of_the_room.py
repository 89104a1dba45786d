"""The commands of the room's README, run as they stand but for the port."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.serving.served import Served

PAGE = (Path(__file__).parents[2] / "scorer" / "serving" / "README.md").read_text(encoding="utf-8")


def test_the_examples_are_answered(tiny_model):
    if shutil.which("curl") is None:
        pytest.skip("no curl")
    [block] = re.findall(r"^```sh\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    commands = block.splitlines()
    assert len(commands) >= 4
    with Served(f"latest={tiny_model('bert')}") as served:
        for command in commands:
            assert command.startswith("curl -s localhost:8080/")
            own = command.replace("localhost:8080", f"127.0.0.1:{served.port}")
            done = subprocess.run(["bash", "-c", own], capture_output=True, check=True, timeout=60)
            assert "error" not in json.loads(done.stdout), command
        totals = served.get("/metrics").body.decode()
    assert 'status="ok"' in totals
