"""The page of `--report-html`: the output of a job is read once more, when it stands, and told as a page.

So a run makes the same page whether it scored all rows, some of them, or none. Nothing of the output depends on it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from scorer.classifier.directory import ModelDirectory
from scorer.classifier.labels import LabelSet
from scorer.config import WINDOW_ROWS, WINDOW_TEXT_BYTES, FileFormat, ScoreConfig
from scorer.engines.summary import Tally
from scorer.records.job import JobSpec
from scorer.records.lineage import Drift
from scorer.reports.score_page import ScorePage
from scorer.reports.sections import Remark
from scorer.scoring.drift import MUCH, compare
from scorer.scoring.drift_figures import drift_figures
from scorer.scoring.grouping_by_time import time_column
from scorer.scoring.overview import Overview, answer_columns
from scorer.stores.atomic import write_whole
from scorer.stores.location import Location, name_of
from scorer.tables.dialect import UNSAID, Dialect
from scorer.tables.formats.registry import format_named
from scorer.tables.listing import Listing, partition_of
from scorer.tables.source import Source

_LOOKED_AT = 1000
_VALIDATION = ("accuracy", "macro_f1", "micro_f1", "ece", "rmse", "mae", "r2")


@dataclass(frozen=True)
class Published:
    """A file of an output that stands: its `name` within the output, empty where it is all of it; its place; the `job`
    that made it."""

    name: str
    place: Location
    format: FileFormat
    job: JobSpec

    @property
    def text_columns(self) -> tuple[str, ...]:
        return tuple(self.job.options.get("text_column", ()))


@dataclass(frozen=True, kw_only=True)
class OutcomePage:
    """The page about an output, before it is written.

    files     of the output, in order; `folder` they lie in, None of an output that is a file
    job       which made them, or most of them; with the `directory` and the `labels` of its model
    tally     what is known of the rows: drift, and the sums behind it
    input     what is said of the input
    remarks   what is wrong with the output
    """

    config: ScoreConfig
    files: Sequence[Published]
    folder: Location | None
    job: JobSpec
    directory: ModelDirectory
    labels: LabelSet
    tally: Tally
    input: Mapping[str, Any]
    remarks: Sequence[Remark] = ()

    def write(self, *, check: Callable[[], None]) -> None:
        """Read the output and write the page, whole or not at all; `check` is called between windows and raises to
        stop."""
        assert self.config.report_html is not None, "no page was asked for; this is a bug"
        overview = self._overview(check)
        write_whole(self.config.report_html, self._page(overview).html())

    def _overview(self, check: Callable[[], None]) -> Overview:
        by = self.config.report_by or self._time_column()
        overview = Overview(
            self.labels,
            profile=self.directory.profile,
            by=by,
            parts=self.folder is not None and len(self.files) > 1,
        )
        for file in self.files:
            first = 1
            for window in self._windows(file, by):
                check()
                overview.add(
                    window, prefix=file.job.prefix, text_columns=file.text_columns, first=first, part=file.name
                )
                first += window.num_rows
        return overview

    def _time_column(self) -> str | None:
        """The first column of times, as the first rows of the first file tell."""
        for file in self.files[:1]:
            reader = self._source(file).read()
            for window in reader.windows(max_rows=_LOOKED_AT, max_bytes=WINDOW_TEXT_BYTES):
                return time_column(window, besides=file.text_columns)
        return None

    def _windows(self, file: Published, by: str | None) -> Iterator[Any]:
        source = self._source(file)
        present = [name for name in file.text_columns if name in source.names]
        wanted = [*answer_columns(file.job.prefix), *present, *([by] if by is not None else [])]
        reader = source.read(present).only(wanted)
        yield from reader.windows(max_rows=WINDOW_ROWS, max_bytes=WINDOW_TEXT_BYTES)
        reader.check_unchanged()

    def _source(self, file: Published) -> Source:
        path = file.place.path
        root = self.folder.path if self.folder is not None else path.parent
        listing = Listing((path,), (partition_of(path, root),))
        return Source(listing, file.format, dialect=self._dialect(file))

    def _dialect(self, file: Published) -> Dialect:
        """Labels are text, also where all of them look like numbers: 1.0 would come back as 1."""
        inside = format_named(file.format).delimited and not file.job.options.get("partition_by")
        return Dialect(types=((f"{file.job.prefix}score", None),)) if inside and not self.labels.is_number else UNSAID

    @property
    def _drift(self) -> Drift | None:
        """That of the rows of all parts, whoever scored them."""
        return self.tally.drift or compare(self.directory.profile, self.tally.stats)

    def _page(self, overview: Overview) -> ScorePage:
        decision = self.job.models["model"].decision or {}
        figures = drift_figures(
            self._drift,
            self.directory.profile,
            sums=self.tally.stats,
            counted=overview.histograms(),
            labels=self.labels.names,
            several=self.labels.multi,
        )
        return ScorePage(
            title=f"What came out: {name_of(self.config.target.rstrip('/'))}",
            lead=f"{overview.rows:,} rows of {self.config.source}, scored by {self.config.model}.",
            outcome=overview.outcome(abstain_below=decision.get("abstain_below"), drift=figures),
            scored=overview.scored,
            parts=len(self.files) if self.folder is not None else None,
            remarks=[*self.remarks, *self._found(overview)],
            model=self._model(),
            lineage=self._lineage(),
        )

    def _found(self, overview: Overview) -> Iterator[Remark]:
        """What a reader should know before the figures."""
        drift = self._drift
        if drift is None:
            yield Remark("note", "The model says nothing of its training data, so that drift is not known.")
        elif much := drift.beyond(MUCH):
            found = ", ".join(f"{name} {psi:.2f}" for name, psi in much.items())
            yield Remark(
                "warning",
                f"The rows differ much from the model's training data: {found}.",
                "Look at them, and at the drift below, before you trust the scores.",
            )
        if missing := overview.rows - overview.scored:
            yield Remark("note", f"Rows without a score: {missing:,}. The statuses say why.")

    def _model(self) -> dict[str, Any]:
        metadata, name = self.directory.metadata, self.config.model
        found: dict[str, Any] = {"model": name, "fingerprint": self.directory.fingerprint}
        found |= {"gives": self.labels.counted, "text columns": self.job.options.get("text_column", [])}
        if metadata is None:
            return found | {"fitted by scorer": False}
        figures = {key: f"{metadata.metrics[key]:.4f}" for key in _VALIDATION if key in metadata.metrics}
        return found | {
            "base model": metadata.base_model,
            "on validation rows": figures,
            "fitted with": metadata.versions,
        }

    def _lineage(self) -> dict[str, Any]:
        return {
            "output": self.config.target,
            "input": self.config.source,
            **self.input,
            "job": self.job.fingerprint,
            "options": {name: value for name, value in self.job.options.items() if value not in (None, [], False, "")},
            "versions": self.job.versions,
        }
