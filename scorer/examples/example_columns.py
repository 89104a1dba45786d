"""Which columns of a labelled file hold the texts and the labels.

They are found by their names, by what a model was fitted on, or as they are asked for. Columns of answers that scorer
itself wrote are told from labels, by what stands beside them or by the lineage of the file. Reads no rows.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from scorer.classifier.metadata import ModelMetadata
from scorer.errors import DataError, UsageError, near, shown
from scorer.records.lineage import Lineage
from scorer.tables.dialect import UNSAID, Dialect
from scorer.tables.rejects import Rejects
from scorer.tables.rendering import is_binary
from scorer.tables.sink import read_lineage
from scorer.tables.source import Source
from scorer.tables.texts import TEXT_NAMES, holds_texts, is_text, spelt_type, type_name

LABEL_NAMES = (
    "score",
    "label",
    "labels",
    "rating",
    "star",
    "stars",
    "class",
    "category",
    "sentiment",
    "polarity",
    "topic",
    "target",
)


@dataclass(frozen=True)
class Columns:
    """One or two text columns (two are a pair), and the label column, or several of 0 and 1."""

    texts: tuple[str, ...]
    labels: tuple[str, ...]

    @property
    def label(self) -> str:
        """The label column's name, or those of several, for people."""
        return ", ".join(self.labels)


def find_columns(
    schema: pa.Schema, *, texts: Sequence[str], labels: Sequence[str], where: str, numbers: bool = False
) -> Columns:
    """The columns asked for, or those with a usual name and a fitting type; `where` names the file in errors. With
    `numbers` the labels are real numbers.

    A name that is asked for must be there; without one exactly one column must fit. UsageError otherwise.
    """
    if len(texts) > 2:
        raise UsageError(f"--text-column: {len(texts)} columns; one, or two for a sentence pair")
    if len({*texts, *labels}) < len(texts) + len(labels):
        raise UsageError(f"{where}: the same column is named twice; texts and label are different columns")
    asked = [(text, "--text-column") for text in texts] + [(label, "--label-column") for label in labels]
    for name, flag in asked:
        if name not in schema.names:
            raise UsageError(
                f"{where}: no column {name!r}{_near(name, schema.names)}; {flag} takes one of {_listed(schema)}"
            )
    if not labels:
        free = [field for field in schema if field.name not in texts]
        labels = (
            _only(free, LABEL_NAMES, _fitting(free, numbers=numbers), schema, ("label", "--label-column", where)),
        )
    if not texts:
        free = [field for field in schema if field.name not in labels]
        texts = (_only(free, TEXT_NAMES, holds_texts, schema, ("text", "--text-column", where)),)
    return Columns(tuple(texts), tuple(labels))


def is_label(type_: pa.DataType) -> bool:
    """Whether a column of this type can hold labels: one a row, or a list of them."""
    return is_one_label(type_.value_type if is_list(type_) else type_)


def is_list(type_: pa.DataType) -> bool:
    """Whether a column of this type holds several values a row."""
    return any(test(type_) for test in (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list))


def is_one_label(type_: pa.DataType) -> bool:
    """Whether a column of this type can hold one label a row: integers, names (bytes too, as some databases have
    texts), booleans, or whole numbers as floats."""
    if pa.types.is_dictionary(type_):
        return is_one_label(type_.value_type)
    numeric = pa.types.is_integer(type_) or pa.types.is_floating(type_) or pa.types.is_boolean(type_)
    return bool(numeric or is_text(type_) or is_binary(type_))


def holds_numbers(type_: pa.DataType) -> bool:
    """Whether a column of this type can hold real numbers: integers, floats, decimals, or texts that spell them."""
    if pa.types.is_dictionary(type_):
        return holds_numbers(type_.value_type)
    numeric = pa.types.is_integer(type_) or pa.types.is_floating(type_) or pa.types.is_decimal(type_)
    return bool(numeric or is_text(type_) or is_binary(type_))


def _fitting(free: Sequence[pa.Field], *, numbers: bool) -> Callable[[pa.DataType], bool]:
    """What tells the types of label columns; beside a column with one label a row, one of lists is taken for something
    else."""
    if numbers:
        return holds_numbers
    plain = any(field.name.lower() in LABEL_NAMES and is_one_label(field.type) for field in free)
    return is_one_label if plain else is_label


def _only(
    fields: Sequence[pa.Field],
    known: Sequence[str],
    fits: Callable[[pa.DataType], bool],
    schema: pa.Schema,
    about: tuple[str, str, str],
) -> str:
    """The one field whose name is `known` and whose type `fits`; `about` is what it is, its flag, and the file."""
    what, flag, where = about
    named = [field for field in fields if field.name.lower() in known and fits(field.type)]
    # Beside others, a column of bytes is taken for something else.
    found = [field.name for field in named if not _holds_bytes(field.type)] or [field.name for field in named]
    if len(found) == 1:
        return str(found[0])
    if found:
        choices = " or ".join(f"{flag} {name}" for name in found)
        raise UsageError(f"{where}: more than one column may be the {what}: say {choices}; columns: {_listed(schema)}")
    similar = [field.name for field in fields if fits(field.type) and _resembles(field.name, known)]
    hint = f"; did you mean {flag} {shown(similar[0], quoted=False)}?" if similar else f"; say {flag} NAME"
    if flag == "--label-column":
        hint += _binary_hint(fields) + _decimal_hint(fields)
    raise UsageError(f"{where}: no column with a usual name for the {what}{hint}; columns: {_listed(schema)}")


