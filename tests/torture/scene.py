"""A scoring job that gets hurt: its input, its output, what an uninterrupted run wrote, what may stand there meanwhile.

Owns the promise that every crash test checks: under the final name is nothing, or the old file, or the complete new
one, and the same command then ends with the bytes of a run that nothing happened to. Does not know how the run is hurt.
"""

from __future__ import annotations

import shutil
import sys
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from tests.models import sentences
from tests.scoring.files import read, write
from tests.torture.launcher import Ended, Launcher

OLD = b"what stood here before, and what others still read\n"


@dataclass(frozen=True, kw_only=True)
class Job:
    """What is scored: `source` by `model`, `flags` besides; and what comes of it: `whole`, byte for byte."""

    source: Path
    model: Path
    flags: tuple[str, ...]
    whole: bytes
    seconds: float
    stream_seconds: float

    @property
    def ending(self) -> str:
        return self.source.suffix


class Jobs:
    """`jobs(ending, rows=..., window_rows=...)`: a job on `model`, run once and checked row by row."""

    def __init__(self, folder: Path, launcher: Launcher, model: Path) -> None:
        self._folder = folder
        self._launcher = launcher
        self._model = model
        self._made: dict[str, Job] = {}

    def __call__(self, ending: str, *, rows: int, window_rows: int, batch_tokens: int = 512) -> Job:
        key = f"{rows}-{window_rows}-{batch_tokens}{ending}"
        if key not in self._made:
            sizes = ("--window-rows", str(window_rows), "--batch-tokens", str(batch_tokens))
            self._made[key] = self._make(key, ending, rows, ("--precision", "fp32", *sizes))
        return self._made[key]

    def _make(self, key: str, ending: str, rows: int, flags: tuple[str, ...]) -> Job:
        source = write_source(self._folder / f"in-{rows}{ending}", rows)
        target = self._folder / f"whole-{key}"
        self._launcher.start(["score", source, target, "-m", self._model, *flags], held=True)
        begun = self._launcher.go()
        (ended,) = self._launcher.wait()
        assert ended.code == 0, ended.stderr
        assert numbers(target) == list(range(rows)), "the uninterrupted run itself lost or moved rows"
        return Job(
            source=source,
            model=self._model,
            flags=flags,
            whole=target.read_bytes(),
            seconds=ended.at - begun,
            stream_seconds=ended.summary["stream_seconds"],
        )


