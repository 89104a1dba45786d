"""Whether one model is better than another on the same rows, or was lucky.

Owns McNemar's test. Pure; knows no model, file or label.
"""

from __future__ import annotations

import math

# Above so many rows the exact sum is long, and the approximation as good.
_MOST_EXACT = 1000


def mcnemar_p_value(only_first: int, only_second: int) -> float:
    """The two-sided p-value of McNemar's test (McNemar 1947): how probable a difference as large is when both models
    are equally good. `only_first` rows are right by the first model alone, `only_second` by the second alone.

    Exact, by the binomial distribution; above a thousand such rows by the chi-squared distribution with one degree of
    freedom and the continuity correction of Edwards 1948.
    """
    rows = only_first + only_second
    fewer = min(only_first, only_second)
    if rows <= _MOST_EXACT:
        tail = sum(math.comb(rows, count) for count in range(fewer + 1))
        return min(1.0, 2 * tail / float(2**rows))
    statistic = max(0.0, abs(only_first - only_second) - 1.0) ** 2 / rows
    return math.erfc(math.sqrt(statistic / 2.0))
