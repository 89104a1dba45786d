"""Both sides of the split: checked, labelled, and what there is to say about them.

Takes the validation file where there is one, and else holds rows out. Of a check (`scorer.checking`) it makes the part
that needs no second pass over a file, and decides which findings are warnings.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scorer.checking.findings import Finding, by_severity
from scorer.checking.judgement import MUCH_TRUNCATED, Judge
from scorer.checking.repeats import RowKeys, alike_keys, find_overlap, find_repeats, text_keys
from scorer.checking.tokens import Sample, check_tokens
from scorer.classifier.labels import LabelSet, RowTargets
from scorer.classifier.vocabulary import Vocabulary
from scorer.config import Data, FitConfig
from scorer.errors import DataError, UsageError
from scorer.examples.example_columns import refuse_answers
from scorer.examples.label_form import LabelOptions
from scorer.examples.reading import Examples, read_examples
from scorer.examples.splits import Splits
from scorer.examples.targets import label_counts, label_indices, label_set, stratified_split
from scorer.runs.console import Console
from scorer.stores.location import name_of
from scorer.tables.dialect import Dialect
from scorer.tables.rejects import Rejects, rejected_by
from scorer.tables.source import Source

# Enough to tell a language by; the sample of long texts is smaller still.
_LANGUAGE_ROWS = 2_000


@dataclass(frozen=True)
class Side:
    """The usable rows of `file`, with targets as `label_indices` gives them."""

    file: str
    examples: Examples
    targets: RowTargets

    @cached_property
    def keys(self) -> RowKeys:
        """What tells the rows apart."""
        rows = self.examples.keys()
        return RowKeys(np.ones(len(rows), np.bool_), text_keys(rows), alike_keys(rows), _label_keys(self.targets))


@dataclass(frozen=True)
class SidesCheck:
    """What was found: the training rows of each label, in class-index order, and findings.

    Row numbers are left out of the findings: they would be those of usable rows, not of the file's.
    """

    label_rows: tuple[int, ...] = ()
    findings: tuple[Finding, ...] = ()

    def and_also(self, findings: Iterable[Finding]) -> SidesCheck:
        """This check with further findings."""
        return replace(self, findings=tuple(by_severity([*self.findings, *findings])))

    def as_dict(self) -> dict[str, Any]:
        """JSON types only; of files their names alone, for a model travels."""
        findings = [finding.as_dict() | {"file": name_of(finding.file)} for finding in self.findings]
        return {"label_rows": list(self.label_rows), "findings": findings}


@dataclass(frozen=True)
class TrainingData:
    """Checked examples on both sides of the split; targets as `label_indices` gives them; `check` is what was found.
    `rejected` malformed records of all files were set aside. The validation rows may be `of_split`: one that the
    training data has itself. `held_out` tells which of the training rows they are where texts that only look different
    kept some of them out; an earlier version held out others then."""

    train: Examples
    train_targets: RowTargets
    valid: Examples
    valid_targets: RowTargets
    labels: LabelSet
    check: SidesCheck = field(default_factory=SidesCheck)
    rejected: int = 0
    of_split: bool = False
    held_out: str | None = None

    def fingerprints(self) -> dict[str, str]:
        return {"train": self.train.fingerprint, "valid": self.valid.fingerprint}

    def lineage(self, config: FitConfig) -> dict[str, Any]:
        """What the model directory says about its training data."""
        train = {"file": config.train.name, "fingerprint": self.train.fingerprint, "rows": len(self.train)}
        valid = {"fingerprint": self.valid.fingerprint, "rows": len(self.valid)}
        valid["file"] = config.valid.name if config.valid else config.train.name
        if self.of_split:
            valid["split"] = "validation"
        return {"train": train, "valid": valid, "check": self.check.as_dict()}


def load_data(config: FitConfig, console: Console, rejects: Rejects | None = None) -> TrainingData:
    """Read, check and split the data; what was dropped and what the check warns of is a line on the console."""
    where = str(config.train)
    options, dialect = LabelOptions.of(config), Dialect.of(config)
    splits = Splits.of(config.train)
    source = Source.open(splits.train, dialect=dialect, rejects=rejects)
    if not config.label_column:
        refuse_answers(where, opened=source)
    train = read_examples(
        where,
        opened=source,
        text_columns=config.text_column,
        label_columns=config.label_column,
        options=options,
        dialect=dialect,
        rejects=rejects,
        limit=config.limit,
    )
    _tell(train, where, console)
    name = train.columns.label
    labels = label_set(
        train.labels, name=name, where=where, multi=train.multi, nominal=config.nominal, numbers=config.regression
    )
    targets = label_indices(train.labels, labels, name=name, where=where)
    if labels.multi and config.abstain is not None:
        raise UsageError("--abstain: rows have several labels here, each with a confidence of its own; leave it out")
    side = Side(where, train, targets)
    others = splits.valid if config.valid_fraction is None else None
    others = Data(config.valid) if config.valid is not None else others
    for line in splits.told(valid=others):
        console.say(line)
    if others is None:
        held_out = _held_out(config, side, labels, _checked(config, check_sides(side, None, labels), console))
        return replace(held_out, rejected=rejected_by(rejects))
    valid_where = str(config.valid or f"{where}: validation")
    valid = read_examples(
        valid_where,
        opened=Source.open(others, dialect=dialect, rejects=rejects),
        text_columns=train.columns.texts,
        label_columns=train.columns.labels,
        options=options.knowing(labels),
        dialect=dialect,
        rejects=rejects,
    )
    _tell(valid, valid_where, console)
    valid_targets = label_indices(valid.labels, labels, name=name, where=valid_where)
    check = check_sides(side, Side(valid_where, valid, valid_targets), labels)
    check = _checked(config, check, console)
    of_split = config.valid is None
    return TrainingData(train, targets, valid, valid_targets, labels, check, rejected_by(rejects), of_split)


def _checked(config: FitConfig, check: SidesCheck, console: Console) -> SidesCheck:
    """`check`, once its warnings have been said. DataError when `--strict` forbids one of them: overlapping texts."""
    for finding in check.findings:
        if finding.code == "overlap" and config.strict:
            raise DataError(f"{finding.file}: {finding.what}; take them out of one of the files")
        heeded = finding.code == "imbalance" and config.class_weight != "none"
        if finding.severity != "note" and not heeded:
            _warn_of(finding, console)
    return check


def with_language(data: TrainingData, vocabulary: Vocabulary, config: FitConfig, console: Console) -> TrainingData:
    """`data` with a finding, which is said too, where the base model's `vocabulary` does not know its language."""
    found = check_language(data.train, vocabulary, file=str(config.train), max_length=config.max_length)
    for finding in found:
        _warn_of(finding, console)
    return replace(data, check=data.check.and_also(found))


