"""The table around the reviews to be scored: columns of many types, and the rows that spoil a careless reader.

Owns the columns of `reviews.parquet`, as README.md beside it describes them. Does not know how a text is made, except
that it asks `grammar` for a few that ramble.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from grammar import Review, Reviewer

OPENED = datetime(2023, 1, 1, tzinfo=UTC)  # the day of the first review; the clock of this machine plays no part
ROW_GROUP = 5_000

# One row in so many is spoiled in each of these ways.
NULL, EMPTY, BLANK, DUPLICATE, RAMBLING = 200, 400, 800, 25, 1_000

SCHEMA = pa.schema(
    [
        pa.field("review_id", pa.string(), nullable=False),
        pa.field("sentence", pa.string(), metadata={"description": "what the reviewer wrote"}),
        pa.field("posted_at", pa.timestamp("ms", tz="Europe/Lisbon"), nullable=False),
        pa.field("used_on", pa.date32()),
        pa.field("domain", pa.dictionary(pa.int8(), pa.string()), nullable=False),
        pa.field("stars", pa.int8()),
        pa.field("helpful_votes", pa.uint32(), nullable=False),
        pa.field("price", pa.decimal128(9, 2), metadata={"unit": "EUR"}),
        pa.field("seconds_on_page", pa.float64()),
        pa.field("verified", pa.bool_()),
        pa.field("tags", pa.list_(pa.field("element", pa.string()))),
        pa.field(
            "author",
            pa.struct([("name", pa.string()), ("reviews", pa.int32()), ("member_since", pa.date32())]),
        ),
        pa.field("photo_sha1", pa.binary()),
    ],
    metadata={"made_by": "data/make_reviews.py"},
)


def write_reviews(path: Path, rows: Sequence[Review], source: random.Random) -> None:
    """Write the table of `rows` to `path`; the same rows and source give the same bytes."""
    with pq.ParquetWriter(path, SCHEMA, compression="zstd", write_page_checksum=True) as writer:
        writer.write_table(table(rows, source), row_group_size=ROW_GROUP)


def table(rows: Sequence[Review], source: random.Random) -> pa.Table:
    """The reviews in random order with their columns, some texts null, empty, blank, repeated or very long."""
    records = [_record(number, review, source) for number, review in enumerate(_spoiled(rows, source))]
    return pa.Table.from_pylist(records, schema=SCHEMA)


def _spoiled(rows: Sequence[Review], source: random.Random) -> list[tuple[Review, str | None]]:
    """Each review with the text that the table shows: mostly its own."""
    shown: list[tuple[Review, str | None]] = [(review, review.text) for review in rows]
    for chance, spoil in _spoilers(source):
        for place in source.sample(range(len(shown)), max(1, len(shown) // chance)):
            shown[place] = spoil(shown[place][0], shown)
    return shown


Shown = list[tuple[Review, str | None]]
Spoiler = Callable[[Review, Shown], tuple[Review, str | None]]


def _spoilers(source: random.Random) -> tuple[tuple[int, Spoiler], ...]:
    """What may happen to a review, and one in how many it happens to; the later ones win."""

    def rambling(_review: Review, _shown: Shown) -> tuple[Review, str | None]:
        review = Reviewer(source).rambling(source.randint(60, 120))
        return review, review.text

    return (
        (RAMBLING, rambling),
        (DUPLICATE, lambda _, shown: source.choice(shown)),
        (NULL, lambda review, _: (review, None)),
        (EMPTY, lambda review, _: (review, "")),
        (BLANK, lambda review, _: (review, source.choice((" ", "\n\n", "\u200b", " \t ")))),
    )


def _record(number: int, shown: tuple[Review, str | None], source: random.Random) -> dict[str, Any]:
    review, text = shown
    posted = OPENED + timedelta(milliseconds=source.randrange(3 * 365 * 86_400_000))
    price = source.choice((9, 25, 80, 400)) * source.lognormvariate(0.0, 0.5)
    return {
        "review_id": f"{number * 7919 % 1_000_003:07d}",
        "sentence": text,
        "posted_at": posted,
        "used_on": _maybe(0.8, posted.date() - timedelta(days=source.randint(0, 60)), source),
        "domain": review.domain,
        "stars": _maybe(0.7, review.score, source),
        "helpful_votes": int(source.expovariate(0.3)),
        "price": _maybe(0.9, Decimal(round(price * 100)).scaleb(-2), source),
        "seconds_on_page": _maybe(0.95, round(source.lognormvariate(3.5, 1.0), 3), source),
        "verified": _maybe(0.9, source.random() < 0.7, source),
        "tags": _maybe(0.85, _tags(review, source), source),
        "author": _maybe(0.92, _author(source), source),
        "photo_sha1": _maybe(0.2, hashlib.sha1(str(number).encode()).digest(), source),
    }


def _maybe(share: float, value: object, source: random.Random) -> object:
    return value if source.random() < share else None


def _tags(review: Review, source: random.Random) -> list[str | None]:
    known = (review.domain, "mobile", "translated", "edited", "gift", "first review", None)
    return source.sample(known, source.randint(0, 3))


def _author(source: random.Random) -> dict[str, Any]:
    name = source.choice(("Ana", "Björn", "Chloé", "Dmitri", "Ewa", "Farid", "Giulia", "Hiro", "Inês", "Jürgen"))
    since = date(2010, 1, 1) + timedelta(days=source.randrange(4_700))
    return {"name": f"{name} {source.choice('BDFKLMRSTW')}.", "reviews": source.randint(1, 300), "member_since": since}
