"""Which forward pass: what `--backend` means for a model on a device, and the reason for it.

Knows no forward pass by name: they are the files beside this one that `scorer.config.Backend` names.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import get_args

from scorer.classifier.batches import Shapes
from scorer.classifier.forward import Forward
from scorer.classifier.forward.spec import ForwardSpec, Work
from scorer.classifier.independence import mixing
from scorer.classifier.loading import LoadedModel
from scorer.config import Backend, Precision
from scorer.errors import UsageError


@dataclass(frozen=True)
class Choice:
    """A forward pass, what it declares, why it is this one, and which rows it may be given together."""

    spec: ForwardSpec
    forward: Forward
    reason: str
    shapes: Shapes


def choose_forward(loaded: LoadedModel, backend: Backend, work: Work) -> Choice:
    """The forward pass `backend` of `loaded`; UsageError when it cannot compute this model here. `auto` takes the first
    that can."""
    config = loaded.config
    if backend != "auto":
        spec = spec_of(backend)
        if (refusal := spec.why_not(config, work)) is not None:
            raise UsageError(f"--backend {backend}: {refusal} (model {loaded.directory.name}); say auto")
        return _made(spec, loaded, work, reason="asked for")
    passed_over: list[str] = []
    for spec in registered():
        refusal = spec.why_not(config, work) or spec.yields(config, work)
        if refusal is None:
            reason = spec.why.format(kind=config.model_type) or "; ".join(passed_over)
            return _made(spec, loaded, work, reason=reason)
        passed_over.append(f"not {spec.name}: {refusal}")
    raise UsageError(f"--backend auto: nothing computes {loaded.directory.name} here: {'; '.join(passed_over)}")


def _made(spec: ForwardSpec, loaded: LoadedModel, work: Work, *, reason: str) -> Choice:
    shapes = spec.shapes or loaded.shapes
    if shapes != "any":
        because = mixing(loaded.config.model_type) or "a row's score would change with the rows beside it"
        reason += f"; batches: {'one row' if shapes == 'alone' else shapes}, as {because}"
    return Choice(spec, spec.make(loaded, work), reason, shapes)


def registered() -> list[ForwardSpec]:
    """Every forward pass, in the order in which `auto` tries them."""
    return [spec_of(name) for name in get_args(Backend) if name != "auto"]


def precision_of(backend: Backend, asked: Precision) -> Precision:
    """What precision is `asked` for: where that is `auto`, the only one that the `backend` computes in, if it is so."""
    only = spec_of(backend).precision if backend != "auto" else None
    return only if only is not None and asked == "auto" else asked


def spec_of(name: str) -> ForwardSpec:
    """The forward pass `name`; UsageError when there is none."""
    if name == "auto" or name not in get_args(Backend):
        raise UsageError(f"--backend {name}: expected one of {', '.join(get_args(Backend))}")
    spec: ForwardSpec = import_module(f"scorer.classifier.forward.{name}").SPEC
    return spec
