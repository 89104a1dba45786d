"""The diff job: two models and a file in, what changes between their answers out.

The file goes through both models window by window; the changed rows may go to a file. What is cheap to check is checked
before the weights are loaded.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from scorer.classifier.directory import ModelDirectory
from scorer.classifier.labels import LabelSet, RowLabel
from scorer.config import WINDOW_TEXT_BYTES, DiffConfig, FrameConfig
from scorer.errors import DataError, Interrupted
from scorer.evaluation.comparison import Comparison
from scorer.evaluation.diff_preparation import ANSWERS, ROW, PreparedDiff, prepare_diff
from scorer.evaluation.number_comparison import NumberComparison
from scorer.examples.label_form import Labels
from scorer.examples.targets import label_indices, label_values, spellings
from scorer.records.job import JobSpec, ModelRecord
from scorer.records.lineage import Lineage
from scorer.runs.console import Console
from scorer.runs.signals import StopSignals
from scorer.scoring.answers import Answers
from scorer.scoring.pipeline import Pipeline
from scorer.scoring.scorer import Scorer, ScorerSpec
from scorer.scoring.windows import EncodedWindow, Window
from scorer.tables.reader import tell_blank_lines
from scorer.tables.rejects import kept_rejects
from scorer.tables.sink import Sink, lineage_metadata, table_file
from scorer.tables.texts import spelt_out, spelt_schema
from scorer.version import __version__

_WINDOW_ROWS = 16_384
_WHO = {
    None: "",
    "old": " (the old model abstains)",
    "new": " (the new model abstains)",
    "both": " (both models abstain)",
}


@dataclass(frozen=True, kw_only=True)
class DiffSummary:
    """What a comparison found; `too_many` says whether more rows change than `--max-flips` allows."""

    prepared: PreparedDiff
    comparison: Comparison | NumberComparison
    seconds: float

    @property
    def too_many(self) -> bool:
        flips, comparison = self.prepared.flips, self.comparison
        return flips is not None and not flips.allows(comparison.changed, of=comparison.compared)

    @property
    def what(self) -> str:
        """What it is that changes, for people."""
        if isinstance(self.comparison, NumberComparison):
            return "their number"
        abstained = self.comparison.abstained_by_old or self.comparison.abstained_by_new
        return "their label or abstention" if abstained else "their label"

    def refuse_too_many(self) -> None:
        """DataError when too many rows change for the new model to take the old one's place, or none was compared."""
        if self.prepared.flips is not None and not self.comparison.compared:
            raise DataError(
                f"{self.prepared.config.data}: no row was scored, so --max-flips has nothing to judge by; name a file "
                "with texts"
            )
        if self.too_many:
            raise DataError(
                f"{self.comparison.changed} of {self.comparison.compared} rows change {self.what}, and --max-flips is "
                f"{self.prepared.flips}; look at them with --rows before the new model is used"
            )

    def as_dict(self) -> dict[str, Any]:
        """JSON types only; no texts."""
        old, new = self.prepared.old, self.prepared.new
        known = [directory.labels for directory in (old, new)]
        names = [labels.names if labels is not None and not labels.is_number else () for labels in known]
        return {
            "data": self.prepared.config.data.named,
            "unread_files": self.prepared.source.unread.as_dict(),
            "rejected": self.prepared.rejected,
            **{
                side: {"model": str(directory.path), "fingerprint": directory.fingerprint, "metrics": metrics}
                for side, directory, metrics in zip(("old", "new"), (old, new), self.comparison.metrics, strict=True)
            },
            "labels_only_in_old": [name for name in names[0] if name not in names[1]],
            "labels_only_in_new": [name for name in names[1] if name not in names[0]],
            "label_column": self.prepared.label,
            "label_reading": self._reading(),
            **self.comparison.as_dict(),
            "too_many_changes": self.too_many,
            "rows_file": str(self.prepared.config.rows) if self.prepared.config.rows is not None else None,
            "seconds": round(self.seconds, 1),
        }

    def _reading(self) -> dict[str, Any] | None:
        form = self.prepared.labels
        if form is None:
            return None
        return {
            "form": form.notation,
            "notes": [*form.notes, *form.warnings],
            "unlabelled": self.comparison.unlabelled,
        }


