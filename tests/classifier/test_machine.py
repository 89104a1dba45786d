"""What is said of a machine without torch is what torch says, and nothing is said where it is not certain."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from scorer.classifier.device import choose_device, choose_precision
from scorer.classifier.machine import Machine

WITHOUT_CUDA = "__version__ = '2.13.0+cpu'\ncuda: Optional[str] = None\nhip: Optional[str] = None\n"
WITH_CUDA = "__version__ = '2.13.0+cu130'\ncuda: Optional[str] = '13.0'\nhip: Optional[str] = None\n"
WITH_ROCM = "__version__ = '2.13.0+rocm'\ncuda: Optional[str] = None\nhip: Optional[str] = '7.1'\n"
OLD = "__version__ = '2.0.1'\ncuda = '11.7'\n"


def machine(tmp_path: Path, version: str | None = WITH_CUDA, *devices: str, **environment: str) -> Machine:
    """A machine with these files below /dev."""
    (tmp_path / "dev").mkdir()
    for name in ("null", "tty", *devices):
        (tmp_path / "dev" / name).touch()
    if version is not None:
        (tmp_path / "version.py").write_text(version, encoding="utf-8")
    return Machine(tmp_path, tmp_path / "version.py", environment)


def test_it_agrees_with_torch():
    here = Machine.here()
    torch_says = choose_device("auto").device
    assert here.device("auto") in (None, torch_says.type)
    assert here.device("cpu") == "cpu"
    cpu = choose_device("cpu").device
    for precision in ("auto", "fp32", "bf16", "fp16"):
        assert here.precision(precision, device="cpu") in (None, choose_precision(precision, cpu))
    assert not here.has_no_gpu or torch_says.type == "cpu"


@pytest.mark.skipif(not Path("/proc/cpuinfo").exists(), reason="the system does not say what the processor can")
def test_it_is_certain_of_the_processor():
    assert Machine.here().precision("auto", device="cpu") == choose_precision("auto", choose_device("cpu").device)


def test_it_does_not_import_torch():
    code = "import sys; from scorer.classifier.machine import Machine as M; M.here().precision('auto', device='cpu'); "
    code += "M.here().device('auto'); sys.exit(bool({'torch', 'numpy', 'pyarrow'} & sys.modules.keys()))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    ("version", "devices", "environment"),
    [
        (WITHOUT_CUDA, ("nvidia0",), {}),
        (WITH_CUDA, (), {}),
        (OLD, (), {}),
        (WITH_CUDA, ("nvidia0",), {"CUDA_VISIBLE_DEVICES": ""}),
        (WITH_CUDA, ("nvidia0",), {"CUDA_VISIBLE_DEVICES": "-1"}),
    ],
)
def test_a_machine_without_a_gpu(tmp_path, version, devices, environment):
    assert machine(tmp_path, version, *devices, **environment).device("auto") == "cpu"


@pytest.mark.parametrize(
    ("version", "devices"),
    [
        (WITH_CUDA, ("nvidia0", "nvidiactl")),
        (OLD, ("nvidiactl",)),
        (WITH_CUDA, ("dxg",)),
        (WITH_CUDA, ("nvhost-gpu",)),
        (WITH_ROCM, ()),
        (None, ()),
        ("cuda = something()", ("nvidia0",)),
        ("cuda = ", ()),
        ("", ()),
    ],
)
def test_where_it_is_not_certain_torch_is_asked(tmp_path, version, devices):
    assert machine(tmp_path, version, *devices).device("auto") is None
    assert not Machine(tmp_path, None).has_no_gpu


@pytest.mark.parametrize("name", ["cuda", "cuda:1", "gpu", "mps", ""])
def test_whether_a_device_is_there_torch_says(tmp_path, name):
    assert machine(tmp_path).device(name) is None


@pytest.mark.parametrize(
    ("text", "precision"),
    [
        ("processor\t: 0\nflags\t\t: fpu avx2 avx512f avx512_bf16\n", "bf16"),
        ("flags : fpu amx_bf16 amx_tile\n", "bf16"),
        ("flags : fpu avx2 avx512f\nbugs : none\n", "fp32"),
        ("Features : fp asimd bf16\n", "fp32"),
        ("no such line\n", None),
        (None, None),
    ],
)
def test_half_precision_is_for_processors_that_have_it(tmp_path, text, precision):
    if text is not None:
        (tmp_path / "proc").mkdir()
        (tmp_path / "proc" / "cpuinfo").write_text(text, encoding="utf-8")
    assert Machine(tmp_path).precision("auto", device="cpu") == precision
    assert Machine(tmp_path).precision("auto", device="cuda:1") is None
    assert Machine(tmp_path).precision("bf16", device="cpu") == "bf16"
