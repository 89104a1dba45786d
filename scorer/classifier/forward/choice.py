"""Which forward pass: what `--backend` means for a model on a device.

Owns the choice and its reason. Does not know texts or batches.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from scorer.classifier.device import DTYPES
from scorer.classifier.forward import Forward
from scorer.classifier.forward.bert_family import BertFamily
from scorer.classifier.forward.openvino import CONVERTIBLE, OpenVinoForward, is_installed
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


def choose_forward(
    loaded: LoadedModel, backend: Backend, *, device: torch.device, precision: str, streams: int
) -> Choice:
    """The forward pass `backend` of `loaded`; UsageError when it cannot compute this model here.

    `auto` takes the packed pass for the BERT family, which computes the same with less work; for other models on a CPU
    OpenVINO, where it is installed; else the padded pass. `streams` threads will use it at once.
    """
    kind = loaded.model.config.model_type
    if backend in ("auto", "packed"):
        family = BertFamily.of(loaded.model)
        if family is not None:
            forward = PackedForward(family, device=device, dtype=DTYPES[precision])
            return Choice(forward, "asked for" if backend == "packed" else f"{kind} models need no padding")
        if backend == "packed":
            raise UsageError(f"--backend packed: does not compute {kind} models like {loaded.directory.name}; say auto")
    reason = _why_not_openvino(kind, device, precision)
    if backend == "openvino" and reason is not None:
        raise UsageError(f"--backend openvino: {reason}")
    if backend in ("auto", "openvino") and reason is None:
        forward_openvino = OpenVinoForward(loaded.model, precision=precision, pad_id=loaded.pad_id, streams=streams)
        return Choice(
            forward_openvino, "asked for" if backend == "openvino" else f"compiles {kind} models for this CPU"
        )
    padded = PaddedForward(loaded, device=device, dtype=DTYPES[precision])
    return Choice(padded, "asked for" if backend == "padded" else f"not packed: {kind} model; not openvino: {reason}")


def _why_not_openvino(kind: str, device: torch.device, precision: str) -> str | None:
    """Why OpenVINO cannot compute a model of this kind here, or None."""
    if device.type != "cpu":
        return "it is for the CPU"
    if precision == "fp16":
        return "fp16 is not fast on a CPU; say bf16 or fp32"
    if kind not in CONVERTIBLE:
        return f"not tested with {kind} models"
    return None if is_installed() else "not installed; pip install 'scorer[openvino]'"
