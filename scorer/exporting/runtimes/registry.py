"""Which file is which runtime."""

from __future__ import annotations

from importlib import import_module

from scorer.config.export import ExportRuntime
from scorer.exporting.runtimes.runtime import Runtime


def runtime_named(name: ExportRuntime) -> Runtime:
    """The runtime called `name`."""
    found = import_module(f"scorer.exporting.runtimes.{name}").RUNTIME
    assert isinstance(found, Runtime), f"{name} is no Runtime; this is a bug"
    return found
