"""What this machine can compute with: of processors and GPUs that are not here, files and stand-ins tell."""

from __future__ import annotations

import pytest
import torch

from scorer.classifier import abilities, device
from scorer.classifier.execution import Machine


@pytest.mark.parametrize(
    ("flags", "bf16", "amx"), [("avx2", False, False), ("avx512_bf16", True, False), ("amx_tile amx_bf16", True, True)]
)
def test_what_a_processor_says(tmp_path, flags, bf16, amx):
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/cpuinfo").write_text(f"model name : Some CPU\nflags : fpu {flags}\n\nmodel name : another\n")
    machine = Machine(tmp_path)
    assert (machine.name, machine.has_bf16, machine.has_amx) == ("Some CPU", bf16, amx)
    assert Machine(tmp_path / "none").has_amx is None


def test_threads_that_leave_cores_idle_are_told(monkeypatch):
    monkeypatch.setattr("scorer.classifier.workers.usable_cores", lambda: 4.0)
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    (found,) = abilities.look_at_processor()
    assert (found.state, found.advice) == ("note", ("unset OMP_NUM_THREADS, or set it to 4: it leaves cores idle",))
    monkeypatch.setenv("OMP_NUM_THREADS", "4")
    assert abilities.look_at_processor()[0].state == "ok"


@pytest.fixture
def gpu(monkeypatch):
    """A GPU with 16 GiB of which 10 are free, of compute capability 6.1, as torch tells it."""
    for name, answer in {
        "is_available": True,
        "device_count": 1,
        "current_device": 0,
        "get_device_capability": (6, 1),
        "get_device_name": "Some GPU",
        "mem_get_info": (10 << 30, 16 << 30),
        "get_arch_list": ["sm_60", "sm_61"],
    }.items():
        monkeypatch.setattr(torch.cuda, name, lambda *_, answer=answer: answer)


@pytest.mark.usefixtures("gpu")
def test_a_gpu_is_told_with_its_memory():
    _, found = abilities.look_at_device("auto")
    assert found.state == "ok"
    assert found.said.startswith("cuda:0 (Some GPU, 10.0 of 16.0 GiB free, capability 6.1, kernels for it), fp16")
    assert (found.details["device"], found.details["precision"]) == ("cuda:0", "fp16")


@pytest.mark.usefixtures("gpu")
def test_a_gpu_without_kernels_is_advised_on(monkeypatch):
    monkeypatch.setattr(torch.cuda, "get_arch_list", lambda: ["sm_90"])
    _, found = abilities.look_at_device("auto")
    assert (found.state, found.details["device"]) == ("note", "cpu")
    assert "has no kernels" in found.advice[0]
    assert "pip install 'torch<2.15'" in found.advice[0]


def test_a_backend_that_cannot_says_why(tmp_path):
    (tmp_path / "config.json").write_text('{"model_type": "gpt2", "id2label": {"0": "a", "1": "b"}}')
    found = {condition.part: condition for condition in abilities.look_at_backends("cpu", tmp_path)}
    assert found["backend packed"].details["usable"] is False
    assert found["backend packed"].said.startswith("no: ")
    assert (found["backend padded"].details["usable"], found["backend padded"].details["auto"]) == (True, True)


@pytest.mark.parametrize("offline", [True, False])
def test_no_base_model_is_advised_on_where_it_cannot_be_fetched(monkeypatch, offline):
    monkeypatch.setattr("scorer.classifier.base_model.bundled_directory", lambda: None)
    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", lambda *_: None)
    (found,) = abilities.look_at_base_model(offline=offline)
    assert (found.state, found.details["from"]) == ("note" if offline else "ok", "hub")
    assert found.advice == (("to fit: pip install 'scorer[bundled]'",) if offline else ())


@pytest.mark.gpu
def test_this_gpu():
    _, found = abilities.look_at_device("cuda")
    assert found.state == "ok"
    assert torch.cuda.get_device_name() in found.said
    assert device.gpu_count() >= 1
