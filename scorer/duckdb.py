"""Scoring in DuckDB: a function of SQL that gives a struct for each text.

    import duckdb, scorer.duckdb

    con = duckdb.connect()
    scorer.duckdb.register(con, "models/latest")
    con.sql("SELECT id, s.score, s.confidence FROM (SELECT id, score(text) AS s FROM 'reviews.parquet')")

DuckDB hands over vectors of 2,048 rows as Arrow arrays, in several threads; all share one model.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pyarrow as pa

from scorer.config import LATEST_MODEL
from scorer.errors import ConfigError, UsageError
from scorer.frames.models import KnownModel, known_model

try:
    import duckdb
except ImportError as error:
    raise ConfigError("scoring in DuckDB needs a library: pip install 'scorer[duckdb]'") from error


def register(
    con: duckdb.DuckDBPyConnection,
    model: str | Path = LATEST_MODEL,
    *,
    name: str = "score",
    pairs: bool | None = None,
    **options: Any,
) -> None:
    """Make the function `name` of SQL in the connection `con`; one of that name that was registered before is replaced.

    It takes a text, or with `pairs` two (the default is what the model was fitted on), and gives a struct of score,
    confidence and score_status; a null text has a status, too. `options` are the fields of `scorer.config.FrameConfig`.
    The model is that of this moment: register again to take another one. ModelError when it is no model.
    """
    if "text_column" in options or "text_columns" in options:
        raise UsageError("text_column: the function's argument is the text; leave it out")
    found = known_model(model, **options)
    count = len(found.fitted_columns) or 1 if pairs is None else 1 + pairs
    found.check_texts(count)
    returned = _duckdb_type(pa.struct(found.fields))
    with suppress(duckdb.InvalidInputException):  # there was none
        con.remove_function(name)
    # The kinds of functions are words in every version, and enumerations in the types of some.
    create: Any = con.create_function
    create(
        name,
        _pair_of(found) if count == 2 else _single(found),
        [duckdb.type("VARCHAR")] * count,
        returned,
        type="arrow",
        null_handling="special",
    )


def _single(model: KnownModel) -> Callable[[pa.ChunkedArray], pa.Array]:
    return lambda text: _structs(model, [text])


def _pair_of(model: KnownModel) -> Callable[[pa.ChunkedArray, pa.ChunkedArray], pa.Array]:
    return lambda first, second: _structs(model, [first, second])


def _structs(model: KnownModel, columns: Sequence[pa.ChunkedArray]) -> pa.Array:
    texts = pa.table(list(columns), names=[f"text {place}" for place, _ in enumerate(columns, 1)])
    scored = model.scorer.score_columns(texts, where="the SQL function").combine_chunks()
    arrays = [_plain(column.chunk(0)) for column in scored.columns]
    return pa.StructArray.from_arrays(arrays, names=scored.column_names)


def _plain(array: pa.Array) -> pa.Array:
    return array.dictionary_decode() if pa.types.is_dictionary(array.type) else array


def _duckdb_type(kind: pa.DataType) -> Any:
    """The type of SQL that holds what the Arrow type `kind` does."""
    if pa.types.is_dictionary(kind):
        return _duckdb_type(kind.value_type)
    if pa.types.is_struct(kind):
        return duckdb.struct_type({field.name: _duckdb_type(field.type) for field in kind})
    if pa.types.is_list(kind):
        return duckdb.list_type(_duckdb_type(kind.value_type))
    return duckdb.type(_SQL_TYPES[kind])


_SQL_TYPES = {
    pa.bool_(): "BOOLEAN",
    pa.int32(): "INTEGER",
    pa.int64(): "BIGINT",
    pa.float32(): "FLOAT",
    pa.float64(): "DOUBLE",
    pa.string(): "VARCHAR",
}
