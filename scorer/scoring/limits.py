"""What an output must be like to be published: enough rows, few without a score, rows like those of the training data.

These are `--max-flagged`, `--min-rows` and `--fail-on-drift`, checked when all rows are counted.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from fractions import Fraction

from scorer.config import ScoreConfig
from scorer.errors import DataError, UsageError
from scorer.records.lineage import Drift
from scorer.stores.location import Location


@dataclass(frozen=True)
class Allowance:
    """At most `number` rows, or that share of all rows when it is a `share`; exact, as 29 of 100 rows are 29%."""

    number: Fraction
    share: bool

    @classmethod
    def parse(cls, text: str, *, flag: str) -> Allowance:
        """What `N` or `P%` says; UsageError when it says something else."""
        if re.fullmatch(r"\d+", text):
            return cls(Fraction(text), False)
        if re.fullmatch(r"\d+(\.\d+)?%", text) and float(text[:-1]) <= 100:
            return cls(Fraction(text[:-1]) / 100, True)
        raise UsageError(f"{flag} {text}: expected a number of rows (20) or a share of them (0.5%)")

    def allows(self, rows: int, *, of: int) -> bool:
        """Whether `rows` of all rows (`of`) are not too many."""
        return rows <= (of * self.number if self.share else self.number)

    def __str__(self) -> str:
        return f"{float(100 * self.number):g}%" if self.share else f"{self.number}"


@dataclass(frozen=True, kw_only=True)
class Limits:
    """At most so many rows `flagged`, that is without a score; at least `rows` rows; no stability index above `drift`
    that chance does not explain. None is no limit. `outcome` says what became of an output that exceeds one: what was
    streamed to standard output, or stands from an earlier run, is there."""

    flagged: Allowance | None = None
    rows: int | None = None
    drift: float | None = None
    outcome: str = "nothing was published"

    @classmethod
    def of(cls, config: ScoreConfig) -> Limits:
        """The limits in `config`; UsageError when one cannot be read."""
        asked = config.max_flagged
        flagged = Allowance.parse(asked, flag="--max-flagged") if asked is not None else None
        limits = cls(flagged=flagged, rows=config.min_rows, drift=config.fail_on_drift)
        streamed = Location.of_output(config.target).is_stream
        return replace(limits, outcome="standard output has them already") if streamed else limits

    def of_what_stands(self, said: str) -> Limits:
        """The same for the output that is `said`, which an earlier run has written."""
        return replace(self, outcome=f"{said} stands from an earlier run")

    @property
    def any(self) -> bool:
        """Whether there is any limit."""
        return (self.flagged, self.rows, self.drift) != (None, None, None)

    def check(self, *, rows: int, flagged: int, rejected: int = 0, drift: Drift | None = None) -> None:
        """DataError when an output of `rows` rows, `flagged` of which have no score, beside which so many malformed
        records were `rejected`, and which drifted so far from the training data, must not be published. Without any
        scored row there is no `drift`."""
        outcome = self.outcome
        if self.rows is not None and rows < self.rows:
            raise DataError(f"{rows} rows, and --min-rows asks for {self.rows}; {outcome}")
        without, records = flagged + rejected, rows + rejected
        if self.flagged is not None and not self.flagged.allows(without, of=records):
            raise DataError(
                f"{without} of {records} rows have no score, and --max-flagged is {self.flagged}; {outcome}"
            )
        if drift is not None and self.drift is not None and (beyond := drift.beyond(self.drift)):
            name, psi = max(beyond.items(), key=lambda item: item[1])
            raise DataError(
                f"drift: the stability index of {name} against the model's training data is {psi:.3f}, and "
                f"--fail-on-drift is {self.drift:g}; {outcome}; look at the rows, or fit a new model"
            )
