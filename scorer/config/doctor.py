"""What can be set of a look at the machine and the installation."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from scorer.config.choices import DEVICE
from scorer.config.settings import Checked, Setting


@dataclass(frozen=True, kw_only=True)
class DoctorConfig(Checked):
    """One look at what a command would find here."""

    model: Annotated[
        str | None,
        Setting(
            "Exit with 78 when this model is broken; models/latest is looked at when not given.",
            affects="nothing",
            short="-m",
            metavar="MODEL",
        ),
    ] = None
    device: Annotated[str, DEVICE.affecting("nothing", known_by="value")] = "auto"
    cache: Annotated[Path | None, Setting("Measure this score cache, too.", affects="nothing", metavar="DIR")] = None
    network: Annotated[bool, Setting("Ask the hub whether it answers; nothing else is sent.", affects="nothing")] = (
        False
    )
