"""What an output says of where it came from: the document under the footer's key `scorer`.

No clock time is in it, so the same job on the same input gives the same bytes. Documents of version 1, which named its
command by a mark or not at all, are read too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Self, get_args

from scorer.errors import DataError
from scorer.records.document import from_document, to_document
from scorer.records.flips import Certificate
from scorer.records.job import ROLES, JobSpec, Kind

LINEAGE_VERSION = 2
_MARKS: Mapping[str, Kind] = {"evaluation": "evaluate", "diff": "diff"}
_FOUND = ("counts", "drift", "flips")


@dataclass(frozen=True, kw_only=True)
class Counts:
    """Rows in all and by `score_status`."""

    rows: int
    statuses: Mapping[str, int]


@dataclass(frozen=True, kw_only=True)
class Drift:
    """The comparison of a run's `rows` with the profile of its model.

    psi                     population stability index of `length`, `truncated` (longer than the model can see, or not),
                            `labels` (as predicted), `confidence` unless rows may leave the model early, and `unknown`
                            (a row's share of unknown tokens) where the profile counts those
    chance                  what each of them exceeds once in a thousand runs without any drift
    truncated_share         share of the rows that is longer than the model can see, and its difference from the profile
    unknown_share           share of the rows' tokens that the tokenizer does not know, and the same; None when it has
                            no such token, and of outputs that an earlier version wrote

    None of it depends on which scores were known before: what is kept of a score says how many tokens were unknown.
    """

    rows: int
    psi: Mapping[str, float]
    chance: Mapping[str, float]
    truncated_share: float
    truncated_share_change: float
    unknown_share: float | None = None
    unknown_share_change: float | None = None

    def as_dict(self) -> dict[str, Any]:
        """JSON types only."""
        return dict(vars(self))

    def beyond(self, limit: float) -> dict[str, float]:
        """The indices that are above `limit` and above chance, by name."""
        return {name: psi for name, psi in self.psi.items() if psi > max(limit, self.chance[name])}


@dataclass(frozen=True, kw_only=True)
class Lineage:
    """The `job`, the fingerprint of its `input`, and what was found out about the rows when they were scored."""

    job: JobSpec
    input: str
    counts: Counts | None = None
    drift: Drift | None = None
    flips: Certificate | None = None

    @property
    def kind(self) -> Kind:
        """The command that wrote the output."""
        return self.job.kind

    def same_job(self, other: Self) -> bool:
        """Whether both are the same job on the same input, whatever was found out about the rows."""
        return (self.job, self.input) == (other.job, other.input)

    def with_found(self, *, counts: Counts, drift: Drift | None, flips: Certificate | None = None) -> Self:
        """The same, when the rows have been scored."""
        return replace(self, counts=counts, drift=drift, flips=flips)

    def as_document(self) -> dict[str, Any]:
        """JSON types only."""
        document: dict[str, Any] = {
            "lineage_version": LINEAGE_VERSION,
            "kind": self.kind,
            **{role: _without_none(to_document(model)) for role, model in self.job.models.items()},
            "input": {"fingerprint": self.input},
            "options": to_document(self.job)["options"],
            "versions": dict(self.job.versions),
        }
        found = {name: to_document(record) for name in _FOUND if (record := getattr(self, name)) is not None}
        return document | found

    @classmethod
    def of_document(cls, document: Any, *, where: str) -> Self:
        """The lineage that `document` tells. DataError, which begins with `where`, when scorer wrote no such document,
        or a later version did."""
        if not isinstance(document, dict):
            raise DataError(f"{where}: {type(document).__name__}, not an object")
        document = _upgraded(document, where)
        version = document.pop("lineage_version")
        if type(version) is not int or version != LINEAGE_VERSION:
            raise DataError(f"{where}: lineage of version {version!r:.20}; this scorer reads up to {LINEAGE_VERSION}")
        if (kind := document.pop("kind", None)) not in get_args(Kind):
            raise DataError(f"{where}: of no kind that this scorer knows")
        models = {role: _model(document.pop(role, None), where, role) for role in ROLES[kind]}
        source = document.pop("input", None)
        if not isinstance(source, dict) or source.keys() != {"fingerprint"}:
            raise DataError(f"{where}: input: an object with a fingerprint is expected")
        job = {name: document.pop(name, {}) for name in ("options", "versions")}
        found = {name: document.pop(name, None) for name in _FOUND}
        if document:
            raise DataError(f"{where}: unknown key {', '.join(sorted(map(repr, document)))}")
        spec = from_document(JobSpec, {"kind": kind, "models": models, **job}, where=where)
        flat = {"job": to_document(spec), "input": source["fingerprint"], **found}
        return from_document(cls, flat, where=where)


def _model(document: Any, where: str, role: str) -> dict[str, Any]:
    """All keys of a `ModelRecord`, of which those that a job has no use for are left out of a document."""
    if not isinstance(document, dict):
        raise DataError(f"{where}: {role}: an object is expected")
    return dict.fromkeys(("labels", "decision", "long_text")) | document


def _without_none(document: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in document.items() if value is not None}


def _upgraded(document: dict[str, Any], where: str) -> dict[str, Any]:
    """A copy of `document` as the present version has it."""
    document = dict(document)
    marks = [mark for mark in _MARKS if document.get(mark) is True]
    if "kind" in document or (document.get("lineage_version") != 1 and not marks):
        if "lineage_version" not in document:
            raise DataError(f"{where}: not a lineage that scorer wrote")
        return document
    if len(marks) > 1:
        raise DataError(f"{where}: of two kinds at once")
    kind: Kind = _MARKS[marks[0]] if marks else "score"
    for mark in marks:
        del document[mark]
    document |= {"lineage_version": LINEAGE_VERSION, "kind": kind}
    if "folds" in document:
        document["options"] = {"folds": document.pop("folds")}
    options, model = document.get("options"), document.get("model")
    if kind == "score" and isinstance(options, dict) and isinstance(model, dict):
        options = dict(options)
        if "text_columns" in options:
            options["text_column"] = options.pop("text_columns")
        document["model"] = {**model, "long_text": options.pop("long_text", None)}
        document["options"] = options
    drift = document.get("drift")
    if isinstance(drift, dict):
        # Outputs of the earliest version count no unknown tokens.
        document["drift"] = {"unknown_share": None, "unknown_share_change": None} | drift
    return document
