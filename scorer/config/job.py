"""What can be set of a job file: of the whole job, of one run of it, and of a gate; and which steps a job may have."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

from scorer.config.check import CheckConfig
from scorer.config.choices import LATEST_MODEL, QuietSetting
from scorer.config.diff import DiffConfig
from scorer.config.evaluate import EvaluateConfig
from scorer.config.export import ExportConfig
from scorer.config.fit import FitConfig
from scorer.config.score import ScoreConfig
from scorer.config.settings import Argument, Checked, Setting


@dataclass(frozen=True, kw_only=True)
class JobConfig(Checked):
    """What a job file says of the job as a whole. Paths are seen from `folder`, which is seen from the job file."""

    folder: Annotated[
        Path | None,
        Setting(
            "Folder in which the steps work; a key of the file is seen from the file. Where the command is called when "
            "not given.",
            affects="nothing",
            metavar="DIR",
        ),
    ] = None
    runs: Annotated[
        Path | None,
        Setting(
            "Folder of manifests and of what is known of each day; runs/NAME beside the job file when not given.",
            affects="nothing",
            metavar="DIR",
        ),
    ] = None
    keep: Annotated[
        int, Setting("Keep the manifests of the last N runs.", affects="nothing", metavar="N", minimum=1)
    ] = 100
    metrics: Annotated[
        Path | None,
        Setting("Write the metrics of the last run here (Prometheus text).", affects="nothing", metavar="FILE"),
    ] = None
    on_failure: Annotated[
        str | None,
        Setting(
            "Shell command after a run that failed; SCORER_MANIFEST names the run's manifest.",
            affects="nothing",
            metavar="CMD",
        ),
    ] = None
    on_success: Annotated[
        str | None,
        Setting(
            "Shell command after a run that ended well; SCORER_MANIFEST names its manifest.",
            affects="nothing",
            metavar="CMD",
        ),
    ] = None


@dataclass(frozen=True, kw_only=True)
class RunConfig(JobConfig):
    """One call of the job file `job`: for which days, which steps, and whether anything is done at all."""

    job: Annotated[Path, Argument(affects="nothing")]

    date: Annotated[
        str | None,
        Setting("The day of the run, such as 2026-03-31; today when not given.", affects="nothing", metavar="D"),
    ] = None
    from_: Annotated[
        str | None,
        Setting(
            "First of several days: each is run once, and one that has ended well is left as it is.",
            affects="nothing",
            metavar="D",
            aliases=("from",),
        ),
    ] = None
    to: Annotated[str | None, Setting("Last of these days; today when not given.", affects="nothing", metavar="D")] = (
        None
    )
    step: Annotated[
        str | None, Setting("Do this step and what it needs, no other.", affects="nothing", metavar="NAME")
    ] = None
    check: Annotated[
        bool, Setting("Look whether the job file is right, and show the commands; do nothing.", affects="nothing")
    ] = False
    status: Annotated[
        bool, Setting("Show what is known of the last runs: a table on a terminal, else JSON.", affects="nothing")
    ] = False
    force: Annotated[
        bool,
        Setting("Do what is done already again, and let steps replace what stands there.", affects="nothing"),
    ] = False
    quiet: QuietSetting = False


@dataclass(frozen=True, kw_only=True)
class GateConfig(Checked):
    """A gate: `model` takes the place that `link` names, when all that the gate needs has ended well."""

    model: Annotated[str, Argument(affects="nothing")]

    link: Annotated[Path, Setting("Link that points to the model in use.", affects="nothing", metavar="LINK")] = Path(
        LATEST_MODEL
    )
    previous: Annotated[
        Path | None,
        Setting(
            "Link that points to the model before that; LINK-previous when not given.",
            affects="nothing",
            metavar="LINK",
        ),
    ] = None

    @property
    def link_before(self) -> Path:
        """The link to the model that was in use before."""
        return self.previous or self.link.with_name(f"{self.link.name}-previous")


STEPS: Final[Mapping[str, type]] = {
    "check": CheckConfig,
    "fit": FitConfig,
    "evaluate": EvaluateConfig,
    "diff": DiffConfig,
    "gate": GateConfig,
    "score": ScoreConfig,
    "export": ExportConfig,
}
"""What a step of a job may be, each with its settings. All but the gate are commands."""