def write_source(path: Path, rows: int) -> Path:
    """`rows` numbered nonsense texts at `path`; some are equal, null or empty."""
    texts: list[str | None] = [f"{text} {number}" for number, text in enumerate(sentences(rows, seed=41))]
    texts[rows // 2 :: 5] = texts[: len(texts[rows // 2 :: 5])]
    texts[7::50] = [None] * len(texts[7::50])
    texts[9::50] = [""] * len(texts[9::50])
    return write(path, pa.table({"n": range(rows), "text": texts}))


@dataclass
class Figures:
    """What came of a number of trials; a row of the table that the tests print."""

    name: str
    trials: int = 0
    lost: int = 0
    duplicated: int = 0
    torn: int = 0
    different: int = 0
    unfinished: int = 0
    left_behind: int = 0
    notes: Counter[str] = field(default_factory=Counter)

    def check(self, trials: int) -> None:
        """Print the row; every figure but the trials must be 0."""
        report([self])
        assert self.trials == trials
        bad = (self.lost, self.duplicated, self.torn, self.different, self.unfinished, self.left_behind)
        assert not any(bad), self


COLUMNS = ("trials", "lost", "duplicated", "torn", "different", "unfinished", "left_behind")


def report(figures: Iterable[Figures]) -> None:
    """Print `figures` as rows of a table, for a person who runs pytest with -s."""
    lines = ["", "| what | " + " | ".join(COLUMNS) + " | besides |", "|---" * (len(COLUMNS) + 2) + "|"]
    for one in figures:
        besides = ", ".join(f"{name}: {count}" for name, count in sorted(one.notes.items()))
        lines.append(f"| {one.name} | {' | '.join(str(getattr(one, column)) for column in COLUMNS)} | {besides} |")
    sys.stdout.write("\n".join(lines) + "\n")


class Scene:
    """One trial: a fresh `folder` for a target, with an `old` file under its name or not, with a cache or not."""

    def __init__(self, folder: Path, job: Job, *, old: bool = False, cache: bool = False) -> None:
        self.job = job
        self.folder = folder
        self.target = folder / f"out{job.ending}"
        self.workspace = folder / f"out{job.ending}.unfinished"
        self.partial = self.workspace / f"partial.{self.target.name}"
        self.old = old
        self.cache = folder.with_name(folder.name + ".cache") if cache else None
        self.renew()

    def renew(self) -> None:
        """Make the folder, and the old file in it, as before any run."""
        self.folder.mkdir(parents=True, exist_ok=True)
        if self.old:
            self.target.write_bytes(OLD)

    @property
    def arguments(self) -> list[str | Path]:
        extra: list[str | Path] = ["--force"] if self.old else []
        if self.cache is not None:
            extra += ["--cache", self.cache]
        return ["score", self.job.source, self.target, "-m", self.job.model, *self.job.flags, *extra]

    @property
    def state(self) -> str:
        """What stands under the final name: "nothing", "old", "new" or, never, "torn"."""
        if not self.target.exists():
            return "nothing"
        content = self.target.read_bytes()
        if content == self.job.whole:
            return "new"
        return "old" if self.old and content == OLD else "torn"

    @property
    def phase(self) -> str:
        """How far the run came, by what it left."""
        if self.state == "new":
            return "cleaning up" if self.workspace.exists() else "all done"
        if not self.workspace.exists():
            return "before the lock"
        return "streaming" if (self.workspace / "job.json").exists() else "loading"

    def judge(self, figures: Figures) -> None:
        """Count this trial, and whether what stands under the final name is whole."""
        figures.trials += 1
        figures.torn += self.state == "torn" or (self.old and self.state == "nothing")
        around = {path.name for path in self.folder.iterdir()}
        figures.left_behind += bool(around - {self.target.name, self.workspace.name})

    def judge_failure(self, figures: Figures) -> None:
        """The same for a run that failed with an error: it only leaves what a later run goes on from."""
        self.judge(figures)
        figures.left_behind += self.workspace.exists() and not (self.workspace / "job.json").exists()

    def finish(self, launcher: Launcher, figures: Figures) -> Ended:
        """Run the same command again, and count how its output differs from what it should be."""
        complete = self.state == "new" and not (self.workspace / "job.json").exists()
        again = launcher.run(self.arguments)
        # Only a Parquet file tells that this very job wrote it; other files are refused, as after any success.
        refused = complete and not self.old and self.job.ending != ".parquet"
        if again.code != (73 if refused else 0):
            figures.unfinished += 1
            figures.notes[f"rerun exits {again.code}"] += 1
        self._count_rows(figures)
        figures.left_behind += self.workspace.exists()
        return again

    def vanish(self) -> None:
        """Delete the folder while a run works in it, which may add files meanwhile."""
        while self.folder.exists():
            shutil.rmtree(self.folder, ignore_errors=True)

    def remove(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
        if self.cache is not None:
            shutil.rmtree(self.cache, ignore_errors=True)

    def _count_rows(self, figures: Figures) -> None:
        if self.state == "new":
            return
        figures.different += 1
        found = Counter(numbers(self.target) if self.target.exists() else [])
        figures.lost += sum(number not in found for number in numbers(self.job.source))
        figures.duplicated += sum(count - 1 for count in found.values())


def numbers(path: Path) -> list[int]:
    """The rows of `path`, by the number that each of them carries."""
    return [int(row["n"]) for row in read(path)]


def one_line(stderr: str) -> bool:
    """Whether `stderr` is one line that says what is wrong."""
    return stderr.count("\n") == 1 and stderr.startswith("scorer: error: ")
