"""The score job whose output is a folder: one part for each input file, and only what is new or changed is scored.

Owns what comes before and after the run: the cheap checks, which files there are, the page, the summary. The run itself
is a `FolderRun`.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing, suppress
from dataclasses import replace
from typing import Any

from scorer.classifier.directory import open_model
from scorer.config import ScoreConfig
from scorer.engines.assessment import Assessment, assess
from scorer.engines.folder_run import FolderRun
from scorer.engines.manifest_files import check_report_by
from scorer.engines.reporting import tell
from scorer.engines.summary import ScoreSummary, Tally, summarize
from scorer.errors import FILE_FAULTS, DataError, NotPermitted, ScorerError, UsageError
from scorer.records.document import to_document
from scorer.runs.console import Console
from scorer.runs.manifest import Manifest
from scorer.runs.signals import StopSignals
from scorer.scoring.drift import require_profile
from scorer.scoring.flips.bound import FlipBound
from scorer.scoring.folder_output import FolderOutput
from scorer.scoring.limits import Limits
from scorer.scoring.preparation import dialect_of
from scorer.stores.checks import Inputs, check_folder, check_parts_folder
from scorer.stores.location import Location
from scorer.tables.layouts import Layout
from scorer.tables.part_names import PartFile, columns_of, is_several, part_files, without_empty

_SHOWN = 5


def wants_folder(config: ScoreConfig) -> bool:
    """Whether the output is a folder: it ends with /, is one, or files of a folder or pattern go where no data ending
    is."""
    target = Location.of_output(config.target)
    if target.is_stream:
        return False
    if config.target.endswith("/") or target.path.is_dir():
        return True
    return is_several(config.source) and not target.path.exists() and not target.ending


def score_folder(
    config: ScoreConfig, console: Console, signals: StopSignals, *, tally: Tally, manifest: Manifest
) -> ScoreSummary:
    """Score every file of `config.source` into a part of the folder `config.target`.

    As `score_job.score`; where files were passed over (`--on-error quarantine`), at the end DataError, or NotPermitted
    if none of them may be read.
    """
    limits, target = Limits.of(config), Location.of_output(config.target)
    with signals.at_once():
        _refuse(config)
        layout = Layout.of(config)
        files, unread = part_files(config.source, dialect_of(config), output_format=config.output_format)
        folders = sorted({file.path.parent for file in files})
        inputs = Inputs([config.source], models=[config.model], files=folders)
        check_parts_folder(target, inputs)
        if layout is not None:
            layout.refuse_parts([file.name for file in files])
        if config.rejects is not None and config.rejects.resolve().is_relative_to(target.path.resolve()):
            raise UsageError(f"{config.rejects}: would lie among the parts; name a file outside of {target.said}")
        if config.cache is not None:
            check_folder(config.cache, inputs, replaced=False)
        directory = open_model(config.model, by_times=True)
        require_profile(directory, config)
        if config.report_by is not None:
            check_report_by(config, _columns(config, files), where=config.source)
    with closing(FolderOutput.open(target)) as output:
        files, tally.unread = without_empty(files, unread, standing=output.expected(files))
        for warning in tally.unread.warnings():
            console.warn(warning)
        run = FolderRun(config, console, signals, tally, directory, output)
        output.refuse_strangers((file.name for file in files), layout, force=config.force)
        with signals.at_once():
            decisive = run.decisive()
            tally.profile, tally.labels = directory.profile, decisive.labels
            run.take_up()
            found = assess(files, output, decisive, passed_over=run.pass_over)
            output.refuse_mixture(run.staying(found), layout)
        engine = to_document(decisive.engine)
        manifest.facts |= {"output": config.target, "engine": engine, "stale": found.reasons}
        pace = run.score(found, limits) if found.stale else None
        run.conclude(found, limits)
        manifest.facts |= {"parts": run.parts(found)}
        if config.report_html is not None and output.known:
            from scorer.engines.folder_page import page_of_folder

            page = page_of_folder(config, output, found, directory=directory, labels=decisive.labels, tally=tally)
            with signals.at_once():
                page.write(check=signals.check)
    if found.failed:
        raise _failure(config, found)
    parts = run.parts(found)
    summary = summarize(tally, output=config.target, engine=engine, pace=pace)
    summary = replace(summary, finished_before=pace is None and not run.changed, parts=parts)
    tell(summary, console)
    return summary


def preview(config: ScoreConfig, console: Console) -> dict[str, Any]:
    """`--dry-run`: what a run would do, and why. Writes nothing. Errors as of `score_folder`, as far as they show."""
    _refuse(config)
    target, layout = Location.of_output(config.target), Layout.of(config)
    files, unread = part_files(config.source, dialect_of(config), output_format=config.output_format)
    check_parts_folder(target, Inputs([config.source], models=[config.model]))
    if layout is not None:
        layout.refuse_parts([file.name for file in files])
    output = FolderOutput.look(target)
    files, unread = without_empty(files, unread, standing=output.expected(files))
    for warning in unread.warnings():
        console.warn(warning)
    output.refuse_strangers((file.name for file in files), layout, force=config.force)
    with StopSignals() as signals:
        run = FolderRun(config, console, signals, Tally(), open_model(config.model, by_times=True), output)
        found = assess(files, output, run.decisive(), passed_over=lambda error: console.warn(f"{error}"))
    output.refuse_mixture(run.staying(found), layout)
    return {
        "output": config.target,
        **(vars(layout) if layout is not None else {}),
        "parts": run.parts(found),
        "bytes": sum(one.size for one in found.stale),
        "first": {why: [one.file.name for one in found.stale if one.why == why][:_SHOWN] for why in found.reasons},
        "unread_files": unread.as_dict(),
    }


def _columns(config: ScoreConfig, files: Sequence[PartFile]) -> list[str]:
    """Those of the first file that has any, or, where files may be passed over, of the first that can be read."""
    full = [file for file in files if not file.is_empty] or files[:1]
    *others, last = full if config.on_error == "quarantine" else full[:1]
    for one in others:
        with suppress(*FILE_FAULTS):
            return columns_of([one], dialect_of(config))
    return columns_of([last], dialect_of(config))


def _failure(config: ScoreConfig, found: Assessment) -> ScorerError:
    forbidden = all(isinstance(error, NotPermitted) for error in found.failed.values())
    name, error = next(iter(sorted(found.failed.items())))
    others = f" and {len(found.failed) - 1} more" if len(found.failed) > 1 else ""
    return (NotPermitted if forbidden else DataError)(
        f"{config.source}: {name}{others} could not be scored, all others are ({error}); "
        f"{'permit it to be read' if forbidden else 'replace it'} and run again"
    )


def _refuse(config: ScoreConfig) -> None:
    """UsageError for what makes no sense of a folder, and for a bound that is none."""
    FlipBound.of(config)
    if Location.of_input(config.source).is_stream:
        raise UsageError(f"{config.target}: a folder, and a stream has no name for a part in it; name a file in it")
