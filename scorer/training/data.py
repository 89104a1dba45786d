"""Both sides of the split: checked, labelled, and what there is to say about them.

Owns the choice between a validation file and held-out rows. Does not know tokens or models.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from scorer.classifier.labels import LabelSet, Targets
from scorer.config import FitConfig
from scorer.errors import DataError
from scorer.examples.reading import Examples, overlap, read_examples
from scorer.examples.split import stratified_split
from scorer.examples.targets import label_indices, label_set, lonely
from scorer.runs.console import Console


@dataclass(frozen=True)
class TrainingData:
    """Checked examples on both sides of the split; targets as `label_indices` gives them."""

    train: Examples
    train_targets: Targets
    valid: Examples
    valid_targets: Targets
    labels: LabelSet

    def fingerprints(self) -> dict[str, str]:
        return {"train": self.train.fingerprint, "valid": self.valid.fingerprint}

    def lineage(self, config: FitConfig) -> dict[str, Any]:
        """What the model directory says about its training data."""
        train = {"file": config.train.name, "fingerprint": self.train.fingerprint, "rows": len(self.train)}
        valid = {"fingerprint": self.valid.fingerprint, "rows": len(self.valid)}
        valid["file"] = config.valid.name if config.valid else config.train.name
        return {"train": train, "valid": valid}


def load_data(config: FitConfig, console: Console) -> TrainingData:
    """Read, check and split the data; what was dropped, is alone or is on both sides is a warning with its count."""
    where = str(config.train)
    train = read_examples(
        where,
        text_columns=config.text_column,
        label_column=config.label_column,
        label_separator=config.label_separator,
        limit=config.limit,
    )
    _warn_dropped(train, where, console)
    name = train.columns.label
    labels = label_set(train.labels, name=name, where=where, multi=train.multi)
    targets = label_indices(train.labels, labels, name=name, where=where)
    if config.valid is None:
        return _held_out(config, train, targets, labels, console)
    valid = read_examples(
        str(config.valid),
        text_columns=train.columns.texts,
        label_column=name,
        label_separator=config.label_separator,
    )
    _warn_dropped(valid, str(config.valid), console)
    valid_targets = label_indices(valid.labels, labels, name=name, where=str(config.valid))
    shared = overlap(train, valid)
    if shared:
        leak = f"{config.valid}: {shared} of {len(valid)} rows have a text that is also in {where}"
        if config.strict:
            raise DataError(f"{leak}; take them out of one of the files")
        console.warn(f"{leak}, so the metrics flatter the model")
    return TrainingData(train, targets, valid, valid_targets, labels)


def _held_out(config: FitConfig, train: Examples, targets: Targets, labels: LabelSet, console: Console) -> TrainingData:
    """Hold out a stratified share of `train`."""
    alone = lonely(targets, labels)
    if alone:
        console.warn(
            f"{config.train}: {len(alone)} of {len(labels)} labels have a single row, which is trained on "
            "and not validated; add rows or merge labels"
        )
    kept, held_out = stratified_split(targets, train.groups(), fraction=config.valid_fraction, seed=config.seed)
    if not len(held_out):
        raise DataError(f"{config.train}: {len(train)} rows are too few to hold any out; add rows or give --valid")
    return TrainingData(train.take(kept), targets[kept], train.take(held_out), targets[held_out], labels)


def _warn_dropped(examples: Examples, where: str, console: Console) -> None:
    if examples.dropped:
        console.warn(f"{where}: {examples.dropped} of {examples.rows} rows left out: their text is null or empty")
