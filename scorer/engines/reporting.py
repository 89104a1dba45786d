"""What every score job does with its counts: follow the windows, compare with the limits, tell of drift."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from scorer.engines.summary import Tally
from scorer.runs.console import Console
from scorer.runs.signals import StopSignals
from scorer.scoring.drift import MUCH
from scorer.scoring.limits import Limits

if TYPE_CHECKING:
    from scorer.scoring.windows import ScoredWindow


class Watching:
    """Counts windows for the summary and for the progress bar, and stops at a signal."""

    def __init__(
        self, tally: Tally, signals: StopSignals, progress: Callable[[float], object] = lambda _rows: None
    ) -> None:
        self._tally = tally
        self._progress = progress
        self.check = signals.check

    def read(self, rows: int) -> None:
        self._tally.rows_read += rows

    def wrote(self, window: ScoredWindow) -> None:
        self._tally.add(window)
        self._progress(window.table.num_rows)


def check_limits(limits: Limits, tally: Tally) -> None:
    """DataError when what was scored must not be published."""
    limits.check(rows=tally.rows, flagged=tally.flagged, rejected=tally.rejected, drift=tally.drift)


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

    def wrote(self, window: ScoredWindow) -> None:
        pass
