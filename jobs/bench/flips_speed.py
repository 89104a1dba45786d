"""Rows that leave the model early: how much faster, how many flip, and whether the bound holds.

    python jobs/bench/flips_speed.py agnews MODEL [--rows 100000] [--bounds 1% 5%] [--rounds 3]
    python jobs/bench/flips_speed.py agnews MODEL --resamplings 200 [--bounds 1% 5%]

The first scores a file with `--no-reuse`, exactly and within each bound in turns, from the first row read to the last
one written: the sample is in the time, loading the model is not. It tells how many times as fast as the exact job that
is, the flips that were counted, and what decided the rows. Each round leaves out other rows at the beginning, so that
it has a sample of its own. The second draws samples of rows that the model has seen once, and counts how often more of
the other rows flip than the bound says.

Texts: `agnews` puts titles and descriptions of test rows of one topic together anew; `sentences` are those of long film
reviews, in their own words; `goemotions` those that are not among the first 12,000 of one emotion. MODEL is fitted on
the training file of that data set (on SST-2 for `sentences`).
"""

from __future__ import annotations

import argparse
import random
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

import scorer
from quality.tasks import parsed
from scorer.classifier.classifier import Classifier
from scorer.classifier.directory import open_model
from scorer.scoring.flips.binomial import lower_bound, upper_bound
from scorer.scoring.flips.calibration import Recorded, calibrated, flipped, shown, suggested
from scorer.scoring.flips.sample import SampleSize

# Rows that are seen once and sampled often.
_SEEN = 12_000
_TRAINED = 12_000


def main() -> None:
    parser = argparse.ArgumentParser(description="how much faster rows are scored that may leave the model early")
    parser.add_argument("texts", choices=("agnews", "sentences", "goemotions"))
    parser.add_argument("model", type=Path)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--exact-rows", type=int, default=None, help="time the exact job on the first rows only")
    parser.add_argument("--bounds", nargs="+", default=["1%", "5%"])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--resamplings", type=int, default=0)
    options = parsed(parser)
    texts = _texts(options.texts, options.realdata)
    if options.resamplings:
        _resample(texts[:_SEEN], options)
    else:
        _race(texts[: options.rows], options)


def _race(texts: list[str], options: argparse.Namespace) -> None:
    print(f"{options.texts}: {len(texts)} rows, {len(set(texts))} of them distinct")
    times: dict[str, list[float]] = {bound: [] for bound in options.bounds}
    with tempfile.TemporaryDirectory() as folder:
        source, beginning = Path(folder) / "in.parquet", Path(folder) / "beginning.parquet"
        pq.write_table(pa.table({"text": texts[:8]}), source)
        _, load, *_ = [_score(source, options.model) for _ in range(2)][-1]
        for number in range(options.rounds):
            rows = texts[number:]
            pq.write_table(pa.table({"text": rows}), source)
            pq.write_table(pa.table({"text": rows[: options.exact_rows]}), beginning)
            seconds, busy, exact, _ = _score(beginning, options.model)
            scale = len(rows) / len(exact)
            for bound in options.bounds:
                early_seconds, early_busy, found, flips = _score(source, options.model, max_flips=bound)
                times[bound].append(scale * seconds / early_seconds)
                told = {name: value for name, value in flips.items() if name not in ("max_flips", "confidence")}
                print(
                    f"{bound}: {times[bound][-1]:.2f} times as fast "
                    f"({early_seconds:.1f} s and {scale * seconds:.1f} s), "
                    f"{scale * (busy - load) / (early_busy - load):.2f} by CPU seconds; "
                    f"{np.mean(found[: len(exact)] != exact):.2%} flipped; {told}",
                    flush=True,
                )
    for bound, found in times.items():
        print(f"{bound}: {statistics.median(found):.2f} times as fast, median of {len(found)}")


