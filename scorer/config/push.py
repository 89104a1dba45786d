"""What can be set of sending a model to the hub."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Final

from scorer.config.settings import Argument, Checked, Setting
from scorer.errors import UsageError

_NAME: Final = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")


@dataclass(frozen=True, kw_only=True)
class PushConfig(Checked):
    """One upload of the model directory `model` as the hub's model `name`."""

    model: Annotated[str, Argument(affects="nothing")]
    name: Annotated[str, Argument(affects="nothing")]
    private: Annotated[
        bool,
        Setting(
            "Make a repository that is not there yet for its owner alone; --no-private shows it to everybody, with the "
            "rows of the validation data that are in report.html.",
            affects="nothing",
        ),
    ] = True
    message: Annotated[
        str | None,
        Setting("What the commit says; the default names the model directory.", affects="nothing", metavar="TEXT"),
    ] = None

    def check(self) -> None:
        """UsageError for what no upload can be called."""
        if _NAME.fullmatch(self.name) is None:
            raise UsageError(f"{self.name}: no name of the hub; it is OWNER/NAME")
        if self.message is not None and not self.message.strip():
            raise UsageError("--message: nothing in it; leave it out, or say something")
