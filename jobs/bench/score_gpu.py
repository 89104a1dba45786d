"""scorer on a GPU beside the transformers pipeline: a million rows of mixed length, from file to file, in fp16.

    python jobs/bench/score_gpu.py                                          # BERT-base, one million rows
    python jobs/bench/score_gpu.py --shape minilm-l6
    python jobs/bench/score_gpu.py --device cpu --precision fp32 --shape tiny --rows 200 --pipeline-rows 100

The model has random weights of the shape that is asked for: its speed is that of trained ones, its scores mean nothing.
Texts are generated (`data/make_reviews.py`), joined to the lengths of the mixed workload; the tokenizer is that of the
installed base model, else one of its kind made for these texts. On the rows that both score, both must see the
same token ids; how many labels differ there, and by how much a probability at most, is told; and so for scorer in fp32.
Besides: the job as it is by default, with reuse, on texts of which none comes twice; and `scorer fit` beside the plain
Trainer script, which needs accelerate. The rest needs torch, transformers and pyarrow, nothing else: scorer is taken
from this checkout where it is not installed.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import torch

sys.path.append(str(Path(__file__).parents[2]))

from harness.answers import compare, read_answers
from harness.ceiling import Ceiling
from harness.device_fit import compare_fits, missing
from harness.device_time import busy_time
from harness.expected import check_ids
from harness.peers import Setup
from harness.peers.pipelines import Pipeline
from harness.peers.scorers import Job
from harness.random_model import SHAPES, make_random_model
from harness.stand_ins import joined_reviews
from harness.work import flop_per_token

CACHE = Path(__file__).parents[2] / ".cache" / "bench"
MAX_LENGTH = 256
PIPELINE_SIZES = (8, 32, 64, 128, 256)


def main() -> None:
    options = _options()
    folder = options.cache / "gpu"
    if options.only_make:
        for shape in options.only_make:
            _made(shape, options.rows, folder)
        return
    if options.device == "cuda" and not torch.cuda.is_available():
        sys.exit("score_gpu.py: this machine has no CUDA device; --device cpu --shape tiny --rows 200 tries the code")
    os.environ |= {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "true", "TRANSFORMERS_VERBOSITY": "error"}
    source, model = _made(options.shape, options.rows, folder)
    setup = Setup(
        model=model,
        exports=folder,
        column="text",
        max_length=MAX_LENGTH,
        device=options.device,
    )
    rate = Ceiling(device=options.device).rates([options.precision])[options.precision]
    result = {
        "device": torch.cuda.get_device_name() if options.device == "cuda" else "cpu",
        "torch": torch.__version__,
        "shape": options.shape,
        "precision": options.precision,
        "matrix_tflops": rate / 1e12,
        "mflop_per_token": flop_per_token(model) / 1e6,
    }
    _say(result)
    scored = folder / "scored.parquet"
    result |= {"scorer": _scorer(setup, source, scored, options, rate)}
    _say(result["scorer"])
    if options.fp32_rows and options.precision != "fp32":
        result |= {"fp32": _fp32(setup, source, scored, options)}
        _say(result["fp32"])
    if options.default_rows:
        result |= {"default": _default(setup, source, options)}
        _say(result["default"])
    if options.fit_rows:
        lacking = missing()
        fit = (
            {"missing": lacking}
            if lacking
            else compare_fits(model, rows=options.fit_rows, folder=folder, device=options.device)
        )
        result |= {"fit": fit}
        _say(fit)
    if options.pipeline_rows:
        result |= {"pipeline": _pipeline(setup, source, scored, options)}
        result["times_pipeline"] = result["scorer"]["tokens_per_second"] / result["pipeline"]["tokens_per_second"]
    print(json.dumps(result, indent=2))


def _scorer(setup: Setup, source: Path, target: Path, options: argparse.Namespace, rate: float) -> dict[str, Any]:
    """The job into `target`, its stream timed apart from loading, and the device's idle share in a pass of its own."""
    job = Job(setup, reuse=False, precision=options.precision, batch_tokens=options.batch_tokens)
    # The first job pays for what a process pays once (CUDA's context, libraries).
    job.score(_head(source, max(options.rows // 10, 1)), target)
    # Watching costs time, so that a pass that is timed is not watched.
    with busy_time(options.device) as busy:
        job.score(_head(source, options.watched_rows), target)
    assert job.summary is not None
    # The model is loaded before the stream, which ends with what the device computes last and the writing of it.
    stream = job.summary.stream_seconds
    idle = 1 - busy.seconds(last=stream) / stream if options.device == "cuda" else None
    whole_seconds = _seconds(lambda: job.score(source, target))
    summary, speed = job.summary, job.summary.tokens / job.summary.stream_seconds
    return {
        "rows": options.rows,
        "tokens": summary.tokens,
        "stream_seconds": summary.stream_seconds,
        "whole_seconds": whole_seconds,
        "tokens_per_second": speed,
        "tokens_per_second_with_load": summary.tokens / whole_seconds,
        "of_matrix_rate": speed * flop_per_token(setup.model) / rate,
        "device_idle_share": idle,
        "stages_busy": summary.busy,
        "engine": summary.engine,
        "peak_memory_mib": summary.peak_memory_mib,
    }


def _pipeline(setup: Setup, source: Path, scored: Path, options: argparse.Namespace) -> dict[str, Any]:
    """The pipeline's speed on the first rows, loaded beforehand, at its best batch size; and how far scorer's answers
    in `scored` lie from its own. ValueError unless both see the same token ids."""
    peer = Pipeline(setup, precision=options.precision, batch_size=PIPELINE_SIZES[-1], sizes=PIPELINE_SIZES)
    part, target = _head(source, options.pipeline_rows), source.with_name("pipeline.parquet")
    ids = Job(setup, reuse=False).token_ids(_texts(part))
    check_ids(peer.token_ids(_texts(part)), ids)
    tokens = sum(map(len, ids))
    _, answers = read_answers(_head(scored, options.pipeline_rows))
    speeds, agreements = {}, {}
    for size in PIPELINE_SIZES:
        peer.choose(size)
        speeds[size] = tokens / _seconds(lambda: peer.score(part, target))
        agreements[size] = compare(target, answers, peer.labels)
        _say({f"pipeline {size}": speeds[size]})
    best = max(speeds, key=lambda size: speeds[size])
    found = {"batch_size": best, "tokens_per_second": speeds[best], "all": speeds}
    return found | asdict(agreements[best])


def _default(setup: Setup, source: Path, options: argparse.Namespace) -> dict[str, Any]:
    """The job as it is by default: scores are kept, and equal texts scored once, of which there are none."""
    table = _head(source, options.default_rows)
    texts = [f"{text} {number}" for number, text in enumerate(_texts(table))]
    distinct, target = source.with_name("distinct.parquet"), source.with_name("distinct-scored.parquet")
    pq.write_table(pa.table({"id": range(len(texts)), "text": texts}), distinct)
    job = Job(setup, reuse=True, precision=options.precision, batch_tokens=options.batch_tokens)
    job.score(distinct, target)
    assert job.summary is not None
    speed = job.summary.tokens / job.summary.stream_seconds
    return {"rows": len(texts), "tokens_per_second": speed, "stages_busy": job.summary.busy}


def _fp32(setup: Setup, source: Path, scored: Path, options: argparse.Namespace) -> dict[str, Any]:
    """How far the answers in `scored` lie from scorer's in fp32, on the first rows."""
    target = source.with_name("fp32.parquet")
    Job(setup, reuse=False, precision="fp32").score(_head(source, options.fp32_rows), target)
    _, answers = read_answers(_head(scored, options.fp32_rows))
    names = [field.name for field in pq.read_schema(target).field("probabilities").type]
    return asdict(compare(target, answers, names))


def _made(shape: str, rows: int, folder: Path) -> tuple[Path, Path]:
    """The file of texts and the model of this `shape`."""
    source = _rows(rows, folder)
    return source, make_random_model(shape, texts=_texts(source)[:5_000], folder=folder)


def _rows(count: int, folder: Path) -> Path:
    path = folder / f"mixed-{count}.parquet"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.table({"id": range(count), "text": joined_reviews(count, cache=folder)}), path)
    return path


def _head(source: Path, rows: int) -> Path:
    path = source.with_name(f"{source.stem}-head.parquet")
    pq.write_table(pq.read_table(source).slice(0, rows), path)
    return path


def _texts(path: Path) -> list[str]:
    texts: list[str] = pq.read_table(path, columns=["text"]).column("text").to_pylist()
    return texts


def _seconds(work: Any) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def _say(found: Any) -> None:
    print(found, file=sys.stderr, flush=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="scorer on a GPU beside the transformers pipeline.")
    parser.add_argument("--shape", choices=list(SHAPES), default="bert-base")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--pipeline-rows", type=int, default=20_000, help="rows for the pipeline; 0 leaves it out")
    parser.add_argument("--watched-rows", type=int, default=300_000, help="rows of the pass for the idle share")
    parser.add_argument("--fp32-rows", type=int, default=20_000, help="rows to compare with fp32; 0 leaves it out")
    parser.add_argument("--default-rows", type=int, default=300_000, help="rows of the job with reuse; 0 leaves it out")
    parser.add_argument("--fit-rows", type=int, default=2_000, help="rows to fit on; 0 leaves it out")
    parser.add_argument("--only-make", nargs="+", choices=list(SHAPES), help="make texts and models, measure nothing")
    parser.add_argument("--precision", choices=("fp16", "bf16", "fp32"), default="fp16")
    parser.add_argument("--batch-tokens", type=int, help="tokens a batch (default: scorer's own)")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--cache", type=Path, default=CACHE, metavar="DIR")
    return parser.parse_args()


if __name__ == "__main__":
    main()
