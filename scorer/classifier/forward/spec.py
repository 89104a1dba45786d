"""What a way of computing declares of itself, so that it can be chosen, planned for and recorded.

A new one is a file `scorer/classifier/forward/NAME.py` with its `SPEC`, and its name in `scorer.config.Backend`, where
the names stand in the order in which `auto` tries them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

from scorer.classifier.batches import Shapes
from scorer.classifier.forward import Forward
from scorer.classifier.loading import LoadedModel
from scorer.classifier.model_config import ModelConfig
from scorer.config import Precision


@dataclass(frozen=True, kw_only=True)
class Work:
    """Where logits are to be computed, in fp32, bf16 or fp16, by `streams` threads that will use the pass at once."""

    device: torch.device
    precision: str
    streams: int


@dataclass(frozen=True, kw_only=True)
class ForwardSpec:
    """A forward pass that can be asked for by its `name`.

    why        why `auto` takes it, with `{kind}` for the architecture; empty for the one that takes what is left
    why_not    from config.json alone, and from this machine: why it cannot compute a model, or None
    yields     why `auto` leaves a model to another one though this one can compute it, or None
    shapes     the batches that give every row the logits that it has alone; None: those of transformers' own forward
    libraries  packages whose version can change a logit
    make       the pass of a loaded model
    precision  the only one that it computes in, which `auto` means where it was asked for; None: there are several
    """

    name: str
    why: str
    why_not: Callable[[ModelConfig, Work], str | None]
    shapes: Shapes | None
    libraries: tuple[str, ...]
    make: Callable[[LoadedModel, Work], Forward]
    yields: Callable[[ModelConfig, Work], str | None] = lambda _config, _work: None
    precision: Precision | None = None
