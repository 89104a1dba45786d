"""The appended columns: which there are, of which types, and how records become them.

Owns names, types and nulls of what scoring adds to a table. Does not know how logits were computed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from scorer.classifier import confidence
from scorer.classifier.decision import Decision
from scorer.classifier.labels import LabelSet, list_array
from scorer.config import FrameConfig
from scorer.errors import UsageError
from scorer.scoring import status as statuses
from scorer.scoring.status import Status


@dataclass(frozen=True, kw_only=True)
class Answers:
    """What to append for a model with `labels` and the model's `decision`; the rest is as in `FrameConfig`."""

    labels: LabelSet
    decision: Decision
    prefix: str = ""
    probabilities: bool = False
    expected: bool = False
    top_k: int | None = None
    token_count: bool = False

    @classmethod
    def of(cls, config: FrameConfig, *, labels: LabelSet, decision: Decision) -> Answers:
        """The answers that `config` asks for; UsageError where the labels cannot give them."""
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
            decision=decision,
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
            pa.field("score_status", statuses.ARROW_TYPE, nullable=False),
        ]
        if self.probabilities:
            fields.append(pa.field("probabilities", self._probabilities_type))
        if self.expected:
            fields.append(pa.field("expected", pa.float32()))
        if self.top_k is not None:
            fields.append(pa.field("top_k", self._top_type))
        if self.token_count:
            fields.append(pa.field("token_count", pa.int32()))
        return [field.with_name(self.prefix + field.name) for field in fields]

    def schema(self, schema: pa.Schema) -> pa.Schema:
        """`schema` with the appended fields; its own fields and metadata are unchanged."""
        for field in self.fields:
            schema = schema.append(field)
        return schema

    def judge(self, status: NDArray[np.int8], probability: NDArray[np.float32]) -> NDArray[np.int8]:
        """The `status` (s,) of rows with `probability` (s, labels), where those that are too unsure abstain."""
        unsure = self.decision.abstains(probability)
        return np.where(statuses.is_scored(status) & unsure, Status.ABSTAIN, status).astype(np.int8)

    def append(
        self,
        table: pa.Table,
        *,
        status: NDArray[np.int8],
        scorable: NDArray[np.int64],
        probability: NDArray[np.float32],
        tokens: NDArray[np.int32],
    ) -> pa.Table:
        """`table` with the appended columns.

        `status` (rows,) is every row's; `probability` (s, labels) and `tokens` (s,) are those of the rows `scorable`
        (s,).
        """
        missing = ~statuses.is_scored(status)
        every_probability = np.zeros((len(status), len(self.labels)), np.float32)
        every_probability[scorable] = probability
        every_tokens = np.zeros(len(status), np.int32)
        every_tokens[scorable] = tokens
        columns = self._columns(every_probability, missing, status, every_tokens)
        for field, column in zip(self.fields, columns, strict=True):
            table = table.append_column(field, column)
        return table

    def _columns(
        self,
        probability: NDArray[np.float32],
        missing: NDArray[np.bool_],
        status: NDArray[np.int8],
        tokens: NDArray[np.int32],
    ) -> list[pa.Array]:
        columns = [*self._scores(probability, missing), statuses.to_arrow(status)]
        if self.probabilities:
            children = [pa.array(column) for column in probability.T]
            columns.append(pa.StructArray.from_arrays(children, self.labels.names, mask=pa.array(missing)))
        numbers = self.labels.numbers()
        if self.expected and numbers is not None:
            columns.append(pa.array(confidence.expected(probability, numbers), pa.float32(), mask=missing))
        if self.top_k is not None:
            columns.append(self._top(probability, missing, self.top_k))
        if self.token_count:
            columns.append(pa.array(tokens, pa.int32(), mask=missing))
        return columns

    def _scores(self, probability: NDArray[np.float32], missing: NDArray[np.bool_]) -> list[pa.Array]:
        """Score and confidence: of the likeliest label, or of all that the thresholds give, in the labels' order."""
        if self.labels.multi:
            chosen = self.decision.chosen(probability) & ~missing[:, None]
            certainty = pa.array(probability[chosen], pa.float32())
            return [self.labels.to_lists(chosen, missing), list_array(chosen, missing, certainty)]
        best, confident = confidence.predicted(probability)
        return [self.labels.to_arrow(best, missing), pa.array(confident, pa.float32(), mask=missing)]

    def _top(self, probability: NDArray[np.float32], missing: NDArray[np.bool_], k: int) -> pa.Array:
        indices, certainty = confidence.top(probability, k)
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
    }
    return tuple(config.prefix + name for name, wanted in asked.items() if wanted)


def refuse_clash(names: Sequence[str], config: FrameConfig) -> None:
    """UsageError when a column that `config` asks for has the name of one of the input's columns `names`."""
    for name in appended_names(config):
        if name in names:
            raise UsageError(f"the input has a column {name!r} already; --prefix names the new columns apart")
