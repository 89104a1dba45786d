"""What a data file's lineage and columns say of where its answers come from.

Owns how a scored file is told from one of labels, and from the rows that `evaluate` and `diff` write. Reads no rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from scorer.classifier.metadata import ModelMetadata
from scorer.errors import DataError, UsageError
from scorer.examples.columns import LABEL_NAMES
from scorer.records.lineage import Lineage
from scorer.tables.lineage import read_lineage
from scorer.tables.source import Source


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


def refuse_answers(location: str, *, names: tuple[str, ...] | None = None) -> None:
    """UsageError when scorer's own answers are all that would be found by name as labels of the file at `location`;
    `names` are as for `Source.open`."""
    source = Source.open(location, names=names)
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
