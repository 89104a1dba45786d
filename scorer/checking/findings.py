"""What a check finds: one type for all findings, how severe each is, and the tally of the rows that it is about."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from scorer.examples.survey import numbered_rows

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
        return numbered_rows(self.rows, of=self.count)

    def as_dict(self) -> dict[str, Any]:
        """JSON types only."""
        return {**dataclasses.asdict(self), "share": round(self.share, 6), "rows": list(self.rows)}


def by_severity(findings: Iterable[Finding]) -> list[Finding]:
    """The most severe first; within one severity those that concern the larger share."""
    return sorted(findings, key=lambda finding: (SEVERITIES.index(finding.severity), -finding.share))


def count_by_severity(findings: Sequence[Finding]) -> dict[str, int]:
    """How many findings there are of each severity: `errors`, `warnings`, `notes`."""
    return {f"{name}s": sum(finding.severity == name for finding in findings) for name in SEVERITIES}


def severity_of(share: float, *, warning: float, note: float = 0.0) -> Severity | None:
    """`warning` from a share of `warning` on, `note` above `note`, else None: not worth a line."""
    if share >= warning and share > 0:
        return "warning"
    return "note" if share > note else None


class Tally:
    """`count` rows of the `seen` ones, and the numbers of the first five."""

    def __init__(self) -> None:
        self.seen = self.count = 0
        self.rows: tuple[int, ...] = ()

    @classmethod
    def of(cls, mask: NDArray[np.bool_]) -> Tally:
        """The tally of all rows at once: those where `mask` (rows,) is true."""
        tally = cls()
        tally.add(mask)
        return tally

    def add(self, mask: NDArray[np.bool_]) -> None:
        """The next rows: those where `mask` (n,) is true have it."""
        found = np.flatnonzero(mask)
        more = found[: MOST_ROWS - len(self.rows)] + self.seen + 1
        self.rows += tuple(more.tolist())
        self.count += len(found)
        self.seen += len(mask)

    @property
    def share(self) -> float:
        """`count` of all rows seen; 0 when there are none."""
        return self.count / self.seen if self.seen else 0.0
