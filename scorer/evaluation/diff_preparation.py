"""The checks before two models are compared: data, columns, both model directories, the file of changed rows.

Owns what can be found wrong before anything heavy is loaded. Writes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa

from scorer.classifier.directory import ModelDirectory, open_model
from scorer.config import DiffConfig, FileFormat
from scorer.errors import DataError, ModelError, UsageError, shown
from scorer.examples.origin import holds_predictions
from scorer.examples.targets import check_separator
from scorer.scoring.limits import Allowance
from scorer.stores.checks import Inputs, check_files
from scorer.tables.columns import find_text_columns
from scorer.tables.formats import format_of
from scorer.tables.header import given_names
from scorer.tables.reader import Reader, check_names
from scorer.tables.source import Source

# The columns of the changed rows beside those of the data.
ROW = "row_number"
ANSWERS = ("score", "confidence", "score_status")


@dataclass(frozen=True)
class Prepared:
    """A comparison that was found good; `texts` are the text columns of the old and the new model, `label` the column
    of labels, if there is one, whose rows have several where `separator` stands."""

    config: DiffConfig
    old: ModelDirectory
    new: ModelDirectory
    texts: tuple[tuple[str, ...], tuple[str, ...]]
    label: str | None
    separator: str | None
    flips: Allowance | None
    rows_format: FileFormat | None
    source: Source
    reader: Reader


def prepare(config: DiffConfig) -> Prepared:
    """Check `config`, cheapest first; what is wrong is raised as a ScorerError."""
    flips = Allowance.parse(config.max_flips, flag="--max-flips") if config.max_flips is not None else None
    rows_format = _rows_format(config)
    check_separator(config.label_separator)
    source = Source.open(config.data, input_format=config.input_format, names=given_names(config))
    inputs = Inputs([config.data], models=[config.old, config.new], files=source.files)
    check_files({"--rows": config.rows}, inputs, force=config.force)
    old, new = (open_model(name) for name in (config.old, config.new))
    for directory in (old, new):
        if directory.labels is None:
            raise ModelError(f"{directory.name}: config.json does not name its labels; they cannot be compared")
    with source.doubting_header():
        texts = tuple(
            find_text_columns(
                source.names,
                config.text_column,
                directory.metadata.text_columns if directory.metadata else (),
                where=config.data,
            )
            for directory in (old, new)
        )
        label, separator = _label_column(config, source, old, new)
    if label in (*texts[0], *texts[1]):
        raise UsageError(f"{config.data}: {label!r} is named as text and as label; they are different columns")
    reader = source.read(tuple(dict.fromkeys((*texts[0], *texts[1]))))
    if config.rows is not None:
        _refuse_clash(reader.schema)
    return Prepared(config, old, new, (texts[0], texts[1]), label, separator, flips, rows_format, source, reader)


def _rows_format(config: DiffConfig) -> FileFormat | None:
    if config.rows is None:
        return None
    found = format_of(config.rows)
    if found is None and config.rows.suffix:
        raise UsageError(f"{config.rows}: no format has this ending; say .parquet, .csv, .tsv, .jsonl or .arrow")
    return found or "parquet"


def _label_column(
    config: DiffConfig, source: Source, old: ModelDirectory, new: ModelDirectory
) -> tuple[str | None, str | None]:
    """The column of labels that was asked for, or that of the new or the old model if the data has it and it is none of
    scorer's answers; and what stands between the labels of a row there, as was said, or as the models say that know
    that column, or else any model."""
    recorded = [(one.metadata.label_column, one.metadata.label_separator) for one in (new, old) if one.metadata]
    if config.label_column is not None:
        check_names(source.names, (config.label_column,), where=config.data)
    found = (name for name, _ in recorded if name in source.names and not holds_predictions(source, name))
    column = config.label_column or next(found, None)
    knowing = [separator for name, separator in recorded if name == column] or [separator for _, separator in recorded]
    return column, config.label_separator or next((separator for separator in knowing if separator), None)


def _refuse_clash(schema: pa.Schema) -> None:
    taken = [ROW, *(f"{side}_{name}" for side in ("old", "new") for name in ANSWERS)]
    if clash := [name for name in taken if name in schema.names]:
        raise UsageError(f"the data has a column {shown(clash[0])}, which --rows would write; rename it")
    if len(set(schema.names)) < len(schema.names):
        raise DataError("the data has two columns of one name; rename one of them")
