"""A gate: the new model takes the place of the one in use, which is kept under another link."""

from __future__ import annotations

import os

from scorer.config import GateConfig
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
    if link.is_link and link.resolved == model.resolved:
        return False
    try:
        # First the old one: whenever this is cut short, the old model is in use or is the one before.
        if link.is_link:
            before.point_to(link)
        link.point_to(model)
    except OSError as error:
        raise from_os_error(error) from error
    return True


def is_first(gate: GateConfig) -> bool:
    """Whether no model is in use yet, so that there is nothing to compare a new one with."""
    return not os.path.lexists(gate.link)
