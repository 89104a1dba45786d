"""Examples as tokens, in the form that the Trainer reads.

Owns the `datasets.Dataset`. Does not know files, nor the order of training.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
from datasets import Dataset
from numpy.typing import NDArray

from scorer.classifier.labels import Targets
from scorer.classifier.tokenization import TextEncoder
from scorer.config import WINDOW_ROWS
from scorer.examples.reading import Examples


def tokenize(
    examples: Examples,
    targets: Targets,
    encoder: TextEncoder,
    *,
    token_types: bool,
    longest_first: bool = False,
) -> Dataset:
    """A Dataset of `input_ids`, `labels` and `length`, and `token_type_ids` if wanted for pairs; nothing is padded.

    The rows keep their order, or come longest first, so that evaluation pads little. Where a row may have several
    labels, `labels` holds float32, which is what the loss of independent labels takes. A long text that is read in
    windows has a row for each, with the text's label; the column `example` says which of `examples` a row is of, and
    `truncated` whether that one has tokens that no row has.

    `encoder` is that of scoring, so that a model sees in training what it will see later.
    """
    windows = list(_token_windows(examples, encoder, token_types=token_types and len(examples.texts) == 2))
    table = pa.concat_tables(windows)
    table = table.append_column("labels", _label_column(targets[table["example"].to_numpy()]))
    return Dataset(table.sort_by([("length", "descending")]) if longest_first else table)


def _label_column(targets: Targets) -> pa.Array:
    if targets.ndim == 1:
        return pa.array(targets, pa.int64())
    return pa.FixedSizeListArray.from_arrays(pa.array(targets.ravel(), pa.float32()), targets.shape[1])


def _token_windows(examples: Examples, encoder: TextEncoder, *, token_types: bool) -> Iterator[pa.Table]:
    for start in range(0, len(examples), WINDOW_ROWS):
        first, *second = (column[start : start + WINDOW_ROWS] for column in examples.texts)
        inputs = encoder(first, second[0] if second else None)
        tokens = inputs.sequences
        columns = {"input_ids": _lists(tokens.offsets, tokens.ids), "length": pa.array(tokens.lengths, pa.int64())}
        sequences = np.diff(inputs.starts)
        columns["example"] = pa.array(np.repeat(np.arange(start, start + len(inputs)), sequences))
        columns["truncated"] = pa.array(np.repeat(inputs.truncated, sequences))
        if token_types:
            positions = np.arange(len(tokens.ids)) - np.repeat(tokens.offsets[:-1], tokens.lengths)
            types = (positions >= np.repeat(tokens.first, tokens.lengths)).astype(np.int32)
            columns["token_type_ids"] = _lists(tokens.offsets, types)
        yield pa.table(columns)


def _lists(offsets: NDArray[np.int64], values: NDArray[np.int32]) -> pa.Array:
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), pa.array(values, pa.int32()))
