"""`score_status`: why a row has no score, or what was done to it.

The codes of `Status` are positions in the column's Arrow dictionary.
"""

from __future__ import annotations

from enum import IntEnum

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray


class Status(IntEnum):
    """`OK`, `TRUNCATED` and `ABSTAIN` rows have a score, the last one a candidate that is too unsure to be counted on,
    whether its text was truncated or not; every other row has none. New codes come last, since those of written files
    stay as they are."""

    OK = 0
    TRUNCATED = 1
    NULL = 2
    EMPTY = 3
    NONFINITE = 4
    OOM = 5
    ABSTAIN = 6


NAMES = tuple(status.name.lower() for status in Status)
_SCORED = (Status.OK, Status.TRUNCATED, Status.ABSTAIN)
SCORED_NAMES = tuple(NAMES[status] for status in _SCORED)
ARROW_TYPE = pa.dictionary(pa.int8(), pa.string())


def is_scored(codes: NDArray[np.int8]) -> NDArray[np.bool_]:
    """Whether rows with status `codes` (n,) have a score, (n,) bool."""
    return np.isin(codes, _SCORED)


def to_arrow(codes: NDArray[np.int8]) -> pa.DictionaryArray:
    """The column for status `codes` (n,); its dictionary is always the whole vocabulary, so that windows agree."""
    return pa.DictionaryArray.from_arrays(pa.array(codes, pa.int8()), pa.array(NAMES, pa.string()))


def count(codes: NDArray[np.int8]) -> dict[str, int]:
    """Rows by status name, for the statuses that occur."""
    counts = np.bincount(codes, minlength=len(NAMES))
    return {name: int(number) for name, number in zip(NAMES, counts, strict=True) if number}
