"""Small fits for tests: data that a tiny model can learn, a console that remembers, a way to run one."""

from __future__ import annotations

import csv
import io
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from scorer.classifier.metadata import sha256
from scorer.config import FitConfig
from scorer.runs.console import Console, Counter
from scorer.training.fit_job import FitSummary, fit
from tests.models import sentences

MOODS = {"bad": "terrible broken dirty rude", "good": "great lovely clean kind"}


def reviews(count: int, *, seed: int = 0) -> list[tuple[str, str]]:
    """`count` distinct texts with the mood that two of their words tell."""
    draw = random.Random(seed)
    rows = []
    for number, text in enumerate(sentences(count, seed=seed, longest=8)):
        mood = draw.choice(sorted(MOODS))
        words = " ".join(draw.choices(MOODS[mood].split(), k=2))
        rows.append((f"{words} {text} {number}", mood))
    return rows


def write_csv(path: Path, header: Sequence[str], rows: Sequence[Sequence[Any]]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)
    return path


def write_reviews(path: Path, count: int = 120, *, seed: int = 0, labels: dict[str, Any] | None = None) -> Path:
    names = labels or {"bad": 1, "good": 5}
    return write_csv(path, ("sentence", "score"), [(text, names[mood]) for text, mood in reviews(count, seed=seed)])


class Remembering(Console):
    """A console that keeps its lines, and calls `on_line` with each before going on."""

    def __init__(self, on_line: Callable[[str], object] = str) -> None:
        super().__init__(stream=io.StringIO())
        self.lines: list[str] = []
        self._on_line = on_line

    def _write(self, line: str) -> None:
        self.lines.append(line)
        self._on_line(line)

    def having(self, part: str) -> list[str]:
        return [line for line in self.lines if part in line]


class Meanwhile(Console):
    """A console that calls `act` whenever there is progress, in the midst of the work."""

    def __init__(self, act: Callable[[], object]) -> None:
        super().__init__(stream=io.StringIO())
        self._act = act

    @contextmanager
    def progress(self, *_: Any) -> Iterator[Counter]:
        yield self

    def update(self, _: float = 1) -> None:
        self._act()


def run(train: Path, base: Path, console: Console | None = None, **options: Any) -> FitSummary:
    """A fit with settings that suit a tiny model; `options` replace them."""
    settings = {
        "base_model": str(base),
        "epochs": 2.0,
        "batch_size": 8,
        "learning_rate": 1e-2,
        "precision": "fp32",
        "device": "cpu",
        "max_length": 32,
    }
    return fit(FitConfig(train=train, **{**settings, **options}), console or Remembering())


def weights(model: Path) -> str:
    """The SHA-256 of a model directory's weights."""
    return sha256(model / "model.safetensors")
