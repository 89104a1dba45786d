"""Both sides of the split: checked, labelled, and what there is to say about them.

Takes the validation file where there is one, and else holds rows out. Decides which findings are warnings.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from scorer.checking.findings import Finding
from scorer.checking.judgement import MUCH_TRUNCATED
from scorer.checking.sides import Side, SidesCheck, check_language, check_sides
from scorer.classifier.labels import LabelSet, Targets
from scorer.classifier.vocabulary import Vocabulary
from scorer.config import FitConfig
from scorer.errors import DataError, UsageError
from scorer.examples.example_columns import refuse_answers
from scorer.examples.label_form import LabelOptions
from scorer.examples.reading import Examples, read_examples
from scorer.examples.split import stratified_split
from scorer.examples.targets import label_indices, label_set
from scorer.runs.console import Console
from scorer.tables.header import given_names


@dataclass(frozen=True)
class TrainingData:
    """Checked examples on both sides of the split; targets as `label_indices` gives them; `check` is what was found."""

    train: Examples
    train_targets: Targets
    valid: Examples
    valid_targets: Targets
    labels: LabelSet
    check: SidesCheck = field(default_factory=SidesCheck)

    def fingerprints(self) -> dict[str, str]:
        return {"train": self.train.fingerprint, "valid": self.valid.fingerprint}

    def lineage(self, config: FitConfig) -> dict[str, Any]:
        """What the model directory says about its training data."""
        train = {"file": config.train.name, "fingerprint": self.train.fingerprint, "rows": len(self.train)}
        valid = {"fingerprint": self.valid.fingerprint, "rows": len(self.valid)}
        valid["file"] = config.valid.name if config.valid else config.train.name
        return {"train": train, "valid": valid, "check": self.check.as_dict()}


def load_data(config: FitConfig, console: Console) -> TrainingData:
    """Read, check and split the data; what was dropped and what the check warns of is a line on the console."""
    where = str(config.train)
    options, names = LabelOptions.of(config), given_names(config)
    if not config.label_column:
        refuse_answers(where, names=names)
    train = read_examples(
        where,
        text_columns=config.text_column,
        label_columns=config.label_column,
        options=options,
        names=names,
        limit=config.limit,
    )
    _tell(train, where, console)
    name = train.columns.label
    labels = label_set(train.labels, name=name, where=where, multi=train.multi, nominal=config.nominal)
    targets = label_indices(train.labels, labels, name=name, where=where)
    if labels.multi and config.abstain is not None:
        raise UsageError("--abstain: rows have several labels here, each with a confidence of its own; leave it out")
    side = Side(where, train, targets)
    if config.valid is None:
        return _held_out(config, side, labels, _checked(config, check_sides(side, None, labels), console))
    valid = read_examples(
        str(config.valid),
        text_columns=train.columns.texts,
        label_columns=train.columns.labels,
        options=options.knowing(labels),
        names=names,
    )
    _tell(valid, str(config.valid), console)
    valid_targets = label_indices(valid.labels, labels, name=name, where=str(config.valid))
    check = check_sides(side, Side(str(config.valid), valid, valid_targets), labels)
    return TrainingData(train, targets, valid, valid_targets, labels, _checked(config, check, console))


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
    kept, held_out = stratified_split(targets, train.groups(), fraction=config.held_out, seed=config.seed)
    if not len(held_out):
        raise DataError(f"{config.train}: {len(train)} rows are too few to hold any out; add rows or give --valid")
    return TrainingData(train.take(kept), targets[kept], train.take(held_out), targets[held_out], labels, check)


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
