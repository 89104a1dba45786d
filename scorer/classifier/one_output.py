"""Models with one output, such as cross-encoders and reward models: what makes a row's number of its logit.

The configuration says it. What sentence-transformers wrote names an activation; without one transformers' own rule
holds: the logit itself where `problem_type` is regression, else the logistic function.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from scorer.classifier.decision import Activation
from scorer.errors import ModelError

REGRESSION = "regression"
# Where sentence-transformers keeps what it saves of a model since version 5.
_BESIDE = "config_sentence_transformers.json"
_ACTIVATIONS: Mapping[str, Activation] = {"Sigmoid": "sigmoid", "Identity": "identity"}


def has_one_output(configuration: Mapping[str, Any]) -> bool:
    """Whether the `config.json` with the contents `configuration` is of a model with one output."""
    names = configuration.get("id2label")
    if names is None:
        return configuration.get("num_labels") == 1
    return isinstance(names, dict) and len(names) == 1


def activation_of(path: Path, configuration: Mapping[str, Any]) -> Activation:
    """What makes a number of a logit in the model directory `path`, whose `config.json` has the contents
    `configuration`. ModelError for an activation that is none of ours."""
    named = _named_activation(path, configuration)
    if named is None:
        return "identity" if configuration.get("problem_type") == REGRESSION else "sigmoid"
    found = _ACTIVATIONS.get(named.rpartition(".")[2]) if named.startswith("torch.nn.") else None
    if found is None:
        raise ModelError(
            f"{path}: asks for an activation that is not computed here; only torch.nn.Sigmoid and torch.nn.Identity "
            "are (activation_fn)"
        )
    return found


def _named_activation(path: Path, configuration: Mapping[str, Any]) -> str | None:
    """The activation that sentence-transformers wrote down: beside the configuration, in it, or as before its version
    4; None when it wrote none."""
    beside, inside = _beside(path), configuration.get("sentence_transformers")
    named = (
        beside.get("activation_fn"),
        inside.get("activation_fn") if isinstance(inside, dict) else None,
        configuration.get("sbert_ce_default_activation_function"),
    )
    return next((str(name) for name in named if name is not None), None)


def _beside(path: Path) -> Mapping[str, Any]:
    file = path / _BESIDE
    document = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    return document if isinstance(document, dict) else {}
