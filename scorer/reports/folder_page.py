"""The page of `scorer inspect FOLDER --html`: the parts of a folder, what made them, which do not stand and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from scorer.reports.page import (
    Html,
    definitions,
    joined,
    meter,
    more,
    page,
    paragraph,
    percent,
    quoted,
    section,
    table,
    tiles,
)
from scorer.reports.sections import Remark, remark_section
from scorer.reports.statuses import status_section

# Of more parts the rest is folded away; of still more, only those are told that do not stand.
_OPEN, _MOST = 50, 5_000


@dataclass(frozen=True, kw_only=True)
class PartLine:
    """A part: its rows, how many of them have a score, how many files it is laid out in, the job that made it by its
    place among the jobs, and why it does not stand, or nothing."""

    name: str
    rows: int
    scored: int
    files: int
    job: int
    stale: str = ""


@dataclass(frozen=True, kw_only=True)
class JobLine:
    """A job that made some of the parts: what it is known by, and what decides it, name by name."""

    fingerprint: str
    parts: int
    facts: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class FolderPage:
    """What the page shows; `failed` are files that the last run could not score, and why."""

    title: str
    lead: str
    rows: int
    statuses: Mapping[str, int]
    parts: Sequence[PartLine]
    jobs: Sequence[JobLine]
    failed: Mapping[str, str]
    remarks: Sequence[Remark] = ()

    def html(self) -> str:
        """The page, a complete HTML document."""
        return page(
            self.title,
            (
                self._headline(),
                remark_section("Before you read on", self.remarks),
                self._stale(),
                self._failed(),
                status_section(self.statuses, rows=self.rows),
                self._jobs(),
                self._parts(),
            ),
            lead=self.lead,
        )

    def _headline(self) -> Html:
        stale = sum(bool(part.stale) for part in self.parts)
        figures = {"parts": len(self.parts), "rows": self.rows, "parts that do not stand": stale}
        failed = {"files that failed": len(self.failed)} if self.failed else {}
        return tiles((name, f"{count:,}") for name, count in (figures | failed).items())

    def _stale(self) -> Html:
        found = [part for part in self.parts if part.stale]
        note = "The next run makes these again, or says what it cannot make."
        return section("Does not stand", self._table(found), note=note) if found else Html("")

    def _failed(self) -> Html:
        rows = ((quoted(name, 120), quoted(why, 300)) for name, why in sorted(self.failed.items()))
        return section("Failed in the last run", table(("file", "why"), rows, words={1})) if self.failed else Html("")

    def _jobs(self) -> Html:
        blocks = [
            joined(
                [Html(f"<h3>Job {place}: {job.parts:,} parts</h3>"), definitions({"job": job.fingerprint, **job.facts})]
            )
            for place, job in enumerate(self.jobs, 1)
        ]
        return section("What made them", *blocks)

    def _parts(self) -> Html:
        shown = [part for part in self.parts if not part.stale][:_MOST]
        hidden = sum(not part.stale for part in self.parts) - len(shown)
        rest = [more(f"{len(shown) - _OPEN:,} more parts", self._table(shown[_OPEN:]))] if shown[_OPEN:] else []
        told = [paragraph(f"And {hidden:,} more, which stand as well.")] if hidden else []
        return section("Parts", self._table(shown[:_OPEN]), *rest, *told) if shown else Html("")

    def _table(self, parts: Sequence[PartLine]) -> Html:
        several = any(part.files != 1 for part in parts)
        stale = any(part.stale for part in parts)
        head = ("part", "rows", "scored", *(("files",) if several else ()), "job", *(("why",) if stale else ()))
        rows = (
            (
                quoted(part.name, 120),
                f"{part.rows:,}",
                meter(part.scored / part.rows, percent(part.scored / part.rows)) if part.rows else "",
                *((f"{part.files:,}",) if several else ()),
                part.job,
                *((part.stale,) if stale else ()),
            )
            for part in parts
        )
        return table(head, rows, words={len(head) - 1} if stale else ())


def _job(place: int, job: JobLine) -> Html:
    heading = Html(f"<h3>Job {place}: {job.parts:,} parts</h3>")
    return joined([heading, definitions({"job": job.fingerprint, **job.facts})])
