"""What a form of requests and answers is: how one program or protocol asks, and what it expects in return."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

from scorer.classifier.labels import LabelSet
from scorer.scoring.answers import Answers
from scorer.serving.asked import Asked, TextLimits
from scorer.serving.refusals import Refused


class Answered(NamedTuple):
    """What was `asked`, the `answers` in its order, and the same as `rows` for a form that is written from those;
    `labels`, `model` and `version` are whose they are."""

    asked: Asked
    answers: Answers
    rows: list[dict[str, Any]] | None
    labels: LabelSet
    model: str
    version: str


class Form(Protocol):
    """One way to ask for scores over HTTP. `from_rows` says whether answers are written from rows with the columns that
    were asked for."""

    from_rows: bool

    def read(self, document: Mapping[str, Any], limits: TextLimits) -> Asked:
        """What the request asks; Refused when it is not in this form."""
        ...

    def write(self, document: Mapping[str, Any], answered: Answered) -> dict[str, Any]:
        """The answer to the request `document`; Refused where it asks for what there is not."""
        ...

    def refusal(self, refused: Refused) -> dict[str, Any]:
        """What is said instead of an answer."""
        ...
