"""The labels of a model: their names, their own type, and how indices become values of that type.

The model knows a class by its index. The user knows it by the label in a file: a string, an integer or a bool.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

LabelKind = Literal["int", "string", "bool", "number"]
LabelValue = int | str | bool
RowLabel = LabelValue | tuple[LabelValue, ...]
"""What one row of a training file says: its label, or all of its labels where it may have several."""
Targets = NDArray[np.integer[Any]]
"""What the rows are: class indices (n,) int64, or with several labels a row a matrix (n, labels) int8 of 0 and 1."""
RowTargets = NDArray[Any]
"""`Targets`, or where rows have numbers, those: (n,) float64."""

_CANONICAL_INTEGER = re.compile(r"-?[1-9][0-9]{0,17}|0")


@dataclass(frozen=True)
class LabelSet:
    """Labels in class-index order; `names` is their text form, `kind` the type they had in the training file.

    With `multi` a row has any number of them, else exactly one. Integers that are `nominal` only name, as class ids do:
    they have no order, no distances and no mean. A model with one output, which gives a row a number and no label, has
    the kind `number`, and the one name is that of its output.
    """

    names: tuple[str, ...]
    kind: LabelKind
    multi: bool = False
    nominal: bool = False

    @classmethod
    def from_values(cls, values: Sequence[LabelValue], *, multi: bool = False, nominal: bool = False) -> LabelSet:
        """The distinct `values` in their natural order (numbers by size, names by alphabet, false before true); if they
        are integers, `nominal` says that they only name."""
        distinct = sorted(set(values))
        if all(isinstance(value, bool) for value in distinct):
            return cls(tuple(str(value).lower() for value in distinct), "bool", multi)
        if all(isinstance(value, int) and not isinstance(value, bool) for value in distinct):
            return cls(tuple(str(value) for value in distinct), "int", multi, nominal)
        assert all(isinstance(value, str) for value in distinct), "mixed label types should have been refused earlier"
        return cls(tuple(str(value) for value in distinct), "string", multi)

    @classmethod
    def from_id2label(cls, id2label: Mapping[int, str], *, multi: bool = False) -> LabelSet:
        """The labels of a model that `scorer fit` did not write: integers if every name is one, else names."""
        names = tuple(str(id2label[index]) for index in range(len(id2label)))
        kind: LabelKind = "int" if all(_CANONICAL_INTEGER.fullmatch(name) for name in names) else "string"
        return cls(names, kind, multi)

    @classmethod
    def of_number(cls, name: str) -> LabelSet:
        """What a model has whose one output, called `name`, is a number."""
        return cls((name,), "number")

    def __len__(self) -> int:
        return len(self.names)

    @property
    def is_number(self) -> bool:
        """Whether a row is given a number, and no label."""
        return self.kind == "number"

    @property
    def problem_type(self) -> str:
        """What transformers calls it in `config.json`."""
        if self.is_number:
            return "regression"
        return f"{'multi' if self.multi else 'single'}_label_classification"

    @property
    def counted(self) -> str:
        """What a row is given one of, or several, for people."""
        return "a number a row" if self.is_number else f"{len(self)} labels"

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
        """Whether the labels are numbers, at least three, that say more than names, and a row has one: 1 to 5 stars."""
        return self.kind == "int" and not (self.nominal or self.multi) and len(self) > 2

    @property
    def arrow_type(self) -> pa.DataType:
        """The type of one label."""
        return {"int": pa.int64(), "bool": pa.bool_(), "string": pa.string(), "number": pa.float64()}[self.kind]

    @property
    def answer_type(self) -> pa.DataType:
        """The type of what a row is told: one label, or a list of them."""
        return pa.list_(self.arrow_type) if self.multi else self.arrow_type

    def index_of(self) -> dict[LabelValue, int]:
        return {value: index for index, value in enumerate(self.values)}

    def to_arrow(self, indices: NDArray[np.int64], missing: NDArray[np.bool_]) -> pa.Array:
        """Labels of class `indices` (n,), null where `missing` (n,) is true."""
        return pa.array(self.values, self.arrow_type).take(pa.array(indices, mask=missing))

    def to_lists(self, chosen: NDArray[np.bool_], missing: NDArray[np.bool_]) -> pa.ListArray:
        """The labels that are `chosen` (n, labels) of each row, in class-index order; null where `missing` (n,)."""
        return list_array(chosen, missing, pa.array(self.values, self.arrow_type).take(pa.array(np.nonzero(chosen)[1])))

    def describe(self) -> str:
        """How many labels there are, and of which kind, for people."""
        if self.is_number:
            return "none: a number"
        return f"{len(self)} ({self.kind}{', nominal' if self.nominal else ''})"

    def numbers(self) -> NDArray[np.float64] | None:
        """The labels as numbers (labels,), or None when they are names or only name."""
        return None if self.kind in ("string", "number") or self.nominal else np.array(self.values, dtype=np.float64)


def list_array(chosen: NDArray[np.bool_], missing: NDArray[np.bool_], values: pa.Array) -> pa.ListArray:
    """`values`, one for each place that is `chosen` (n, labels) row by row, as n lists; null where `missing` (n,)."""
    offsets = np.concatenate([[0], np.cumsum(chosen.sum(axis=1))]).astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets), values, mask=pa.array(missing))
