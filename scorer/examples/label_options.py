"""What a person, a model or a training file says of how labels are written.

Owns what of it is refused before any row is read. Does not look at rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import cast

import pyarrow as pa

from scorer.classifier.labels import LabelSet
from scorer.classifier.metadata import ModelMetadata
from scorer.config import CheckConfig, DiffConfig, EvaluateConfig, FitConfig, LabelForm
from scorer.errors import ConfigError, UsageError
from scorer.examples.example_columns import is_label, is_list, is_one_label
from scorer.tables.texts import is_text


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
    """

    separator: str | None = None
    form: LabelForm = "auto"
    names: tuple[str, ...] = ()
    aside: frozenset[str] = frozenset()
    skip: bool = False
    known: frozenset[str] = frozenset()
    multi: bool | None = None

    @classmethod
    def of(cls, config: FitConfig | CheckConfig | EvaluateConfig | DiffConfig) -> LabelOptions:
        """What `config` says. UsageError where it contradicts itself."""
        _check(config.label_separator, config.label_form, tuple(_parts(config.label_names)))
        return cls(
            separator=config.label_separator,
            form=config.label_form,
            names=tuple(_parts(config.label_names)),
            aside=frozenset(_parts(config.null_labels)),
            skip=not isinstance(config, DiffConfig) and config.skip_unlabelled,
        )

    def knowing(self, labels: LabelSet) -> LabelOptions:
        """These options where what is read must be some of `labels`."""
        return replace(self, known=frozenset(labels.names), multi=labels.multi)

    def or_as(self, metadata: ModelMetadata | None) -> LabelOptions:
        """These options and, where they say nothing, those of the fit that wrote `metadata`."""
        if metadata is None:
            return self
        said = self.separator is not None or self.form != "auto" or bool(self.names)
        return replace(
            self,
            separator=self.separator if said else metadata.label_separator,
            form=self.form if said else cast(LabelForm, metadata.label_form),
            names=self.names if said else metadata.label_names,
            aside=self.aside or frozenset(metadata.null_labels),
        )

    def check_types(self, kinds: Mapping[str, pa.DataType], *, where: str) -> None:
        """ConfigError when a column of these `kinds` can hold no labels, or none that are written so; UsageError where
        several are no way of writing."""
        if len(kinds) > 1 and (self.separator is not None or self.form != "auto" or self.names):
            raise UsageError(
                "--label-column: several are columns of 0 and 1; leave --label-separator, --label-form and "
                "--label-names out, or name one column"
            )
        for name, kind in kinds.items():
            if len(kinds) > 1 and not is_one_label(kind):
                raise ConfigError(f"{where}: label column {name!r} is {kind}; several are columns of 0 and 1")
            self._check_type(kind, name=name, where=where)

    def _check_type(self, kind: pa.DataType, *, name: str, where: str) -> None:
        if not is_label(kind):
            hint = "; make it a list of names, or a column for each" if pa.types.is_nested(kind) else ""
            raise ConfigError(
                f"{where}: label column {name!r} is {kind}; a label is an integer, a name or a boolean, "
                f"and a row may have a list of them{hint}"
            )
        plain = kind.value_type if pa.types.is_dictionary(kind) else kind
        if (
            self.form == "auto"
            and self.separator is not None
            and not (is_text(plain) or is_list(plain) or pa.types.is_integer(plain))
        ):
            raise ConfigError(f"{where}: label column {name!r} is {kind}; --label-separator is for a column of texts")
        if self.names and not (is_text(plain) or is_list(plain)):
            raise ConfigError(f"{where}: label column {name!r} is {kind}; --label-names is for a column of vectors")


def _parts(values: Sequence[str]) -> Iterator[str]:
    """What stands between the commas of all `values`."""
    for value in values:
        yield from (part.strip() for part in value.split(",") if part.strip())


def _check(separator: str | None, form: str, names: Sequence[str]) -> None:
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
