"""A folder that grows night after night: every row is in its part, scored once, by the model of that night."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import time
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv as pc
import pyarrow.parquet as pq
import pytest
from transformers import AutoTokenizer

import scorer
from scorer.classifier.directory import open_model
from scorer.errors import Busy, DataError
from scorer.stores.parts_folder import PartsFolder
from tests.models import sentences

ALONE: dict[str, Any] = {"precision": "fp32", "batch_tokens": 1, "window_rows": 16}
FLAGS = ["--precision", "fp32", "--batch-tokens", "1", "--window-rows", "16", "--on-error", "quarantine", "--mirror"]


class Nights:
    """The folder `source` as it should be, its parts in `target`, and what each night changes. `files` has the rows of
    each file by its name, in memory, which is what the parts are compared with."""

    def __init__(self, folder: Path, models: tuple[Path, Path], command: list[str], *, seed: int) -> None:
        self.source, self.target, self.folder = folder / "in", folder / "out", folder
        self.source.mkdir()
        self.models = list(models)
        self.command = command
        self.draw = random.Random(seed)
        self.files: dict[str, list[tuple[int, str]]] = {}
        self.corrupt: dict[str, bytes] = {}
        self.computed: set[str] = set()
        self.answers: dict[str, tuple[Any, Any]] = {}
        self.made = 0
        self.use(self.models[0])

    def use(self, model: Path) -> None:
        """From now on this `model` scores."""
        self.model = model
        self.fingerprint = open_model(str(model)).fingerprint
        self.tokenizer = AutoTokenizer.from_pretrained(model)
        self.frames = scorer.load(model, precision="fp32", batch_tokens=1)
        self.computed.clear()
        self.answers.clear()

    def rows(self, count: int) -> list[tuple[int, str]]:
        """New rows; no two of any night have the same text."""
        texts = sentences(count, seed=self.made, longest=9)
        found = [(self.made + place, f"{text} {self.made + place}") for place, text in enumerate(texts)]
        self.made += count
        return found

    def write(self, name: str, rows: list[tuple[int, str]]) -> None:
        self.files[name] = rows
        path = self.source / name
        path.parent.mkdir(parents=True, exist_ok=True)
        table = pa.table({"id": [row for row, _ in rows], "text": [text for _, text in rows]})
        pc.write_csv(table, path) if path.suffix == ".csv" else pq.write_table(table, path)

    def arrive(self, night: int, count: int) -> None:
        """So many new files."""
        for number in range(count):
            ending = self.draw.choice(["csv", "parquet"])
            self.write(f"day={night}/{number}.{ending}", self.rows(self.draw.randint(1, 12)))

    def change(self) -> None:
        """One file gets more rows, another loses one, and one text is corrected."""
        for name in self.draw.sample(sorted(self.files.keys() - self.corrupt.keys()), 2):
            rows = list(self.files[name])
            rows[self.draw.randrange(len(rows))] = self.rows(1)[0]
            self.write(name, [*rows[1:], *self.rows(3)] if len(rows) > 1 else rows)

    def spoil(self, name: str) -> None:
        """A file is cut short, until `mend`."""
        self.corrupt[name] = (self.source / name).read_bytes()
        (self.source / name).write_bytes(self.corrupt[name][:-7])

    def mend(self) -> None:
        for name, content in self.corrupt.items():
            (self.source / name).write_bytes(content)
        self.corrupt.clear()

    def remove(self) -> None:
        name = min(self.files.keys() - self.corrupt.keys())
        (self.source / name).unlink()
        del self.files[name]

    def crash(self) -> None:
        """A run is killed while it scores."""
        command = [*self.command, "score", str(self.source), f"{self.target}/", "-m", str(self.model), *FLAGS]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 100
        while not (self.target / ".scorer" / "journal").exists() and time.monotonic() < deadline:
            time.sleep(0.002)
        time.sleep(self.draw.uniform(0.0, 0.05))
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
        self.wait_for_the_lock()

    def wait_for_the_lock(self) -> None:
        """The killed process may be on its way out still."""
        folder, deadline = PartsFolder(self.target), time.monotonic() + 100
        while time.monotonic() < deadline:
            with suppress(Busy):
                folder.hold()
                folder.let_go()
                return
            time.sleep(0.01)

    def run(self, *, crashed: bool) -> None:
        """Tonight's run, and whether it computed the texts that are new, no others, and left every row in its place."""
        report = self.folder / "report.json"
        asked = {"model": self.model, "on_error": "quarantine", "mirror": True, "report": report} | ALONE
        expected = pytest.raises(DataError, match="could not be scored") if self.corrupt else nullcontext()
        with expected:
            scorer.score(self.source, f"{self.target}/", **asked)
        told = json.loads(report.read_text())
        files = (rows for name, rows in self.files.items() if name not in self.corrupt)
        new = {text for rows in files for _, text in rows} - self.computed
        tokens = sum(len(self.tokenizer(text)["input_ids"]) for text in new)
        # What a killed run had finished or kept is not computed again.
        assert told["computed_tokens"] <= tokens if crashed else told["computed_tokens"] == tokens
        self.computed |= new
        self.look(new)

    def look(self, new: set[str]) -> None:
        """Compare the parts with what is in memory and with what the model of tonight says of each text."""
        if new:
            texts = sorted(new)
            scored = self.frames.score_frame(pa.table({"text": texts}))
            self.answers |= dict(
                zip(texts, zip(scored["score"].to_pylist(), scored["confidence"].to_pylist(), strict=True), strict=True)
            )
        manifest = json.loads((self.target / "_manifest.json").read_text())
        assert list(manifest["failed"]) == sorted(self.corrupt)
        assert (self.target / "_SUCCESS").exists() == (not self.corrupt)
        parts = {part["name"]: part for part in manifest["parts"]}
        assert parts.keys() - self.corrupt.keys() == self.files.keys() - self.corrupt.keys()
        models = {name: job["models"]["model"]["fingerprint"] for name, job in manifest["jobs"].items()}
        for name in self.files.keys() - self.corrupt.keys():
            assert models[parts[name]["job"]] == self.fingerprint, name
            path = self.target / name
            part = pc.read_csv(path) if path.suffix == ".csv" else pq.read_table(path)
            assert list(zip(part["id"].to_pylist(), part["text"].to_pylist(), strict=True)) == self.files[name]
            columns = (part[column].to_pylist() for column in ("text", "score", "confidence"))
            for text, score, confidence in zip(*columns, strict=True):
                assert (score, pytest.approx(confidence, abs=1e-6)) == self.answers[text], text