def _score(source: Path, model: Path, **options: Any) -> tuple[float, float, np.ndarray[Any, Any], dict[str, Any]]:
    """Seconds from the first row read to the last one written, CPU seconds of the call, scores, what is known of
    flips."""
    begun = time.process_time()
    target = source.with_name("out.parquet")
    summary = scorer.score(
        source, target, model=str(model), text_column="text", reuse=False, force=True, quiet=True, **options
    )
    busy = time.process_time() - begun
    return summary.stream_seconds, busy, pq.read_table(target)["score"].to_numpy(), summary.flips or {}


def _resample(texts: list[str], options: argparse.Namespace) -> None:
    """How often the bound is broken among the rows that are not in a sample of the usual share."""
    model = Classifier(open_model(options.model).for_loading())
    early = model.early
    assert early is not None, model.why_not_early
    inputs = model.encode(texts)
    plan = model.plan(inputs.lengths)
    layers = range(early.layers + 1)
    logits, states = np.zeros((len(inputs), len(model.labels)), np.float32), None
    for rows, (found, _, seen) in zip(plan, early.states(inputs, plan, layers), strict=True):
        if states is None:
            states = np.zeros((len(layers), len(inputs), seen.shape[2]), np.float32)
        logits[rows], states[:, rows] = found, seen
    assert states is not None, "no rows"
    for bound in options.bounds:
        share = float(bound.rstrip("%")) / 100
        size = SampleSize.of(100_000, share=share)
        broken, works = 0, []
        for seed in range(options.resamplings):
            order = np.random.default_rng(seed).permutation(len(texts))
            drawn, rest = order[: size.total], order[size.total :]
            fitting, certifying = drawn[: size.fitting], drawn[size.fitting :]
            made = suggested(Recorded(logits[fitting], states[:, fitting]), early)
            said = [probe.said(seen[certifying]) for probe, seen in zip(made.probes, states, strict=True)]
            certified = shown(said, logits[certifying], early.decision)
            found = calibrated(made, certified, early.decision, share=share, confidence=0.95, rows=len(texts))
            if found is None:
                works.append(1.0)
                continue
            exits = found.exits
            said = exits.replayed(states[list(exits.layers)][:, rest], logits[rest])
            broken += int(flipped(said, logits[rest], exits.decision).sum() > share * len(texts))
            works.append(found.outcome.work)
        low, high = (side(broken, options.resamplings, confidence=0.975) for side in (lower_bound, upper_bound))
        print(
            f"{options.texts}, {bound}, samples of {size.total}: broken in {broken} of {options.resamplings} "
            f"({low:.1%} to {high:.1%}); {statistics.mean(works):.2f} of the work",
            flush=True,
        )


def _texts(name: str, folder: Path) -> list[str]:
    found = list({"agnews": _news, "sentences": _sentences, "goemotions": _comments}[name](folder))
    random.Random(0).shuffle(found)
    return found


def _news(folder: Path) -> Iterator[str]:
    rows = pq.read_table(folder / "agnews_test.parquet").to_pylist()
    topics = {topic: [row for row in rows if row["topic"] == topic] for topic in sorted({row["topic"] for row in rows})}
    draw = random.Random(1)
    for _ in range(100_000):
        same = topics[draw.choice(rows)["topic"]]
        yield f"{draw.choice(same)['title']}. {draw.choice(same)['description']}"


def _sentences(folder: Path) -> Iterator[str]:
    lines = (
        line.strip()
        for review in pq.read_table(folder / "movie_reviews_long.parquet")["review"].to_pylist()
        for line in review.split("\n")
    )
    return iter(dict.fromkeys(line for line in lines if 3 <= len(line.split()) <= 60))


def _comments(folder: Path) -> Iterator[str]:
    train = pq.read_table(folder / "goemotions_train.parquet").to_pylist()
    seen = {row["text"] for row in [row for row in train if len(row["emotions"]) == 1][:_TRAINED]}
    files = ("train", "dev", "test")
    every = (
        text for file in files for text in pq.read_table(folder / f"goemotions_{file}.parquet")["text"].to_pylist()
    )
    return iter(dict.fromkeys(text for text in every if text not in seen))


if __name__ == "__main__":
    main()
