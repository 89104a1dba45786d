"""The device: its choice and arithmetic, here and where there are CUDA devices; its kernels; arrays on their way."""

from __future__ import annotations

import os

import numpy as np
import pytest
import torch

from scorer.classifier.device import (
    ChosenDevice,
    bound_kernel_caches,
    choose_device,
    choose_precision,
    to_device,
    use_kernels_without_plans,
)
from scorer.errors import DeviceError, UsageError
from tests.classifier.cards import CUDA_13, pretend

CPU = torch.device("cpu")
PASCAL, VOLTA, TURING, AMPERE, ADA, HOPPER, BLACKWELL = (6, 1), (7, 0), (7, 5), (8, 0), (8, 9), (9, 0), (12, 0)


@pytest.mark.parametrize("name", ["", "gpu", "cuda:", "cuda:x", "CPU", "cpu:1", "mps"])
def test_an_unknown_device_is_a_usage_error(name):
    with pytest.raises(UsageError, match="expected auto, cpu, cuda or cuda:N"):
        choose_device(name)


def test_the_cpu_is_always_there(monkeypatch):
    assert choose_device("cpu") == ChosenDevice(CPU)
    pretend(monkeypatch)
    assert choose_device("auto") == ChosenDevice(CPU)


@pytest.mark.parametrize("capabilities", [(), (HOPPER,)])
def test_a_device_that_is_not_there(monkeypatch, capabilities):
    pretend(monkeypatch, *capabilities)
    with pytest.raises(DeviceError, match=f"--device cuda:99: this machine has {len(capabilities)} CUDA devices"):
        choose_device("cuda:99")
    if not capabilities:
        with pytest.raises(DeviceError, match="--device cuda: this machine has 0 CUDA devices"):
            choose_device("cuda")


@pytest.mark.parametrize("name", ["auto", "cuda"])
def test_a_cuda_device_without_a_number_is_the_current_one_for_good(monkeypatch, name):
    pretend(monkeypatch, HOPPER, HOPPER, current=1)
    assert choose_device(name) == ChosenDevice(torch.device("cuda", 1))
    assert choose_device(name, index=0) == ChosenDevice(torch.device("cuda", 0))
    assert choose_device("cuda:0") == ChosenDevice(torch.device("cuda", 0))


@pytest.mark.parametrize(
    ("capability", "built_for", "there"),
    [
        (PASCAL, CUDA_13, False),
        (VOLTA, CUDA_13, False),
        (TURING, CUDA_13, True),
        (AMPERE, CUDA_13, True),
        (ADA, CUDA_13, True),  # by sm_86
        (HOPPER, CUDA_13, True),
        (BLACKWELL, CUDA_13, True),
        ((12, 1), CUDA_13, True),
        ((13, 0), CUDA_13, True),  # by compute_120
        (PASCAL, ("sm_50", "sm_60", "sm_70"), True),
        (ADA, ("sm_80", "sm_90"), True),
        ((8, 0), ("sm_86",), False),
        (BLACKWELL, ("sm_80", "sm_90"), False),
        (BLACKWELL, ("sm_90", "compute_90"), True),
        (HOPPER, ("sm_90a",), True),
        (BLACKWELL, ("sm_90a",), False),
        ((10, 3), ("sm_100a",), False),
        ((10, 3), ("sm_100f",), True),
        (HOPPER, (), True),  # it does not say
        (HOPPER, ("gfx90a", "gfx942"), True),
    ],
)
def test_a_card_that_this_torch_has_no_kernels_for(monkeypatch, capability, built_for, there):
    pretend(monkeypatch, capability, built_for=built_for)
    device = torch.device("cuda", 0)
    if there:
        assert choose_device("auto") == choose_device("cuda") == choose_device("cuda:0") == ChosenDevice(device)
        return
    chosen = choose_device("auto")
    assert chosen.device == CPU
    assert "card 0 has compute capability {}.{}".format(*capability) in chosen.concern
    assert chosen.concern.endswith("; the CPU is used instead")
    for name in ("cuda", "cuda:0"):
        with pytest.raises(DeviceError, match=rf"--device {name}: card 0 has .*; or try --device cpu"):
            choose_device(name)


@pytest.mark.parametrize(
    ("capability", "built_for", "remedy"),
    [
        ((3, 7), CUDA_13, "no current torch has any"),
        (PASCAL, CUDA_13, "CUDA 12.6 .*whl/cu126"),
        (VOLTA, CUDA_13, "CUDA 12.6 .*whl/cu126"),
        (BLACKWELL, ("sm_80", "sm_90"), "CUDA 12.8 .*whl/cu128"),
        (HOPPER, ("sm_75", "sm_80"), "CUDA 12.8 .*whl/cu128"),
    ],
)
def test_the_wheel_that_has_them_is_named(monkeypatch, capability, built_for, remedy):
    pretend(monkeypatch, capability, built_for=built_for)
    with pytest.raises(DeviceError, match=remedy):
        choose_device("cuda")


def test_precision_is_what_was_asked_for_or_half_on_a_gpu(monkeypatch):
    pretend(monkeypatch, AMPERE)
    gpu = torch.device("cuda", 0)
    for precision in ("fp32", "bf16", "fp16"):
        assert choose_precision(precision, CPU) == choose_precision(precision, gpu, own="bfloat16") == precision
    assert choose_precision("auto", gpu) == choose_precision("auto", gpu, own="float32") == "fp16"
    assert choose_precision("auto", CPU) in ("fp32", "bf16")


@pytest.mark.parametrize(("capability", "expected"), [(TURING, "fp16"), (AMPERE, "bf16"), (HOPPER, "bf16")])
def test_a_model_saved_in_bf16_is_computed_in_bf16_where_the_card_has_it(monkeypatch, capability, expected):
    pretend(monkeypatch, HOPPER, capability)
    assert choose_precision("auto", torch.device("cuda", 1), own="bfloat16") == expected


VARIABLES = ("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "LRU_CACHE_CAPACITY")


@pytest.mark.usefixtures("_planned_kernels")
def test_attention_on_a_gpu_needs_no_plans():
    use_kernels_without_plans(torch.device("cpu"))
    assert torch.backends.cuda.cudnn_sdp_enabled()
    use_kernels_without_plans(torch.device("cuda", 0))
    assert not torch.backends.cuda.cudnn_sdp_enabled()


def test_kernel_caches_are_bounded_unless_somebody_bounded_them(monkeypatch):
    monkeypatch.setenv(VARIABLES[0], "7")
    monkeypatch.delenv(VARIABLES[1], raising=False)
    bound_kernel_caches()
    assert [os.environ[name] for name in VARIABLES] == ["7", "32"]


@pytest.mark.parametrize(
    "array",
    [
        np.arange(12).reshape(3, 4),
        (np.arange(2, 5) < np.array([2, 4])[:, None])[:, None, None, :],
        np.zeros((0, 3), np.int64),
    ],
    ids=["ids", "mask", "nothing"],
)
def test_a_cpu_takes_an_array_as_it_is(array):
    tensor = to_device(array, torch.device("cpu"))
    np.testing.assert_array_equal(tensor.numpy(), array)
    assert tensor.numpy().dtype == array.dtype
    assert array.size == 0 or np.shares_memory(tensor.numpy(), array), "a copy would cost time and gain nothing"