def _warn_of(finding: Finding, console: Console) -> None:
    console.warn(f"{finding.file}: {finding.what}; {finding.advice}")


def _held_out(config: FitConfig, side: Side, labels: LabelSet, check: SidesCheck) -> TrainingData:
    """Hold out a stratified share of the training rows."""
    train, targets = side.examples, side.targets
    groups = side.keys.groups()
    kept, held_out = stratified_split(targets, groups, fraction=config.held_out, seed=config.seed)
    if not len(held_out):
        texts = groups.max() + 1
        alike = f" of {texts} different texts" if texts < len(train) else ""
        raise DataError(
            f"{config.train}: {len(train)} rows{alike} are too few to hold any out; add rows or give --valid"
        )
    rows = hashlib.blake2b(held_out.tobytes(), digest_size=8).hexdigest()
    return TrainingData(
        train.take(kept),
        targets[kept],
        train.take(held_out),
        targets[held_out],
        labels,
        check,
        held_out=rows if side.keys.has_twins() else None,
    )


def _tell(examples: Examples, where: str, console: Console) -> None:
    for warning in examples.unread.warnings():
        console.warn(warning)
    if examples.dropped:
        console.warn(f"{where}: {examples.dropped} of {examples.rows} rows left out: their text is null or empty")
    for remark in examples.remarks(where):
        console.say(remark)
    for warning in examples.form.warnings:
        console.warn(f"{where}: {warning}")


def truncation_warnings(share: float, config: FitConfig, *, positions: int | None, pairs: bool) -> list[str]:
    """A line when a large `share` (0 to 1) of the training texts, or `pairs` of them, is longer than the model sees,
    else none. The base model could see `positions` tokens, or any number."""
    if share < MUCH_TRUNCATED:
        return []
    advice = []
    if positions is None or config.max_length < positions:
        advice.append("make it larger (scorer check suggests a length)")
    if not pairs and config.long_text != "window":
        advice.append("read them whole with --long-text window")
    return [
        f"{config.train}: {100 * share:.1f} % of the texts are longer than --max-length {config.max_length} and cut "
        f"off; {', or '.join(advice) or 'choose a base model with more positions, by --base-model'}"
    ]


def check_sides(train: Side, valid: Side | None, labels: LabelSet) -> SidesCheck:
    """Look at labels, repeated and contradicting texts of `train`, and at the texts that `valid` shares with it."""
    keys, judge = train.keys, Judge(train.file, len(train.targets))
    found, rows = _check_labels(judge, train.targets, labels)
    found += judge.repeats(find_repeats(keys))
    if valid is not None:
        others = valid.keys
        found += Judge(valid.file, len(others)).overlap(*find_overlap(others, keys), name_of(train.file))
    without_rows = [replace(finding, rows=()) for finding in found]
    return SidesCheck(rows, tuple(by_severity(without_rows)))


def _check_labels(judge: Judge, targets: RowTargets, labels: LabelSet) -> tuple[list[Finding], tuple[int, ...]]:
    """What is found of the labels of training rows, or of their numbers; and how many rows each label has."""
    if labels.is_number:
        return list(judge.numbers(targets)), ()
    rows = label_counts(targets, labels).tolist()
    counts = dict(zip(labels.names, rows, strict=True))
    return list(judge.label_counts(counts, multi=labels.multi, usable=len(targets))), tuple(rows)


def check_language(train: Examples, vocabulary: Vocabulary, *, file: str, max_length: int) -> list[Finding]:
    """Look, by a sample, whether the base model's `vocabulary` knows the language of the rows `train` of `file`."""
    sample = Sample(_LANGUAGE_ROWS)
    sample.add(train.keys())
    tokens = check_tokens(sample, vocabulary, max_length=max_length)
    return list(Judge(file, len(train)).language(tokens)) if tokens else []


def _label_keys(targets: RowTargets) -> NDArray[np.uint64]:
    """Equal numbers (n,) for the same labels, none of them NO_LABEL."""
    if targets.ndim == 1 and targets.dtype.kind != "f":
        return (targets + 1).astype(np.uint64)
    return (np.unique(targets, axis=0, return_inverse=True)[1].reshape(-1) + 1).astype(np.uint64)
