"""The files that are scored: what each holds, how long its texts may be, and where they come from.

Owns the choice of rows. Knows no tokenizer and no model: how many tokens a file has is for `reference` to say.
"""

from __future__ import annotations

import csv
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from harness.stand_ins import joined_reviews

COLUMN = "text"
SEED = 1
DUPLICATE_SHARE = 0.3
# Each of them is one token of BERT's vocabulary, so that a text of 126 words has 128 tokens with [CLS] and [SEP].
_ONE_TOKEN_WORDS = """
    the a and but or not never very quite it is was were they we you this that with without for from at in on of to no
    yes all none good great fine bad poor clean dirty fast slow cheap warm cold quiet loud kind rude room staff food
    price light water door window phone hotel film bread coffee table night day week hour minute would again friend
    family money
"""


@dataclass(frozen=True, kw_only=True)
class Workload:
    """A Parquet file with the columns `id` and `text`, scored at `max_length` tokens; `origin` says whose texts."""

    name: str
    path: Path
    rows: int
    max_length: int
    origin: str


@dataclass(frozen=True)
class _Kind:
    """How a workload is made: texts from the folder of real data, or made ones where there is no such folder."""

    rows: int
    max_length: int
    about: str
    real: Callable[[Path], list[str]] | None
    made: Callable[[Path], list[str]]


def names() -> list[str]:
    return list(_KINDS)


def make_workload(name: str, *, folder: Path, realdata: Path | None, limit: int | None = None) -> Workload:
    """Write the workload `name` into `folder`; `limit` keeps only so many rows."""
    kind = _KINDS[name]
    real = kind.real is not None and realdata is not None
    texts = kind.real(realdata) if kind.real is not None and realdata is not None else kind.made(folder)
    texts = list(islice(cycle(texts), min(kind.rows, limit or kind.rows)))
    if name == "duplicates":
        texts = with_duplicates(texts, share=DUPLICATE_SHARE)
    origin = kind.about if real or kind.real is None else f"stand-ins from data/make_reviews.py for: {kind.about}"
    path = folder / f"{name}.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table({"id": range(len(texts)), COLUMN: texts}), path)
    return Workload(name=name, path=path, rows=len(texts), max_length=kind.max_length, origin=origin)


def with_duplicates(texts: Sequence[str], *, share: float) -> list[str]:
    """As many texts, in random order, of which `share` repeat another one of them."""
    source = random.Random(SEED)
    kept = source.sample(list(texts), round(len(texts) * (1 - share)))
    repeated = source.choices(kept, k=len(texts) - len(kept))
    return source.sample(kept + repeated, len(texts))


def constant_texts(count: int, *, words: int) -> list[str]:
    """`count` texts of `words` words, each word one token."""
    source, known = random.Random(SEED), _ONE_TOKEN_WORDS.split()
    return [" ".join(source.choices(known, k=words)) for _ in range(count)]


def texts_of(path: Path, column: str = COLUMN) -> list[str]:
    """The texts of a Parquet file."""
    found: list[str] = pq.read_table(path, columns=[column]).column(column).to_pylist()
    return found


def _sentences(realdata: Path) -> list[str]:
    with (realdata / "sst5_test.csv").open(newline="", encoding="utf-8") as stream:
        return [row["sentence"] for row in csv.DictReader(stream)]


def _mixed(realdata: Path) -> list[str]:
    return texts_of(realdata / "mixed_4096.parquet")


def _reviews(realdata: Path) -> list[str]:
    return texts_of(realdata / "movie_reviews_long.parquet", "review")


_MIXED = "sentences, news and a long tail in random order (mixed_4096.parquet)"
_KINDS = {
    "short": _Kind(
        4096,
        128,
        "SST-5 test sentences, repeated",
        _sentences,
        lambda folder: joined_reviews(4096, (1, 1), cache=folder),
    ),
    "mixed": _Kind(4096, 256, _MIXED, _mixed, lambda folder: joined_reviews(4096, cache=folder)),
    "long": _Kind(
        256,
        512,
        "movie reviews, nearly all cut off at 512 tokens",
        _reviews,
        lambda folder: joined_reviews(256, (20, 60), cache=folder),
    ),
    "constant": _Kind(1024, 128, "generated texts of 128 tokens each", None, lambda _: constant_texts(1024, words=126)),
    "duplicates": _Kind(
        4096,
        256,
        f"{_MIXED}, {DUPLICATE_SHARE:.0%} of the rows repeat another",
        _mixed,
        lambda folder: joined_reviews(4096, cache=folder),
    ),
}
