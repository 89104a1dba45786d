"""The form of `/v2/models/{model}/infer`: KServe's Open Inference Protocol, version 2, with its tensors as JSON.

`text` holds the texts, `pair` the second ones of pairs. Every output has a row for each text; what a row without a
score lacks is null, or an empty string where the output has strings.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from scorer.classifier.labels import LabelSet
from scorer.scoring.answers import STATUS_NAMES
from scorer.serving.asked import Asked, TextLimits, read_name, read_texts
from scorer.serving.forms.form import Answered
from scorer.serving.refusals import Refused, wrong

INPUTS = ("text", "pair")
# A tensor's size is below this. JSON has numbers whose product nothing spells.
_SIZE = 1 << 63
_BINARY = "tensors in binary are not read; send data as JSON (binary_data=False)"


class KServeForm:
    """See above."""

    from_rows = False

    def read(self, document: Mapping[str, Any], limits: TextLimits) -> Asked:
        inputs = document.get("inputs")
        if not isinstance(inputs, list) or not all(isinstance(one, dict) for one in inputs):
            raise wrong("inputs: a list of tensors is expected")
        found = {one["name"]: one for one in inputs if isinstance(one.get("name"), str)}
        if len(found) != len(inputs) or not set(found) <= set(INPUTS) or "text" not in found:
            raise wrong("inputs: a tensor called text is expected, and for pairs one called pair")
        _wanted(document)
        read_name(document, "id")
        return Asked(
            texts=_texts(found["text"], "text", limits),
            seconds=_texts(found["pair"], "pair", limits) if "pair" in found else None,
        )

    def write(self, document: Mapping[str, Any], answered: Answered) -> dict[str, Any]:
        outputs = _outputs(answered)
        wanted = _wanted(document) or list(outputs)
        if unknown := [name for name in wanted if name not in outputs]:
            raise wrong(f"outputs: {len(unknown)} that this model does not have; it has {', '.join(outputs)}")
        identity = read_name(document, "id")
        named = {"id": identity} if identity is not None else {}
        return {
            "model_name": answered.model,
            "model_version": answered.version,
            **named,
            "outputs": [outputs[name] for name in wanted],
        }

    def refusal(self, refused: Refused) -> dict[str, Any]:
        return {"error": refused.reason}


def described_outputs(labels: LabelSet) -> list[dict[str, Any]]:
    """The outputs of a model as its metadata tells them."""
    score = [{"name": "score", "datatype": "FP64" if labels.is_number else "BYTES", "shape": [-1]}]
    status = {"name": "score_status", "datatype": "BYTES", "shape": [-1]}
    if labels.is_number:
        return [*score, status]
    confidence = {"name": "confidence", "datatype": "FP32", "shape": [-1]}
    return [*score, confidence, status, {"name": "probabilities", "datatype": "FP32", "shape": [-1, len(labels)]}]


def _wanted(document: Mapping[str, Any]) -> list[str]:
    """The names of the outputs that the request asks for; none when it takes all."""
    outputs = document.get("outputs") or []
    if not isinstance(outputs, list) or not all(isinstance(one, dict) for one in outputs):
        raise wrong("outputs: a list of objects with a name is expected")
    binary = [_parameters(one).get("binary_data") for one in outputs]
    if any(binary) or _parameters(document).get("binary_data_output"):
        raise wrong(_BINARY)
    names = [one.get("name") for one in outputs]
    if not all(isinstance(name, str) for name in names):
        raise wrong("outputs: each needs a name, which is a string")
    # Each is spelt in full: a short request could ask for an answer of any size.
    if len(set(names)) < len(names):
        raise wrong("outputs: a name stands twice; say each once")
    return names


def _texts(tensor: Mapping[str, Any], name: str, limits: TextLimits) -> list[str | None]:
    if _parameters(tensor).get("binary_data_size") is not None:
        raise wrong(_BINARY)
    if tensor.get("datatype") != "BYTES":
        raise wrong(f"{name}: its datatype must be BYTES")
    data, shape = tensor.get("data"), tensor.get("shape")
    if not isinstance(data, list):
        raise wrong(f"{name}: data must be a list of strings")
    flat = list(_flat(data))
    if not isinstance(shape, list) or len(shape) > 2 or not all(map(_is_size, shape)):
        raise wrong(f"{name}: shape must be a list of one whole number, or of two")
    if math.prod(shape) != len(flat):
        raise wrong(f"{name}: a shape of {math.prod(shape)} and {len(flat)} strings")
    return read_texts(flat, name, limits)


def _is_size(value: Any) -> bool:
    return type(value) is int and 0 <= value < _SIZE


def _parameters(owner: Mapping[str, Any]) -> Mapping[str, Any]:
    found = owner.get("parameters") or {}
    if not isinstance(found, dict):
        raise wrong("parameters: an object is expected")
    return found


def _flat(data: list[Any]) -> Iterator[Any]:
    """A tensor may be as nested as its shape, one level below the first here, or flat."""
    for one in data:
        if isinstance(one, list):
            yield from one
        else:
            yield one


def _outputs(answered: Answered) -> dict[str, dict[str, Any]]:
    answers, labels = answered.answers, answered.labels
    scored, rows = answers.scored.tolist(), len(answers)
    data: dict[str, list[Any]] = {"score_status": [STATUS_NAMES[code] for code in answers.status]}
    if answers.number is not None:
        data["score"] = _or_null(answers.number, scored)
    else:
        names = np.array(labels.names, object)
        given = (names[chosen].tolist() for chosen in answers.chosen)
        # Of several labels a row, the string is the list of them in JSON.
        texts = (json.dumps(one, ensure_ascii=False) if labels.multi else "".join(one) for one in given)
        data["score"] = [text if there else "" for text, there in zip(texts, scored, strict=True)]
        data["confidence"] = _or_null(answers.confidence, scored)
        data["probabilities"] = [
            value
            for row, there in zip(answers.probability.tolist(), scored, strict=True)
            for value in (row if there else [None] * len(row))
        ]
    return {
        one["name"]: {**one, "shape": [rows, *one["shape"][1:]], "data": data[one["name"]]}
        for one in described_outputs(labels)
    }


def _or_null(values: Any, scored: list[bool]) -> list[float | None]:
    return [value if there else None for value, there in zip(values.tolist(), scored, strict=True)]
