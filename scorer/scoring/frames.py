"""Scoring a table that is in memory already, for Python and for single texts.

The table goes through the Scorer without files, cache or threads. A polars frame is converted on its way in and out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, TypeVar

import pyarrow as pa

from scorer.classifier.directory import FileStamp, ModelDirectory, open_model
from scorer.classifier.execution import Execution
from scorer.classifier.forks import OnceAProcess
from scorer.classifier.labels import LabelSet
from scorer.config import FrameConfig
from scorer.errors import DataError, ModelError, UsageError
from scorer.scoring.columns import refuse_clash
from scorer.scoring.pipeline import Pipeline
from scorer.scoring.scorer import Scorer, ScorerSpec
from scorer.scoring.windows import EncodedWindow, Window
from scorer.tables.reader import check_names, check_types
from scorer.tables.sink import without_told_schemas
from scorer.tables.texts import check_utf8, find_text_columns, is_text

Frame = TypeVar("Frame")


class FrameScorer:
    """The model that `config` names, in memory; or the one in the `directory` that was opened already. Several threads
    may ask it at once. A fork of this process loads it again when it is asked there; ModelError where another one has
    taken its place meanwhile."""

    def __init__(self, config: FrameConfig, directory: ModelDirectory | None = None) -> None:
        self._config = config
        directory = directory.for_loading() if directory is not None else open_model(config.model)
        spec = ScorerSpec.of(config)
        stamp = directory.stamp()
        scorer = Scorer.build(spec, directory)
        self._own = OnceAProcess(scorer, lambda: Scorer.build(spec, _opened_again(directory, stamp)))
        metadata = directory.metadata
        self._fitted_columns = metadata.text_columns if metadata else ()

    @property
    def _scorer(self) -> Scorer:
        return self._own.get()

    @property
    def engine(self) -> Execution:
        """How logits are computed here."""
        return self._scorer.engine

    @property
    def labels(self) -> LabelSet:
        return self._scorer.labels

    @property
    def fitted_columns(self) -> tuple[str, ...]:
        """The text columns that the model was fitted on; none when scorer did not fit it."""
        return self._fitted_columns

    def score_frame(self, frame: Frame) -> Frame:
        """`frame`, a polars DataFrame or a pyarrow Table, with the appended columns; its own columns are unchanged."""
        if isinstance(frame, pa.Table):
            scored_table: Frame = self._score_table(frame)
            return scored_table
        if not hasattr(frame, "to_arrow"):
            raise UsageError(f"a polars DataFrame or a pyarrow Table is expected, not {type(frame).__name__}")
        import polars

        table: pa.Table = frame.to_arrow()
        scored = self._score_table(table)
        appended = polars.from_arrow(_appended(table, scored))
        result: Frame = frame.hstack(appended)  # type: ignore[attr-defined]
        return result

    def score_texts(self, texts: Sequence[str], pairs: Sequence[str] | None = None) -> list[dict[str, Any]]:
        """One dictionary a text (or pair of texts), with the appended columns as its keys; None is a text that is
        missing. UsageError for one text in place of several, and for other pairs than texts."""
        if isinstance(texts, str) or isinstance(pairs, str):
            raise UsageError("score_texts: one text, where a list of texts is expected; put it into brackets")
        if pairs is not None and len(pairs) != len(texts):
            raise UsageError(f"score_texts: {len(texts)} texts and {len(pairs)} others; a pair has one of each")
        columns = {"first": list(texts)} | ({"second": list(pairs)} if pairs is not None else {})
        try:
            table = pa.table({name: pa.array(values, pa.string()) for name, values in columns.items()})
        except UnicodeEncodeError as error:
            raise DataError("score_texts: a text is no Unicode: half of a surrogate pair") from error
        scored = self._run(table, tuple(columns))
        rows: list[dict[str, Any]] = scored.drop_columns(list(columns)).to_pylist()
        return rows

    def score_columns(self, texts: pa.Table, *, where: str) -> pa.Table:
        """The appended columns alone, for the texts (n,) in the one column of `texts`, or in two for pairs; equal texts
        of a window are scored once.

        ConfigError for a column that holds no texts, DataError for bytes that are not UTF-8; both begin with `where`.
        """
        names = tuple(texts.column_names)
        check_types(texts.schema, names, where=where)
        check_utf8(texts, [name for name in names if not is_text(texts.schema.field(name).type)], where=where)
        return _appended(texts, self._run(texts, names, distinct=True))

    def _score_table(self, table: pa.Table) -> pa.Table:
        refuse_clash(table.column_names, self._config)
        names = find_text_columns(table.column_names, self._config.text_column, self.fitted_columns, where="the table")
        check_names(table.column_names, names, where="the table")
        if twice := [name for name in names if table.column_names.count(name) > 1]:
            raise UsageError(f"the table: the column name {twice[0]!r} stands more than once; rename one of them")
        check_types(table.schema, names, where="the table")
        check_utf8(table, [name for name in names if not is_text(table.schema.field(name).type)], where="the table")
        return self._run(table.replace_schema_metadata(without_told_schemas(table.schema).metadata), names)

    def _run(self, table: pa.Table, text_columns: tuple[str, ...], *, distinct: bool = False) -> pa.Table:
        """The next window is encoded while one is computed."""
        scorer, scored = self._scorer, list[pa.Table]()

        def encode(window: Window) -> EncodedWindow:
            return scorer.encode(window, distinct=distinct)

        def finish(encoded: EncodedWindow) -> None:
            scored.append(scorer.append(scorer.answer(scorer.classify(encoded))).table)

        windows = list(scorer.windows(table, text_columns))
        if len(windows) == 1:
            finish(encode(windows[0]))
        else:
            Pipeline.of(windows).then("encode", encode).into("classify", finish)
        return pa.concat_tables(scored)


def _opened_again(directory: ModelDirectory, stamp: list[FileStamp]) -> ModelDirectory:
    """The same, which had this `stamp`, opened by this process."""
    found = open_model(str(directory.path))
    if (found.stamp(), found.metadata) != (stamp, directory.metadata):
        raise ModelError(f"{directory.name}: another model took its place since this one was loaded; load it again")
    return replace(found, name=directory.name)


def _appended(table: pa.Table, scored: pa.Table) -> pa.Table:
    """The columns that `scored` has beyond those of `table`."""
    return scored.select(range(table.num_columns, scored.num_columns))
