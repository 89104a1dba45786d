"""How labels are written: what is said of it beforehand, and the reading of them, window by window, once it is known.

A person, a model or a training file may say it; contradictions in it are refused before any row is read. Which form
a column has where nobody says, `scorer.examples.recognition` tells.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, cast

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from scorer.classifier.labels import LabelSet, list_array
from scorer.classifier.metadata import ModelMetadata
from scorer.config import CheckConfig, DiffConfig, EvaluateConfig, FitConfig
from scorer.config import LabelForm as FormChoice
from scorer.errors import ConfigError, UsageError
from scorer.examples.class_labels import ClassLabels
from scorer.examples.example_columns import holds_numbers, is_label, is_list, is_one_label
from scorer.examples.label_texts import read_bare_list, read_list, read_vector
from scorer.examples.survey import binary_column, is_any_of, plain_column, plain_type, real_numbers
from scorer.tables import compute as pc
from scorer.tables.texts import is_text, type_name

# What to do with labels that are no classes.
REAL_NUMBERS = "fit --regression learns real numbers as they are"

Notation = Literal["plain", "names", "numbers", "reals", "separated", "list", "vector", "columns"]


@dataclass(frozen=True)
class LabelOptions:
    """How labels are written, as far as it is known.

    separator  stands between the labels of a text
    form       auto looks, name takes each value as it stands, list takes texts in brackets for lists
    names      of the places of a vector of 0 and 1
    aside      labels that say that there is none: such rows are left out
    skip       rows without a label are left out, and not refused
    known      the labels that a model or a training file has
    multi      whether rows have several there; None where nobody knows
    numbers    labels are real numbers
    """

    separator: str | None = None
    form: FormChoice = "auto"
    names: tuple[str, ...] = ()
    aside: frozenset[str] = frozenset()
    skip: bool = False
    known: frozenset[str] = frozenset()
    multi: bool | None = None
    numbers: bool = False

    @classmethod
    def of(cls, config: FitConfig | CheckConfig | EvaluateConfig | DiffConfig) -> LabelOptions:
        """What `config` says. UsageError where it contradicts itself."""
        numbers = isinstance(config, FitConfig | CheckConfig) and config.regression
        names = tuple(_parts(config.label_names))
        _refuse_contradictions(config.label_separator, config.label_form, names, numbers=numbers)
        return cls(
            separator=config.label_separator,
            form=config.label_form,
            names=names,
            aside=frozenset(_parts(config.null_labels)),
            skip=not isinstance(config, DiffConfig) and config.skip_unlabelled,
            numbers=numbers,
        )

    def knowing(self, labels: LabelSet) -> LabelOptions:
        """These options where what is read must be some of `labels`."""
        if labels.is_number:
            return replace(self, numbers=True)
        return replace(self, known=frozenset(labels.names), multi=labels.multi)

    def or_as(self, metadata: ModelMetadata | None) -> LabelOptions:
        """These options and, where they say nothing, those of the fit that wrote `metadata`."""
        if metadata is None:
            return self
        said = self.separator is not None or self.form != "auto" or bool(self.names)
        return replace(
            self,
            separator=self.separator if said else metadata.label_separator,
            form=self.form if said else cast(FormChoice, metadata.label_form),
            names=self.names if said else metadata.label_names,
            aside=self.aside or frozenset(metadata.null_labels),
        )

    def check_types(self, kinds: Mapping[str, pa.DataType], *, where: str) -> None:
        """ConfigError when a column of these `kinds` can hold no labels, or none that are written so; UsageError where
        several are no way of writing."""
        if self.numbers:
            _check_numbers(kinds, where=where)
            return
        if len(kinds) > 1 and (self.separator is not None or self.form != "auto" or self.names):
            raise UsageError(
                "--label-column: several are columns of 0 and 1; leave --label-separator, --label-form and "
                "--label-names out, or name one column"
            )
        for name, kind in kinds.items():
            if len(kinds) > 1 and not is_one_label(kind):
                raise ConfigError(
                    f"{where}: label column {name!r} is {type_name(kind)}; several are columns of 0 and 1"
                )
            self._check_type(kind, name=name, where=where)

    def _check_type(self, kind: pa.DataType, *, name: str, where: str) -> None:
        if not is_label(kind):
            hint = "; make it a list of names, or a column for each" if pa.types.is_nested(kind) else ""
            raise ConfigError(
                f"{where}: label column {name!r} is {type_name(kind)}; a label is an integer, a name or a boolean, "
                f"and a row may have a list of them{hint}"
            )
        plain = plain_type(kind)
        if (
            self.form == "auto"
            and self.separator is not None
            and not (is_text(plain) or is_list(plain) or pa.types.is_integer(plain))
        ):
            raise ConfigError(
                f"{where}: label column {name!r} is {type_name(kind)}; --label-separator is for a column of texts"
            )
        if self.names and not (is_text(plain) or is_list(plain)):
            raise ConfigError(
                f"{where}: label column {name!r} is {type_name(kind)}; --label-names is for a column of vectors"
            )


def _parts(values: Sequence[str]) -> Iterator[str]:
    """What stands between the commas of all `values`."""
    for value in values:
        yield from (part.strip() for part in value.split(",") if part.strip())


def _check_numbers(kinds: Mapping[str, pa.DataType], *, where: str) -> None:
    if len(kinds) > 1:
        raise UsageError("--label-column: several are columns of 0 and 1, and real numbers stand in one; name that one")
    for name, kind in kinds.items():
        if not holds_numbers(kind):
            raise ConfigError(
                f"{where}: label column {name!r} is {kind}, where rows have real numbers: integers, floats, decimals, "
                "or texts that spell them"
            )


def _refuse_contradictions(separator: str | None, form: str, names: Sequence[str], *, numbers: bool) -> None:
    said = {"--label-separator": separator is not None, "--label-form": form != "auto", "--label-names": bool(names)}
    for flag in (flag for flag, given in said.items() if given and numbers):
        raise UsageError(f"{flag}: with --regression labels are real numbers, written as such; leave it out")
    if separator == "":
        raise UsageError("--label-separator: empty; say what stands between the labels, such as ','")
    if len(set(names)) < len(names):
        raise UsageError("--label-names: a name stands twice; each place of a vector has a name of its own")
    if len(names) == 1:
        raise UsageError("--label-names: one name; say that of each place of a vector, with commas between")
    if (separator is not None) + (form != "auto") + bool(names) > 1:
        raise UsageError(
            "--label-separator, --label-form and --label-names say in different ways how labels are written; keep one"
        )


@dataclass(frozen=True)
class LabelForm:
    """How the label `columns` are written.

    plain      each value is one label, or an Arrow list of them
    names      each value is one name, whatever it looks like
    numbers    each text is a whole number
    reals      each value is a real number; what is none is read as infinite
    separated  `separator` stands between the names of a text
    list       a text in brackets is a list, of which the items are all `items` (int or string)
    vector     a vector of 0 and 1, whose places have `names`
    columns    columns of 0 and 1, whose names are the labels

    With `single` a vector or the columns have exactly one 1 in each row. Rows with a label that is `aside` have none.
    `notes` say, for people, what was seen, `warnings` what is probably not meant. `classes` names the labels where the
    file has numbers in their place.
    """

    notation: Notation
    columns: tuple[str, ...]
    separator: str | None = None
    names: tuple[str, ...] = ()
    single: bool = False
    items: Literal["int", "string"] = "string"
    aside: frozenset[str] = frozenset()
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    classes: ClassLabels = field(default_factory=ClassLabels)

    def read(self, window: pa.Table) -> Labels:
        """The labels of the rows of `window`, which has the columns. DataError for a number that has no name."""
        window = self.classes.named(window)
        if self.notation == "columns":
            return self._read_columns(window)
        column = plain_column(window.column(self.columns[0]))
        if self.notation == "vector":
            return self._read_vectors(column)
        if self.notation == "reals":
            numbers, aside = real_numbers(column, self.aside)
            return Labels(_chunked(pa.array(numbers, from_pandas=True)), aside)
        if is_list(column.type):
            return Labels(column, _in_lists(column, self.aside))
        aside = is_any_of(column, self.aside)
        if self.notation in ("names", "separated"):
            if pa.types.is_float16(column.type):
                column = column.cast(pa.float32())
            column = column.cast(pa.large_string())
        if self.notation == "separated":
            separated = _mapped(column, pa.large_string(), self._separate)
            return Labels(separated, aside | _in_lists(separated, self.aside))
        if self.notation == "list":
            listed = _mapped(column, pa.int64() if self.items == "int" else pa.large_string(), self._list)
            return Labels(listed, aside | _in_lists(listed, self.aside))
        if self.notation == "numbers":
            sound = pc.if_else(pa.array(aside), pa.scalar(None, column.type), pc.utf8_trim_whitespace(column))
            sound = pc.if_else(pc.equal(sound, ""), pa.scalar(None, column.type), sound)
            column = _chunked(sound).cast(pa.float64())
        return Labels(column, aside)

    def _separate(self, text: str) -> list[str]:
        assert self.separator is not None
        return list(dict.fromkeys(part.strip() for part in text.split(self.separator) if part.strip()))

    def _list(self, text: str) -> list[Any] | None:
        if not text.strip():
            return None
        found = read_list(text)
        if found is None:
            found = read_bare_list(text) or [text.strip()]
        if self.items == "int":
            return [None if item is None else int(item) for item in found]
        return [None if item is None else item if isinstance(item, str) else _spelt(item) for item in found]

    def _read_vectors(self, column: pa.ChunkedArray) -> Labels:
        aside = np.zeros(len(column), np.bool_) if is_list(column.type) else is_any_of(column, self.aside)
        places = len(self.names)
        if is_list(column.type):
            lists = column.to_pylist()
        else:
            texts = column.cast(pa.large_string()).to_pylist()
            lists = [None if text is None else read_vector(text) for text in texts]
        numbers = np.full((len(lists), places), np.nan)
        for row, values in enumerate(lists):
            if values is not None and None not in values and len(values) == places:
                numbers[row] = values
        return self._chosen(numbers, aside)

    def _read_columns(self, window: pa.Table) -> Labels:
        read = [binary_column(window.column(name), self.aside) for name in self.columns]
        aside = np.any([aside for _, aside in read], axis=0) if read else np.zeros(window.num_rows, np.bool_)
        return self._chosen(np.stack([numbers for numbers, _ in read], axis=1), aside)

    def _chosen(self, numbers: NDArray[np.float64], aside: NDArray[np.bool_]) -> Labels:
        """The labels of which `numbers` (n, places) is 1; no labels where a number is none."""
        missing: NDArray[np.bool_] = np.asarray(~np.isin(numbers, (0.0, 1.0)).all(axis=1))
        chosen: NDArray[np.bool_] = np.asarray((numbers == 1.0) & ~missing[:, None])
        names = pa.array(self.names or self.columns, pa.large_string())
        if self.single:
            missing |= chosen.sum(axis=1) != 1
            return Labels(_chunked(names.take(pa.array(chosen.argmax(axis=1), mask=missing))), aside)
        return Labels(_chunked(list_array(chosen, missing, names.take(pa.array(np.nonzero(chosen)[1])))), aside)


@dataclass(frozen=True)
class Labels:
    """The labels of n rows: a `column` of one label a row or a list of them, and which rows (n,) are set `aside`, for
    their label says that there is none."""

    column: pa.ChunkedArray
    aside: NDArray[np.bool_]

    @property
    def several(self) -> bool:
        """Whether a row may have any number of labels."""
        return is_list(self.column.type)

    def missing(self) -> NDArray[np.bool_]:
        """Which rows (n,) have no label and are not set aside: null, NaN, a blank name, or a list that holds such."""
        return missing_labels(self.column) & ~self.aside


def missing_labels(column: pa.ChunkedArray) -> NDArray[np.bool_]:
    """Whether each row (n,) of a `plain_column` has no label: null, NaN or a name of nothing but white space, or a list
    that is null or holds such a value."""
    if is_list(column.type):
        found = np.asarray(column.is_null()).astype(np.bool_)
        owner, values = _items(column)
        found[owner[missing_labels(values)]] = True
        return found
    absent = pc.is_null(column, nan_is_null=True)
    if is_text(column.type):
        blank = pc.equal(pc.utf8_trim_whitespace(column.cast(pa.large_string())), "")
        absent = pc.or_(absent, pc.fill_null(blank, False))
    return np.asarray(absent).astype(np.bool_)


def _in_lists(column: pa.ChunkedArray, names: frozenset[str]) -> NDArray[np.bool_]:
    """Whether each row (n,) of a column of lists holds one of `names`."""
    found = np.zeros(len(column), np.bool_)
    if names:
        owner, values = _items(column)
        found[owner[is_any_of(values, names)]] = True
    return found


def _items(column: pa.ChunkedArray) -> tuple[NDArray[np.int64], pa.ChunkedArray]:
    """The row (items,) of each item of a column of lists, and the items."""
    lengths = np.asarray(pc.fill_null(pc.list_value_length(column), 0)).astype(np.int64)
    return np.repeat(np.arange(len(column)), lengths), plain_column(pc.list_flatten(column))


def _mapped(column: pa.ChunkedArray, items: pa.DataType, read: Callable[[str], list[Any] | None]) -> pa.ChunkedArray:
    """A column of lists of `items`: what `read` makes of each distinct text, null where it is null."""
    encoded = column.cast(pa.large_string()).combine_chunks().dictionary_encode()
    lists = pa.array([read(text) for text in encoded.dictionary.to_pylist()], pa.list_(items))
    return _chunked(lists.take(encoded.indices))


def _chunked(column: pa.Array | pa.ChunkedArray) -> pa.ChunkedArray:
    return column if isinstance(column, pa.ChunkedArray) else pa.chunked_array([column])


def _spelt(item: bool | float) -> str:
    """A value of a list as a name."""
    if isinstance(item, bool):
        return str(item).lower()
    return str(int(item)) if isinstance(item, float) and item.is_integer() else str(item)
