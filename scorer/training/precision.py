"""Device and arithmetic of a fit, in the Trainer's own terms.

Owns what is particular to training. Does not know the machine: `scorer.classifier.device` looks at that.
"""

from __future__ import annotations

import torch

from scorer.classifier.device import choose_device, choose_precision
from scorer.config import FitConfig
from scorer.errors import ConfigError, UsageError


def choose(config: FitConfig) -> tuple[torch.device, str]:
    """The device of a fit, and `fp32`, or `bf16` or `fp16` for autocast.

    `auto` on a GPU is bf16 where the GPU has it, since it needs no loss scaling, else fp16. Raises ConfigError for fp16
    on a CPU, and UsageError for any but the first GPU.
    """
    device = choose_device(config.device)
    if device.index:
        # The Trainer takes the first GPU that it sees, whatever it is told.
        raise UsageError(
            f"--device {config.device}: a fit uses the first visible GPU; set CUDA_VISIBLE_DEVICES instead"
        )
    if config.precision == "auto" and device.type == "cuda":
        return device, "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp16"
    precision = choose_precision(config.precision, device)
    if precision == "fp16" and device.type == "cpu":
        raise ConfigError("--precision fp16: training in fp16 needs a GPU; try bf16, fp32 or auto")
    return device, precision
