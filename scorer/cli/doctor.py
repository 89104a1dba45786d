"""`scorer doctor`: look at the machine, the installation and the model, and say what to do."""

from __future__ import annotations

import os
import shutil
import sys
import textwrap
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from scorer.cli.command import Command, asks_for_json, print_document
from scorer.cli.options import config_options
from scorer.config import LATEST_MODEL, DoctorConfig
from scorer.errors import DeviceError, ScorerError

if TYPE_CHECKING:
    from scorer.records.condition import Condition

_MARKS: Final = {"ok": "ok", "note": "note", "wrong": "WRONG"}
# The parts without which nothing can be scored.
_NEEDED: Final = ("python", "libraries", "processor", "torch", "device", "backends")
_NAME_WIDTH, _MARK_WIDTH, _LEAST_WIDTH = 20, 7, 60


_EXAMPLES: Final = (
    "scorer doctor",
    "scorer doctor -m models/latest --json   # for a scheduler: exits 78 when the model is broken",
    "scorer doctor --network",
)


@click.command(cls=Command, examples=_EXAMPLES)
@config_options(DoctorConfig, file=False)
def doctor(**settings: Any) -> None:
    """Look at what a command would find here, and say what to do: Python and libraries, extras, processor and GPU,
    backends, disks and caches, the hub, and whether the model is sound and scores a text.

    A table on a terminal, elsewhere JSON. Nothing is written, and no network is used without --network. Exits 78 when
    the model named with -m is broken, 77 when it may not be read, and 69 when nothing could be scored here.
    """
    config = DoctorConfig(**settings)
    table = sys.stdout.isatty() and not asks_for_json()
    refusals: list[ScorerError] = []
    found = []
    for condition in _conditions(config, refusals):
        found.append(condition)
        if table:  # as it is found: what would crash this process has the line before it
            click.echo("\n".join(_lines(condition, _width())))
    wrong = [condition for condition in found if condition.state == "wrong" and condition.part in _NEEDED]
    advice = _advice(found, can_score=not wrong)
    if table:
        click.echo("\n".join(["", *advice]))
    else:
        parts = [{"part": condition.part, **condition.as_dict()} for condition in found]
        print_document({"can_score": not wrong, "parts": parts, "advice": advice})
    if config.model is not None and not refusals:  # what nobody foresaw is no good sign either
        refusals = [ScorerError(f"model: {one.said}") for one in found if one.part == "model" and one.state == "wrong"]
    if refusals:
        raise refusals[0]
    if wrong:
        raise DeviceError(f"{wrong[0].part}: {wrong[0].said}")


def _conditions(config: DoctorConfig, refusals: list[ScorerError]) -> Iterator[Condition]:
    """What each look finds, in the order of the table; the error of a named model is put among `refusals`."""
    from scorer.records.condition import looked_at

    for part, look in _looks(config, refusals):
        yield from looked_at(part, look)


def _looks(
    config: DoctorConfig, refusals: list[ScorerError]
) -> Iterator[tuple[str, Callable[[], Sequence[Condition]]]]:
    """Each look with the name of its part. What a look imports may be what is broken, so it imports by itself."""
    from scorer.classifier import abilities
    from scorer.runs import installation

    offline = abilities.is_offline()
    if not config.network:  # before anything reads it, as a look at the base model and at a model of the hub do
        os.environ["HF_HUB_OFFLINE"] = "1"
    yield "python", installation.look_at_python
    yield "libraries", installation.look_at_libraries
    yield "extras", installation.look_at_extras
    yield "disk", lambda: _places().look_at_disks(Path.cwd(), cache=config.cache)
    yield "scores", lambda: _places().look_at_caches(Path.cwd(), cache=config.cache)
    yield "hub", lambda: abilities.look_at_hub(offline=offline, network=config.network)
    yield "base model", lambda: abilities.look_at_base_model(offline=offline)
    yield "processor", abilities.look_at_processor
    yield "device", lambda: abilities.look_at_device(config.device)
    yield "backends", lambda: abilities.look_at_backends(config.device, _directory(config))
    yield "model", lambda: _model(config, refusals)


def _places() -> Any:
    from scorer.runs import places

    return places


def _directory(config: DoctorConfig) -> Path | None:
    """Where the model's configuration is, if that is on this machine and can be read."""
    place = Path(LATEST_MODEL if config.model is None else config.model)
    with suppress(OSError):
        (place / "config.json").read_bytes()
        return place
    return None


def _model(config: DoctorConfig, refusals: list[ScorerError]) -> list[Condition]:
    """How the named model is, or models/latest, which need not be there."""
    from scorer.records.condition import Condition
    from scorer.scoring.trial import try_model

    latest = Path(LATEST_MODEL)
    if config.model is None and not latest.exists() and not latest.is_symlink():
        advice = "fit a model: scorer fit TRAIN; or name one: scorer score IN OUT -m MODEL"
        return [Condition("model", "note", f"no {latest} here yet", (advice,), {"model": LATEST_MODEL})]
    name = LATEST_MODEL if config.model is None else config.model
    condition, refusal = try_model(name, device=config.device, network=config.network)
    if config.model is not None and refusal is not None:
        refusals.append(refusal)
    return [condition]


def _lines(condition: Condition, width: int) -> list[str]:
    """The row of a condition, wrapped to `width`, with its text in the third column."""
    from scorer.runs.console import printable

    margin = _NAME_WIDTH + _MARK_WIDTH
    said = textwrap.wrap(printable(condition.said), width - margin, break_on_hyphens=False) or [""]
    first = f"{condition.part:<{_NAME_WIDTH}}{_MARKS[condition.state]:<{_MARK_WIDTH}}{said[0]}"
    return [first, *(" " * margin + line for line in said[1:])]


def _width() -> int:
    return max(shutil.get_terminal_size().columns, _LEAST_WIDTH)


def _advice(found: Sequence[Condition], *, can_score: bool) -> list[str]:
    """What to do, one line each; at the end what can be done now."""
    said = [advice for condition in found for advice in condition.advice]
    verdict = "nothing can be scored here yet; see WRONG above" if not can_score else "this machine can score"
    return [*dict.fromkeys(said), verdict]
