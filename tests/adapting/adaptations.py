"""Small adaptations for tests: texts that a tiny model can learn, and a way to run one."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

from scorer.adapting.adapt_job import AdaptSummary, adapt
from scorer.config import AdaptConfig
from tests.models import sentences
from tests.training.fits import Remembering


def write_texts(path: Path, count: int = 150, *, seed: int = 0) -> Path:
    """`count` texts of one to four sentences, a line each."""
    draw = random.Random(seed)
    parts = iter(sentences(4 * count, seed=seed, longest=9))
    texts = [". ".join(next(parts).rstrip(".!?") for _ in range(draw.randint(1, 4))) + "." for _ in range(count)]
    path.write_text("text\n" + "".join(f'"{text.replace(chr(34), "")}"\n' for text in texts), encoding="utf-8")
    return path


def run(texts: Path, base: Path | None, console: Remembering | None = None, **options: Any) -> AdaptSummary:
    """An adaptation with settings that suit a tiny model; `options` replace them."""
    settings = {
        "base_model": None if base is None else str(base),
        "batch_size": 8,
        "learning_rate": 3e-3,
        "precision": "fp32",
        "device": "cpu",
        "max_length": 32,
        "output": Path("out"),
        "valid_fraction": 0.2,
    }
    return adapt(AdaptConfig(data=texts, **{**settings, **options}), console or Remembering())
