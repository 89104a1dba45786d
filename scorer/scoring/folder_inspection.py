"""What a folder of parts says of itself, and whether that is still true: what `scorer inspect` prints and shows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from functools import cached_property
from typing import Any, Final

from scorer.errors import DataError, ScorerError
from scorer.records.document import to_document
from scorer.records.job import JobSpec
from scorer.records.part import Totals
from scorer.reports.folder_page import FolderPage, JobLine, PartLine
from scorer.reports.sections import Remark
from scorer.scoring.answers import SCORED_NAMES
from scorer.scoring.folder_output import FolderOutput
from scorer.stores.location import Location
from scorer.stores.parts_places import parts_folder

_REASONS: Final = {"gone": "its input is gone", "changed, or only touched": "its input changed, or was only touched"}


def is_folder_of_parts(path: Location) -> bool:
    """Whether a score job has filled the folder, or has begun to."""
    folder = parts_folder(path.path)
    return folder.read_manifest() is not None or bool(folder.read_journal())


class FolderInspection:
    """Looks at a folder of parts, which nobody holds meanwhile; at `every_byte` of them, or as a run would."""

    def __init__(self, path: Location, *, every_byte: bool = False) -> None:
        self._path, self._every_byte = path, every_byte
        self._output = FolderOutput.look(path)
        self._names = sorted(self._output.known)
        jobs = Counter(self._output.known[name].job for name in self._names)
        # That of most parts first.
        self._jobs = sorted(jobs.items(), key=lambda job: (-job[1], job[0]))

    def document(self) -> dict[str, Any]:
        """Parts, rows by status, what made them; which inputs are not what they were, and which parts are not."""
        output, known = self._output, self._output.known
        return {
            "kind": "folder",
            "path": self._path.said,
            "parts": len(self._names),
            "files": sum(len(known[name].files) for name in self._names),
            "totals": to_document(self._totals),
            "jobs": [{"parts": parts, **to_document(output.jobs[job])} for job, parts in sorted(self._jobs)],
            "input": self._inputs,
            "damaged": self._damaged,
            "failed": output.failed,
            "under_way": bool(output.planned),
            **({"verified": {"ok": not self._damaged}} if self._every_byte else {}),
        }

    @property
    def error(self) -> ScorerError | None:
        """DataError when every byte was looked at, and parts are not what was written; None else."""
        if not self._every_byte or not self._damaged:
            return None
        first, *others = self._damaged
        more = f" and {len(others):,} more" if others else ""
        return DataError(
            f"{self._path.said}: {first}{more} of {len(self._names):,} parts gone or not what was written; delete "
            "what is damaged, then run the same scorer score again"
        )

    def page(self) -> FolderPage:
        """The same for people, part by part."""
        return FolderPage(
            title=f"Parts: {self._path.said.rstrip('/').rpartition('/')[2] or self._path.said}",
            lead=self._path.said,
            rows=self._totals.rows,
            statuses=self._totals.statuses,
            parts=[self._line(name) for name in self._names],
            jobs=[
                JobLine(fingerprint=job, parts=parts, facts=_facts(self._output.jobs[job])) for job, parts in self._jobs
            ],
            failed=self._output.failed,
            remarks=list(self._remarks()),
        )

    @cached_property
    def _totals(self) -> Totals:
        return self._output.totals(self._names, (), model=None)

    @cached_property
    def _inputs(self) -> dict[str, str]:
        return self._output.changed_inputs()

    @cached_property
    def _damaged(self) -> list[str]:
        stands = self._output.is_as_written if self._every_byte else self._output.stands
        return [name for name in self._names if not stands(name)]

    def _line(self, name: str) -> PartLine:
        known = self._output.known[name]
        statuses = known.record.get("statuses", {})
        place = next(place for place, (job, _) in enumerate(self._jobs, 1) if job == known.job)
        return PartLine(
            name=name,
            rows=known.record["rows"],
            scored=sum(statuses.get(status, 0) for status in SCORED_NAMES),
            files=len(known.files),
            job=place,
            stale=", and ".join(self._why(name)),
        )

    def _why(self, name: str) -> Iterator[str]:
        if name in self._damaged:
            yield "the part is gone or changed"
        if name in self._inputs:
            yield _REASONS[self._inputs[name]]

    def _remarks(self) -> Iterator[Remark]:
        if self._output.planned:
            yield Remark("note", "A run is under way, or was interrupted.", "The same command goes on from there.")
        if len(self._jobs) > 1:
            yield Remark(
                "note",
                f"The parts were made by {len(self._jobs)} different jobs: other models, settings or columns.",
                "A run with the settings of now makes the others again, as far as their input is there.",
            )


def _facts(job: JobSpec) -> dict[str, Any]:
    model = job.models["model"]
    options = {name: value for name, value in job.options.items() if value not in (None, [], False, "")}
    labels = {"labels": len(model.labels)} if model.labels is not None else {}
    return {"model": model.fingerprint, **labels, "options": options, "versions": job.versions}
