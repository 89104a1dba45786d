"""How honest confidences are after each way to calibrate, on logits that are recorded once; see README.md.

    python jobs/bench/calibration.py                                  # fits each data set, records, compares: an hour
    python jobs/bench/calibration.py --models DIR --only sst2 sst5    # takes models that were fitted: DIR/sst2, ...

A data set's logits are kept in --cache, so that comparing again takes seconds. Two figures are told of each way: the
error on the test file after calibration on the validation rows of the fit, and its mean over draws in which as many
rows of both files together calibrate, and as many others test. The last line of a data set is the error that perfectly
honest confidences would have on so many rows: no way can be expected below it.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).parents[2]))

from quality import commands
from quality.made import chinese_reviews, five_emotions
from quality.tasks import Task, parsed, tasks
from scorer.classifier.decision import Decision
from scorer.classifier.directory import open_model
from scorer.classifier.labels import LabelSet
from scorer.config import EvaluateConfig, FitConfig
from scorer.config.data import Data
from scorer.evaluation.evaluate_preparation import prepare_evaluation
from scorer.evaluation.predictions import predict
from scorer.metrics.classification import log_softmax
from scorer.metrics.reliability import expected_calibration_error, reliability
from scorer.runs.console import Console
from scorer.training.calibration_choice import calibrate, ways
from scorer.training.data import load_data

CACHE = Path(__file__).parents[2] / ".cache" / "bench" / "calibration"
SEED = 42
# Hotel reviews are long, and fitting on all of them would double the time.
FIT_OPTIONS = {"zh4": ("--max-length", "96")}
RAW, CHOSEN, FLOOR = "none", "what fit chooses", "honest confidences"
Recorded = Mapping[str, NDArray[np.float32] | NDArray[np.int64]]


def main() -> None:
    options = _options()
    os.environ["HF_HUB_OFFLINE"] = "1"
    options.cache.mkdir(parents=True, exist_ok=True)
    print(f"| data | calibration rows, test rows | way | test file (90 %) | {options.draws} draws (5 % to 95 %) |")
    print("|---|---|---|---|---|")
    for name, task in _tasks(options).items():
        file = options.cache / f"{name}.npz"
        if not file.exists():
            np.savez(file, **_record(task, options.models, options.cache))
        for line in _compare(name, np.load(file), rows=options.rows, draws=options.draws):
            print(line, flush=True)


def _tasks(options: argparse.Namespace) -> dict[str, Task]:
    found = {name: task for name, task in tasks(options.realdata).items() if name != "goemotions"}
    for make in (five_emotions, chinese_reviews):
        task = make(options.realdata, options.cache)
        found[task.name] = task
    return {name: task for name, task in found.items() if not options.only or name in options.only}


def _record(task: Task, models: Path | None, folder: Path) -> dict[str, NDArray[np.float32] | NDArray[np.int64]]:
    """Logits and targets of the validation rows of a fit with the defaults and of the test file, as scoring gives
    them."""
    model = models / task.name if models is not None else folder / f"{task.name}-model"
    if not model.exists():
        commands.fit(task, model, *FIT_OPTIONS.get(task.name, ()), seed=SEED)
    directory, console = open_model(str(model)), Console(quiet=True)
    assert directory.metadata is not None, "a fit wrote it"
    fitted = FitConfig(
        train=Data(task.train),
        valid=task.valid,
        text_column=task.texts,
        label_column=(task.label,),
        seed=directory.metadata.training["seed"],
    )
    data, config = load_data(fitted, console), EvaluateConfig(data=Data(task.test), model=str(model))
    test = prepare_evaluation(config, console)
    sides = {"valid": (data.valid, data.valid_targets), "test": (test.examples, test.targets)}
    found = {}
    for side, (examples, targets) in sides.items():
        found[f"{side}_logits"] = predict(config, directory, examples, console).predictions.logits
        found[f"{side}_targets"] = targets
    return found


def _compare(name: str, recorded: Recorded, *, rows: int | None, draws: int) -> Iterator[str]:
    """The lines of a table of one data set."""
    valid, test = ((recorded[f"{side}_logits"], recorded[f"{side}_targets"]) for side in ("valid", "test"))
    logits, targets = (np.concatenate(parts) for parts in zip(valid, test, strict=True))
    count = rows or len(valid[1])
    real = _errors(valid, test, resamples=400)
    drawn: dict[str, list[float]] = {}
    for draw in range(draws):
        order = np.random.default_rng(draw).permutation(len(targets))
        known, new = order[:count], order[count : count + len(test[1])]
        for way, errors in _errors((logits[known], targets[known]), (logits[new], targets[new]), resamples=0).items():
            drawn.setdefault(way, []).append(errors[0])
    for way, (error, *resampled) in real.items():
        ends = [f"{np.quantile(values, share):.3f}" for values in (resampled, drawn[way]) for share in (0.05, 0.95)]
        mean = f"{np.mean(drawn[way]):.4f} ({ends[2]} to {ends[3]})"
        # Fewer rows than the fit had are drawn alone.
        there = f"{error:.4f} ({ends[0]} to {ends[1]})" if rows is None else ""
        yield f"| {name} | {count}, {len(test[1])} | {way} | {there} | {mean} |"


def _errors(known: tuple[NDArray, NDArray], new: tuple[NDArray, NDArray], *, resamples: int) -> dict[str, list[float]]:
    """The calibration error on `new` rows of each way that learns of `known` ones: first of all rows, then of so many
    `resamples` of them."""
    labels = LabelSet.from_values([f"label {number}" for number in range(known[0].shape[1])])
    chosen = calibrate(*known, labels=labels).decision
    decisions = {RAW: Decision(), **ways(*known), CHOSEN: chosen}
    found = {name: _of_decision(decision, *new, resamples=resamples) for name, decision in decisions.items()}
    found[FLOOR] = _floor(chosen, new[0], times=resamples + 1)
    return found


def _of_decision(decision: Decision, logits: NDArray, targets: NDArray, *, resamples: int) -> list[float]:
    scaled = decision.scaled(logits)
    confidence, correct = np.exp(log_softmax(scaled)).max(axis=1), scaled.argmax(axis=1) == targets
    generator = np.random.default_rng(0)
    picks = [np.arange(len(targets)), *(generator.integers(0, len(targets), len(targets)) for _ in range(resamples))]
    return [expected_calibration_error(reliability(confidence[rows], correct[rows])) for rows in picks]


def _floor(decision: Decision, logits: NDArray, *, times: int) -> list[float]:
    """The error of perfectly honest confidences: answers are right as often as `decision` says, drawn anew each
    time."""
    confidence, generator = np.exp(log_softmax(decision.scaled(logits))).max(axis=1), np.random.default_rng(0)
    right = (generator.random(len(confidence)) < confidence for _ in range(times))
    errors = [expected_calibration_error(reliability(confidence, correct)) for correct in right]
    return [float(np.mean(errors)), *errors[1:]]


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="How honest confidences are.")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="data sets, such as sst2 or zh4")
    parser.add_argument("--models", type=Path, metavar="DIR", help="where models that were fitted lie, by their names")
    parser.add_argument("--rows", type=int, help="so many calibration rows in each draw, not as many as the fit had")
    parser.add_argument("--draws", type=int, default=40)
    parser.add_argument("--cache", type=Path, default=CACHE, metavar="DIR")
    options = parsed(parser)
    options.cache = options.cache.resolve()
    return options


if __name__ == "__main__":
    main()
