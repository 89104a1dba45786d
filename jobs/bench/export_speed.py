"""What an export is worth: the backend `onnx` beside the default one in fp32, how far logits lie apart, and how many
answers 8 bits change, for a model and a file of texts."""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from scorer.classifier.classifier import Classifier
from scorer.classifier.directory import open_model
from scorer.classifier.sequences import EncodedInputs
from scorer.config import ExportConfig
from scorer.exporting.export_job import export
from scorer.exporting.texts import of_file
from scorer.runs.console import Console


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", help="a model directory")
    parser.add_argument("texts", type=Path, help="a file of texts, of which the first 4,096 are taken")
    parser.add_argument("--column", action="append", default=[], help="the column of texts; twice for pairs")
    parser.add_argument("--rounds", type=int, default=3, help="of the comparison of speed; 0 leaves it out")
    parser.add_argument("--limit", type=int, default=1_024, metavar="ROWS", help="rows of that comparison")
    parser.add_argument("--runtimes", nargs="*", default=["onnx", "openvino"], choices=["onnx", "openvino"])
    asked = parser.parse_args()
    if asked.rounds:
        _speed(asked)
    for runtime in asked.runtimes:
        for int8 in (False, True):
            _export(asked, runtime, int8=int8)


def _speed(asked: argparse.Namespace) -> None:
    directory = open_model(asked.model)
    texts = of_file(asked.texts, tuple(asked.column), directory)
    passes = {name: Classifier(directory, precision="fp32", device="cpu", backend=name) for name in ("auto", "onnx")}
    rows = slice(asked.limit)
    inputs = passes["auto"].encode(texts.first[rows], None if texts.second is None else texts.second[rows])
    seconds: dict[str, list[float]] = {name: [] for name in passes}
    for _ in range(asked.rounds):
        for name, classifier in passes.items():
            seconds[name].append(_timed(classifier, inputs))
    for name, found in seconds.items():
        told = ", ".join(f"{one:.1f}" for one in found)
        pace = int(inputs.lengths.sum()) / min(found)
        print(f"{passes[name].engine.backend}, fp32: {pace:,.0f} tokens a second of CPU time ({told} s)")
    ratio = statistics.median(one / other for one, other in zip(seconds["onnx"], seconds["auto"], strict=True))
    print(f"onnx takes {ratio:.2f} times the CPU time")


def _timed(classifier: Classifier, inputs: EncodedInputs) -> float:
    """CPU seconds, which a machine that is at work beside it does not change much."""
    started = time.process_time()
    classifier.logits(inputs)
    return time.process_time() - started


def _export(asked: argparse.Namespace, runtime: str, *, int8: bool) -> None:
    with tempfile.TemporaryDirectory() as folder:
        config = ExportConfig(
            model=asked.model,
            output=Path(folder, "out"),
            to_=runtime,
            int8=int8,
            max_flips="100%",
            parity_data=asked.texts,
            text_column=tuple(asked.column),
        )
        summary = export(config, Console(quiet=True))
    size = sum(summary.files.values()) / 1e6
    print(f"{runtime}, {summary.precision}: {size:.1f} MB, {summary.seconds:.0f} s")
    compared = summary.certificate["int8"]["compared"] if int8 else summary.certificate["fp32"]
    for one in compared:
        if one["of"].endswith("texts"):
            print(
                f"  {one['of']}: {one['rows']} rows, logits at most {one['logit']:.1e} apart, "
                f"probabilities {one['answer']:.1e}, {one['flips']} other answers ({one['flips'] / one['rows']:.2%})"
            )


if __name__ == "__main__":
    main()
