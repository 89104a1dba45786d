"""The page of `--report-html` about a folder of parts: which of its files are told of, and what is wrong with it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

from scorer.classifier.directory import ModelDirectory
from scorer.classifier.labels import LabelSet
from scorer.config import ScoreConfig
from scorer.engines.assessment import Assessment
from scorer.engines.outcome_page import OutcomePage, Published
from scorer.engines.summary import Tally
from scorer.records.job import JobSpec
from scorer.reports.sections import Remark
from scorer.scoring.folder_output import FolderOutput
from scorer.stores.location import Location

_SHOWN = 5


def page_of_folder(
    config: ScoreConfig,
    output: FolderOutput,
    found: Assessment,
    *,
    directory: ModelDirectory,
    labels: LabelSet,
    tally: Tally,
) -> OutcomePage:
    """The page about all parts that `output` has, whichever run made them. Parts whose rows have answers of another
    kind, such as numbers among labels, are left out."""
    jobs = Counter(known.job for known in output.known.values())
    # The newest job may have made no part yet; the one that most parts have says best what they are.
    job = output.jobs[max(sorted(jobs), key=lambda name: jobs[name])]
    files = [file for file in _files(output) if _kind(file.job) == (labels.multi, labels.is_number)]
    page = OutcomePage(
        config=config,
        files=files,
        folder=Location.of_path(output.folder.path),
        job=job,
        directory=directory,
        labels=labels,
        tally=tally,
        input={"parts": len(output.known), "jobs": len(jobs)},
    )
    left = len(list(_files(output))) - len(files)
    return replace(page, remarks=list(_remarks(found, jobs=len(jobs), left=left)))


def _files(output: FolderOutput) -> Iterator[Published]:
    for name in sorted(output.known):
        known = output.known[name]
        for file in known.files:
            job = output.jobs[known.job]
            place = Location.of_path(output.folder.part(file["name"]))
            yield Published(file["name"], place, job.options["output_format"], job)


def _kind(job: JobSpec) -> tuple[bool, bool]:
    """Whether the job gives a row several labels, and whether it gives numbers."""
    decision = job.models["model"].decision or {}
    return decision.get("thresholds") is not None, decision.get("activation") is not None


def _remarks(found: Assessment, *, jobs: int, left: int) -> Iterator[Remark]:
    if found.failed:
        names = sorted(found.failed)
        yield Remark("error", f"Files that could not be scored: {_listed(names)}.", "Old parts of them count.")
    if left:
        yield Remark("warning", f"Files left out, since another model gave answers of another kind: {left:,}.")
    if jobs > 1:
        yield Remark("note", f"The parts were made by {jobs} different jobs: other models, settings or columns.")
    if found.deleted:
        yield Remark("note", f"Parts whose input is gone: {_listed(found.deleted)}.")


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
