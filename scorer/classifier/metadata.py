"""`scorer.json`: what a model directory says of itself beyond what transformers keeps there.

The file's schema, its reading and writing, and the hashes of the directory's files. No weights are loaded.

A directory is written in this order: every other file first, `scorer.json` last, so that a directory with a
`scorer.json` is complete.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from io import BufferedReader
from itertools import pairwise
from pathlib import Path
from typing import Any, get_args

from scorer.classifier.decision import Activation, Decision, Points
from scorer.classifier.labels import LabelSet
from scorer.classifier.long_text import LongText
from scorer.classifier.profile import Profile
from scorer.config import LabelForm
from scorer.errors import ModelError
from scorer.stores.fingerprints import KnownHashes

METADATA_FILE = "scorer.json"
# What a model directory has in its place that is no classifier yet: a base model that was adapted.
ADAPTATION_FILE = "adapt.json"
SCHEMA_VERSION = 9
MOST_EXPONENT = 4.0
STEEPEST = 100.0
# Version 1 had one `temperature` in the place of `decision`.
_READABLE = (1, 2, 3, 4, 5, 6, 7, 8, 9)


@dataclass(frozen=True, kw_only=True)
class ModelMetadata:
    """The contents of `scorer.json`.

    `label_separator` stands between the labels of a row where the training file had them in a column of texts,
    `label_columns` are the columns of 0 and 1 whose names are the labels, where it had those (`label_column` names them
    all, for people), `label_names` the names of a vector's places, `label_form` what was said a label is, and
    `null_labels` what said that there is none.
    `new_tokens` is how many tokens the vocabulary has beyond that of the base model. `token_types` says whether the
    tokenizer tells which text of a pair a token is of, where tokenizer.json is the whole tokenizer; None where that is
    not known, as in documents that an earlier version wrote. `long_text` says how texts beyond
    `max_length` are read (truncated, where the file says nothing of it). `decision` is what stands between logits and
    labels, `profile` what the training data looked like (None in documents that an earlier version wrote). `metrics`
    are those of the validation rows, `uncalibrated` the same before calibration (empty in documents that an earlier
    version wrote), `seeds` what each seed came to where the fit was one of several, `teacher` the
    name and the fingerprint of the model whose answers were learned beside the labels (None without one), `training`
    the configuration of the fit, `files` maps each file of the directory to the SHA-256 of its bytes (hexadecimal).
    """

    base_model: str
    text_columns: tuple[str, ...]
    label_column: str
    labels: LabelSet
    max_length: int
    label_columns: tuple[str, ...] = ()
    label_separator: str | None = None
    label_form: str = "auto"
    label_names: tuple[str, ...] = ()
    null_labels: tuple[str, ...] = ()
    new_tokens: int = 0
    token_types: bool | None = None
    long_text: LongText = field(default_factory=LongText)
    decision: Decision = field(default_factory=Decision)
    training: dict[str, Any] = field(default_factory=dict)
    training_data: dict[str, Any] = field(default_factory=dict)
    metrics: dict[str, Any] = field(default_factory=dict)
    uncalibrated: dict[str, Any] = field(default_factory=dict)
    seeds: list[dict[str, Any]] = field(default_factory=list)
    teacher: dict[str, Any] | None = None
    profile: Profile | None = None
    versions: dict[str, str] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)

    @property
    def label_source(self) -> tuple[str, ...]:
        """The column of labels, or the columns of 0 and 1."""
        return self.label_columns or (self.label_column,)

    def as_document(self) -> dict[str, Any]:
        """JSON types only."""
        return dataclasses.asdict(self) | {"decision": self.decision.as_document()}

    def write(self, directory: Path) -> None:
        """Write `scorer.json` into `directory`, with the hashes of the files that stand there now."""
        files = {path.relative_to(directory).as_posix(): sha256(path) for path in _files(directory)}
        document = {"schema_version": SCHEMA_VERSION, **dataclasses.replace(self, files=files).as_document()}
        text = json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False)
        (directory / METADATA_FILE).write_text(text + "\n", encoding="utf-8")

    @classmethod
    def read(cls, directory: Path) -> ModelMetadata | None:
        """The metadata of `directory`, or None when scorer did not write it. A damaged file is a ModelError."""
        path = directory / METADATA_FILE
        if not path.exists():
            return None
        try:
            document = json.loads(path.read_text(encoding="utf-8"))
            version = document.pop("schema_version")
            if version not in _READABLE:
                raise ModelError(f"{path}: schema version {version}; this scorer reads versions up to {SCHEMA_VERSION}")
            labels = document.pop("labels")
            profile = document.pop("profile", None)
            metadata = cls(
                labels=LabelSet(tuple(labels.pop("names")), **labels),
                decision=_decision(document),
                profile=Profile.from_document(profile) if profile is not None else None,
                long_text=LongText(**document.pop("long_text", {})),
                text_columns=tuple(_strings(document.pop("text_columns"))),
                label_columns=tuple(_strings(document.pop("label_columns", []))),
                label_names=tuple(_strings(document.pop("label_names", []))),
                null_labels=tuple(_strings(document.pop("null_labels", []))),
                **document,
            )
            metadata._check()
            return metadata
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ModelError(
                f"{path}: not readable as model metadata ({type(error).__name__}); fit the model again"
            ) from error

    def _check(self) -> None:
        """ValueError where a field that decides an answer holds what `write` would never have written."""
        self._check_decision()
        if not (isinstance(self.max_length, int) and self.max_length > 0):
            raise ValueError("max_length")
        if type(self.new_tokens) is not int or self.new_tokens < 0:
            raise ValueError("new_tokens")
        if not isinstance(self.token_types, bool | None):
            raise ValueError("token_types")
        self.long_text.check(max_length=self.max_length)
        if len(self.text_columns) not in (1, 2):
            raise ValueError("text_columns")
        if not _strings(list(self.labels.names)):
            raise ValueError("labels")
        natural = LabelSet.from_values(self.labels.values).kind
        if self.labels.kind != natural and not (self.labels.is_number and len(self.labels) == 1):
            raise ValueError("labels")
        if len(set(self.labels.values)) < len(self.labels):
            raise ValueError("labels")
        if not (isinstance(self.labels.multi, bool) and isinstance(self.labels.nominal, bool)):
            raise ValueError("labels")
        if self.labels.nominal and self.labels.kind != "int":
            raise ValueError("labels")
        if self.profile is not None:
            self.profile.check(labels=len(self.labels))
            if self.profile.of_numbers != self.labels.is_number:
                raise ValueError("profile: numbers")
        if self.label_separator is not None and not (self.label_separator and _strings([self.label_separator])):
            raise ValueError("label_separator")
        if self.label_form not in get_args(LabelForm):
            raise ValueError("label_form")
        if self.teacher is not None and self.teacher.keys() != {"name", "fingerprint"}:
            raise ValueError("teacher")
        _strings([*self.files.values(), *(self.teacher or {}).values()])

    def _check_decision(self) -> None:
        decision = self.decision
        if len(decision.temperature) not in (1, len(self.labels)) or not all(map(_positive, decision.temperature)):
            raise ValueError("temperature")
        if not _positive(decision.exponent) or decision.exponent > MOST_EXPONENT:
            raise ValueError("exponent")
        if decision.odds_map and (self.labels.multi or len(self.labels) < 2 or not _is_rising(decision.odds_map)):
            raise ValueError("odds_map")
        if decision.multi != self.labels.multi:
            raise ValueError("thresholds")
        if decision.activation not in ((*get_args(Activation),) if self.labels.is_number else (None,)):
            raise ValueError("activation")
        if decision.activation is not None and decision != Decision(activation=decision.activation):
            raise ValueError("activation")
        if decision.thresholds is not None and len(decision.thresholds) != len(self.labels):
            raise ValueError("thresholds")
        if not all(map(_positive, decision.thresholds or ())):
            raise ValueError("thresholds")
        if decision.abstain_below is not None and (decision.multi or not _positive(decision.abstain_below)):
            raise ValueError("abstain_below")

    def verify(self, directory: Path, hash_of: Callable[[Path], str]) -> None:
        """Compare every recorded hash with the file's, which `hash_of` says (`sha256`, `known_sha256`); a difference or
        a missing file is a ModelError."""
        for name, expected in self.files.items():
            path = directory / name
            if not path.is_file():
                raise ModelError(f"{path}: missing, though {METADATA_FILE} lists it; fit or copy the model again")
            if hash_of(path) != expected:
                raise ModelError(f"{path}: changed since the model was written; fit or copy the model again")


def compare_files(path: Path, recorded: dict[str, str] | None) -> dict[str, str]:
    """`ok`, `changed`, `missing` or `unlisted` for each file in the model directory `path`, whose hashes were
    `recorded`; `not recorded` for all where scorer wrote none."""
    present = {file.relative_to(path).as_posix(): file for file in sorted(path.rglob("*")) if file.is_file()}
    present.pop(METADATA_FILE, None)
    if recorded is None:
        return dict.fromkeys(present, "not recorded")
    states = {name: "ok" if sha256(file) == recorded.get(name) else "changed" for name, file in present.items()}
    states |= dict.fromkeys(present.keys() - recorded.keys(), "unlisted")
    return dict(sorted((states | dict.fromkeys(recorded.keys() - present.keys(), "missing")).items()))


def sha256(path: Path) -> str:
    """The SHA-256 of a file's bytes, hexadecimal; every byte is read."""
    with path.open("rb") as stream:
        return _digest(stream)


