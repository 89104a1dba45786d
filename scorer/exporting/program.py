"""The program in the README of an export: texts in, score and confidence out, without scorer and torch."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from scorer.classifier.decision import Decision
from scorer.exporting.runtimes.runtime import Runtime

# The map of `scorer.classifier.decision.with_odds`.
_MAPPED: Final = (
    "at, best = np.arange(len(texts)), logits.argmax(axis=1)",
    "others = logits.copy()",
    "others[at, best] = -np.inf",
    "beyond = np.logaddexp.reduce(others, axis=1)",
    "odds = logits[at, best] - beyond",
    'before, after = np.array(about["decision"]["odds_map"]).T',
    "piece = np.clip(np.searchsorted(before, odds) - 1, 0, len(before) - 2)",
    "slope = np.diff(after) / np.diff(before)",
    "odds = after[piece] + slope[piece] * (odds - before[piece])",
    "logits[at, best] = np.maximum(beyond + odds, np.nextafter(others.max(axis=1), np.inf))",
)


def program(runtime: Runtime, decision: Decision, *, pairs: bool) -> str:
    """A program of Python that scores its arguments, as `scorer predict` does."""
    return "\n".join([*_read(runtime, pairs=pairs), *runtime.lines, *_answer(decision)]) + "\n"


def _read(runtime: Runtime, *, pairs: bool) -> Iterator[str]:
    yield from ("import json", "import sys", "from pathlib import Path", "")
    yield from ("import numpy as np", f"import {runtime.imports}")
    yield from ("from tokenizers import Tokenizer", "")
    yield 'about = json.loads(Path("export.json").read_text(encoding="utf-8"))'
    yield "texts = sys.argv[1:]"
    read = r'[tuple(text.split("\t", 1)) for text in texts]' if pairs else "texts"
    yield f'rows = Tokenizer.from_file("tokenizer.json").encode_batch({read})'
    yield 'inputs = about["inputs"].items()'
    yield "given = {name: np.array([getattr(row, field) for row in rows], np.int64) for name, field in inputs}"


def _answer(decision: Decision) -> Iterator[str]:
    if decision.activation is not None:
        number = "logits[:, 0]" if decision.activation == "identity" else "np.exp(-np.logaddexp(0, -logits[:, 0]))"
        yield f"for text, number in zip(texts, {number}):"
        yield '    print(json.dumps({"text": text, "score": float(number), "confidence": None}, ensure_ascii=False))'
        return
    if decision.exponent != 1.0:
        yield "logits -= logits.mean(axis=1, keepdims=True)"
        yield 'logits = np.sign(logits) * np.abs(logits) ** about["decision"]["exponent"]'
    yield 'logits /= about["decision"]["temperature"]'
    if decision.odds_map:
        yield from _MAPPED
    yield from _several() if decision.multi else _one()


def _one() -> Iterator[str]:
    yield "powers = np.exp(logits - logits.max(axis=1, keepdims=True))"
    yield "probabilities = (powers / powers.sum(axis=1, keepdims=True)).astype(np.float32)"
    # By the logits, which are finer than probabilities: two labels may have the same of these.
    yield "for text, row, best in zip(texts, probabilities, logits.argmax(axis=1)):"
    yield '    answer = {"text": text, "score": about["labels"][best], "confidence": float(row[best])}'
    yield "    print(json.dumps(answer, ensure_ascii=False))"


def _several() -> Iterator[str]:
    yield "probabilities = (0.5 + 0.5 * np.tanh(0.5 * logits)).astype(np.float32)"
    yield 'chosen = probabilities >= np.array(about["decision"]["thresholds"], np.float32)'
    yield "for text, row, has in zip(texts, probabilities, chosen):"
    yield '    score = [about["labels"][label] for label in has.nonzero()[0]]'
    yield '    answer = {"text": text, "score": score, "confidence": row[has].tolist()}'
    yield "    print(json.dumps(answer, ensure_ascii=False))"
