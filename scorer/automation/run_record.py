"""What a run of a job says of itself: the manifest of one day, with what became of each step."""

from __future__ import annotations

import time
import uuid
from dataclasses import asdict, dataclass, field
from datetime import UTC, date, datetime
from typing import Any, Literal

from scorer.version import __version__

MANIFEST_VERSION = 1

Outcome = Literal["done", "stood", "failed", "skipped", "interrupted"]
"""A step was `done`, or `stood` since an earlier run; it `failed`; it was `skipped`, since it needs one that did not
end well; or a signal `interrupted` it."""


@dataclass(kw_only=True)
class StepRecord:
    """What became of one step. `exit_code` and `arguments` are those of a step that was done, or failed; `summary` is
    the JSON that it printed, `reason` why it ended so."""

    name: str
    command: str
    outcome: Outcome
    exit_code: int | None = None
    reason: str | None = None
    seconds: float = 0.0
    arguments: list[str] = field(default_factory=list)
    summary: dict[str, Any] | None = None

    @property
    def well(self) -> bool:
        """Whether what needs it may be done."""
        return self.outcome in ("done", "stood")


@dataclass(kw_only=True)
class RunRecord:
    """One run of the `job` in `file` for one `day`; times are seconds since 1970."""

    job: str
    file: str
    day: date
    run_id: str = field(default_factory=lambda: uuid.uuid4().hex)
    started: float = field(default_factory=time.time)
    ended: float | None = None
    exit_code: int | None = None
    reason: str | None = None
    steps: list[StepRecord] = field(default_factory=list)

    @property
    def name(self) -> str:
        """The manifest's name, by which manifests are sorted in time."""
        started = datetime.fromtimestamp(self.started, UTC)
        return f"{started:%Y%m%dT%H%M%S.%fZ}-{self.run_id[:8]}"

    def well(self, names: tuple[str, ...]) -> bool:
        """Whether the steps of these `names` have ended well."""
        found = {step.name: step.well for step in self.steps}
        return all(found[name] for name in names)

    @property
    def failed(self) -> StepRecord | None:
        """The first step that did not end well, of those that were begun."""
        return next((step for step in self.steps if step.outcome in ("failed", "interrupted")), None)

    @property
    def interrupted(self) -> bool:
        """Whether a signal ended it."""
        return any(step.outcome == "interrupted" for step in self.steps)

    def end(self) -> None:
        """All steps are over; the exit code is that of the first that failed."""
        self.ended = time.time()
        failed = self.failed
        self.exit_code = 0 if failed is None else failed.exit_code
        if failed is not None:
            self.reason = f"{failed.name}: {failed.reason}"

    def fail(self, exit_code: int, reason: str) -> None:
        """Something else than a step made the run fail: a hook, or a file that could not be written."""
        self.ended = self.ended or time.time()
        self.exit_code, self.reason = exit_code, reason

    def as_document(self) -> dict[str, Any]:
        """JSON types; times are UTC in ISO 8601, durations seconds."""
        return {
            "manifest_version": MANIFEST_VERSION,
            "scorer": __version__,
            "job": self.job,
            "file": self.file,
            "date": self.day.isoformat(),
            "run_id": self.run_id,
            "started": _iso(self.started),
            "ended": None if self.ended is None else _iso(self.ended),
            "exit_code": self.exit_code,
            "reason": self.reason,
            "steps": [asdict(step) for step in self.steps],
        }


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
