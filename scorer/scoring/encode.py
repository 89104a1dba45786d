"""The first stage of scoring: a window's texts become token sequences, unless their scores are known.

Decides what counts as a text, what the key of an input is, and what is kept of an input besides its logits. Looks into
the score cache first. Must not use the device: that is for `classify` alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from scorer.classifier.sequences import EncodedInputs
from scorer.runs.score_segments import KEY_BYTES
from scorer.scoring.answers import Status
from scorer.scoring.cache import Ahead, ScoreCache
from scorer.scoring.windows import EncodedWindow, Window, score_dtype
from scorer.tables import compute as pc
from scorer.tables.texts import is_blank, texts


class Encoder(Protocol):
    """What makes token sequences of texts (n,), or of pairs of texts."""

    def __call__(self, texts: Sequence[str], pairs: Sequence[str] | None = None) -> EncodedInputs: ...


class Encode:
    """Encode windows with `encoder`, for a model of so many `labels`. `count_unknown` counts the tokens of inputs (n,)
    that are unknown, (n,) int64."""

    def __init__(
        self,
        encoder: Encoder,
        *,
        labels: int,
        count_unknown: Callable[[EncodedInputs], NDArray[np.int64]] | None = None,
    ) -> None:
        self._encoder = encoder
        self._dtype = score_dtype(labels)
        self._count_unknown = count_unknown

    def __call__(self, window: Window, cache: ScoreCache | None = None, *, distinct: bool = False) -> EncodedWindow:
        """Encode the texts of `window`; with a `cache` equal texts once, and those that it knows not at all; without
        one each, or equal ones once if `distinct`."""
        columns = [texts(window.table, column) for column in window.text_columns]
        status = row_status(columns)
        scorable = np.flatnonzero(status == Status.OK)
        parts = [column.take(pa.array(scorable)).to_pylist() for column in columns]
        if cache is None:
            keys = None
            first, inputs = _first_of_each(parts) if distinct else (np.arange(len(scorable)),) * 2
            nothing = np.zeros(len(first), np.bool_)
            ahead = Ahead(np.zeros(len(first), self._dtype), nothing, nothing, 0)
        else:
            keys, first, inputs = _distinct(parts, cache.fingerprint)
            ahead = cache.look_up(keys, self._dtype, window=window.number)
        scores, known = ahead.scores, ahead.known
        todo = np.flatnonzero(~known)
        places = first[todo].tolist()
        fresh = self._encode([[part[place] for place in places] for part in parts])
        scores["tokens"][todo] = fresh.lengths
        scores["truncated"][todo] = fresh.truncated
        if self._count_unknown is not None:
            scores["unknown"][todo] = self._count_unknown(fresh)
        return EncodedWindow(
            window, status, scorable, inputs, keys, scores, known, fresh, ahead.replayed, ahead.durable
        )

    def _encode(self, parts: list[list[str]]) -> EncodedInputs:
        if not parts[0]:
            return EncodedInputs.empty()
        return self._encoder(parts[0], parts[1] if len(parts) > 1 else None)


def _first_of_each(parts: list[list[str]]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The place where each distinct input comes first, and the input of each place."""
    index: dict[tuple[str, ...], int] = {}
    inputs = np.fromiter((index.setdefault(place, len(index)) for place in zip(*parts, strict=True)), np.int64)
    return np.unique(inputs, return_index=True)[1].astype(np.int64), inputs


def _distinct(parts: list[list[str]], fingerprint: str) -> tuple[list[bytes], NDArray[np.int64], NDArray[np.int64]]:
    """Keys of the distinct inputs, the place where each comes first, and the input of each place."""
    hash_key = fingerprint.encode()[: hashlib.blake2b.MAX_KEY_SIZE]
    index: dict[bytes, int] = {}
    every_key = [_key(place, hash_key) for place in zip(*parts, strict=True)]
    inputs = np.fromiter((index.setdefault(key, len(index)) for key in every_key), np.int64, len(every_key))
    first = np.unique(inputs, return_index=True)[1].astype(np.int64)
    return list(index), first, inputs


def _key(parts: tuple[str, ...], hash_key: bytes) -> bytes:
    """BLAKE2b of the texts, keyed by the fingerprint; the lengths keep ("ab", "c") apart from ("a", "bc")."""
    digest = hashlib.blake2b(digest_size=KEY_BYTES, key=hash_key)
    for part in parts:
        data = part.encode()
        if len(parts) > 1:
            digest.update(len(data).to_bytes(8, "little"))
        digest.update(data)
    return digest.digest()


def row_status(columns: Sequence[pa.ChunkedArray]) -> NDArray[np.int8]:
    """(rows,) int8: NULL where any of the text `columns` is null, EMPTY where none has anything to read, else OK."""
    null = np.zeros(len(columns[0]), np.bool_)
    empty = np.ones(len(columns[0]), np.bool_)
    for column in columns:
        null |= column.is_null().to_numpy()
        empty &= pc.fill_null(is_blank(column), False).to_numpy()
    return np.where(null, Status.NULL, np.where(empty, Status.EMPTY, Status.OK)).astype(np.int8)