def simulate(nights: Nights, count: int) -> None:
    """`count` nights: new files each night, changes every other, a corrupt file for some, a crash, a new model, a file
    that is deleted."""
    corrupt, mended, crash, model, deleted = (int(count * share) for share in (0.2, 0.4, 0.5, 0.7, 0.85))
    assert len({corrupt, mended, crash, model, deleted}) == 5
    for night in range(1, count + 1):
        nights.arrive(night, 8 if night == crash else nights.draw.randint(1, 3))
        if night > 1 and night % 2 == 0:
            nights.change()
        if night == corrupt:
            nights.write(f"day={night}/corrupt.parquet", nights.rows(5))
            nights.spoil(f"day={night}/corrupt.parquet")
        if night == mended:
            nights.mend()
        if night == model:
            nights.use(nights.models[1])
        if night == deleted:
            nights.remove()
        if night == crash:
            nights.crash()
        nights.run(crashed=night == crash)
    scorer.score(nights.source, f"{nights.folder}/fresh/", model=nights.model, **ALONE)
    fresh, grown = (
        {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
        for folder in (nights.folder / "fresh", nights.target)
    )
    seen = {name for name in fresh if not name.parts[0].startswith(".")}
    assert seen == {name for name in grown if not name.parts[0].startswith(".")}
    assert all(fresh[name] == grown[name] for name in seen)


@pytest.mark.parametrize("count", [8, pytest.param(30, marks=pytest.mark.slow)])
def test_each_row_is_scored_once_by_the_right_model(count, tmp_path, tiny_model, forked):
    models = (tiny_model("bert"), tiny_model("bert", seed=5))
    simulate(Nights(tmp_path, models, forked, seed=count), count)
