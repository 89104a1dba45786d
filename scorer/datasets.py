"""Scoring data sets of Hugging Face's `datasets`: a map with batches that suit the model, whose result is cached.

    scored = scorer.datasets.score(load_dataset("imdb", split="test"), "models/latest")

What `datasets` knows a result by is made of what the model and the options come to: the same again is read from the
cache, without loading the model, wherever its directory lies; a model that was fitted anew is another one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NoReturn, TypeVar, cast

import pyarrow as pa

from scorer.config import LATEST_MODEL, WINDOW_ROWS, WINDOW_TEXT_BYTES
from scorer.errors import ConfigError, UsageError
from scorer.frames.models import KnownModel, known_model
from scorer.tables import compute as pc

try:
    import datasets
except ImportError as error:
    raise ConfigError("scoring data sets needs a library: pip install 'scorer[datasets]'") from error

DataSet = TypeVar("DataSet")

# One window is encoded while another is computed, so several come at once, as far as they are not large.
_BATCH_ROWS: Final = 4 * WINDOW_ROWS
_BATCH_BYTES: Final = 4 * WINDOW_TEXT_BYTES
# Of a data set that is read as a stream, whose reader is waited for.
_STREAM_ROWS: Final = 8_192
_WHERE: Final = "the data set"


def score(ds: DataSet, model: str | Path = LATEST_MODEL, **options: Any) -> DataSet:
    """`ds` with the appended columns: a Dataset, an IterableDataset, or a dictionary of either, of which each split is
    scored.

    The text column is found as `scorer score` finds it; `text_column` names another. `options` are the fields of
    `scorer.config.FrameConfig`.
    """
    found = known_model(model, **options)
    if isinstance(ds, datasets.DatasetDict | datasets.IterableDatasetDict):
        return cast(DataSet, type(ds)({split: _scored(part, found) for split, part in ds.items()}))
    return cast(DataSet, _scored(ds, found))


def _scored(ds: Any, model: KnownModel) -> Any:
    if isinstance(ds, datasets.Dataset):
        return _mapped(ds, model)
    if isinstance(ds, datasets.IterableDataset):
        return _mapped_stream(ds, model)
    raise UsageError(f"a data set of `datasets` is expected, not {type(ds).__name__}")


def _mapped(ds: Any, model: KnownModel) -> Any:
    features = datasets.Features({**ds.features, **_features(model)})
    work = _Work(model, model.text_columns(ds.column_names, where=_WHERE))
    if not len(ds):  # of nothing a map makes nothing, not even columns
        return datasets.Dataset.from_dict({name: [] for name in features}, features=features)
    size = min(_BATCH_ROWS, max(_BATCH_BYTES * len(ds) // max(ds.data.nbytes, 1), 1))
    before = ds.format
    scored = ds.with_format("arrow").map(
        _ByIdentity(work), batched=True, batch_size=size, features=features, desc="scorer"
    )
    shown = None if before["columns"] == ds.column_names else [*before["columns"], *_features(model)]
    return scored.with_format(
        before["type"], columns=shown, output_all_columns=before["output_all_columns"], **before["format_kwargs"]
    )


def _mapped_stream(ds: Any, model: KnownModel) -> Any:
    names = ds.column_names or list(next(iter(ds), {}))
    work = _StreamWork(_Work(model, model.text_columns(names, where=_WHERE)))
    features = None if ds.features is None else datasets.Features({**ds.features, **_features(model)})
    return ds.map(work, batched=True, batch_size=_STREAM_ROWS, features=features)


def _features(model: KnownModel) -> Mapping[str, Any]:
    """What `datasets` calls the types of the appended columns; it has none for a dictionary."""
    found: Mapping[str, Any] = datasets.Features.from_arrow_schema(
        pa.schema([field.with_type(_plain(field.type)) for field in model.fields])
    )
    return found


def _plain(kind: pa.DataType) -> pa.DataType:
    return kind.value_type if pa.types.is_dictionary(kind) else kind


@dataclass(frozen=True)
class _Work:
    """`model`, which scores batches by the texts in their columns `names`."""

    model: KnownModel
    names: tuple[str, ...]

    def __call__(self, table: pa.Table) -> pa.Table:
        for name, column in self.answers(table.select(list(self.names))).items():
            table = table.append_column(name, column)
        return table

    def answers(self, texts: pa.Table) -> dict[str, pa.ChunkedArray]:
        scored = self.model.scorer.score_columns(texts, where=_WHERE)
        return {
            name: pc.cast(scored.column(name), _plain(scored.schema.field(name).type)) for name in scored.column_names
        }


@dataclass(frozen=True)
class _ByIdentity:
    """The same, known to `datasets`, which hashes its pickled form, by what the model is instead of where it lies."""

    work: _Work

    def __call__(self, table: pa.Table) -> pa.Table:
        return self.work(table)

    def __reduce__(self) -> tuple[Any, ...]:
        return _unreadable, (self.work.model.identity, self.work.names)


@dataclass(frozen=True)
class _StreamWork:
    """The same for batches that are tables or dictionaries of lists, as the stream's format has it."""

    work: _Work

    def __call__(self, batch: Any) -> Any:
        if isinstance(batch, pa.Table):
            return self.work(batch)
        texts = pa.table({name: pa.array(batch[name]) for name in self.work.names})
        return {name: column.to_pylist() for name, column in self.work.answers(texts).items()}


def _unreadable(identity: str, names: tuple[str, ...]) -> NoReturn:
    raise AssertionError(f"{identity} of {names} is a name to be hashed, no work to be done; this is a bug")
