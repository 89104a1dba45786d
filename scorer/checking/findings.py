"""What a check finds: one type for every kind of finding, and how severe it is.

Owns the shape of a finding. Does not know how any is made.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

Severity = Literal["error", "warning", "note"]

# From the most severe to the least.
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note")
MOST_ROWS = 5


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that was found in one file.

    code      a name for programs, such as `conflicting_labels`
    severity  error: `scorer fit` refuses the file; warning: it costs quality; note: worth knowing
    file      the file's name as it was given
    what      one line for people, which holds counts and never a text of the file
    advice    what to do
    count     rows (or labels, where `what` counts labels) that it is about
    share     `count` as a share of all of them, 0 to 1
    rows      up to five of the rows, counted from 1 without the header
    """

    code: str
    severity: Severity
    file: str
    what: str
    advice: str
    count: int
    share: float
    rows: tuple[int, ...] = ()

    @property
    def numbered(self) -> str:
        """The rows for people, to be appended to `what`: " (rows 3, 17, ...)", or nothing."""
        if not self.rows:
            return ""
        more = ", ..." if self.count > len(self.rows) else ""
        return f" (row{'s' if self.count > 1 else ''} {', '.join(map(str, self.rows))}{more})"

    def as_dict(self) -> dict[str, Any]:
        """JSON types only."""
        return {**dataclasses.asdict(self), "share": round(self.share, 6), "rows": list(self.rows)}


def by_severity(findings: Iterable[Finding]) -> list[Finding]:
    """The most severe first; within one severity those that concern the larger share."""
    return sorted(findings, key=lambda finding: (SEVERITIES.index(finding.severity), -finding.share))


def counts(findings: Sequence[Finding]) -> dict[str, int]:
    """How many findings there are of each severity: `errors`, `warnings`, `notes`."""
    return {f"{name}s": sum(finding.severity == name for finding in findings) for name in SEVERITIES}


def severity_of(share: float, *, warning: float, note: float = 0.0) -> Severity | None:
    """`warning` from a share of `warning` on, `note` above `note`, else None: not worth a line."""
    if share >= warning and share > 0:
        return "warning"
    return "note" if share > note else None
