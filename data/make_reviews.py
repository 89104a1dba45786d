"""Make the sample: reviews that nobody wrote, to fit a model on and to score. Run it: python data/make_reviews.py

Owns the files and their sizes. How a review reads stands in `grammar`, its other columns in `table`.

`train.csv` is kept in git and comes out the same, byte for byte, at every run; `reviews.parquet` is made when needed.
So are the two files of takeaway reviews in Chinese, which `chinese` makes.
"""

from __future__ import annotations

import argparse
import csv
import io
import random
from collections.abc import Iterable, Sequence
from pathlib import Path

from chinese import chinese_reviews, days
from grammar import Review, Reviewer

FOLDER = Path(__file__).parent
SEED = 20_000
TRAIN_ROWS = 2_000
SCORE_ROWS = 20_000
CHINESE_ROWS, CHINESE_NEW_ROWS = 1_200, 800

# People write when they are pleased, less often when they are angry, seldom when they do not care.
FEELINGS = {-2: 14, -1: 11, 0: 16, 1: 27, 2: 32}


def reviews(count: int, source: random.Random, *, known: set[str]) -> list[Review]:
    """`count` reviews whose texts differ from each other and from `known`, which grows by them."""
    reviewer, found = Reviewer(source), list[Review]()
    while len(found) < count:
        mood = source.choices(list(FEELINGS), list(FEELINGS.values()))[0] + source.uniform(-0.5, 0.5)
        review = reviewer.review(mood)
        if review.text not in known:
            known.add(review.text)
            found.append(review)
    return found


def train_csv(rows: list[Review]) -> bytes:
    """The rows with the columns sentence and score."""
    return csv_of(("sentence", "score"), [(review.text, review.score) for review in rows])


def csv_of(head: Sequence[object], rows: Iterable[Sequence[object]]) -> bytes:
    """A CSV file (RFC 4180, UTF-8, line feeds)."""
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows([head, *rows])
    return text.getvalue().encode()


def write_chinese(folder: Path) -> None:
    """Takeaway reviews in Chinese: labelled ones, and later ones with a day and without a label."""
    source, known = random.Random(SEED + 2), set[str]()
    labelled = chinese_reviews(CHINESE_ROWS, source, known=known)
    (folder / "takeaway.csv").write_bytes(csv_of(("review", "label"), labelled))
    later = chinese_reviews(CHINESE_NEW_ROWS, source, known=known)
    rows = [(day, text) for day, (text, _) in zip(days(len(later), source), later, strict=True)]
    (folder / "takeaway_new.csv").write_bytes(csv_of(("day", "review"), rows))


def main() -> None:
    """Write both English files, or what is asked for."""
    parser = argparse.ArgumentParser(description="Make the sample: reviews to fit a model on and to score.")
    what = "write train.csv, reviews.parquet, or takeaway.csv and takeaway_new.csv alone"
    parser.add_argument("--only", choices=("train", "reviews", "chinese"), help=what)
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where to write (default: beside this file)")
    parser.add_argument("--rows", type=int, default=SCORE_ROWS, metavar="N", help="rows of reviews.parquet")
    options = parser.parse_args()

    if options.only == "chinese":
        write_chinese(options.folder)
        return
    known: set[str] = set()
    train = reviews(TRAIN_ROWS, random.Random(SEED), known=known)
    if options.only != "reviews":
        (options.folder / "train.csv").write_bytes(train_csv(train))
    if options.only != "train":
        from table import write_reviews  # needs pyarrow, which the CSV file does not

        source = random.Random(SEED + 1)
        write_reviews(options.folder / "reviews.parquet", reviews(options.rows, source, known=known), source)


if __name__ == "__main__":
    main()
