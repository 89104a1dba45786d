"""Made-up outcomes of a fit for any number of labels, and the pages about them."""

from __future__ import annotations

from typing import Any

import numpy as np

from scorer.classifier.decision import Decision
from scorer.classifier.labels import LabelSet
from scorer.classifier.long_text import LongText
from scorer.classifier.profile import LENGTH_EDGES, Profile, histogram
from scorer.metrics.classification import measure
from scorer.metrics.judged_rows import Judged, judge, slices
from scorer.metrics.reliability import coverage_table, label_threshold_table
from scorer.reports.breakdowns import TextLengths
from scorer.reports.evaluate_page import EvaluatePage
from scorer.reports.fit_page import Evaluation, Report, SeedFigures
from scorer.reports.sections import Remark, ShownRow

ROWS, TRAINING_ROWS, MAX_LENGTH = 600, 3000, 128
EMOTIONS = (
    "admiration amusement anger annoyance approval caring confusion curiosity desire disappointment disapproval "
    "disgust embarrassment excitement fear gratitude grief joy love nervousness optimism pride realization relief "
    "remorse sadness surprise neutral"
)
TEXT = "Lovely room, but the night was loud and nobody at the desk seemed to care about it. "
# What a label or a text may hold: markup, quotes, right to left, one endless word, emoji, control characters.
HOSTILE = (
    "<script>alert('&')</script>",
    "\" onmouseover='x' \"",
    "</style></title><img src=http://example.invalid/x.png>",
    "مرحبا بالعالم",
    "\u202egnp.exe",
    "w" * 500,
    "😀👩‍👩‍👧‍👦" * 20,
    "nul\0 and bell\a",
    "\ud800 half a pair",
    "   ",
)
HISTORY = (
    Evaluation(0.5, 50, 1.21, 1.12, {"accuracy": 0.41, "macro_f1": 0.3}),
    Evaluation(1.0, 100, None, 0.91, {"accuracy": 0.52, "macro_f1": 0.45}),
    Evaluation(1.5, 150, 0.6, 0.95, {"accuracy": 0.61, "macro_f1": 0.55}),
)


def names(count: int) -> tuple[str, ...]:
    """Labels as they are met: two names, five stars, the emotions, a hundred topics with some long ones."""
    if count <= 5:
        return ("negative", "positive") if count == 2 else tuple(map(str, range(1, count + 1)))
    if count == 28:
        return tuple(sorted(EMOTIONS.split()))
    return tuple(f"topic {i}{' of the long named department' * (i % 9 == 0)}" for i in range(count))


def outcome(labels: tuple[str, ...], *, multi: bool = False, seed: int = 0) -> tuple[Any, Any, LabelSet, Decision]:
    """Logits, targets, labels and a decision of a model that is often right."""
    draw, count = np.random.default_rng(seed), len(labels)
    kind = "int" if labels[0] == "1" else "string"
    if multi:
        targets = (draw.random((ROWS, count)) < 0.15).astype(np.int8)
        logits = (draw.normal(size=(ROWS, count)) * 1.5 + np.where(targets, 1.0, -3.0)).astype(np.float32)
        return logits, targets, LabelSet(labels, kind, multi), Decision((1.1,) * count, (0.4,) * count)
    classes = draw.choice(count, ROWS, p=draw.dirichlet(np.full(count, 2.0)))
    logits = draw.normal(size=(ROWS, count)) * 2
    logits[np.arange(ROWS), classes] += 3 + np.log(count)
    below = 0.7 if count == 2 else None
    return logits.astype(np.float32), classes, LabelSet(labels, kind), Decision((1.4,), abstain_below=below)


