"""Scoring a table that is in memory already, for Python and for single texts.

Owns the way of a table through the stages without files, cache or threads. Polars frames are converted at the border.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

import pyarrow as pa

from scorer.classifier.classifier import Classifier, Engine
from scorer.classifier.decision import Decision
from scorer.classifier.directory import ModelDirectory, open_model
from scorer.classifier.labels import LabelSet
from scorer.config import FrameConfig, ScoreConfig
from scorer.errors import UsageError
from scorer.scoring.answers import Answers, refuse_clash
from scorer.scoring.append import Append
from scorer.scoring.classify import Classify
from scorer.scoring.encode import Encode
from scorer.scoring.windows import Window, window_rows
from scorer.tables.columns import find_text_columns
from scorer.tables.reader import check_names, check_types

Frame = TypeVar("Frame")


class FrameScorer:
    """The model that `config` names, or the one in the `directory` that was opened already, in memory."""

    def __init__(self, config: FrameConfig, directory: ModelDirectory | None = None) -> None:
        self._config = config
        self._classifier = Classifier.of(config, directory or open_model(config.model))
        answers = Answers.of(config, labels=self._classifier.labels, decision=self._classifier.decision)
        self._classify = Classify(self._classifier, store=None, run=0)
        self._append = Append(answers)

    @property
    def engine(self) -> Engine:
        """How logits are computed here."""
        return self._classifier.engine

    @property
    def labels(self) -> LabelSet:
        return self._classifier.labels

    @property
    def decision(self) -> Decision:
        """What stands between logits and labels."""
        return self._classifier.decision

    @property
    def fitted_columns(self) -> tuple[str, ...]:
        """The text columns that the model was fitted on; none when scorer did not fit it."""
        metadata = self._classifier.directory.metadata
        return metadata.text_columns if metadata else ()

    def score_frame(self, frame: Frame) -> Frame:
        """`frame`, a polars DataFrame or a pyarrow Table, with the appended columns; its own columns are unchanged."""
        if isinstance(frame, pa.Table):
            scored_table: Frame = self._score_table(frame)
            return scored_table
        if not hasattr(frame, "to_arrow"):
            raise UsageError(f"a polars DataFrame or a pyarrow Table is expected, not {type(frame).__name__}")
        import polars

        table: pa.Table = frame.to_arrow()
        scored = self._score_table(table).select(range(table.num_columns, table.num_columns + self._appended))
        appended = polars.from_arrow(scored)
        result: Frame = frame.hstack(appended)  # type: ignore[attr-defined]
        return result

    def score_texts(self, texts: Sequence[str], pairs: Sequence[str] | None = None) -> list[dict[str, Any]]:
        """One dictionary a text (or pair of texts), with the appended columns as its keys."""
        columns = {"first": list(texts)} | ({"second": list(pairs)} if pairs is not None else {})
        table = pa.table({name: pa.array(values, pa.string()) for name, values in columns.items()})
        scored = self._run(table, tuple(columns))
        rows: list[dict[str, Any]] = scored.drop_columns(list(columns)).to_pylist()
        return rows

    def _score_table(self, table: pa.Table) -> pa.Table:
        refuse_clash(table.column_names, self._config)
        names = find_text_columns(table.column_names, self._config.text_column, self.fitted_columns, where="the table")
        check_names(table.column_names, names, where="the table")
        if twice := [name for name in names if table.column_names.count(name) > 1]:
            raise UsageError(f"the table: the column name {twice[0]!r} stands more than once; rename one of them")
        check_types(table.schema, names, where="the table")
        return self._run(table, names)

    def _run(self, table: pa.Table, text_columns: tuple[str, ...]) -> pa.Table:
        encode = Encode(
            self._classifier.encode,
            text_columns=text_columns,
            labels=len(self._classifier.labels),
            fingerprint="",
            store=None,
            run=0,
        )
        most = window_rows(ScoreConfig.window_rows, labels=len(self._classifier.labels))
        starts = range(0, max(table.num_rows, 1), most)
        windows = (Window(number, table.slice(start, most)) for number, start in enumerate(starts))
        return pa.concat_tables([self._append(self._classify(encode(window))).table for window in windows])

    @property
    def _appended(self) -> int:
        return len(self._append.answers.fields)
