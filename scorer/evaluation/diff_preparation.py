"""The checks before two models are compared: data, columns, both model directories, the file of changed rows.

All of this needs no weights, and nothing is written.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import pyarrow as pa

from scorer.classifier.directory import ModelDirectory, open_model
from scorer.config import DiffConfig, FileFormat
from scorer.errors import DataError, ModelError, UsageError, shown
from scorer.examples.example_columns import label_columns
from scorer.examples.label_form import LabelForm, LabelOptions
from scorer.examples.recognition import Doubt, recognise_file
from scorer.runs.console import Console
from scorer.scoring.limits import Allowance
from scorer.stores.checks import Inputs, check_files
from scorer.tables.dialect import Dialect
from scorer.tables.formats.registry import format_named, output_format
from scorer.tables.reader import Reader, check_names
from scorer.tables.rejects import Rejects, rejected_by
from scorer.tables.source import Source
from scorer.tables.texts import find_text_columns

# The columns of the changed rows beside those of the data.
ROW = "row_number"
ANSWERS = ("score", "confidence", "score_status")


@dataclass(frozen=True)
class PreparedDiff:
    """A comparison that was found good.

    texts   the text columns of the old and of the new model
    labels  how the labels are written, if there are any
    rejected  malformed records that were set aside, which are no rows
    """

    config: DiffConfig
    old: ModelDirectory
    new: ModelDirectory
    texts: tuple[tuple[str, ...], tuple[str, ...]]
    labels: LabelForm | None
    flips: Allowance | None
    rows_format: FileFormat | None
    source: Source
    reader: Reader
    rejected: int

    @property
    def spelt(self) -> tuple[str, ...]:
        """The columns that are written as text though they may hold bytes."""
        text = self.rows_format is not None and format_named(self.rows_format).text
        return tuple(dict.fromkeys((*self.texts[0], *self.texts[1]))) if text else ()

    @property
    def of_numbers(self) -> bool:
        """Whether the models give numbers."""
        return self.old.labels is not None and self.old.labels.is_number

    @property
    def label(self) -> str | None:
        """The label column's name, or those of several."""
        return ", ".join(self.labels.columns) if self.labels is not None else None


def prepare_diff(config: DiffConfig, console: Console, rejects: Rejects | None = None) -> PreparedDiff:
    """Check `config`, cheapest first; what is wrong is raised as a ScorerError."""
    flips = Allowance.parse(config.max_flips, flag="--max-flips") if config.max_flips is not None else None
    rows_format = _rows_format(config)
    LabelOptions.of(config)
    if rejects is not None:
        rejects.rows = config.limit
    source = Source.open(config.data, dialect=Dialect.of(config), rejects=rejects)
    inputs = Inputs(config.data.places, models=[config.old, config.new], files=source.files)
    check_files({"--rows": config.rows}, inputs, force=config.force)
    check_files({"--rejects": config.rejects}, inputs, force=True)
    old, new = (open_model(name) for name in (config.old, config.new))
    for directory in (old, new):
        if directory.labels is None:
            raise ModelError(f"{directory.name}: config.json does not name its labels; they cannot be compared")
    _refuse_unlike(config, old, new)
    with source.doubting_header():
        texts = tuple(
            find_text_columns(
                source.names,
                config.text_column,
                directory.metadata.text_columns if directory.metadata else (),
                where=str(config.data),
            )
            for directory in (old, new)
        )
        check_names(source.names, config.label_column, where=str(config.data))
    if both := {*texts[0], *texts[1]}.intersection(config.label_column):
        raise UsageError(f"{config.data}: {both.pop()!r} is named as text and as label; they are different columns")
    reader = source.read(tuple(dict.fromkeys((*texts[0], *texts[1]))))
    if config.rows is not None:
        _refuse_clash(reader.schema)
    labels = _label_form(config, source, reader.schema, old, new, console)
    return PreparedDiff(
        config, old, new, (texts[0], texts[1]), labels, flips, rows_format, source, reader, rejected_by(rejects)
    )


def _refuse_unlike(config: DiffConfig, old: ModelDirectory, new: ModelDirectory) -> None:
    """ModelError where one model gives numbers and the other labels; UsageError for what numbers do not have."""
    numbers = [directory for directory in (old, new) if directory.labels is not None and directory.labels.is_number]
    if len(numbers) == 1:
        raise ModelError(
            f"{numbers[0].name}: gives numbers (one output), and the other model labels; they cannot be compared"
        )
    if numbers and config.max_flips is not None:
        raise UsageError("--max-flips: these models give numbers, of which nearly all change a little; leave it out")


def _rows_format(config: DiffConfig) -> FileFormat | None:
    if config.rows is None:
        return None
    found = output_format(config.rows)
    if found is None and config.rows.suffix:
        raise UsageError(f"{config.rows}: no format has this ending; say .parquet, .csv, .tsv, .jsonl or .arrow")
    return found or "parquet"


def _label_form(
    config: DiffConfig, source: Source, schema: pa.Schema, old: ModelDirectory, new: ModelDirectory, console: Console
) -> LabelForm | None:
    """How the labels are written; None where there are none.

    The columns that were asked for count. Else they are the new model's, then the old one's, if the data has them. How
    they are written is told by what was asked for, then by a model that knows these columns, then by any model.
    """
    options, recorded = LabelOptions.of(config), [one.metadata for one in (new, old) if one.metadata]
    columns = label_columns(source, config.label_column, recorded, where=str(config.data), needed=False)
    if not columns:
        return None
    check_names(source.names, columns, where=str(config.data))
    for metadata in [one for one in recorded if one.label_source == columns] or recorded:
        options = options.or_as(metadata)
    known = [one.labels for one in (old, new) if one.labels is not None]
    if any(labels.is_number for labels in known):
        options = options.knowing(known[0])
    multi = any(labels.multi for labels in known)
    if not options.numbers:
        options = replace(options, known=frozenset(name for labels in known for name in labels.names), multi=multi)
    form = recognise_file(source, schema, columns, options, where=str(config.data), limit=config.limit)
    if isinstance(form, Doubt):
        raise form.error(str(config.data))
    for note in form.notes:
        console.say(f"{config.data}: {note}")
    for warning in form.warnings:
        console.warn(f"{config.data}: {warning}")
    return form


def _refuse_clash(schema: pa.Schema) -> None:
    taken = [ROW, *(f"{side}_{name}" for side in ("old", "new") for name in ANSWERS)]
    if clash := [name for name in taken if name in schema.names]:
        raise UsageError(f"the data has a column {shown(clash[0])}, which --rows would write; rename it")
    if len(set(schema.names)) < len(schema.names):
        raise DataError("the data has two columns of one name; rename one of them")
