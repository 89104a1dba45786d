"""The form of `/v1/classify`, as vLLM and SGLang answer: a label and the probability of every label for each input.

`score_status` stands beside them, which those do not have. An input without a score has a null label and no
probabilities; of a model with one output the number stands where its probability would.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping
from typing import Any

from scorer.scoring.answers import STATUS_NAMES
from scorer.serving.asked import Asked, TextLimits, read_text, read_texts
from scorer.serving.forms.form import Answered
from scorer.serving.refusals import Refused, wrong

# What would change an answer and cannot be asked for here, with the only values that say what is done anyway.
_AS_IT_IS: dict[str, tuple[Any, ...]] = {
    "activation": (None, True),
    "softmax": (None, True),
    "use_activation": (None, True),
    "add_special_tokens": (None, True),
    "truncate_prompt_tokens": (None, -1),
    "encoding_format": (None, "float"),
}


class ClassifyForm:
    """See above."""

    from_rows = False

    def read(self, document: Mapping[str, Any], limits: TextLimits) -> Asked:
        for key, values in _AS_IT_IS.items():
            if not any(document.get(key) is value or document.get(key) == value for value in values):
                raise wrong(f"{key}: only the value that is usual can be asked for; leave it out")
        if "input" not in document:
            raise wrong("input: a string or a list of strings is expected")
        value = document["input"]
        if isinstance(value, list):
            return Asked(texts=read_texts(value, "input", limits))
        return Asked(texts=[read_text(value, "input", limits)], single=True)

    def write(self, document: Mapping[str, Any], answered: Answered) -> dict[str, Any]:  # noqa: ARG002
        tokens = int(answered.answers.tokens.sum())
        return {
            "id": f"classify-{uuid.uuid4().hex}",
            "object": "list",
            "created": int(time.time()),
            "model": answered.model,
            "data": _data(answered),
            "usage": {
                "prompt_tokens": tokens,
                "total_tokens": tokens,
                "completion_tokens": 0,
                "prompt_tokens_details": None,
            },
        }

    def refusal(self, refused: Refused) -> dict[str, Any]:
        kind = (
            "NotFoundError"
            if refused.status == 404
            else "BadRequestError"
            if refused.status < 500
            else "InternalServerError"
        )
        return {"error": {"message": refused.reason, "type": kind, "param": None, "code": refused.status}}


def _data(answered: Answered) -> list[dict[str, Any]]:
    answers, labels = answered.answers, answered.labels
    numbers = answers.number[:, None] if answers.number is not None else answers.probability
    likeliest = answers.probability.argmax(axis=1)
    return [
        {
            "index": row,
            "label": labels.names[likeliest[row]] if scored else None,
            "probs": numbers[row].tolist() if scored else [],
            "num_classes": len(labels),
            "score_status": STATUS_NAMES[answers.status[row]],
        }
        for row, scored in enumerate(answers.scored.tolist())
    ]
