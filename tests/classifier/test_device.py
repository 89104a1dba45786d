"""The choice of device and arithmetic, on whatever machine the tests run."""

from __future__ import annotations

import pytest
import torch

from scorer.classifier.device import choose_device, choose_precision
from scorer.errors import DeviceError, UsageError


@pytest.mark.parametrize("name", ["", "gpu", "cuda:", "cuda:x", "CPU", "cpu:1", "mps"])
def test_an_unknown_device_is_a_usage_error(name):
    with pytest.raises(UsageError, match="expected auto, cpu, cuda or cuda:N"):
        choose_device(name)


def test_the_cpu_is_always_there():
    assert choose_device("cpu") == torch.device("cpu")
    assert choose_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")


def test_a_device_that_is_not_there():
    with pytest.raises(DeviceError, match="--device cuda:99: this machine has"):
        choose_device("cuda:99")


def test_precision_is_what_was_asked_for_or_half_on_a_gpu():
    cpu, gpu = torch.device("cpu"), torch.device("cuda")
    for precision in ("fp32", "bf16", "fp16"):
        assert choose_precision(precision, cpu) == choose_precision(precision, gpu) == precision
    assert choose_precision("auto", gpu) == "fp16"
    assert choose_precision("auto", cpu) in ("fp32", "bf16")
