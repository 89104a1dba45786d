"""Scoring in polars: after `import scorer.polars` expressions, series and frames have `.scorer.score`.

    import polars as pl
    import scorer.polars

    scored = pl.scan_parquet("reviews.parquet").with_columns(pl.col("text").scorer.score("models/latest"))
    scored.unnest("scored").sink_parquet("reviews.scored.parquet")

An expression is a struct of score, confidence and score_status. The model is looked at when the expression is made, so
that a lazy frame knows its types; it is loaded when the first rows come, and shared by all threads.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from scorer.config import LATEST_MODEL
from scorer.errors import ConfigError, UsageError
from scorer.frames.models import KnownModel, known_model

try:
    import polars as pl
except ImportError as error:
    raise ConfigError("scoring in polars needs a library: pip install 'scorer[polars]'") from error

NAME: Final = "scored"
"""What an expression is called, unless `alias` says otherwise."""
_WHERE: Final = "the polars expression"


@pl.api.register_expr_namespace("scorer")
class ScoredExpression:
    """`pl.col("text").scorer`"""

    def __init__(self, expression: pl.Expr) -> None:
        self._expression = expression

    def score(self, model: str | Path = LATEST_MODEL, *, pair: pl.Expr | str | None = None, **options: Any) -> pl.Expr:
        """A struct of what `model` says of each text, or of it and its `pair` (an expression, or a column's name);
        null texts have a status, too. `options` are the fields of `scorer.config.FrameConfig`.

        Elementwise, so that rows may come in any portions: streaming engine, partitions, the head of a frame.
        """
        found = _known(model, options)
        found.check_texts(2 if pair is not None else 1)
        work = _Work(found, pairs=pair is not None)
        texts = self._expression
        if pair is not None:
            other = pl.col(pair) if isinstance(pair, str) else pair
            texts = pl.struct(texts.alias("first"), other.alias("second"))
        return texts.map_batches(work, return_dtype=work.dtype, is_elementwise=True).alias(NAME)


@pl.api.register_series_namespace("scorer")
class ScoredSeries:
    """`series.scorer`"""

    def __init__(self, series: pl.Series) -> None:
        self._series = series

    def score(self, model: str | Path = LATEST_MODEL, *, pair: pl.Series | None = None, **options: Any) -> pl.Series:
        """As of an expression; `pair` has as many texts."""
        found = _known(model, options)
        columns = [self._series] if pair is None else [self._series, pair]
        found.check_texts(len(columns))
        if len(columns[-1]) != len(self._series):
            raise UsageError(f"pair: {len(columns[-1])} texts beside {len(self._series)}; a pair has one of each")
        return _answers(found, columns).to_struct(NAME)


@pl.api.register_dataframe_namespace("scorer")
class ScoredFrame:
    """`frame.scorer`"""

    def __init__(self, frame: pl.DataFrame) -> None:
        self._frame = frame

    def score(self, model: str | Path = LATEST_MODEL, **options: Any) -> pl.DataFrame:
        """The frame with the appended columns. The text column is found as `scorer score` finds it; `text_column` names
        another."""
        found = known_model(model, **options)
        names = found.text_columns(self._frame.columns, where="the frame")
        return self._frame.hstack(_answers(found, [self._frame[name] for name in names]))


@pl.api.register_lazyframe_namespace("scorer")
class ScoredLazyFrame:
    """`lazy.scorer`"""

    def __init__(self, frame: pl.LazyFrame) -> None:
        self._frame = frame

    def score(self, model: str | Path = LATEST_MODEL, **options: Any) -> pl.LazyFrame:
        """As of a frame, when it is collected."""
        found = known_model(model, **options)
        there = self._frame.collect_schema().names()
        names = found.text_columns(there, where="the frame")
        texts = pl.col(names[0]) if len(names) == 1 else pl.struct(*names)
        work = _Work(found, pairs=len(names) > 1)
        scored = texts.map_batches(work, return_dtype=work.dtype, is_elementwise=True)
        beside = NAME
        while beside in there:
            beside += "_"
        return self._frame.with_columns(scored.alias(beside)).unnest(beside)


@dataclass(frozen=True)
class _Work:
    """What polars calls with the texts of some rows, in any of its threads; with those of `pairs` as a struct."""

    model: KnownModel
    pairs: bool = False

    @property
    def dtype(self) -> pl.Struct:
        empty = pl.from_arrow(pa.schema(self.model.fields).empty_table())
        assert isinstance(empty, pl.DataFrame), "a table of several columns; this is a bug"
        return pl.Struct(empty.schema)

    def __call__(self, texts: pl.Series) -> pl.Series:
        columns = texts.struct.unnest().get_columns() if self.pairs else [texts]
        return _answers(self.model, columns).to_struct(texts.name)


def _known(model: str | Path, options: dict[str, Any]) -> KnownModel:
    if "text_column" in options or "text_columns" in options:
        raise UsageError("text_column: the expression is the text; name a pair's other text with pair=")
    return known_model(model, **options)


def _answers(model: KnownModel, columns: Sequence[pl.Series]) -> pl.DataFrame:
    names = [column.name or f"text {place}" for place, column in enumerate(columns)]
    if len(set(names)) < len(names):
        names = [f"{name} {place}" for place, name in enumerate(names)]
    if not len(columns[0]):
        scored = pa.schema(model.fields).empty_table()
    else:
        texts = pa.table([column.to_arrow() for column in columns], names=names)
        scored = model.scorer.score_columns(texts, where=_WHERE)
    found = pl.from_arrow(scored)
    assert isinstance(found, pl.DataFrame), "a table of several columns; this is a bug"
    return found
