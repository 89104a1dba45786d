"""Scoring in pandas, through Arrow: only the texts are converted on their way in, and the answers on their way out.

scored = scorer.pandas.score(frame, "models/latest")
answers = scorer.pandas.score(frame["text"])
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa

from scorer.config import LATEST_MODEL
from scorer.errors import ConfigError, DataError, UsageError, shown
from scorer.frames.models import KnownModel, known_model
from scorer.tables.texts import holds_texts

try:
    import pandas as pd
except ImportError as error:
    raise ConfigError("scoring in pandas needs a library: pip install 'scorer[pandas]'") from error


def score(data: pd.DataFrame | pd.Series, model: str | Path = LATEST_MODEL, **options: Any) -> pd.DataFrame:
    """The frame `data` with the appended columns, its own columns and its index unchanged; of a series of texts the
    appended columns alone, with its index.

    The text column is found as `scorer score` finds it; `text_column` names another. `options` are the fields of
    `scorer.config.FrameConfig`. Types are those of pandas that have nulls: Int64, Float32, boolean, str, category.
    """
    if isinstance(data, pd.Series):
        if "text_column" in options or "text_columns" in options:
            raise UsageError("text_column: the series is the text; leave it out, or give the frame")
        found = known_model(model, **options)
        found.check_texts(1)
        answers = _answers(found, {"text": data})
        answers.index = data.index
        return answers
    if not isinstance(data, pd.DataFrame):
        raise UsageError(f"a pandas DataFrame or Series is expected, not {type(data).__name__}")
    found = known_model(model, **options)
    names = [str(name) for name in data.columns]
    texts = found.text_columns(names, where="the frame")
    if twice := [name for name in texts if names.count(name) > 1]:
        raise UsageError(f"the frame: the column name {twice[0]!r} stands more than once; rename one of them")
    answers = _answers(found, {name: data.iloc[:, names.index(name)] for name in texts})
    # By place: an index may have a value twice.
    return data.assign(**{name: answers[name].array for name in answers.columns})


def _answers(model: KnownModel, texts: dict[str, pd.Series]) -> pd.DataFrame:
    table = pa.table({name: _arrow(name, series) for name, series in texts.items()})
    answers: pd.DataFrame = model.scorer.score_columns(table, where="the frame").to_pandas(types_mapper=_type)
    return answers


def _arrow(name: str, series: pd.Series) -> pa.Array | pa.ChunkedArray:
    try:
        found = pa.array(series, from_pandas=True)
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise DataError(
            f"the frame: column {shown(name)} holds other values than texts; convert it (astype)"
        ) from error
    except UnicodeEncodeError as error:
        raise DataError(f"the frame: column {shown(name)}: a text is no Unicode: half of a surrogate pair") from error
    # pandas takes missing texts alone, as a part of a frame may have, for numbers.
    return found if holds_texts(found.type) or found.null_count < len(found) else pa.nulls(len(found), pa.string())


def _type(kind: pa.DataType) -> Any:
    """The type of pandas for an Arrow type; None is the usual one."""
    if pa.types.is_nested(kind):
        return pd.ArrowDtype(kind)
    known = {
        pa.int64(): pd.Int64Dtype(),
        pa.int32(): pd.Int32Dtype(),
        pa.float32(): pd.Float32Dtype(),
        pa.float64(): pd.Float64Dtype(),
        pa.bool_(): pd.BooleanDtype(),
    }
    return known.get(kind)