def fit_report(
    labels: tuple[str, ...], *, multi: bool = False, texts: tuple[str, ...] = (TEXT,), **changed: Any
) -> Report:
    """The page of a fit, with every section; `changed` replaces its fields."""
    logits, targets, label_set, decision = outcome(labels, multi=multi)
    judged = judge(logits, targets, decision=decision)
    lengths = np.minimum(np.random.default_rng(1).lognormal(3, 0.8, TRAINING_ROWS) + 3, MAX_LENGTH)
    counts = targets.sum(axis=0) if multi else np.bincount(targets, minlength=len(labels))
    fields: dict[str, Any] = {
        "title": "all-MiniLM-L6-v2 on reviews.csv",
        "lead": "3,000 training rows, 600 validation rows",
        "metrics": measure(logits, targets, labels=label_set, decision=decision),
        "raw": measure(logits, targets, labels=label_set, decision=Decision((1.0,), decision.thresholds)),
        "decision": decision,
        "history": HISTORY,
        "seeds": [SeedFigures(seed, seed == 2, {"accuracy": 0.5 + seed / 100, "macro_f1": 0.4}) for seed in (1, 2)],
        "configuration": {"base model": "some/model", "learning_rate": 1e-4, "columns": ("a", "b"), "eval_steps": None},
        "lineage": {"training rows": "3,000 of reviews.csv", "fingerprint": "9f" * 32},
        "train_labels": [int(count) * 5 for count in counts],
        "ordered": label_set.ordinal,
        "profile": profile(lengths),
        "max_length": MAX_LENGTH,
        **parts(judged, labels, texts),
        "remarks": [Remark("warning", "14 rows have a text with several labels", "decide on one")]
        + [Remark("note", text) for text in texts],
    }
    return Report(**{**fields, **changed})


def evaluate_page(labels: tuple[str, ...], *, multi: bool = False, texts: tuple[str, ...] = (TEXT,)) -> EvaluatePage:
    """The page of an evaluation, with every section."""
    logits, targets, label_set, decision = outcome(labels, multi=multi)
    judged = judge(logits, targets, decision=decision)
    shown = parts(judged, labels, texts)
    return EvaluatePage(
        title="models/latest on test.csv",
        metrics=measure(logits, targets, labels=label_set, decision=decision),
        raw=measure(logits, targets, labels=label_set, decision=Decision((1.0,), decision.thresholds)),
        decision=decision,
        suspects=shown["hardest"][:2],
        ordered=label_set.ordinal,
        lengths=TextLengths(
            edges=LENGTH_EDGES,
            counts=histogram(np.random.default_rng(1).lognormal(4, 1.2, ROWS) + 3, LENGTH_EDGES).tolist(),
            truncated_share=0.01,
            max_length=MAX_LENGTH,
            long_text=LongText("window", 32),
        ),
        remarks=[Remark("warning", "the model was fitted on these rows")],
        configuration={"label column": "stars", "temperature": [1.4]},
        lineage={"model": "x"},
        **shown,
    )


def profile(lengths: Any) -> Profile:
    return Profile(
        rows=len(lengths),
        lengths=tuple(histogram(lengths, LENGTH_EDGES).tolist()),
        truncated_share=float((lengths == MAX_LENGTH).mean()),
        unknown_token=None,
        unknown_share=0.0,
        validation_rows=0,
        training_labels=(),
        true_labels=(),
        predicted_labels=(),
        confidences=(),
    )


def parts(judged: Judged, labels: tuple[str, ...], texts: tuple[str, ...]) -> dict[str, Any]:
    """What a page shows of rows: hardest ones, slices, thresholds."""
    draw = np.random.default_rng(2)
    countries = draw.choice(["de", "fr", *texts], len(judged)).tolist()
    table: Any = coverage_table(judged.confidence, judged.correct)
    if judged.multi:
        table = label_threshold_table(judged.probabilities, judged.targets)
    hardest = np.argsort(-judged.loss)[: max(6, len(texts))].tolist()
    return {
        "hardest": [
            shown(judged, row, labels, texts[place % len(texts)] * (1 + place % 6)) for place, row in enumerate(hardest)
        ],
        "slices": slices("characters", draw.integers(3, 900, len(judged)).tolist(), judged)
        + slices(f"country {texts[0]}", countries, judged),
        "thresholds": table,
    }


def shown(judged: Judged, row: int, labels: tuple[str, ...], text: str) -> ShownRow:
    def named(answer: Any) -> tuple[str, ...]:
        return tuple(labels[i] for i in np.flatnonzero(answer)) if judged.multi else (labels[int(answer)],)

    return ShownRow(
        texts=(text, "a title"),
        truth=named(judged.targets[row]),
        predicted=named(judged.predicted[row]),
        confidence=float(judged.confidence[row]),
        loss=float(judged.loss[row]),
        row=row + 1,
    )
