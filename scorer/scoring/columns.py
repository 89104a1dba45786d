"""The appended columns: which there are, of which types, and how answers become them.

Every name, type and null that scoring adds to a table is decided here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from scorer.classifier import decision
from scorer.classifier.labels import LabelSet, list_array
from scorer.config import FrameConfig, ScoreConfig
from scorer.errors import UsageError
from scorer.scoring.answers import STATUS_TYPE, Answers, status_column

DECIDED_BY: Final = "decided_by"


@dataclass(frozen=True, kw_only=True)
class AnswerColumns:
    """Which columns to append for a model with `labels`; the rest is as in `FrameConfig`. `stages` are the names of
    what can decide a row, the whole model first, where that is asked for."""

    labels: LabelSet
    prefix: str = ""
    probabilities: bool = False
    expected: bool = False
    top_k: int | None = None
    token_count: bool = False
    stages: tuple[str, ...] | None = None

    @classmethod
    def of(cls, config: FrameConfig, *, labels: LabelSet) -> AnswerColumns:
        """The columns that `config` asks for; UsageError where the labels cannot give them."""
        if labels.is_number:
            _refuse_of_numbers(config)
        if config.expected and labels.multi:
            raise UsageError("--expected: this model gives a row any number of labels, of which there is no mean")
        if config.expected and labels.nominal:
            raise UsageError("--expected: this model's labels are nominal numbers (fit --nominal), which have no mean")
        if config.expected and labels.numbers() is None:
            raise UsageError("--expected: this model's labels are names; a mean needs numeric labels")
        if config.top_k is not None and config.top_k > len(labels):
            raise UsageError(f"--top-k {config.top_k}: this model has {len(labels)} labels")
        return cls(
            labels=labels,
            prefix=config.prefix,
            probabilities=config.probabilities,
            expected=config.expected,
            top_k=config.top_k,
            token_count=config.token_count,
        )

    @property
    def fields(self) -> list[pa.Field]:
        """The appended fields, in their order."""
        fields = [
            pa.field("score", self.labels.answer_type),
            pa.field("confidence", pa.list_(pa.float32()) if self.labels.multi else pa.float32()),
            pa.field("score_status", STATUS_TYPE, nullable=False),
        ]
        if self.probabilities:
            fields.append(pa.field("probabilities", self._probabilities_type))
        if self.expected:
            fields.append(pa.field("expected", pa.float32()))
        if self.top_k is not None:
            fields.append(pa.field("top_k", self._top_type))
        if self.token_count:
            fields.append(pa.field("token_count", pa.int32()))
        if self.stages is not None:
            fields.append(pa.field(DECIDED_BY, pa.dictionary(pa.int8(), pa.string())))
        return [field.with_name(self.prefix + field.name) for field in fields]

    def schema(self, schema: pa.Schema) -> pa.Schema:
        """`schema` with the appended fields; its own fields and metadata are unchanged."""
        for field in self.fields:
            schema = schema.append(field)
        return schema

    def append(self, table: pa.Table, answers: Answers) -> pa.Table:
        """`table` with the columns of `answers` to its rows."""
        for field, column in zip(self.fields, self.arrays(answers), strict=True):
            table = table.append_column(field, column)
        return table

    def arrays(self, answers: Answers) -> list[pa.Array]:
        """The columns of `answers`, one for each of the `fields`."""
        missing = ~answers.scored
        columns = [*self._scores(answers, missing), status_column(answers.status)]
        if self.probabilities:
            children = [pa.array(column) for column in answers.probability.T]
            columns.append(pa.StructArray.from_arrays(children, self.labels.names, mask=pa.array(missing)))
        numbers = self.labels.numbers()
        if self.expected and numbers is not None:
            columns.append(pa.array(decision.expected(answers.probability, numbers), pa.float32(), mask=missing))
        if self.top_k is not None:
            columns.append(self._top(answers.probability, missing, self.top_k))
        if self.token_count:
            columns.append(pa.array(answers.tokens, pa.int32(), mask=missing))
        if self.stages is not None:
            stages = np.zeros(len(answers), np.int8) if answers.stages is None else answers.stages
            codes = pa.array(stages, pa.int8(), mask=missing)
            columns.append(pa.DictionaryArray.from_arrays(codes, pa.array(self.stages, pa.string())))
        return columns

    def rows(self, answers: Answers) -> list[dict[str, Any]]:
        """One dictionary for each row of `answers`, whose keys are the names of the `fields`."""
        names = [field.name for field in self.fields]
        values = (array.to_pylist() for array in self.arrays(answers))
        return [dict(zip(names, row, strict=True)) for row in zip(*values, strict=True)]

    def _scores(self, answers: Answers, missing: NDArray[np.bool_]) -> list[pa.Array]:
        """Score and confidence: of the one label, or of all that a row has, in the labels' order; of a number there is
        no confidence."""
        if answers.number is not None:
            return [pa.array(answers.number, pa.float64(), mask=missing), pa.nulls(len(answers), pa.float32())]
        if self.labels.multi:
            certainty = pa.array(answers.probability[answers.chosen], pa.float32())
            return [self.labels.to_lists(answers.chosen, missing), list_array(answers.chosen, missing, certainty)]
        return [
            self.labels.to_arrow(answers.label, missing),
            pa.array(answers.confidence, pa.float32(), mask=missing),
        ]

    def _top(self, probability: NDArray[np.float32], missing: NDArray[np.bool_], k: int) -> pa.Array:
        indices, certainty = decision.top(probability, k)
        every = np.zeros(indices.size, np.bool_)
        labels = self.labels.to_arrow(indices.ravel(), every)
        values = pa.StructArray.from_arrays([labels, pa.array(certainty.ravel())], ["label", "probability"])
        offsets = np.arange(0, indices.size + 1, k, dtype=np.int32)
        return pa.ListArray.from_arrays(pa.array(offsets), values, type=self._top_type, mask=pa.array(missing))

    @property
    def _probabilities_type(self) -> pa.DataType:
        return pa.struct([pa.field(name, pa.float32()) for name in self.labels.names])

    @property
    def _top_type(self) -> pa.DataType:
        return pa.list_(pa.struct([pa.field("label", self.labels.arrow_type), pa.field("probability", pa.float32())]))


def _refuse_of_numbers(config: FrameConfig) -> None:
    """UsageError for what `config` asks of labels, where rows have numbers."""
    asked = {"--expected": config.expected, "--probabilities": config.probabilities, "--top-k": config.top_k}
    for flag in (flag for flag, wanted in asked.items() if wanted):
        raise UsageError(f"{flag}: this model has one output and gives a number (score), no labels; leave it out")


def appended_names(config: FrameConfig) -> tuple[str, ...]:
    """The names of the columns that `config` asks for."""
    asked = {
        "score": True,
        "confidence": True,
        "score_status": True,
        "probabilities": config.probabilities,
        "expected": config.expected,
        "top_k": config.top_k is not None,
        "token_count": config.token_count,
        DECIDED_BY: asks_who_decided(config),
    }
    return tuple(config.prefix + name for name, wanted in asked.items() if wanted)


def asks_who_decided(config: FrameConfig) -> bool:
    """Whether a column is to say what decided each row; only rows of files may leave the model early."""
    return isinstance(config, ScoreConfig) and config.decided_by


def refuse_clash(names: Sequence[str], config: FrameConfig) -> None:
    """UsageError when a column that `config` asks for has the name of one of the input's columns `names`."""
    for name in appended_names(config):
        if name in names:
            raise UsageError(f"the input has a column {name!r} already; --prefix names the new columns apart")
