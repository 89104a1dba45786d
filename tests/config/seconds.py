"""For every field of a configuration a value that it does not have by default, made from the field's type.

A new setting needs nothing here: it is in every test of identities by itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin

from scorer.config import (
    AdaptConfig,
    AdviseConfig,
    Argument,
    CheckConfig,
    DiffConfig,
    DoctorConfig,
    EvaluateConfig,
    ExportConfig,
    FitConfig,
    FrameConfig,
    GateConfig,
    JobConfig,
    PredictConfig,
    PushConfig,
    RunConfig,
    ScoreConfig,
    ServeConfig,
    declared_of,
)

# A configuration of each kind; where a field has no default, the value is the name of a file.
FIRSTS: dict[type, Any] = {
    AdaptConfig: AdaptConfig(data="first.csv"),
    AdviseConfig: AdviseConfig(train="first.csv"),
    CheckConfig: CheckConfig(data="first.csv"),
    DiffConfig: DiffConfig(old="old", new="new", data="first.csv"),
    DoctorConfig: DoctorConfig(),
    EvaluateConfig: EvaluateConfig(data="first.csv"),
    ExportConfig: ExportConfig(output="first", to_="onnx"),
    FitConfig: FitConfig(train="first.csv"),
    FrameConfig: FrameConfig(),
    GateConfig: GateConfig(model="first"),
    JobConfig: JobConfig(),
    PredictConfig: PredictConfig(),
    PushConfig: PushConfig(model="first", name="first/first"),
    RunConfig: RunConfig(job=Path("first.toml")),
    ScoreConfig: ScoreConfig(source="first.csv", target="first.parquet"),
    ServeConfig: ServeConfig(),
}


def seconds(config: type) -> Iterator[tuple[str, Argument, Any]]:
    """The fields of the dataclass `config`, each with what it says of itself and a second value."""
    for field, said, kind in declared_of(config):
        first = getattr(FIRSTS[config], field.name)
        second = _second(kind, first)
        assert second != first
        yield field.name, said, second


def cases(*configs: type) -> list[Any]:
    """Configuration, name, what it says of itself, second value: for `pytest.mark.parametrize`."""
    return [(config, *second) for config in configs for second in seconds(config)]


def names(value: Any) -> str:
    """The ids of `cases`."""
    return value.__name__ if isinstance(value, type) else value if isinstance(value, str) else ""


def _second(kind: Any, first: Any) -> Any:
    if get_origin(kind) in (Union, UnionType):
        kind = next(part for part in get_args(kind) if part is not type(None))
    if get_origin(kind) is Literal:
        return next(choice for choice in get_args(kind) if choice != first)
    if get_origin(kind) is tuple:
        return ("another",)
    if kind is bool:
        return not first
    if kind in (int, float):
        return (first or 8) + 1
    return kind("another") if kind is not Path else Path("another.csv")