def _holds_bytes(kind: pa.DataType) -> bool:
    """Whether a column of type `kind` holds bytes, one a row or a list of them."""
    kind = kind.value_type if is_list(kind) else kind
    return bool(spelt_type(kind) != kind)


def _binary_hint(fields: Sequence[pa.Field]) -> str:
    """What to say where there may be a column of 0 and 1 for each label."""
    test = (pa.types.is_boolean, pa.types.is_integer, pa.types.is_floating)
    numeric = sum(any(fits(field.type) for fits in test) for field in fields)
    return ", or once for each of several columns of 0 and 1" if numeric > 1 else ""


def _decimal_hint(fields: Sequence[pa.Field]) -> str:
    """What to say where a column with a usual name holds decimals, which are no labels."""
    named = [field.name for field in fields if field.name.lower() in LABEL_NAMES and pa.types.is_decimal(field.type)]
    return f"; {shown(named[0], quoted=False)} holds decimals, which fit --regression takes as numbers" if named else ""


def _resembles(name: str, known: Sequence[str]) -> bool:
    lowered = name.lower()
    return any(word in lowered for word in known) or bool(difflib.get_close_matches(lowered, known, n=1, cutoff=0.7))


def _near(name: str, names: Sequence[str]) -> str:
    close = near(name, names)
    return f" (did you mean {shown(close[0])}?)" if close else ""


def _listed(schema: pa.Schema, limit: int = 12) -> str:
    listed = ", ".join(f"{shown(field.name, quoted=False)} ({type_name(field.type)})" for field in list(schema)[:limit])
    return listed + (f" and {len(schema) - limit} more" if len(schema) > limit else "")


def holds_predictions(source: Source, column: str) -> bool:
    """Whether `column` of `source` is one of answers that scorer wrote, and not one of labels.

    A `score` with whatever prefix is, beside a `score_status` with the same prefix or, as `evaluate --rows` has it,
    beside a `suspect_rank`; in a Parquet file also where only its lineage is left to say so.
    """
    if not column.endswith("score"):
        return False
    prefix = column.removesuffix("score")
    if f"{prefix}score_status" in source.names or (not prefix and "suspect_rank" in source.names):
        return True
    return source.format == "parquet" and prefix in _prefixes(source)


def label_columns(
    source: Source, asked: Sequence[str], fitted: Iterable[ModelMetadata], *, where: str, needed: bool
) -> tuple[str, ...]:
    """The columns of labels that are `asked` for, or else those of the first of the `fitted` models that `source` has
    and that are none of scorer's answers; none where there are none.

    If they are `needed`, none says that one is to be found by its name. UsageError when all that it may be are answers.
    """
    if asked:
        return tuple(asked)
    recorded = [model.label_source for model in fitted]
    present = [columns for columns in recorded if set(columns) <= set(source.names)]
    for columns in present:
        if not any(holds_predictions(source, name) for name in columns):
            return columns
    if not needed:
        return ()
    named = present[0] if present else tuple(name for name in source.names if name.lower() in LABEL_NAMES)
    labels = tuple(name for name in named if not holds_predictions(source, name))
    if named and not labels:
        raise not_labels(where, named[0])
    # Beside answers only one column is no guess.
    return labels if len(labels) == 1 < len(named) else ()


def refuse_answers(
    location: str, *, dialect: Dialect = UNSAID, rejects: Rejects | None = None, opened: Source | None = None
) -> None:
    """UsageError when scorer's own answers are all that would be found by name as labels of the file at `location`,
    which may be `opened`; `dialect` is as for `Source.open`."""
    source = opened or Source.open(location, dialect=dialect, rejects=rejects)
    named = [name for name in source.names if name.lower() in LABEL_NAMES]
    if named and all(holds_predictions(source, name) for name in named):
        raise not_labels(location, named[0])


def not_labels(where: object, column: str) -> UsageError:
    """What to raise when `column` of the file `where`, which holds predictions, was taken for labels unasked."""
    return UsageError(
        f"{where}: column {column!r} holds predictions that scorer wrote; name the column of labels with --label-column"
    )


def _prefixes(source: Source) -> Iterator[str]:
    """Those of the answers that the files of `source` hold by their lineages. Rows that `diff` wrote have answers named
    old_ and new_, and a `score` that the data had."""
    for lineage in map(_lineage, source.files):
        if lineage is not None and lineage.kind != "diff":
            yield lineage.job.prefix


def _lineage(path: Path) -> Lineage | None:
    """None also where the footer's entry is somebody else's."""
    try:
        return read_lineage(path)
    except DataError:
        return None
