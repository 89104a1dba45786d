"""A gate: the new model takes the place of the one in use, which is kept under another link."""

from __future__ import annotations

import os
from pathlib import Path

from scorer.automation.planned_step import PlannedStep
from scorer.config import DiffConfig, FitConfig, GateConfig
from scorer.errors import InputMissing, OutputRefused, from_os_error
from scorer.stores.folder import Folder


def promote(gate: GateConfig) -> bool:
    """Let the link of the `gate` point to its model, in one step, and the link before that to the model that it pointed
    to; False when it pointed to the model already.

    InputMissing when there is no such model; OutputRefused when something stands in the place of a link.
    """
    model, link, before = Folder.of(gate.model), Folder(gate.link), Folder(gate.link_before)
    if not model.is_folder:
        raise InputMissing(f"{model}: no such model directory")
    for place in (link, before):
        if not place.is_link and place.exists:
            raise OutputRefused(f"{place}: not a symbolic link, so it cannot be moved to another model; rename it")
    if _in_use(gate, gate.model):
        return False
    try:
        # First the old one: whenever this is cut short, the old model is in use or is the one before.
        if link.is_link:
            before.point_to(link)
        link.point_to(model)
    except OSError as error:
        raise from_os_error(error) from error
    return True


def no_rival(gate: GateConfig, step: PlannedStep) -> str | None:
    """Why `step`, if it compares the model of the `gate` with the one in use, has nothing to compare; else None."""
    if not isinstance(step.config, DiffConfig):
        return None
    if (same(step.config.old), same(step.config.new)) != (same(gate.link), same(gate.model)):
        return None
    if not os.path.lexists(gate.link):
        return "no model is in use to compare with"
    return "the model is in use already" if _in_use(gate, gate.model) else None


def refuse_in_use(gate: GateConfig, step: PlannedStep) -> None:
    """OutputRefused when `step` is a fit whose model would take the place of the one in use, and nobody had judged
    it."""
    if isinstance(step.config, FitConfig) and _in_use(gate, str(step.config.output)):
        raise OutputRefused(
            f"{step.config.output}: is in use ({gate.link} points to it), and a fit would replace it before the new "
            "one is judged; name another output, or another day"
        )


def same(place: str | Path) -> str:
    """`place`, spelt in one way."""
    return os.path.normpath(place)


def _in_use(gate: GateConfig, model: str) -> bool:
    link = Folder(gate.link)
    return link.is_link and link.resolved == Folder.of(model).resolved
