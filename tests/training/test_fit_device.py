"""The device of a fit on machines that have CUDA devices, as far as it is decided before anything is computed there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import TrainingArguments

from scorer.config import FitConfig
from scorer.errors import ConfigError, UsageError
from scorer.stores.folder import Folder
from scorer.training.arguments import device_and_precision, settle_device, training_arguments
from tests.classifier.cards import pretend
from tests.training.fits import Remembering

PASCAL, TURING, AMPERE, HOPPER = (6, 1), (7, 5), (8, 0), (9, 0)


def config(**options: Any) -> FitConfig:
    return FitConfig(train=Path("train.csv"), **options)


@pytest.mark.usefixtures("_planned_kernels")
def test_attention_in_training_needs_no_plans_either(monkeypatch: pytest.MonkeyPatch) -> None:
    settle_device(config(device="cpu"), Remembering())
    assert torch.backends.cuda.cudnn_sdp_enabled()
    pretend(monkeypatch, HOPPER)
    settle_device(config(), Remembering())
    assert not torch.backends.cuda.cudnn_sdp_enabled()


def test_a_card_without_kernels_is_told_and_the_cpu_used(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch, PASCAL)
    console = Remembering()
    device, _ = settle_device(config(), console)
    assert console.having("has no kernels")
    assert device == torch.device("cpu")


@pytest.mark.parametrize(("capability", "precision"), [(TURING, "fp16"), (AMPERE, "bf16"), (HOPPER, "bf16")])
@pytest.mark.parametrize("device", ["auto", "cuda", "cuda:0"])
def test_a_fit_is_on_the_first_gpu_whatever_the_current_one_is(
    monkeypatch: pytest.MonkeyPatch, device: str, capability: tuple[int, int], precision: str
) -> None:
    pretend(monkeypatch, capability, TURING, current=1)
    chosen, found = device_and_precision(config(device=device))
    assert (chosen.device, found) == (torch.device("cuda", 0), precision)


def test_what_a_fit_cannot_do(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="training in fp16 needs a GPU"):
        device_and_precision(config(device="cpu", precision="fp16"))
    pretend(monkeypatch, HOPPER, HOPPER)
    with pytest.raises(UsageError, match="--device cuda:1: a fit uses the first visible GPU"):
        device_and_precision(config(device="cuda:1"))


def test_a_batch_is_not_split_over_all_gpus(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    arguments = training_arguments(
        config(batch_size=16), checkpoints=Folder(tmp_path), device=torch.device("cpu"), precision="fp32"
    )
    monkeypatch.setattr(TrainingArguments, "n_gpu", 4)
    assert arguments.n_gpu == 1
    assert arguments.train_batch_size == 16
