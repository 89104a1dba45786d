"""How many steps a training has and how its learning rate goes, as a configuration says it; what is wrong with that.

Nothing here needs torch, so that a mistake is answered at once.
"""

from __future__ import annotations

import math
from typing import Protocol

from scorer.errors import UsageError

# Where transformers lets a polynomial end; it must begin above that.
_POLYNOMIAL_ENDS = 1e-7


class Schedule(Protocol):
    """What a configuration says of any training; `peak_learning_rate` is that after the warm-up."""

    @property
    def batch_size(self) -> int: ...
    @property
    def gradient_accumulation(self) -> int: ...
    @property
    def epochs(self) -> float: ...
    @property
    def max_steps(self) -> int | None: ...
    @property
    def peak_learning_rate(self) -> float: ...
    @property
    def weight_decay(self) -> float: ...
    @property
    def warmup(self) -> float: ...
    @property
    def schedule(self) -> str: ...
    @property
    def max_grad_norm(self) -> float: ...
    @property
    def eval_steps(self) -> int | None: ...
    @property
    def seed(self) -> int: ...


def total_steps(config: Schedule, rows: int) -> int:
    """Optimizer steps of a whole training on `rows` training rows."""
    if config.max_steps is not None:
        return config.max_steps
    batches = math.ceil(rows / config.batch_size)
    return math.ceil(config.epochs * math.ceil(batches / config.gradient_accumulation))


def refuse_schedule(config: Schedule) -> None:
    """UsageError for what is wrong whatever the rows are."""
    if config.max_steps is None and config.epochs <= 0:
        raise UsageError(f"--epochs {config.epochs}: more than 0 are needed")
    if config.max_steps is not None and _warms_up_for(config.max_steps, config):
        raise UsageError(f"--warmup {config.warmup:g}: all of --max-steps {config.max_steps}; {_FEWER}")
    if config.schedule == "polynomial" and config.peak_learning_rate <= _POLYNOMIAL_ENDS:
        raise UsageError(
            f"--schedule polynomial: ends at {_POLYNOMIAL_ENDS:g}, so --learning-rate {config.peak_learning_rate:g} "
            "must be more; or try linear"
        )


def warmup_doubt(config: Schedule, steps: int) -> str | None:
    """What to say where the warm-up is a number of steps that is not below that of all `steps`; else None."""
    if not _warms_up_for(steps, config):
        return None
    return f"--warmup {config.warmup:g}: there are {steps} steps, of which the last has the full rate; {_FEWER}"


_FEWER = "say fewer, or a share of the steps such as 0.1"


def _warms_up_for(steps: int, config: Schedule) -> bool:
    return config.warmup >= 1 and int(config.warmup) >= steps
