"""The checks before an evaluation, and the reading of the labelled rows.

Model, input, columns, labels and outputs are checked. All of this needs no weights, and nothing is written.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from scorer.classifier.directory import ModelDirectory, open_model
from scorer.classifier.labels import LabelSet, RowTargets
from scorer.config import EvaluateConfig
from scorer.errors import ModelError, UsageError
from scorer.examples.example_columns import label_columns
from scorer.examples.label_form import LabelOptions
from scorer.examples.reading import Examples, read_examples
from scorer.examples.splits import Splits
from scorer.examples.targets import label_indices, of_kind
from scorer.metrics.judged_rows import FEW_ROWS, wilson_interval
from scorer.metrics.regression import null_correlation
from scorer.runs.console import Console
from scorer.stores.checks import Inputs, check_files
from scorer.tables.dialect import Dialect
from scorer.tables.formats.registry import output_format
from scorer.tables.reader import check_names
from scorer.tables.rejects import Rejects
from scorer.tables.source import Source
from scorer.tables.texts import find_text_columns


@dataclass(frozen=True)
class PreparedEvaluation:
    """What is evaluated: a model that may be opened and rows whose labels it knows.

    `targets` are class indices (n,), or (n, labels) of 0 and 1 where a row may have several labels, or numbers (n,)
    float64; `warnings` are what a reader of the figures should know.
    """

    config: EvaluateConfig
    directory: ModelDirectory
    labels: LabelSet
    examples: Examples
    targets: RowTargets
    warnings: tuple[str, ...]


def prepare_evaluation(config: EvaluateConfig, console: Console, rejects: Rejects | None = None) -> PreparedEvaluation:
    """Check `config` and read its rows; what is wrong is raised as a ScorerError, what is doubtful is a warning."""
    options, dialect = LabelOptions.of(config), Dialect.of(config)
    splits = Splits.of(config.data)
    source = Source.open(splits.train if config.folds else splits.test, dialect=dialect, rejects=rejects)
    _refuse_outputs(config, source)
    if source.format != "jsonl":  # of which only reading tells all names
        with source.doubting_header():
            check_names(source.names, config.slice, where=str(config.data))
    directory = open_model(config.model)
    labels = _labels(directory, folds=config.folds)
    metadata = directory.metadata
    fitted = metadata.text_columns if metadata else ()
    with source.doubting_header():
        text_columns = find_text_columns(source.names, config.text_column, fitted, where=str(config.data))
    examples = read_examples(
        str(config.data),
        opened=source,
        rejects=rejects,
        text_columns=text_columns,
        label_columns=label_columns(
            source, config.label_column, [metadata] if metadata else [], where=str(config.data), needed=True
        ),
        options=options.or_as(metadata).knowing(labels),
        limit=config.limit,
        others=tuple(dict.fromkeys(config.slice)),
    )
    name = examples.columns.label
    targets = label_indices(
        of_kind(examples.labels, labels.kind), labels, name=name, where=str(config.data), known="the model"
    )
    for remark in examples.remarks(str(config.data)):
        console.say(remark)
    warnings = tuple(_warnings(config, directory, labels, examples))
    for warning in warnings:
        console.warn(warning)
    return PreparedEvaluation(config, directory, labels, examples, targets, warnings)


def _labels(directory: ModelDirectory, *, folds: int | None) -> LabelSet:
    labels = directory.labels
    if labels is None:
        raise ModelError(f"{directory.name}: config.json names no labels to compare with; fit the model with scorer")
    if folds is not None and directory.metadata is None:
        raise UsageError(f"--folds: {directory.name} does not say how it was fitted; only a model of scorer fit does")
    return labels


def _refuse_outputs(config: EvaluateConfig, source: Source) -> None:
    inputs = Inputs(config.data.places, models=[config.model], files=source.files)
    check_files({"--report": config.report, "--rows": config.rows}, inputs, force=config.force)
    check_files({"--rejects": config.rejects}, inputs, force=True)
    if config.rows is not None and output_format(config.rows) is None:
        raise UsageError(f"{config.rows}: no format has this ending; say .parquet, .csv, .tsv, .jsonl or .arrow")


def _chance(rows: int, labels: LabelSet) -> str:
    """How far chance alone may move a figure of so many `rows`, for people."""
    if labels.is_number:
        return f"a correlation on them is uncertain by up to {null_correlation(rows):.2f} to either side (95 %)"
    low, high = wilson_interval(rows // 2, rows, level=0.95)
    return f"an accuracy on them is uncertain by up to {50 * (high - low):.0f} points to either side (95 %)"


def _warnings(config: EvaluateConfig, directory: ModelDirectory, labels: LabelSet, examples: Examples) -> Iterator[str]:
    yield from examples.unread.warnings()
    if examples.dropped:
        yield f"{config.data}: {examples.dropped} of {examples.rows} rows left out: their text is null or empty"
    yield from (f"{config.data}: {warning}" for warning in examples.form.warnings)
    if (rows := len(examples)) < FEW_ROWS:
        yield f"{config.data}: {rows} rows say little: {_chance(rows, labels)}"
    recorded = directory.metadata.training_data if directory.metadata else {}
    sides = [name for name in ("train", "valid") if recorded.get(name, {}).get("fingerprint") == examples.fingerprint]
    if sides and config.folds is None:
        how = "was fitted on" if "train" in sides else "was chosen and calibrated on"
        yield f"{config.data}: the model {how} this file, so the figures flatter it; --folds K does not"
    if config.folds is not None and directory.metadata is not None and directory.metadata.teacher is not None:
        yield "--folds: the model had a teacher, which may have seen these rows; the models of the folds have none"
