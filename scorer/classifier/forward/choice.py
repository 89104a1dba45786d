"""Which forward pass: what `--backend` means for a model on a device.

Owns the choice and its reason. Does not know texts or batches.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from scorer.classifier.device import DTYPES
from scorer.classifier.forward import Forward
from scorer.classifier.forward.bert_family import BertFamily
from scorer.classifier.forward.packed import PackedForward
from scorer.classifier.forward.padded import PaddedForward
from scorer.classifier.loading import LoadedModel
from scorer.config import Backend
from scorer.errors import UsageError


@dataclass(frozen=True)
class Choice:
    """A forward pass, and why it is this one."""

    forward: Forward
    reason: str


def choose_forward(loaded: LoadedModel, backend: Backend, *, device: torch.device, precision: str) -> Choice:
    """The forward pass `backend` of `loaded`; UsageError when it cannot compute this model.

    `auto` takes the packed pass for every model of the BERT family, which computes the same with less work.
    """
    dtype = DTYPES[precision]
    family = BertFamily.of(loaded.model) if backend != "padded" else None
    if family is not None:
        reason = "asked for" if backend == "packed" else f"{loaded.model.config.model_type} needs no padding"
        return Choice(PackedForward(family, device=device, dtype=dtype), reason)
    kind = loaded.model.config.model_type
    if backend == "packed":
        raise UsageError(f"--backend packed: does not compute {kind} models like {loaded.directory.name}; say auto")
    reason = "asked for" if backend == "padded" else f"no other forward pass computes {kind} models"
    return Choice(PaddedForward(loaded.model, device=device, dtype=dtype, pad_id=loaded.pad_id), reason)
