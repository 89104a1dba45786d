"""The OpenAPI document of the server (version 3.1): every path, what it takes and what it answers, with an example."""

from __future__ import annotations

from typing import Any, Final

from scorer.scoring.answers import STATUS_NAMES
from scorer.version import __version__

Schema = dict[str, Any]

_STRING: Final = {"type": "string"}
_WHOLE: Final = {"type": "integer"}
_NUMBER: Final = {"type": "number"}
_YES_NO: Final = {"type": "boolean"}
_STATUS: Final = {
    "type": "string",
    "enum": list(STATUS_NAMES),
    "description": "Why there is no score, or what was done.",
}
_MAYBE_TEXT: Final = {"type": ["string", "null"]}
_TEXTS: Final = {"type": "array", "items": _MAYBE_TEXT}
_REASON: Final = {
    401: "The token is missing or wrong.",
    404: "No such model or version.",
    408: "The body did not arrive in time.",
    413: "More bytes, texts or characters than a request may have.",
    422: "The request is not what is expected; the reason says where.",
    429: "Too many texts wait; Retry-After says when to come again.",
    503: "No memory is left, or the server is stopping.",
}


def openapi() -> dict[str, Any]:
    """The whole document."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "scorer",
            "version": __version__,
            "summary": "Scores of texts from a classifier in memory.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": dict([*_asking(), *_telling()]),
        "components": {
            "schemas": _schemas(),
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{}, {"token": []}],
    }


def _asking() -> list[tuple[str, Schema]]:
    """The paths that answer texts."""
    predict = ("Score a text or several.", "PredictRequest", "PredictAnswer", {"text": "Lovely room.", "top_k": 2})
    classify = ("Classify in the form of vLLM and SGLang.", "ClassifyRequest", "ClassifyAnswer", {"input": ["Good."]})
    tensor = {"name": "text", "datatype": "BYTES", "shape": [1], "data": ["Good."]}
    infer = ("Infer in the form of KServe's protocol.", "InferRequest", "InferAnswer", {"inputs": [tensor]})
    return [
        ("/predict", _post("predict", *predict)),
        ("/models/{model}/predict", _post("predictByModel", *predict, where=("model",))),
        ("/v1/classify", _post("classify", *classify)),
        ("/classify", _post("classifyUnversioned", *classify)),
        ("/v2/models/{model}/infer", _post("infer", *infer, where=("model",))),
        ("/v2/models/{model}/versions/{version}/infer", _post("inferVersion", *infer, where=("model", "version"))),
    ]


def _telling() -> list[tuple[str, Schema]]:
    """The paths that tell of the server."""
    one, both = ("model",), ("model", "version")
    model, version = "/v2/models/{model}", "/v2/models/{model}/versions/{version}"
    return [
        ("/health", _get("health", "Whether the process lives.")),
        ("/ready", _get("ready", "Whether it takes requests.")),
        ("/info", _get("info", "Models with their labels and engines, and limits.")),
        ("/metrics", _get("metrics", "Figures as Prometheus reads them.", kind="text/plain")),
        ("/v2", _get("serverMetadata", "The server, as KServe's protocol asks.")),
        ("/v2/health/live", _get("live", "Whether the process lives.")),
        ("/v2/health/ready", _get("serverReady", "Whether it takes requests.")),
        (model, _get("modelMetadata", "Inputs and outputs of a model.", where=one)),
        (f"{model}/ready", _get("modelReady", "Whether a model takes requests.", where=one)),
        (version, _get("versionMetadata", "Inputs and outputs of a model of that version.", where=both)),
        (f"{version}/ready", _get("versionReady", "Whether that version takes requests.", where=both)),
    ]


def _post(name: str, summary: str, takes: str, gives: str, example: Any, *, where: tuple[str, ...] = ()) -> Schema:
    body = {"schema": _ref(takes), "example": example}
    refused = {
        str(code): {"description": reason, **_json({"schema": {"type": "object"}})} for code, reason in _REASON.items()
    }
    return {
        "post": {
            "operationId": name,
            "summary": summary,
            **_parameters(where),
            "requestBody": {"required": True, **_json(body)},
            "responses": {"200": {"description": "The answer.", **_json({"schema": _ref(gives)})}, **refused},
        }
    }


def _get(name: str, summary: str, *, where: tuple[str, ...] = (), kind: str = "application/json") -> Schema:
    schema = {"type": "object" if kind == "application/json" else "string"}
    answer = {"description": summary, "content": {kind: {"schema": schema}}}
    return {"get": {"operationId": name, "summary": summary, **_parameters(where), "responses": {"200": answer}}}


def _parameters(names: tuple[str, ...]) -> Schema:
    if not names:
        return {}
    return {"parameters": [{"name": name, "in": "path", "required": True, "schema": _STRING} for name in names]}


def _json(media: Schema) -> Schema:
    return {"content": {"application/json": media}}


def _ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def _fields(required: tuple[str, ...] = (), /, **fields: Schema) -> Schema:
    return {"type": "object", "properties": fields, **({"required": list(required)} if required else {})}


def _said(schema: Schema, description: str) -> Schema:
    return {**schema, "description": description}


def _schemas() -> dict[str, Schema]:
    label = {"type": ["string", "integer", "boolean"]}
    top = _fields(("label", "probability"), label=label, probability=_NUMBER)
    return {
        "PredictRequest": {
            **_fields(
                text=_said(_MAYBE_TEXT, "One text; or texts."),
                texts=_said(_TEXTS, "Several texts; or text."),
                pair=_said(_MAYBE_TEXT, "Beside text: the second text of the pair."),
                pairs=_said(_TEXTS, "Beside texts: the second texts of the pairs."),
                model=_said(_STRING, "Name of the model; needed where there are several."),
                probabilities=_said(_YES_NO, "The probability of every label, too."),
                expected=_said(_YES_NO, "The mean of numeric labels, weighted by their probabilities, too."),
                top_k=_said(_WHOLE, "The K likeliest labels, too."),
                token_count=_said(_YES_NO, "The number of tokens that the model saw, too."),
            ),
            "additionalProperties": False,
        },
        "PredictAnswer": {
            "oneOf": [
                _ref("Prediction"),
                _fields(("predictions",), predictions={"type": "array", "items": _ref("Prediction")}),
            ]
        },
        "Prediction": _fields(
            ("score", "confidence", "score_status"),
            score=_said({}, "The label in its own type, a list of labels, or a number; null without a score."),
            confidence=_said({"type": ["number", "array", "null"]}, "The calibrated probability of the score."),
            score_status=_STATUS,
            probabilities={"type": ["object", "null"], "additionalProperties": _NUMBER},
            expected={"type": ["number", "null"]},
            top_k={"type": ["array", "null"], "items": top},
            token_count={"type": ["integer", "null"]},
        ),
        "ClassifyRequest": _fields(
            ("input",),
            model=_said(_STRING, "Name of the model; needed where there are several."),
            input=_said({"type": ["string", "array"], "items": _MAYBE_TEXT}, "One text or several."),
        ),
        "ClassifyAnswer": _fields(
            ("id", "object", "created", "model", "data", "usage"),
            id=_STRING,
            object=_STRING,
            created=_WHOLE,
            model=_STRING,
            data={"type": "array", "items": _ref("Classification")},
            usage={"type": "object"},
        ),
        "Classification": _fields(
            ("index", "label", "probs", "num_classes"),
            index=_WHOLE,
            label={"type": ["string", "null"]},
            probs={"type": "array", "items": _NUMBER},
            num_classes=_WHOLE,
            score_status=_STATUS,
        ),
        "InferRequest": _fields(
            ("inputs",),
            id=_STRING,
            inputs=_said({"type": "array", "items": _ref("Tensor")}, "text, and pair for the second texts of pairs."),
            outputs={"type": "array", "items": _fields(("name",), name=_STRING)},
        ),
        "InferAnswer": _fields(
            ("model_name", "model_version", "outputs"),
            model_name=_STRING,
            model_version=_STRING,
            id=_STRING,
            outputs={"type": "array", "items": _ref("Tensor")},
        ),
        "Tensor": _fields(
            ("name", "datatype", "shape", "data"),
            name=_STRING,
            datatype=_STRING,
            shape={"type": "array", "items": _WHOLE},
            data={"type": "array"},
        ),
    }
