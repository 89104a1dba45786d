"""One table of what the steps of plan.sh wrote: python jobs/bench/gpu/table.py OUT writes OUT/table.md and prints it.

Each step's file holds JSON objects among other lines. A figure stands beside what is wanted of it, where something is.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

# By shape: tokens a second from file to file, and the share of the rate of matrix products.
WANTED_RATE = {"bert-base": 2.7e6, "minilm-l6": 8e6, "bert-large": 0.85e6}
WANTED_SHARE = {"bert-base": 0.60}
WANTED_IDLE, WANTED_TIMES_PIPELINE, WANTED_TIMES_PLAIN, WANTED_SAME = 0.03, 5.0, 2.0, 0.999

Row = tuple[str, str, str, str]


def main() -> None:
    folder = Path(sys.argv[1])
    rows = [*_tests(folder / "tests.txt"), *_scores(folder / "score.txt"), *_forwards(folder / "forward.txt")]
    lines = ["| step | of | figure | wanted |", "|---|---|---|---|", *(f"| {' | '.join(row)} |" for row in rows)]
    page = "\n".join(lines) + "\n"
    (folder / "table.md").write_text(page, encoding="utf-8")
    print(page)


def objects(file: Path) -> Iterator[dict[str, Any]]:
    """The JSON objects in `file`, each of which begins a line; nothing where there is no file."""
    text = file.read_text(encoding="utf-8", errors="replace") if file.exists() else ""
    decoder, end = json.JSONDecoder(), 0
    for found in re.finditer(r"^\{", text, re.MULTILINE):
        if found.start() < end:
            continue
        try:
            value, end = decoder.raw_decode(text, found.start())
        except ValueError:  # another line that begins with a brace
            continue
        yield value


def _tests(file: Path) -> Iterator[Row]:
    if file.exists():
        last = file.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-1:]
        yield "tests", "pytest -m gpu", "".join(last).strip("= "), "all passed"


def _scores(file: Path) -> Iterator[Row]:
    for found in objects(file):
        scored, shape = found["scorer"], found["shape"]
        of = f"{shape} in {found['precision']}, {scored['engine']['batch_tokens']:,} tokens a batch"
        yield "score", of, _rate(scored), _least(WANTED_RATE.get(shape), "{:,.0f} tokens/s")
        yield "of the matrix rate", of, f"{scored['of_matrix_rate']:.2f}", _least(WANTED_SHARE.get(shape), "{:.2f}")
        if scored["device_idle_share"] is not None:
            yield "idle", of, f"{scored['device_idle_share']:.1%}", f"at most {WANTED_IDLE:.0%}"
        if "pipeline" in found:
            peer = found["pipeline"]
            times, same = found["times_pipeline"], 1 - peer["flips"] / peer["rows"]
            yield "times the pipeline", of, f"{times:.1f}", _least(WANTED_TIMES_PIPELINE, "{:.0f}")
            yield "same labels as the pipeline", of, f"{same:.2%}", ""
        if "fp32" in found:
            same = 1 - found["fp32"]["flips"] / found["fp32"]["rows"]
            yield "same labels as fp32", of, f"{same:.2%}", _least(WANTED_SAME, "{:.1%}")
        if "default" in found:
            yield "score, reuse on, no text twice", of, _rate(found["default"]), ""
        if "fit" in found:
            fit = found["fit"]
            told = (
                f"lacks {fit['missing']}"
                if "missing" in fit
                else f"{fit['times_plain']:.2f} ({fit['scorer_seconds']:.1f} s, {fit['plain_seconds']:.1f} s)"
            )
            yield "fit, times the plain script", of, told, _least(WANTED_TIMES_PLAIN, "{:.0f}")


def _forwards(file: Path) -> Iterator[Row]:
    for found in objects(file):
        of = f"{found['shape']}, {found['length']} tokens, {found['spread']} fewer at most: {found['way']}"
        if "failed" in found:
            yield "forward", of, f"failed: {found['failed']}".replace("|", "/").replace("\n", " "), "no failure"
        else:
            told = f"{found['ms']:.2f} ms, {found['tflops']:.1f} TFLOP/s, error {found['error']:.1g}"
            yield "forward", of, told, ""


def _rate(scored: dict[str, Any]) -> str:
    return f"{scored['tokens_per_second']:,.0f} tokens/s"


def _least(wanted: float | None, form: str) -> str:
    return "" if wanted is None else f"at least {form.format(wanted)}"


if __name__ == "__main__":
    main()
