"""What was measured, and the figures made of it.

Owns the arithmetic: medians, spreads, shares, ratios. Pure; knows no process and no file.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field

from harness.answers import Agreement
from harness.trial import Loaded, Run
from harness.workloads import Workload


@dataclass(frozen=True, kw_only=True)
class PeerResult:
    """A peer on a workload of `tokens` tokens without padding; `runs` are its timed passes, in order.

    `failure` says in a line why there are none.
    """

    name: str
    form: str
    tokens: int
    about: str = ""
    loaded: Loaded | None = None
    runs: list[Run] = field(default_factory=list)
    agreement: Agreement | None = None
    failure: str | None = None

    @property
    def seconds(self) -> float:
        """The median of the passes."""
        return statistics.median(run.seconds for run in self.runs)

    @property
    def seconds_with_load(self) -> float:
        """The median of the passes with the loading of the model."""
        assert self.loaded is not None
        loaded = self.loaded.seconds
        return statistics.median(run.whole_seconds or run.seconds + loaded for run in self.runs)

    @property
    def speed(self) -> float:
        """Real tokens a second."""
        return self.tokens / self.seconds

    @property
    def speeds(self) -> tuple[float, float]:
        """The slowest and the fastest pass, real tokens a second."""
        speeds = [self.tokens / run.seconds for run in self.runs]
        return min(speeds), max(speeds)

    @property
    def padding(self) -> float | None:
        """The share of the computed tokens that is padding, between 0 and 1; None where nobody knows.

        It can be negative only for a peer that computed less than every row, by reuse; then it is None, too.
        """
        computed = self.runs[-1].computed_tokens
        return 1 - self.tokens / computed if computed is not None and computed >= self.tokens else None

    @property
    def peak_mib(self) -> float:
        return max(run.peak_mib for run in self.runs)


@dataclass(frozen=True, kw_only=True)
class WorkloadResult:
    """Every peer on one workload. `ceilings` are FLOP a second by precision, one measurement a round."""

    workload: Workload
    tokens: int
    flop_per_token: float
    peers: list[PeerResult]
    ceilings: list[dict[str, float]]

    @property
    def measured(self) -> list[PeerResult]:
        return [peer for peer in self.peers if peer.failure is None]

    def ceiling(self, precision: str) -> float:
        """The median of the rounds, FLOP a second."""
        return statistics.median(found[precision] for found in self.ceilings)

    def ceiling_share(self, peer: PeerResult, precision: str = "bf16") -> float:
        """The share of the machine's matrix products that the real tokens' work makes up."""
        return peer.speed * self.flop_per_token / self.ceiling(precision)

    def ratio(self, peer: PeerResult, baseline: str) -> float | None:
        """How many times as fast as the peer `baseline`; None where that was not measured."""
        found = [other for other in self.measured if other.name == baseline]
        return peer.speed / found[0].speed if found else None


def rotated(names: Sequence[str], by: int) -> list[str]:
    """`names` in their order, beginning with another one each round, so that nobody always runs after the same peer."""
    start = by % len(names) if names else 0
    return [*names[start:], *names[:start]]
