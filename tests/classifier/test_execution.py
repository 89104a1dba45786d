"""What a machine's files tell of it, without torch."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from scorer.classifier.execution import Machine


def test_it_does_not_import_torch():
    code = "import sys; from scorer.classifier.execution import Machine as M; M().has_bf16; M().identity; "
    code += "sys.exit(bool({'torch', 'numpy', 'pyarrow'} & sys.modules.keys()))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("processor\t: 0\nflags\t\t: fpu avx2 avx512f avx512_bf16\n", True),
        ("flags : fpu amx_bf16 amx_tile\n", True),
        ("flags : fpu avx2 avx512f\nbugs : none\n", False),
        ("Features : fp asimd bf16\n", False),
        ("no such line\n", None),
        (None, None),
    ],
)
def test_half_precision_is_for_processors_that_have_it(tmp_path, text, expected):
    if text is not None:
        (tmp_path / "proc").mkdir()
        (tmp_path / "proc" / "cpuinfo").write_text(text, encoding="utf-8")
    assert Machine(tmp_path).has_bf16 is expected


def test_a_processor_a_driver_or_a_device_more_is_another_machine(tmp_path):
    seen = [Machine(tmp_path).identity]
    (tmp_path / "proc" / "driver" / "nvidia" / "gpus" / "0000:01:00.0").mkdir(parents=True)
    seen.append(Machine(tmp_path).identity)
    (tmp_path / "proc" / "driver" / "nvidia" / "version").write_text("580.1")
    seen.append(Machine(tmp_path).identity)
    (tmp_path / "proc" / "cpuinfo").write_text("model name : X\nflags : avx2\n\nmodel name : Y\n")
    seen.append(Machine(tmp_path).identity)
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev" / "dxg").touch()
    seen.append(Machine(tmp_path).identity)
    assert len({json.dumps(identity) for identity in seen}) == 5
    assert Machine(tmp_path).identity == seen[-1]
