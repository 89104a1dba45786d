"""What an output must be like to be published: enough rows, and few without a score.

Owns `--max-flagged` and `--min-rows`. Does not know how a row came to be flagged.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from scorer.config import ScoreConfig
from scorer.errors import DataError, UsageError


@dataclass(frozen=True, kw_only=True)
class Limits:
    """At most `flagged` rows, or that `share` of all rows, without a score; at least `rows` rows. None is no limit."""

    flagged: int | None = None
    share: float | None = None
    rows: int | None = None

    @classmethod
    def of(cls, config: ScoreConfig) -> Limits:
        """The limits in `config`; UsageError when one cannot be read."""
        text = config.max_flagged
        if text is None:
            return cls(rows=config.min_rows)
        if re.fullmatch(r"\d+", text):
            return cls(flagged=int(text), rows=config.min_rows)
        if re.fullmatch(r"\d+(\.\d+)?%", text) and float(text[:-1]) <= 100:
            return cls(share=float(text[:-1]) / 100, rows=config.min_rows)
        raise UsageError(f"--max-flagged {text}: expected a number of rows (20) or a share of them (0.5%)")

    def check(self, *, rows: int, flagged: int) -> None:
        """DataError when an output of `rows` rows, `flagged` of which have no score, must not be published."""
        if self.rows is not None and rows < self.rows:
            raise DataError(f"{rows} rows, and --min-rows asks for {self.rows}; nothing was published")
        most = self.flagged if self.flagged is not None else rows * self.share if self.share is not None else rows
        if flagged > most:
            asked = self.flagged if self.flagged is not None else f"{100 * (self.share or 0):g}%"
            raise DataError(
                f"{flagged} of {rows} rows have no score, and --max-flagged is {asked}; nothing was published"
            )