def diff(
    config: DiffConfig,
    console: Console,
    *,
    window_rows: int = _WINDOW_ROWS,
    table_file: Callable[..., AbstractContextManager[Sink]] = table_file,
) -> DiffSummary:
    """Compare the answers of `config.old` and `config.new` to the rows of `config.data`.

    The file is read `window_rows` rows at a time; the changed rows go into a `table_file`. What goes wrong is raised as
    a ScorerError; then no file of changed rows is left.
    """
    started = time.monotonic()
    try:
        with StopSignals() as signals, kept_rejects(config.rejects, tell=console.warn) as rejects:
            with signals.at_once():
                prepared = prepare_diff(config, console, rejects)
                _warn(prepared, console)
                models = _load(prepared)
            # At once no longer when the changed rows appear: either they do, or the comparison was interrupted.
            with _changed_rows(prepared, models, table_file) as sink, signals.at_once():
                comparison = _compare(prepared, models, sink, console, window_rows=window_rows)
    except Interrupted as error:
        raise Interrupted(error.signal_number, "interrupted; nothing was written") from error
    summary = DiffSummary(prepared=prepared, comparison=comparison, seconds=time.monotonic() - started)
    _conclude(summary, console)
    return summary


def _warn(prepared: PreparedDiff, console: Console) -> None:
    reader = prepared.reader
    blank = tell_blank_lines(str(prepared.config.data), reader.blank_lines)
    kept = reader.warnings if prepared.config.rows is not None else blank
    for warning in (*prepared.source.unread.warnings(), *kept):
        console.warn(warning)


@dataclass(frozen=True)
class _Model:
    """One of the two models, which reads the `texts` columns."""

    scorer: Scorer
    texts: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        return self.scorer.labels.names


@dataclass(frozen=True)
class _Answered:
    """A window of the data and the answers of each model to its rows."""

    table: pa.Table
    answers: tuple[Answers, ...]


def _load(prepared: PreparedDiff) -> list[_Model]:
    """The old and the new model."""
    models = zip((prepared.old, prepared.new), prepared.texts, strict=True)
    return [
        _Model(Scorer.build(ScorerSpec.of(_options(prepared.config, directory), directory), directory), texts)
        for directory, texts in models
    ]


def _options(config: DiffConfig, directory: ModelDirectory) -> FrameConfig:
    return FrameConfig(
        model=directory.name,
        precision=config.precision,
        device=config.device,
        backend=config.backend,
        batch_tokens=config.batch_tokens,
    )


def _compare(
    prepared: PreparedDiff, models: list[_Model], sink: Sink | None, console: Console, *, window_rows: int
) -> Comparison | NumberComparison:
    config, reader = prepared.config, prepared.reader
    comparison = _comparison(prepared, models)
    windows = reader.windows(max_rows=window_rows, max_bytes=WINDOW_TEXT_BYTES, limit=config.limit)
    with console.progress("diff", reader.rows, "rows") as bar:

        def encode(table: pa.Table) -> list[EncodedWindow]:
            table = spelt_out(table, prepared.spelt)
            return [model.scorer.encode(Window(0, table, model.texts)) for model in models]

        def answer(encoded: list[EncodedWindow]) -> _Answered:
            classified = [
                model.scorer.classify(window, after_batch=lambda _share: answered.check())
                for model, window in zip(models, encoded, strict=True)
            ]
            found = [model.scorer.answer(window) for model, window in zip(models, classified, strict=True)]
            return _Answered(encoded[0].window.table, tuple(one.answers for one in found))

        def compare(found: _Answered) -> None:
            first = comparison.rows
            old, new = found.answers
            if isinstance(comparison, Comparison):
                old, new = (
                    answers.among(comparison.names, own=model.names)
                    for answers, model in zip(found.answers, models, strict=True)
                )
            changed = comparison.add(old, new)
            if prepared.labels is not None:
                _judge(prepared, comparison, prepared.labels.read(found.table), old, new)
            if sink is not None:
                sink.write(_rows(_beside(found, models, first=first), np.flatnonzero(changed)))
            bar.update(found.table.num_rows)

        answered = Pipeline.of(windows).then("encode", encode).then("answer", answer)
        answered.into("compare", compare)
        reader.check_unchanged()
    return comparison


def _comparison(prepared: PreparedDiff, models: list[_Model]) -> Comparison | NumberComparison:
    """What compares the answers of these models."""
    if prepared.of_numbers:
        return NumberComparison()
    return Comparison(
        tuple(dict.fromkeys(name for model in models for name in model.names)),
        multi=any(model.scorer.labels.multi for model in models),
        ordered=all(model.scorer.labels.ordinal for model in models),
    )


def _judge(
    prepared: PreparedDiff, comparison: Comparison | NumberComparison, labels: Labels, old: Answers, new: Answers
) -> None:
    """Compare the answers with the labels of those rows that have one, and a score from at least one model."""
    labelled = ~(labels.missing() | labels.aside)
    comparison.unlabelled += int((~labelled).sum())
    judged = labelled & (old.scored | new.scored)
    rows = np.flatnonzero(judged)
    if not len(rows):
        return
    assert prepared.label is not None, "rows are judged by a column; this is a bug"
    column = labels.column.filter(pa.array(judged))
    where = {"name": prepared.label, "where": str(prepared.config.data)}
    if isinstance(comparison, NumberComparison):
        numbers = label_indices(column.to_pylist(), LabelSet.of_number(prepared.label), **where)
        comparison.judge(old.take(rows), new.take(rows), numbers)
        return
    values = label_values(column, **where)
    true, known = _matrix(values, comparison.names)
    comparison.judge(old.take(rows), new.take(rows), true, known)


