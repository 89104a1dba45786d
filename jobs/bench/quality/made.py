"""Data sets of one label a row that are made of others: GoEmotions as five classes, Chinese reviews as four.

Owns what they are made of. The files go into a folder of the caller's.
"""

from __future__ import annotations

from pathlib import Path

import polars as pl

from quality.tasks import Task

_GROUPS = {
    "joy": "joy amusement excitement love optimism pride relief gratitude admiration approval caring desire",
    "anger": "anger annoyance disapproval disgust",
    "sadness": "sadness disappointment embarrassment grief remorse fear nervousness",
    "surprise": "surprise realization confusion curiosity",
    "neutral": "neutral",
}
_EMOTION_ROWS, _REVIEW_ROWS, _TEST_ROWS, _HOTEL_TEST = 12_000, 3_000, 1_200, 2_000


def five_emotions(realdata: Path, folder: Path) -> Task:
    """The rows of GoEmotions with exactly one emotion, in five groups of emotions; the first 12,000 to learn from."""
    group = {emotion: name for name, emotions in _GROUPS.items() for emotion in emotions.split()}
    files = {}
    for part in ("train", "test"):
        rows = pl.read_parquet(realdata / f"goemotions_{part}.parquet").filter(pl.col("emotions").list.len() == 1)
        rows = rows.with_columns(label=pl.col("emotions").list.first().replace_strict(group)).select("text", "label")
        files[part] = folder / f"goe5_{part}.parquet"
        rows.head(_EMOTION_ROWS if part == "train" else len(rows)).write_parquet(files[part])
    return Task(name="goe5", train=files["train"], test=files["test"], texts=("text",), label="label")


def chinese_reviews(realdata: Path, folder: Path) -> Task:
    """Reviews of take-away food and of hotels in Chinese: which of both, and whether they are good."""
    hotel = pl.read_parquet(realdata / "hotel_zh.parquet").drop_nulls()
    hotel = _shuffled(hotel.filter(pl.col("review").str.strip_chars() != ""))
    waimai = _shuffled(pl.read_csv(realdata / "waimai_train.csv"))
    sides = {
        "train": (waimai.head(_REVIEW_ROWS), hotel.head(_REVIEW_ROWS)),
        "test": (
            pl.read_csv(realdata / "waimai_test.csv").sample(_TEST_ROWS, seed=0),
            hotel.tail(_HOTEL_TEST).tail(_TEST_ROWS),
        ),
    }
    files = {}
    for part, (food, rooms) in sides.items():
        rows = pl.concat([_of_kind(food, "waimai"), _of_kind(rooms, "hotel")])
        files[part] = folder / f"zh4_{part}.parquet"
        (_shuffled(rows) if part == "train" else rows).write_parquet(files[part])
    return Task(name="zh4", train=files["train"], test=files["test"], texts=("review",), label="kind")


def _shuffled(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.sample(fraction=1.0, shuffle=True, seed=0)


def _of_kind(rows: pl.DataFrame, source: str) -> pl.DataFrame:
    return rows.select("review", kind=pl.lit(f"{source}_") + pl.col("label").cast(pl.String))
