"""CUDA devices that are not there: what torch says of them, for decisions that need no computation."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch

# Those of torch 2.11 for CUDA 13.0.
CUDA_13 = ("sm_75", "sm_80", "sm_86", "sm_90", "sm_100", "sm_120", "compute_120")


def pretend(
    patch: pytest.MonkeyPatch,
    *capabilities: tuple[int, int],
    built_for: Sequence[str] = CUDA_13,
    current: int = 0,
) -> None:
    """Let torch see a CUDA device of each of the `capabilities`, and say that it is `built_for` these architectures."""

    def index(device: object) -> int:
        found = torch.device(device).index  # type: ignore[arg-type]
        assert found is not None, f"{device} has no index: it depends on the thread which one is meant"
        return found

    patch.setattr(torch.cuda, "is_available", lambda: bool(capabilities))
    patch.setattr(torch.cuda, "device_count", lambda: len(capabilities))
    patch.setattr(torch.cuda, "current_device", lambda: current)
    patch.setattr(torch.cuda, "get_device_capability", lambda device: capabilities[index(device)])
    patch.setattr(torch.cuda, "get_device_name", lambda device: f"card {index(device)}")
    patch.setattr(torch.cuda, "get_arch_list", lambda: list(built_for))
