"""The first stage of scoring: a window's texts become token sequences, unless their scores are known.

Owns what counts as a text, the key of an input, what is kept of it besides its logits, and the first look into the
score cache. Does not know the device.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from scorer.classifier.inputs import EncodedInputs
from scorer.classifier.tokenization import TextEncoder
from scorer.runs.score_store import KEY_BYTES, NOWHERE, ScoreStore, origin_of
from scorer.scoring.status import Status
from scorer.scoring.windows import EncodedWindow, Window, record_dtype
from scorer.tables.texts import is_blank, texts


class Encode:
    """Encode the `text_columns` (one, or two for a pair) of each window.

    With a `store`, equal inputs are encoded once, and inputs that the store knows not at all. `fingerprint` names
    everything that changes a logit; keys made under different fingerprints never meet. `run` is this run's number.
    `count_unknown` counts the tokens of inputs (n,) that are unknown, (n,) int64.
    """

    def __init__(
        self,
        encoder: TextEncoder,
        *,
        text_columns: Sequence[str],
        labels: int,
        fingerprint: str,
        store: ScoreStore | None,
        run: int,
        count_unknown: Callable[[EncodedInputs], NDArray[np.int64]] | None = None,
    ) -> None:
        self._encoder = encoder
        self._columns = tuple(text_columns)
        self._dtype = record_dtype(labels)
        self._hash_key = fingerprint.encode()[: hashlib.blake2b.MAX_KEY_SIZE]
        self._store = store
        self._run = run
        self._count_unknown = count_unknown

    def __call__(self, window: Window) -> EncodedWindow:
        columns = [texts(window.table, column) for column in self._columns]
        status = row_status(columns)
        scorable = np.flatnonzero(status == Status.OK)
        parts = [column.take(pa.array(scorable)).to_pylist() for column in columns]
        keys, first, inputs = self._distinct(parts)
        records = np.zeros(len(first), self._dtype)
        known = np.zeros(len(first), np.bool_)
        if self._store is not None and keys is not None:
            records, known = self._look_up(keys, origin_of(self._run, window.number))
        todo = np.flatnonzero(~known)
        places = first[todo].tolist()
        fresh = self._encode([[part[place] for place in places] for part in parts])
        records["tokens"][todo] = fresh.lengths
        records["truncated"][todo] = fresh.truncated
        if self._count_unknown is not None:
            records["unknown"][todo] = self._count_unknown(fresh)
        return EncodedWindow(window, status, scorable, inputs, keys, records, known, fresh)

    def _distinct(self, parts: list[list[str]]) -> tuple[list[bytes] | None, NDArray[np.int64], NDArray[np.int64]]:
        """Keys of the distinct inputs, the place where each comes first, and the input of each place."""
        if self._store is None:
            every = np.arange(len(parts[0]))
            return None, every, every
        index: dict[bytes, int] = {}
        every_key = [self._key(place) for place in zip(*parts, strict=True)]
        inputs = np.fromiter((index.setdefault(key, len(index)) for key in every_key), np.int64, len(every_key))
        first = np.unique(inputs, return_index=True)[1].astype(np.int64)
        return list(index), first, inputs

    def _key(self, parts: tuple[str, ...]) -> bytes:
        """BLAKE2b of the texts, keyed by the fingerprint; the lengths keep ("ab", "c") apart from ("a", "bc")."""
        digest = hashlib.blake2b(digest_size=KEY_BYTES, key=self._hash_key)
        for part in parts:
            data = part.encode()
            if len(parts) > 1:
                digest.update(len(data).to_bytes(8, "little"))
            digest.update(data)
        return digest.digest()

    def _look_up(self, keys: list[bytes], origin: int) -> tuple[NDArray[np.void], NDArray[np.bool_]]:
        """Records known before this window. What this run itself computed for this very window, before it was killed,
        does not count: it belongs to the batches that `Classify` will plan again."""
        assert self._store is not None
        found = self._store.look_up(keys)
        known = (found.origins != NOWHERE) & (found.origins != origin)
        return found.records.view(self._dtype).reshape(len(keys)), known

    def _encode(self, parts: list[list[str]]) -> EncodedInputs:
        if not parts[0]:
            return EncodedInputs.empty()
        return self._encoder(parts[0], parts[1] if len(parts) > 1 else None)


def row_status(columns: Sequence[pa.ChunkedArray]) -> NDArray[np.int8]:
    """(rows,) int8: NULL where any of the text `columns` is null, EMPTY where none has anything to read, else OK."""
    null = np.zeros(len(columns[0]), np.bool_)
    empty = np.ones(len(columns[0]), np.bool_)
    for column in columns:
        null |= column.is_null().to_numpy()
        empty &= pc.fill_null(is_blank(column), False).to_numpy()
    return np.where(null, Status.NULL, np.where(empty, Status.EMPTY, Status.OK)).astype(np.int8)
