"""`scorer fit` with its defaults against the script that everybody writes: accuracy on a test file, and wall time.

Both run as commands, one after the other for each seed, so that they share the machine's mood. What comes after a `--`
is handed to `scorer fit`.

    python jobs/bench/fit_speed.py TRAIN.csv VALID.csv TEST.csv [--seeds 1 2 3] [--no-plain] [-- --learning-rate 1e-4]
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from scorer.classifier.base_model import resolve_base_model

PLAIN = Path(__file__).with_name("plain_trainer.py")
BATCH = 64


def main() -> None:
    options, fit_options = _options()
    rows: dict[str, list[tuple[float, float]]] = {"scorer fit": [], "plain Trainer": []}
    for seed in options.seeds:
        with tempfile.TemporaryDirectory() as folder:
            found = {"scorer fit": fit(options, Path(folder), seed, fit_options)}
            if not options.no_plain:
                found["plain Trainer"] = plain(options, Path(folder), seed)
        for name, (accuracy, seconds) in found.items():
            rows[name].append((accuracy, seconds))
            print(f"seed {seed}  {name:13}  accuracy {accuracy:.4f}  {seconds:7.1f} s", flush=True)
    _conclude(rows)


def fit(options: argparse.Namespace, folder: Path, seed: int, extra: list[str]) -> tuple[float, float]:
    """Test accuracy and wall seconds of the command, from its start to its end."""
    output = folder / "model"
    command = [sys.executable, "-m", "scorer", "fit", options.train, "--valid", options.valid]
    command += ["--seed", str(seed), "--output", str(output), *extra]
    started = time.perf_counter()
    # In its own folder, since a fit moves models/latest of the folder that it runs in.
    subprocess.run(command, check=True, cwd=folder, stdout=subprocess.DEVNULL)
    seconds = time.perf_counter() - started
    return test_accuracy(output, Path(options.test)), seconds


def plain(options: argparse.Namespace, folder: Path, seed: int) -> tuple[float, float]:
    """The same of the plain script, which leaves its own test out of its seconds."""
    base = resolve_base_model(None)[0]
    command = [sys.executable, str(PLAIN), options.train, options.test, "--valid", options.valid]
    command += ["--base-model", base, "--output", str(folder / "plain"), "--seed", str(seed)]
    answer = subprocess.run(command, check=True, capture_output=True, text=True)
    result = json.loads(answer.stdout.splitlines()[-1])
    return result["accuracy"], result["seconds"]


@torch.inference_mode()
def test_accuracy(directory: Path, test: Path) -> float:
    """The share of rows whose label transformers alone finds again, in fp32 and without scorer."""
    model = AutoModelForSequenceClassification.from_pretrained(directory).eval()
    tokenizer = AutoTokenizer.from_pretrained(directory)
    metadata = json.loads((directory / "scorer.json").read_text(encoding="utf-8"))
    (text,), label = metadata["text_columns"], metadata["label_column"]
    with test.open(newline="", encoding="utf-8") as stream:
        rows = sorted(csv.DictReader(stream), key=lambda row: len(row[text]))
    right = 0
    for start in range(0, len(rows), BATCH):
        part = rows[start : start + BATCH]
        tokens = tokenizer([row[text] for row in part], truncation=True, padding=True, return_tensors="pt")
        found = model(**tokens).logits.argmax(dim=-1).tolist()
        right += sum(model.config.id2label[index] == row[label] for index, row in zip(found, part, strict=True))
    return right / len(rows)


def _conclude(rows: dict[str, list[tuple[float, float]]]) -> None:
    for name, results in rows.items():
        if results:
            accuracies, seconds = zip(*results, strict=True)
            print(
                f"{name:13}  {len(results)} seeds  accuracy mean {statistics.mean(accuracies):.4f}, "
                f"{min(accuracies):.4f} to {max(accuracies):.4f}  median {statistics.median(seconds):.1f} s"
            )
    if rows["plain Trainer"]:
        ratio = sum(seconds for _, seconds in rows["scorer fit"]) / sum(seconds for _, seconds in rows["plain Trainer"])
        print(f"wall time of scorer fit: {ratio:.2f} of the plain Trainer's")


def _options() -> tuple[argparse.Namespace, list[str]]:
    arguments = sys.argv[1:]
    end = arguments.index("--") if "--" in arguments else len(arguments)
    parser = argparse.ArgumentParser(description="scorer fit against the plain Trainer script")
    for name in ("train", "valid", "test"):
        parser.add_argument(name, type=os.path.abspath)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--no-plain", action="store_true", help="leave the plain script out")
    return parser.parse_args(arguments[:end]), arguments[end + 1 :]


if __name__ == "__main__":
    main()
