"""What is tried: base models, how many of their layers, how many tokens, which preset."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scorer.classifier.base_model import DEFAULT_BASE_MODEL
from scorer.classifier.metadata import ADAPTATION_FILE
from scorer.config import LATEST_MODEL, PRESETS, AdviseConfig, FitConfig, Preset, settings_of
from scorer.errors import UsageError
from scorer.stores.folder import Folder

# What the default model is called among candidates.
DEFAULT = "default"
_LAYERS_OF_DEFAULT = 3
# From this share of cut-off texts on, a longer input is tried, too.
_MUCH_CUT_OFF = 0.02
_WHOLE = 0.99


@dataclass(frozen=True)
class Arm:
    """One way to fit: `model` as --base-model takes it, None the default one; `layers` None for all of them."""

    model: str | None
    layers: int | None = None
    max_length: int = FitConfig.max_length
    preset: Preset = "default"

    @property
    def name(self) -> str:
        """The model, for people."""
        name = DEFAULT_BASE_MODEL if self.model is None else self.model
        return name if self.layers is None else f"{name}, {self.layers} layers"

    @property
    def options(self) -> dict[str, Any]:
        """The settings of a fit in which this way differs from one that nobody said anything of."""
        preset = {} if self.preset == "default" else {"preset": self.preset, **PRESETS[self.preset]}
        own = {"base_model": self.model, "layers": self.layers, "max_length": self.max_length}
        return {**preset, **{name: value for name, value in own.items() if value is not None}}

    def flags(self) -> list[str]:
        """The same for a command line; what the preset says anyway is left out."""
        usual = {field.name: field.default for field in fields(FitConfig)} | dict(PRESETS[self.preset])
        return [
            word
            for name, value in self.options.items()
            if value != usual[name]
            for word in (f"--{name.replace('_', '-')}", str(value))
        ]


def arms_of(config: AdviseConfig) -> list[Arm]:
    """The ways that are tried at first, in the order of the candidates. UsageError for a candidate that is none."""
    named = [name.strip() for text in config.candidates for name in text.split(",") if name.strip()]
    if config.candidates and not named:
        raise UsageError("--candidates: names none; give base models with commas between, such as default,default@3")
    arms = [_arm(name) for name in named] or [Arm(None), Arm(None, layers=_LAYERS_OF_DEFAULT), *_adapted()]
    quick = replace(arms[0], preset="quick", max_length=PRESETS["quick"]["max_length"])
    return list(dict.fromkeys([*arms, quick]))


def _arm(name: str) -> Arm:
    model, _, layers = name.partition("@")
    if layers and not (layers.isdecimal() and int(layers)):
        raise UsageError(f"--candidates {name}: behind @ stands a number of layers, such as {model}@3")
    return Arm(None if model == DEFAULT else model, int(layers) if layers else None)


def _adapted() -> Iterator[Arm]:
    """The base models that `adapt` wrote where models are written."""
    models = Folder.of(LATEST_MODEL).parent
    for name in models.names():
        if models.folder(name).has(ADAPTATION_FILE):
            yield Arm(models.at(name))


def suited(arm: Arm, positions: int | None) -> Arm:
    """The same with no more tokens than the model has `positions`."""
    return replace(arm, max_length=min(arm.max_length, positions or arm.max_length))


def longer(arm: Arm, lengths: NDArray[np.int64], positions: int | None) -> Arm | None:
    """The same with room for nearly all of the texts, which have `lengths` (n,) in tokens; None where `arm` has it, or
    the model has no more `positions`."""
    if arm.preset != "default" or (lengths > arm.max_length).mean() < _MUCH_CUT_OFF:
        return None
    wanted = int(np.quantile(lengths, _WHOLE))
    length = arm.max_length
    while length < wanted:
        length *= 2
    most = min(length, positions or length)
    return replace(arm, max_length=most) if most > arm.max_length else None


def command_line(arm: Arm, config: AdviseConfig) -> str:
    """What to type for a fit as `arm` says, of the data and the columns that `config` names."""
    words = ["scorer", "fit", *config.train.places, *_said(config), *arm.flags()]
    return shlex.join(words)


_SHARED = {field.name for field, _, _ in settings_of(FitConfig)} - {"quiet", "rejects"}
# What is said of the trials alone.
_OF_TRIALS = {"seed", "limit"}


def _said(config: AdviseConfig) -> Iterator[str]:
    """The flags of `config` that a fit has, too."""
    for field, _, kind in settings_of(AdviseConfig):
        value = getattr(config, field.name)
        if field.name not in _SHARED - _OF_TRIALS or value == field.default:
            continue
        flag = f"--{field.name.replace('_', '-')}"
        if kind is bool:
            yield flag
            continue
        for one in value if isinstance(value, tuple) else (value,):
            yield from (flag, str(one))


def fit_config(arm: Arm, config: AdviseConfig, **others: Any) -> FitConfig:
    """The configuration of a fit as `arm` says, of the data and the columns that `config` names."""
    shared = {field.name: getattr(config, field.name) for field, _, _ in settings_of(AdviseConfig)}
    kept = {name: value for name, value in shared.items() if name in _SHARED}
    return FitConfig(train=config.train, **{**kept, **arm.options, **others})


def recommended(arms: Sequence[Arm], best: Arm, *, seconds: float) -> Arm:
    """`best`, and with the preset `best` where three of its fits take less than ten minutes together, by `seconds` that
    one takes."""
    assert best in arms, "advises what was not tried; this is a bug"
    thrice = seconds * PRESETS["best"]["seeds"] <= _SHORT_SECONDS and best.preset == "default"
    return replace(best, preset="best") if thrice else best


_SHORT_SECONDS = 600.0
