"""The labels of a model: their names, their own type, and how indices become values of that type.

Owns the mapping between a class index and the label that the user's file had. Does not know logits or files.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

LabelKind = Literal["int", "string", "bool"]
LabelValue = int | str | bool

_CANONICAL_INTEGER = re.compile(r"-?[1-9][0-9]{0,17}|0")


@dataclass(frozen=True)
class LabelSet:
    """Labels in class-index order; `names` is their text form, `kind` the type they had in the training file.

    With `multi` a row has any number of them, else exactly one.
    """

    names: tuple[str, ...]
    kind: LabelKind
    multi: bool = False

    @classmethod
    def from_values(cls, values: Sequence[LabelValue], *, multi: bool = False) -> LabelSet:
        """The distinct `values` in their natural order (numbers by size, names by alphabet, false before true)."""
        distinct = sorted(set(values))
        if all(isinstance(value, bool) for value in distinct):
            return cls(tuple(str(value).lower() for value in distinct), "bool", multi)
        if all(isinstance(value, int) and not isinstance(value, bool) for value in distinct):
            return cls(tuple(str(value) for value in distinct), "int", multi)
        assert all(isinstance(value, str) for value in distinct), "mixed label types should have been refused earlier"
        return cls(tuple(str(value) for value in distinct), "string", multi)

    @classmethod
    def from_id2label(cls, id2label: Mapping[int, str]) -> LabelSet:
        """The labels of a model that `scorer fit` did not write: integers if every name is one, else names."""
        names = tuple(str(id2label[index]) for index in range(len(id2label)))
        return cls(names, "int" if all(_CANONICAL_INTEGER.fullmatch(name) for name in names) else "string")

    def __len__(self) -> int:
        return len(self.names)

    @property
    def values(self) -> tuple[LabelValue, ...]:
        """The labels in their own type, in class-index order."""
        if self.kind == "int":
            return tuple(int(name) for name in self.names)
        if self.kind == "bool":
            return tuple(name == "true" for name in self.names)
        return self.names

    @property
    def ordinal(self) -> bool:
        """Whether the labels are numbers, at least three, of which a row has one: such as 1 to 5 stars."""
        return self.kind == "int" and not self.multi and len(self) > 2

    @property
    def arrow_type(self) -> pa.DataType:
        return {"int": pa.int64(), "bool": pa.bool_(), "string": pa.string()}[self.kind]

    def index_of(self) -> dict[LabelValue, int]:
        return {value: index for index, value in enumerate(self.values)}

    def to_arrow(self, indices: NDArray[np.int64], missing: NDArray[np.bool_]) -> pa.Array:
        """Labels of class `indices` (n,), null where `missing` (n,) is true."""
        return pa.array(self.values, self.arrow_type).take(pa.array(indices, mask=missing))

    def numbers(self) -> NDArray[np.float64] | None:
        """The labels as numbers (labels,), or None when they are names."""
        return None if self.kind == "string" else np.array(self.values, dtype=np.float64)
