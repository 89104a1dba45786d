"""What decides an output: the job, without its input. Whether two are the same is said without weights and torch."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from scorer.records.document import plain, to_json

Kind = Literal["score", "evaluate", "diff"]
# What each kind of job calls its models.
ROLES: Mapping[Kind, tuple[str, ...]] = {"score": ("model",), "evaluate": ("model",), "diff": ("old", "new")}


@dataclass(frozen=True, kw_only=True)
class ModelRecord:
    """What a model directory brings to a job.

    fingerprint  of every file that changes a logit
    labels       their names, in the order of the logits
    decision     what stands between logits and labels, as `scorer.json` has it
    long_text    how texts beyond the longest input are read, as `scorer.json` has it

    A job that has no use for the last three leaves them out.
    """

    fingerprint: str
    labels: tuple[str, ...] | None = None
    decision: Mapping[str, Any] | None = None
    long_text: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        for name in ("decision", "long_text"):
            object.__setattr__(self, name, plain(getattr(self, name)))


@dataclass(frozen=True, kw_only=True)
class JobSpec:
    """Everything but the input that decides a byte of the output; two equal ones are the same job.

    kind      which command
    models    by their role: `ROLES` of the kind
    options   the settings that affect logits, answers or output, by their names: the value, or what it was resolved to
    versions  of scorer and of each library that can change the output
    """

    kind: Kind
    models: Mapping[str, ModelRecord]
    options: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        # One that was read from JSON is equal to the one that was written.
        object.__setattr__(self, "options", plain(self.options))

    @property
    def fingerprint(self) -> str:
        """BLAKE2b (hexadecimal, 32 characters): equal jobs have equal ones."""
        return hashlib.blake2b(to_json(self).encode(), digest_size=16).hexdigest()

    @property
    def prefix(self) -> str:
        """What stands before the names of the columns that a score job appends."""
        return str(self.options.get("prefix", ""))
