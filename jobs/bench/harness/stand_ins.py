"""Texts for a machine without the real data: reviews of the project's own sample, joined to the lengths one wants.

Owns their number a text. The texts themselves come from `data/make_reviews.py`, run as the command that it is.
"""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq

MAKE_REVIEWS = Path(__file__).parents[3] / "data" / "make_reviews.py"
SEED = 2
POOL_ROWS = 5_000
# Reviews a text, and how often: a review has about 21 tokens, and the mixed workload has 44 a text with a long tail.
MIXED = {1: 0.60, 2: 0.22, 3: 0.08, 4: 0.04, 13: 0.06}


def joined_reviews(count: int, reviews: tuple[int, int] | None = None, *, cache: Path) -> list[str]:
    """`count` texts of as many reviews each as the range `reviews` says, or as the mixed workload has."""
    pool = _pool(cache)
    source = random.Random(SEED)
    sizes = source.choices(list(MIXED), list(MIXED.values()), k=count) if reviews is None else None
    return [
        " ".join(source.choices(pool, k=sizes[row] if sizes else source.randint(*(reviews or (1, 1)))))
        for row in range(count)
    ]


def _pool(cache: Path) -> list[str]:
    """Texts of `POOL_ROWS` reviews of the sample, without the empty, blank and rambling ones."""
    folder = cache / "stand_ins"
    path = folder / "reviews.parquet"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, str(MAKE_REVIEWS), "--only", "reviews", "--rows", str(POOL_ROWS)]
        subprocess.run([*command, "--folder", str(folder)], check=True, stdout=subprocess.DEVNULL)
    texts = pq.read_table(path, columns=["sentence"]).column("sentence").to_pylist()
    return [text for text in texts if text and len(text.split()) > 1 and len(text) < 400]
