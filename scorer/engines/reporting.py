"""What every score job does with its counts: follow the windows, compare with the limits, tell of drift."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from threading import Lock
from typing import TYPE_CHECKING

from scorer.engines.summary import ScoreSummary, Tally
from scorer.runs.console import Console
from scorer.runs.signals import StopSignals
from scorer.scoring.drift import MUCH
from scorer.scoring.limits import Limits

if TYPE_CHECKING:
    from scorer.scoring.windows import ScoredWindow

_BAR = 30
_MOST_BARS = 12
_LONGEST_NAME = 32


class Watching:
    """Counts windows for the summary, batches for the progress bar, and stops at a signal."""

    def __init__(
        self, tally: Tally, signals: StopSignals, progress: Callable[[float], object] = lambda _rows: None
    ) -> None:
        self._tally = tally
        self._progress = progress
        self._ahead = 0.0
        self._lock = Lock()
        self.check = signals.check

    def read(self, rows: int) -> None:
        self._tally.rows_read += rows

    def computed(self, rows: float) -> None:
        with self._lock:
            self._ahead += rows
            self._progress(rows)

    def wrote(self, window: ScoredWindow) -> None:
        self._tally.add(window)
        with self._lock:
            # Rows whose logits were known, or that have none, were not counted yet.
            counted = min(self._ahead, float(window.table.num_rows))
            self._ahead -= counted
            self._progress(window.table.num_rows - counted)


def check_limits(limits: Limits, tally: Tally, console: Console) -> None:
    """DataError when what was scored must not be published; a warning where a limit has nothing to look at."""
    limits.check(rows=tally.rows, flagged=tally.flagged, rejected=tally.rejected, drift=tally.drift)
    if limits.drift is not None and tally.drift is None:
        console.warn("--fail-on-drift: no row has a score, so nothing was compared with the model's training data")


def warn_of_drift(tally: Tally, console: Console) -> None:
    """Say where rows differ much from the model's training data."""
    much = tally.drift.beyond(MUCH) if tally.drift else {}
    if much:
        found = ", ".join(f"{name} {psi:.2f}" for name, psi in much.items())
        console.warn(
            f"the rows differ from the model's training data (stability index: {found}; above {MUCH:g} is much); "
            "look at them before you trust the scores"
        )


class Unwatched:
    """A watch for whoever counts finished parts: it only tells a run to stop, as `check` does."""

    def __init__(self, check: Callable[[], None] = lambda: None) -> None:
        self.check = check

    def read(self, rows: int) -> None:
        pass

    def computed(self, rows: float) -> None:
        pass

    def wrote(self, window: ScoredWindow) -> None:
        pass


def tell(summary: ScoreSummary, console: Console) -> None:
    """Show somebody at a terminal what came out: rows by status and by label, and where they are."""
    for line in _shown(summary):
        console.detail(line)


def _shown(summary: ScoreSummary) -> Iterator[str]:
    pace = f", {summary.rows / summary.stream_seconds:,.0f} a second" if summary.stream_seconds else ""
    yield f"{summary.rows:,} rows in {summary.seconds:,.1f} s{pace}, with {summary.engine.get('backend', 'no model')}"
    yield from _bars(summary.statuses, of=summary.rows)
    if summary.labels:
        yield "by label"
        yield from _bars(summary.labels, of=max(sum(summary.labels.values()), 1))
    yield f"written to {summary.output}"


def _bars(counts: Mapping[str, int], *, of: int) -> Iterator[str]:
    """A line for each name: its count, its share and a bar. The rarest of many names share one."""
    shown = dict(sorted(counts.items(), key=lambda item: -item[1])[:_MOST_BARS]) if len(counts) > _MOST_BARS else counts
    rest = sum(counts.values()) - sum(shown.values())
    found = {**shown, f"{len(counts) - len(shown)} others": rest} if rest else shown
    width = max((len(_short(name)) for name in found), default=0)
    for name, count in found.items():
        bar = "#" * round(_BAR * count / max(of, 1))
        yield f"  {_short(name):<{width}}  {count:>12,}  {count / max(of, 1):>6.1%}  {bar}".rstrip()


def _short(name: str) -> str:
    return name if len(name) <= _LONGEST_NAME else name[: _LONGEST_NAME - 3] + "..."
