"""What a run did, counted window by window while it runs, and the JSON summary made of the counts."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from scorer.classifier.labels import LabelSet
from scorer.classifier.profile import Profile
from scorer.records.document import to_document
from scorer.records.flips import Certificate
from scorer.records.lineage import Drift, Lineage
from scorer.records.part import Totals
from scorer.runs.manifest import peak_memory_mib
from scorer.scoring.answers import SCORED_NAMES
from scorer.scoring.drift import compare
from scorer.scoring.windows import RowCounts
from scorer.tables.unread import Unread

if TYPE_CHECKING:
    from scorer.scoring.pipeline import Pace
    from scorer.scoring.tasks import ShardOutcome
    from scorer.scoring.windows import ScoredWindow


@dataclass
class Tally(RowCounts):
    """What a run did so far: windows while they are written, or receipts once parts are finished; `started` is when the
    run began, `profile` what the model says of its training data, and `labels` are its labels."""

    rejected: int = 0
    blank_lines: int = 0
    unread: Unread = field(default_factory=Unread)
    computed_tokens: int = 0
    reused: int = 0
    back_offs: int = 0
    profile: Profile | None = None
    labels: LabelSet | None = None
    recalled: Drift | None = None
    flips: Certificate | None = None
    started: float = field(default_factory=time.monotonic)

    def add(self, window: ScoredWindow) -> None:
        super().add(window)
        self.computed_tokens += window.computed_tokens
        self.reused += window.reused

    def count(self, outcome: ShardOutcome) -> None:
        """A shard was scored that nobody watched; its rows come with its receipts."""
        self.rows_read += outcome.rows_read
        self.computed_tokens += outcome.computed_tokens
        self.reused += outcome.reused
        self.back_offs += outcome.back_offs

    def settle(self, totals: Totals) -> None:
        """All parts are finished, and this is what is in them."""
        self.rows, self.statuses, self.tokens = totals.rows, Counter(totals.statuses), totals.tokens
        self.rejected, self.blank_lines = totals.rejected, totals.blank_lines
        self.stats, self.flips = totals.drift, totals.flips

    def recall(self, lineage: Lineage) -> None:
        """Count what an earlier run has written, from the `lineage` of its output."""
        if lineage.counts is not None:
            self.rows, self.statuses = lineage.counts.rows, Counter(lineage.counts.statuses)
        self.recalled, self.flips = lineage.drift, lineage.flips

    @property
    def flagged(self) -> int:
        """Rows without a score."""
        return self.rows - sum(self.statuses[name] for name in SCORED_NAMES)

    @property
    def facts(self) -> dict[str, Any]:
        """What manifest and summary say of the work done so far; memory is MiB, resident, at its peak."""
        return to_document(self.counts) | {
            "rejected": self.rejected,
            "blank_lines": self.blank_lines,
            "unread_files": self.unread.as_dict(),
            "tokens": self.tokens,
            "computed_tokens": self.computed_tokens,
            "reused_rows": self.reused,
            "back_offs": self.back_offs,
            "peak_memory_mib": peak_memory_mib(),
            "labels": self.by_label,
            "drift": self.drift.as_dict() if self.drift else None,
            **({"flips": self.flips.as_dict()} if self.flips else {}),
        }

    @property
    def by_label(self) -> dict[str, int] | None:
        """How many rows have each label, where the model knows what its training data looked like: then they are
        counted. None where rows have numbers."""
        if self.stats is None or self.labels is None or self.labels.is_number:
            return None
        # The last count is that of rows without any label.
        return dict(zip(map(str, self.labels.names), self.stats.labels[:-1], strict=True))

    @property
    def drift(self) -> Drift | None:
        """How far the rows so far are from the training data; None without a profile of that."""
        return compare(self.profile, self.stats) if self.profile and self.stats else self.recalled


@dataclass(frozen=True, kw_only=True)
class ScoreSummary:
    """The JSON summary of a score run.

    `statuses` counts rows by `score_status`; `rejected` malformed records were set aside and are no rows; `blank_lines`
    of a CSV of several columns are no rows either; `unread_files` counts what lies beside the input's files and is not
    read, and names the first. `tokens` are those of all scored rows, `computed_tokens` those that a forward pass was
    made for; the score of `reused_rows` was known: from an equal text, the cache or the run that was interrupted;
    `back_offs` counts batches that were halved for want of memory. `busy` is each stage's busy share of the stream's
    time. `seconds` and `peak_memory_mib` (resident, MiB) are those of the whole run, `stream_seconds` those between the
    first row read and the last row written. `labels` counts rows by label (see `Tally.by_label`). `drift` is a
    `scorer.records.lineage.Drift`, None for a model without a profile of its training data.
    When an earlier run had written the same output already, `finished_before` is true, rows, statuses and drift are
    those that it wrote, and nothing was computed, published or deleted.
    `flips` is a `scorer.records.flips.Certificate`, of a job with --max-flips.
    Of a folder, `rows`, `statuses` and `drift` are those of all its parts that have an input, and `parts` says how many
    were `current` before, were `scored` (those that an interrupted or refused run had finished among them), `failed`,
    have no input any more, and why parts were `stale`.
    """

    output: str
    finished_before: bool = False
    rows: int = 0
    rejected: int = 0
    blank_lines: int = 0
    unread_files: dict[str, Any] = field(default_factory=dict)
    statuses: dict[str, int] = field(default_factory=dict)
    tokens: int = 0
    computed_tokens: int = 0
    reused_rows: int = 0
    back_offs: int = 0
    engine: dict[str, Any] = field(default_factory=dict)
    busy: dict[str, float] = field(default_factory=dict)
    seconds: float = 0.0
    stream_seconds: float = 0.0
    peak_memory_mib: int = 0
    labels: dict[str, int] | None = None
    drift: dict[str, Any] | None = None
    flips: dict[str, Any] | None = None
    parts: dict[str, Any] | None = None

    def as_dict(self) -> dict[str, Any]:
        """JSON types; an output that is no folder has no parts to tell of, and one without --max-flips no
        flips."""
        document = asdict(self)
        for name in ("parts", "flips"):
            if document[name] is None:
                del document[name]
        return document


def summarize(tally: Tally, *, output: str, engine: dict[str, Any], pace: Pace | None = None) -> ScoreSummary:
    """The summary of a run that has just been published, or without `pace` of one that had nothing to do."""
    return ScoreSummary(
        **tally.facts,
        output=output,
        engine=engine,
        finished_before=pace is None,
        busy=pace.busy if pace else {},
        seconds=round(time.monotonic() - tally.started, 3),
        stream_seconds=round(pace.seconds, 3) if pace else 0.0,
    )
