"""What `--max-flips` and `--flip-confidence` ask for."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from scorer.config import ScoreConfig
from scorer.errors import UsageError

_MOST: Final = 0.5


@dataclass(frozen=True)
class FlipBound:
    """At most this `share` of the rows gets another answer than the whole model gives, at this `confidence`."""

    share: float
    confidence: float

    @classmethod
    def of(cls, config: ScoreConfig) -> FlipBound | None:
        """The bound in `config`, None where none is asked for; UsageError for what is no bound."""
        asked, confidence = config.max_flips, config.flip_confidence
        if not confidence < 1:
            raise UsageError(f"--flip-confidence {confidence:g}: less than 1 is needed, such as 0.95")
        if asked is None:
            return None
        if not re.fullmatch(r"\d+(\.\d+)?%", asked) or not 0 < float(asked[:-1]) / 100 < _MOST:
            raise UsageError(f"--max-flips {asked}: expected a share of the rows, above 0% and below 50%, such as 1%")
        return cls(float(asked[:-1]) / 100, confidence)
