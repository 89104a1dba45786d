"""What a fit finds out about its data on the way: the part of a check that needs no second pass.

It reads no file: the examples come in, as a fit has them in memory.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scorer.checking.findings import Finding, by_severity
from scorer.checking.judgement import Judge
from scorer.checking.repeats import RowKeys, find_overlap, find_repeats, normalised, text_keys
from scorer.checking.tokens import Sample, check_tokens
from scorer.classifier.labels import LabelSet, Targets
from scorer.classifier.vocabulary import Vocabulary
from scorer.examples.reading import Examples
from scorer.examples.targets import label_counts
from scorer.stores.location import name_of

# Enough to tell a language by; the sample of long texts is smaller still.
_LANGUAGE_ROWS = 2_000


@dataclass(frozen=True)
class Side:
    """The usable rows of `file`, with targets as `label_indices` gives them."""

    file: str
    examples: Examples
    targets: Targets

    def keys(self) -> RowKeys:
        """What tells the rows apart."""
        rows = self.examples.keys()
        alike = text_keys(tuple(map(normalised, texts)) for texts in rows)
        return RowKeys(np.ones(len(rows), np.bool_), text_keys(rows), alike, _label_keys(self.targets))


@dataclass(frozen=True)
class SidesCheck:
    """What was found: the training rows of each label, in class-index order, and findings.

    Row numbers are left out of the findings: they would be those of usable rows, not of the file's.
    """

    label_rows: tuple[int, ...] = ()
    findings: tuple[Finding, ...] = ()

    def and_also(self, findings: Iterable[Finding]) -> SidesCheck:
        """This check with further findings."""
        return dataclasses.replace(self, findings=tuple(by_severity([*self.findings, *findings])))

    def as_dict(self) -> dict[str, Any]:
        """JSON types only; of files their names alone, for a model travels."""
        findings = [finding.as_dict() | {"file": name_of(finding.file)} for finding in self.findings]
        return {"label_rows": list(self.label_rows), "findings": findings}


def check_sides(train: Side, valid: Side | None, labels: LabelSet) -> SidesCheck:
    """Look at labels, repeated and contradicting texts of `train`, and at the texts that `valid` shares with it."""
    keys, rows = train.keys(), label_counts(train.targets, labels)
    judge = Judge(train.file, len(keys))
    counts = dict(zip(labels.names, rows.tolist(), strict=True))
    found = [
        *judge.label_counts(counts, multi=labels.multi, usable=len(keys)),
        *judge.repeats(find_repeats(keys)),
    ]
    if valid is not None:
        others = valid.keys()
        found += Judge(valid.file, len(others)).overlap(*find_overlap(others, keys), name_of(train.file))
    without_rows = [dataclasses.replace(finding, rows=()) for finding in found]
    return SidesCheck(tuple(rows.tolist()), tuple(by_severity(without_rows)))


def check_language(train: Examples, vocabulary: Vocabulary, *, file: str, max_length: int) -> list[Finding]:
    """Look, by a sample, whether the base model's `vocabulary` knows the language of the rows `train` of `file`."""
    sample = Sample(_LANGUAGE_ROWS)
    sample.add(train.keys())
    tokens = check_tokens(sample, vocabulary, max_length=max_length)
    return list(Judge(file, len(train)).language(tokens)) if tokens else []


def _label_keys(targets: Targets) -> NDArray[np.uint64]:
    """Equal numbers (n,) for the same labels, none of them NO_LABEL."""
    if targets.ndim == 1:
        return (targets + 1).astype(np.uint64)
    return (np.unique(targets, axis=0, return_inverse=True)[1].reshape(-1) + 1).astype(np.uint64)