def _matrix(values: list[RowLabel], names: tuple[str, ...]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Labels (n, names) bool of rows with `values` (n,), and whether all of a row's labels are among the names (n,)."""
    place = {name: number for number, name in enumerate(names)}
    true = np.zeros((len(values), len(names)), np.bool_)
    known = np.ones(len(values), np.bool_)
    for row, value in enumerate(values):
        for label in value if isinstance(value, tuple) else (value,):
            found = next((place[name] for name in spellings(label) if name in place), None)
            if found is None:
                known[row] = False
            else:
                true[row, found] = True
    return true, known


@contextmanager
def _changed_rows(
    prepared: PreparedDiff, models: list[_Model], table_file: Callable[..., AbstractContextManager[Sink]]
) -> Iterator[Sink | None]:
    """Where changed rows go, which appears whole when the block ends, and not at all when it fails."""
    target = prepared.config.rows
    if target is None or prepared.rows_format is None:
        yield None
        return
    schema = _beside(_without_rows(prepared, models), models, first=0).schema
    metadata = lineage_metadata(_lineage(prepared))
    with table_file(target, format=prepared.rows_format, schema=schema, metadata=metadata) as sink:
        yield sink


def _without_rows(prepared: PreparedDiff, models: list[_Model]) -> _Answered:
    table = pa.Table.from_batches([], spelt_schema(prepared.reader.schema, prepared.spelt))
    windows = [model.scorer.score(Window(0, table, model.texts)) for model in models]
    return _Answered(table, tuple(window.answers for window in windows))


def _beside(found: _Answered, models: list[_Model], *, first: int) -> pa.Table:
    """The rows of a window with their numbers and the answers of both models; `first` rows were before it."""
    numbers = pa.array(np.arange(first + 1, first + found.table.num_rows + 1))
    table = found.table.add_column(0, ROW, numbers)
    for side, model, answers in zip(("old", "new"), models, found.answers, strict=True):
        for name, column in zip(ANSWERS, model.scorer.columns.arrays(answers), strict=True):
            table = table.append_column(f"{side}_{name}", column)
    return table


def _rows(table: pa.Table, places: NDArray[np.int64]) -> pa.Table:
    """The rows of `table` at the ascending `places`. Slices, as pyarrow filters no columns of views."""
    runs = np.split(places, np.flatnonzero(np.diff(places) > 1) + 1) if len(places) else []
    return pa.concat_tables([table.slice(0, 0), *(table.slice(run[0], len(run)) for run in runs)])


def _lineage(prepared: PreparedDiff) -> Lineage:
    models = {role: ModelRecord(fingerprint=getattr(prepared, role).fingerprint) for role in ("old", "new")}
    job = JobSpec(kind="diff", models=models, versions={"scorer": __version__})
    return Lineage(job=job, input=prepared.source.fingerprint())


def _conclude(summary: DiffSummary, console: Console) -> None:
    if isinstance(summary.comparison, NumberComparison):
        for line in summary.comparison.lines():
            console.say(line)
        return
    found = summary.as_dict()
    console.say(
        f"{found['changed']} of {found['compared']} rows change {summary.what} ({found['changed_share']:.2%}); "
        f"{found['rows'] - found['compared']} have no score"
    )
    if found["abstained_by_old"] or found["abstained_by_new"]:
        console.say(
            f"the old model abstains from {found['abstained_by_old']} rows, the new one from "
            f"{found['abstained_by_new']}; a row from which only one abstains has changed"
        )
    for change in found["changes"][:5]:
        if summary.comparison.multi:
            console.say(f"  {change['label']}: {change['gained']} rows gain it, {change['lost']} lose it")
        else:
            who = _WHO[change["abstains"]]
            console.say(f"  {change['old']} -> {change['new']}{who}: {change['rows']} rows")
    if found["label_reading"] is not None and (unlabelled := found["label_reading"]["unlabelled"]):
        console.say(f"{unlabelled} of {found['rows']} rows have no label, so nothing judges their answers")
    if found["with_unknown_labels"]:
        console.warn(
            f"{found['with_unknown_labels']} of {found['labelled']} labelled rows have a label that neither model "
            "knows, and count as wrong; is it the right --label-column?"
        )
    old, new = summary.comparison.metrics
    if old is None or new is None:
        return
    for name, value in new.items():
        # A model that has scored no labelled row has no figures of ordered labels.
        if name in old:
            console.say(f"{name} {old[name]:.4f} -> {value:.4f} on {found['labelled']} rows")
    console.say(f"McNemar's test: p = {found['mcnemar']['p_value']:.3g}")
