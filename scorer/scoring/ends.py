"""Examples at each end of each label: the rows of which the model is most and least sure, each text once.

Which they are does not depend on chance: of equal ones the first row counts. Of a window only the few rows at each end
are looked at, so that memory holds a few texts for each label.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from scorer.reports.outcome import Example
from scorer.reports.sections import MOST_CHARACTERS
from scorer.scoring.grouping import Scored
from scorer.tables import compute as pc
from scorer.tables.texts import texts

_KEPT: Final = 3
# Of each window: more than are kept, for some may be the same text.
_LOOKED_AT: Final = 12
# Of more labels the others have no examples.
_MOST_LABELS: Final = 200


@dataclass
class _End:
    """The `_KEPT` rows of one label with the smallest keys; `worst` is the last of these."""

    rows: dict[tuple[str, ...], tuple[float, int, Example]] = field(default_factory=dict)

    @property
    def worst(self) -> float:
        return max(key for key, _, _ in self.rows.values()) if len(self.rows) >= _KEPT else np.inf

    def enter(self, key: float, order: int, example: Example) -> None:
        before = self.rows.get(example.texts)
        if before is not None and before[:2] <= (key, order):
            return
        self.rows[example.texts] = (key, order, example)
        if len(self.rows) > _KEPT:
            last = max(self.rows, key=lambda found: self.rows[found][:2])
            del self.rows[last]

    def examples(self) -> list[Example]:
        return [example for _, _, example in sorted(self.rows.values(), key=lambda row: row[:2])]


class Ends:
    """The examples of each label, by its code."""

    def __init__(self) -> None:
        self._high: dict[int, _End] = {}
        self._low: dict[int, _End] = {}
        self._seen = 0

    def add(self, window: pa.Table, found: Scored, *, text_columns: Sequence[str], first: int, part: str) -> None:
        """Look at a window whose first row has the number `first` in its `part`, and its texts in `text_columns`."""
        columns = [name for name in text_columns if name in window.schema.names]
        wanted = [*self._wanted(found, self._high, -found.value), *self._wanted(found, self._low, found.value)]
        if columns and wanted:
            rows = np.array([found.row[event] for _, _, event, _ in wanted])
            taken = [_cut(texts(window, name).take(pa.array(rows))) for name in columns]
            for place, (ends, code, event, key) in enumerate(wanted):
                example = Example(
                    texts=tuple(column[place] or "" for column in taken),
                    value=float(found.value[event]),
                    row=first + int(found.row[event]),
                    part=part,
                )
                ends.setdefault(code, _End()).enter(key, self._seen + int(found.row[event]), example)
        self._seen += window.num_rows

    def _wanted(
        self, found: Scored, ends: dict[int, _End], keys: NDArray[np.float64]
    ) -> list[tuple[dict[int, _End], int, int, float]]:
        """For each label the places in `found` whose `keys` (e,) are the smallest, as far as they might be kept."""
        order = np.lexsort((found.row, keys, found.code))
        codes = found.code[order]
        begins = np.flatnonzero(np.r_[True, codes[1:] != codes[:-1]]) if len(codes) else np.zeros(0, np.int64)
        wanted = []
        for begin in begins[:_MOST_LABELS].tolist():
            code = int(codes[begin])
            worst = ends[code].worst if code in ends else np.inf
            for event in order[begin : begin + _LOOKED_AT].tolist():
                if found.code[event] != code or keys[event] > worst:
                    break
                if code < _MOST_LABELS:
                    wanted.append((ends, code, event, float(keys[event])))
        return wanted

    def sure(self, code: int) -> list[Example]:
        """The rows with the highest value, those first."""
        return self._high[code].examples() if code in self._high else []

    def unsure(self, code: int) -> list[Example]:
        """The rows with the lowest value that are not at the other end, too."""
        high = {(row.part, row.row) for row in self.sure(code)}
        found = self._low[code].examples() if code in self._low else []
        return [row for row in found if (row.part, row.row) not in high]


def _cut(column: pa.ChunkedArray) -> list[str | None]:
    # One more than is shown, so that a cut one is marked.
    cut: list[str | None] = pc.utf8_slice_codeunits(column, 0, MOST_CHARACTERS + 1).to_pylist()
    return cut
