"""The manifest of a run: what was asked, what happened, how it ended; as JSON and as Prometheus text metrics.

It never sees a text: an error is told by its one line, which says the shape of a value only, and a bug of ours by its
kind. The peak of this process's memory, which a manifest tells, is measured here.
"""

from __future__ import annotations

import json
import re
import resource
import sys
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from scorer.errors import ScorerError, exit_code_of

MANIFEST_VERSION = 1
_LAST_SUCCESS = "scorer_last_success_timestamp_seconds"


@dataclass(kw_only=True)
class Manifest:
    """One run, from its construction to `end`. `facts` are added while it runs, by whoever knows them."""

    arguments: Sequence[str]
    facts: dict[str, Any] = field(default_factory=dict)
    run_id: str = field(default_factory=lambda: uuid.uuid4().hex)
    started: float = field(default_factory=time.time)
    ended: float | None = None
    exit_code: int | None = None
    reason: str | None = None

    def end(self, error: BaseException | None) -> None:
        """Note that the run is over, because of `error` if there is one."""
        self.ended = time.time()
        self.exit_code = 0 if error is None else exit_code_of(error)
        if error is not None:
            self.reason = str(error) if isinstance(error, ScorerError) else type(error).__name__

    def as_json(self) -> str:
        """The whole record, indented; times are UTC in ISO 8601, durations seconds, memory MiB."""
        assert self.ended is not None, "the run goes on; this is a bug"
        document = {
            "manifest_version": MANIFEST_VERSION,
            "run_id": self.run_id,
            "arguments": list(self.arguments),
            "started": _iso(self.started),
            "ended": _iso(self.ended),
            "exit_code": self.exit_code,
            "reason": self.reason,
        }
        return json.dumps(document | self.facts, indent=2, ensure_ascii=False) + "\n"

    def as_metrics(self, *, output: str, before: str) -> str:
        """The record in Prometheus' text format, every metric labelled with `output`.

        `before` is what the metrics' file held, from which a run that failed keeps the time of the last success.
        """
        assert self.ended is not None, "the run goes on; this is a bug"
        label = f'output="{escaped(output)}"'
        lines: list[str] = []
        for name, meaning, value in (
            ("scorer_exit_code", "Exit code of the last run.", self.exit_code),
            ("scorer_last_run_timestamp_seconds", "When the last run ended.", self.ended),
            (_LAST_SUCCESS, "When a run last succeeded.", self._last_success(label, before)),
            ("scorer_duration_seconds", "How long the last run took.", self.ended - self.started),
            ("scorer_rows_read", "Rows that the last run read.", self.facts.get("rows_read")),
            ("scorer_rejected_records", "Malformed records that the last run set aside.", self.facts.get("rejected")),
            ("scorer_tokens", "Tokens of the rows that the last run scored.", self.facts.get("tokens")),
            ("scorer_reused_rows", "Rows whose score was known.", self.facts.get("reused_rows")),
            ("scorer_back_offs", "Batches halved for want of memory.", self.facts.get("back_offs")),
            ("scorer_peak_memory_mebibytes", "Peak resident memory.", self.facts.get("peak_memory_mib")),
        ):
            if value is not None:
                lines += [f"# HELP {name} {meaning}", f"# TYPE {name} gauge", f"{name}{{{label}}} {value}"]
        if statuses := self.facts.get("statuses"):
            lines += ["# HELP scorer_rows Rows of the last run by status.", "# TYPE scorer_rows gauge"]
            lines += [f'scorer_rows{{{label},status="{status}"}} {count}' for status, count in statuses.items()]
        if drift := self.facts.get("drift"):
            lines += [
                "# HELP scorer_drift_psi Stability index against the training data.",
                "# TYPE scorer_drift_psi gauge",
            ]
            lines += [f'scorer_drift_psi{{{label},of="{name}"}} {psi}' for name, psi in drift["psi"].items()]
        return "\n".join(lines) + "\n"

    def _last_success(self, label: str, before: str) -> float | None:
        if self.exit_code == 0:
            return self.ended
        found = re.search(rf"^{_LAST_SUCCESS}{{{re.escape(label)}}} (\S+)$", before, re.MULTILINE)
        return float(found[1]) if found else None


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")


def escaped(value: str) -> str:
    """`value` as Prometheus writes it between the quotes of a label."""
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


_STATUS = Path("/proc/self/status")


def peak_memory_mib() -> int:
    """The most memory that this process has had resident since it began its program, in MiB.

    Linux says it in /proc. Elsewhere the resource usage does, which at least a process that was forked from a larger
    one takes for its own.
    """
    if _STATUS.exists():
        for line in _STATUS.read_text(encoding="ascii", errors="replace").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) // 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak // 2**20 if sys.platform == "darwin" else peak // 2**10
