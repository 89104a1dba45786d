"""The export job: a model directory in, a folder for another runtime out, compared with what scorer computes.

Everything cheap is checked before torch is imported, hence the imports inside functions. The folder appears when all
comparisons have passed, or not at all.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scorer.classifier.directory import EXPORT_FILE, ModelDirectory, open_model
from scorer.config import ExportConfig
from scorer.errors import ConfigError, DataError, Interrupted, OutputRefused, UsageError
from scorer.runs.console import Console
from scorer.runs.signals import StopSignals
from scorer.scoring.limits import Allowance
from scorer.stores.checks import Inputs, check_folder
from scorer.stores.folder import Folder
from scorer.stores.workspace import Workspace

if TYPE_CHECKING:
    from scorer.exporting.description import Exported


@dataclass(frozen=True, kw_only=True)
class ExportSummary:
    """What an export did: `files` with their sizes in bytes, and the `certificate`."""

    output: Path
    runtime: str
    precision: str
    model: str
    fingerprint: str
    files: dict[str, int]
    certificate: dict[str, Any]
    seconds: float

    def as_dict(self) -> dict[str, Any]:
        """JSON types only."""
        return vars(self) | {"output": str(self.output), "seconds": round(self.seconds, 1)}


def export(config: ExportConfig, console: Console) -> ExportSummary:
    """Export a model as `config` says.

    Raises UsageError, InputMissing, OutputRefused, ConfigError, ModelError (the model cannot be exported, or the export
    differs), DataError (8 bits change too many answers), Busy, StorageError or Interrupted (nothing is kept).
    """
    started = time.monotonic()
    output = Folder(config.output)
    most = Allowance.parse(config.max_flips, flag="--max-flips")
    if config.text_column and config.parity_data is None:
        raise UsageError("--text-column: names columns of --parity-data; leave it out, or name a file")
    _refuse_output(output, config)
    directory = open_model(config.model)
    workspace = Workspace(output.path, make_parents=True)
    try:
        workspace.clear()
        with StopSignals() as signals, signals.at_once():
            exported, made = _made(config, directory, workspace, console)
            _refuse_flips(exported, most)
        files = {path.name: path.stat().st_size for path in sorted(made.path.iterdir())}
        made.publish(output, force=config.force)
    except Interrupted as error:
        raise Interrupted(error.signal_number, "interrupted; nothing was written") from error
    finally:
        workspace.remove()
    summary = ExportSummary(
        output=output.path,
        runtime=exported.runtime.title,
        precision=exported.precision,
        model=exported.name,
        fingerprint=directory.fingerprint,
        files=files,
        certificate=exported.certificate(),
        seconds=time.monotonic() - started,
    )
    size = sum(files.values()) / 1e6
    console.say(f"{exported.told()}; {summary.seconds:.0f} s")
    console.say(f"export {output}, {exported.precision} for {exported.runtime.title}, {size:.1f} MB")
    return summary


def _made(
    config: ExportConfig, directory: ModelDirectory, workspace: Workspace, console: Console
) -> tuple[Exported, Folder]:
    """The export, and the folder in which it lies."""
    from scorer.exporting.making import Making
    from scorer.exporting.runtimes.registry import runtime_named

    runtime = runtime_named(config.to_)
    if (refusal := runtime.why_not(config.int8)) is not None:
        raise ConfigError(f"--to {config.to_}: {refusal}")
    made, scratch = workspace.folder.folder("made"), workspace.folder.folder("scratch")
    for folder in (made, scratch):
        folder.make_anew()
    return Making(config, runtime, directory, console).write(made, scratch), made


def _refuse_output(output: Folder, config: ExportConfig) -> None:
    """OutputRefused when something stands at `output`, unless `force` may replace it: an export or an empty folder.
    UsageError when it is an input, holds one or lies in the model."""
    check_folder(output.path, Inputs([config.parity_data], models=[config.model]), replaced=True)
    if output.is_link:
        raise OutputRefused(f"{output}: a symbolic link; name the folder itself")
    if not output.exists:
        return
    if not config.force:
        raise OutputRefused(f"{output}: exists already; choose another folder or replace it with --force")
    if output.names() and not output.has(EXPORT_FILE):
        raise OutputRefused(f"{output}: no export of ours, so --force does not replace it; remove it yourself")


def _refuse_flips(exported: Exported, most: Allowance) -> None:
    """DataError where 8 bits change too many answers."""
    if not exported.loaded.labels.is_number and not most.allows(exported.flips, of=exported.flip_rows):
        raise DataError(
            f"--int8 changes {exported.flips} of {exported.flip_rows} answers ({exported.quantized[-1].of}), and "
            f"--max-flips is {most}; nothing was written; compare it on texts of your own with --parity-data, allow "
            "more, or export in fp32"
        )
