"""What is known of a part whose rows may have left the model early: the certificate."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

_AND = "; "


@dataclass(frozen=True, kw_only=True)
class Certificate:
    """At most a share `max_flips` of the rows has another answer than the whole model gives, at this `confidence`.

    exact           why the whole model scored all rows, or all that came after; None where that was not needed; of
                    several parts, the reasons of those that have one
    sample_rows     rows of the random sample that the whole model scored: they fitted the exits and certified them
    certified_rows  those of them that certified, `certified_flips` of which would have flipped
    bound           the upper bound on the share of flips, at the confidence; 0 where all rows are exact
    audit_rows      later rows that were scored both ways, `audit_flips` of which would have flipped
    decided         rows with a text by what decided them
    work            the share of the whole model's work that was done, counted in layers
    """

    max_flips: float
    confidence: float
    exact: str | None = None
    sample_rows: int = 0
    certified_rows: int = 0
    certified_flips: int = 0
    bound: float = 0.0
    audit_rows: int = 0
    audit_flips: int = 0
    decided: Mapping[str, int] = field(default_factory=dict)
    work: float = 1.0

    def __add__(self, other: Self) -> Self:
        """Those of two parts together. Each keeps its own promise; the bound is that of the worse one."""
        rows, others = sum(self.decided.values()), sum(other.decided.values())
        told = [exact.split(_AND) for exact in (self.exact, other.exact) if exact is not None]
        reasons = dict.fromkeys(reason for reasons in told for reason in reasons)
        counted = Counter(self.decided) + Counter(other.decided)
        return type(self)(
            max_flips=self.max_flips,
            confidence=self.confidence,
            exact=_AND.join(reasons) or None,
            sample_rows=self.sample_rows + other.sample_rows,
            certified_rows=self.certified_rows + other.certified_rows,
            certified_flips=self.certified_flips + other.certified_flips,
            bound=max(self.bound, other.bound),
            audit_rows=self.audit_rows + other.audit_rows,
            audit_flips=self.audit_flips + other.audit_flips,
            decided=dict(counted),
            work=round((self.work * rows + other.work * others) / max(rows + others, 1), 4),
        )

    @property
    def early(self) -> int:
        """Rows that left before the whole model had seen them."""
        return sum(self.decided.values()) - self.decided.get("full", 0)

    def as_dict(self) -> dict[str, Any]:
        """JSON types only."""
        return dict(vars(self)) | {"decided": dict(self.decided)}
