"""Device and arithmetic of a fit, in the Trainer's own terms; `scorer.classifier.device` knows the machine."""

from __future__ import annotations

from scorer.classifier.device import ChosenDevice, choose_device, choose_precision, has_bf16
from scorer.config import FitConfig
from scorer.errors import ConfigError, UsageError


def choose(config: FitConfig) -> tuple[ChosenDevice, str]:
    """The device of a fit, and `fp32`, or `bf16` or `fp16` for autocast.

    `auto` on a GPU is bf16 where the GPU has it, since it needs no loss scaling, else fp16. Raises ConfigError for fp16
    on a CPU, UsageError for any but the first GPU, DeviceError as `choose_device` does.
    """
    # The Trainer takes the first GPU that it sees, whatever it is told.
    chosen = choose_device(config.device, index=0)
    device = chosen.device
    if device.index:
        raise UsageError(
            f"--device {config.device}: a fit uses the first visible GPU; set CUDA_VISIBLE_DEVICES instead"
        )
    if config.precision == "auto" and device.type == "cuda":
        return chosen, "bf16" if has_bf16(device) else "fp16"
    precision = choose_precision(config.precision, device)
    if precision == "fp16" and device.type == "cpu":
        raise ConfigError("--precision fp16: training in fp16 needs a GPU; try bf16, fp32 or auto")
    return chosen, precision
