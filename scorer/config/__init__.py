"""What can be set: one frozen dataclass a job, where every default stands once, beside its explanation.

A field with a `Setting` is also a flag of the command line (`max_length` is `--max-length`), a variable of the
environment (`SCORER_MAX_LENGTH`) and a key of the configuration file, where `aliases` are further names for it.
`reading` makes a configuration of a file, the environment and a preset; `scorer.cli.options` makes click options of the
fields.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from scorer.config.choices import (
    LATEST_MODEL,
    UNFINISHED,
    WINDOW_ROWS,
    WINDOW_TEXT_BYTES,
    Backend,
    FileFormat,
    LabelForm,
    LongTextStrategy,
    Pooling,
    Precision,
)
from scorer.config.data import Data
from scorer.config.presets import PRESETS, Preset
from scorer.config.score import FrameConfig, PredictConfig, ScoreConfig
from scorer.config.settings import (
    Argument,
    Checked,
    Effect,
    Setting,
    affecting,
    check_utf8,
    declared_of,
    flag_of,
    identity,
    material,
    settings_of,
)

if TYPE_CHECKING:
    from scorer.config.adapt import AdaptConfig
    from scorer.config.advise import AdviseConfig
    from scorer.config.check import CheckConfig
    from scorer.config.diff import DiffConfig
    from scorer.config.doctor import DoctorConfig
    from scorer.config.evaluate import EvaluateConfig
    from scorer.config.export import ExportConfig
    from scorer.config.fit import BestMetric, FitConfig
    from scorer.config.job import STEPS, GateConfig, JobConfig, RunConfig
    from scorer.config.push import PushConfig
    from scorer.config.serve import ServeConfig

# Of a command that is not at work, nothing is made: a dataclass of many fields takes milliseconds.
_MADE_WHEN_ASKED_FOR = {
    "AdaptConfig": "adapt",
    "AdviseConfig": "advise",
    "BestMetric": "fit",
    "CheckConfig": "check",
    "DiffConfig": "diff",
    "DoctorConfig": "doctor",
    "EvaluateConfig": "evaluate",
    "ExportConfig": "export",
    "FitConfig": "fit",
    "GateConfig": "job",
    "JobConfig": "job",
    "PushConfig": "push",
    "RunConfig": "job",
    "STEPS": "job",
    "ServeConfig": "serve",
}


def __getattr__(name: str) -> Any:
    if name not in _MADE_WHEN_ASKED_FOR:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"scorer.config.{_MADE_WHEN_ASKED_FOR[name]}"), name)


__all__ = [
    "LATEST_MODEL",
    "PRESETS",
    "STEPS",
    "UNFINISHED",
    "WINDOW_ROWS",
    "WINDOW_TEXT_BYTES",
    "AdaptConfig",
    "AdviseConfig",
    "Argument",
    "Backend",
    "BestMetric",
    "CheckConfig",
    "Checked",
    "Data",
    "DiffConfig",
    "DoctorConfig",
    "Effect",
    "EvaluateConfig",
    "ExportConfig",
    "FileFormat",
    "FitConfig",
    "FrameConfig",
    "GateConfig",
    "JobConfig",
    "LabelForm",
    "LongTextStrategy",
    "Pooling",
    "Precision",
    "PredictConfig",
    "Preset",
    "PushConfig",
    "RunConfig",
    "ScoreConfig",
    "ServeConfig",
    "Setting",
    "affecting",
    "check_utf8",
    "declared_of",
    "flag_of",
    "identity",
    "material",
    "settings_of",
]
