"""What the server says of itself and of its models."""

from __future__ import annotations

from typing import Any

from scorer.config import ServeConfig
from scorer.records.document import to_document
from scorer.serving.forms.kserve import INPUTS, described_outputs
from scorer.serving.model_list import ModelList
from scorer.serving.served_model import ServedModel
from scorer.version import __version__


def describe_server(models: ModelList, config: ServeConfig) -> dict[str, Any]:
    """Version, limits and models, for people and for programs that look after it."""
    return {
        "version": __version__,
        "limits": {
            name: getattr(config, name) for name in ("max_body", "max_texts", "max_characters", "queue", "body_seconds")
        },
        "models": [_describe(served) for served in models],
    }


def _describe(served: ServedModel) -> dict[str, Any]:
    loaded = served.current
    labels = loaded.scorer.labels
    return {
        "name": served.name,
        "path": str(loaded.directory.path),
        "version": loaded.version,
        "fitted_by_scorer": loaded.directory.metadata is not None,
        "labels": None if labels.is_number else list(labels.values),
        "several_labels": labels.multi,
        "pairs": loaded.reads_pairs,
        "columns": [field.name for field in loaded.columns.fields],
        "engine": to_document(loaded.scorer.engine),
        "waiting": loaded.batcher.waiting,
        "concerns": loaded.scorer.concerns,
        "reload_error": served.reload_error,
    }


def server_metadata() -> dict[str, Any]:
    """What KServe's protocol asks of a server."""
    return {"name": "scorer", "version": __version__, "extensions": []}


def model_metadata(served: ServedModel) -> dict[str, Any]:
    """What KServe's protocol asks of a model."""
    loaded = served.current
    inputs = INPUTS[:1] if loaded.reads_pairs is False else INPUTS
    return {
        "name": served.name,
        "versions": [loaded.version],
        "platform": f"scorer_{loaded.scorer.engine.backend}",
        "inputs": [{"name": name, "datatype": "BYTES", "shape": [-1]} for name in inputs],
        "outputs": described_outputs(loaded.scorer.labels),
    }