def known_sha256(path: Path) -> str:
    """The same, but a file that was hashed before, and did not change since as far as its times tell, is not read.

    Good enough to say that nothing is to be done. What is about to be loaded is read, every byte of it: a disk that
    loses a bit changes no time.
    """
    return KnownHashes.of_user().hash_of(path, "sha256", _digest)


def _digest(stream: BufferedReader) -> str:
    return hashlib.file_digest(stream, "sha256").hexdigest()


def _decision(document: dict[str, Any]) -> Decision:
    """Taken out of the document, whose version may be 1."""
    if "temperature" in document:
        return Decision((document.pop("temperature"),))
    found = document.pop("decision")
    temperature, thresholds, abstain_below = (found.pop(key) for key in ("temperature", "thresholds", "abstain_below"))
    thresholds = tuple(thresholds) if thresholds is not None else None
    exponent, activation = found.pop("exponent"), found.pop("activation", None)
    odds_map = tuple((before, after) for before, after in found.pop("odds_map", ()))
    decision = Decision(tuple(temperature), thresholds, abstain_below, exponent, activation, odds_map)
    if found:
        raise ValueError("decision")
    return decision


def _positive(value: Any) -> bool:
    return isinstance(value, float | int) and 0 < value < float("inf")


def _is_rising(points: Points) -> bool:
    """Whether these are the points of a map that a fit may write: rising, and nowhere nearly flat or steep."""
    if not all(isinstance(value, float | int) and abs(value) < float("inf") for point in points for value in point):
        return False
    pieces = list(pairwise(points))
    return bool(pieces) and all(
        after[0] > before[0] and 1 / STEEPEST <= (after[1] - before[1]) / (after[0] - before[0]) <= STEEPEST
        for before, after in pieces
    )


def _strings(values: Any) -> list[str]:
    """`values`; ValueError unless it is a list of strings."""
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise ValueError("strings")
    return values


def _files(directory: Path) -> list[Path]:
    return sorted(path for path in directory.rglob("*") if path.is_file() and path.name != METADATA_FILE)
