"""What an output says of where it came from: the document under the footer's key `scorer`.

Owns its fields. No clock time is in it, so the same job on the same input gives the same bytes.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from importlib.metadata import version
from typing import Any

from scorer.classifier.classifier import Classifier, Engine
from scorer.config import ScoreConfig
from scorer.version import __version__

LINEAGE_VERSION = 1
# The libraries whose version can change a logit; one more where it computes them.
_LOGIT_LIBRARIES = ("tokenizers", "torch", "transformers")
_ENGINE_LIBRARIES = {"openvino": ("openvino",)}
# What else can change a byte of the output.
_OUTPUT_LIBRARIES = ("numpy", "pyarrow")


def _versions(libraries: tuple[str, ...], engine: Engine) -> dict[str, str]:
    return {name: version(name) for name in libraries + _ENGINE_LIBRARIES.get(engine.backend, ())}


def describe_job(
    config: ScoreConfig, classifier: Classifier, *, text_columns: tuple[str, ...], input_fingerprint: str
) -> dict[str, Any]:
    """Everything that decides the output; two runs with an equal description write the same scores."""
    engine = classifier.engine
    return {
        "lineage_version": LINEAGE_VERSION,
        "model": {
            "fingerprint": classifier.directory.fingerprint,
            "decision": dataclasses.asdict(classifier.decision),
            "labels": list(classifier.labels.names),
        },
        "input": {"fingerprint": input_fingerprint},
        "options": {
            "text_columns": list(text_columns),
            "max_length": engine.max_length,
            "long_text": dataclasses.asdict(classifier.encode.long_text),
            "precision": engine.precision,
            "backend": engine.backend,
            "device": engine.device.partition(":")[0],
            "limit": config.limit,
            "prefix": config.prefix,
            "probabilities": config.probabilities,
            "expected": config.expected,
            "top_k": config.top_k,
            "token_count": config.token_count,
        },
        "versions": {"scorer": __version__} | _versions(_OUTPUT_LIBRARIES + _LOGIT_LIBRARIES, engine),
    }


def logit_fingerprint(classifier: Classifier) -> str:
    """BLAKE2b (hexadecimal, 32 characters) of everything that changes a logit, and of which tokens are counted beside
    it as unknown: the name under which scores are kept."""
    metadata = classifier.directory.metadata
    engine = classifier.engine
    decisive = [
        __version__,
        classifier.directory.fingerprint,
        engine.max_length,
        dataclasses.asdict(classifier.encode.long_text),
        engine.precision,
        engine.backend,
        engine.device.partition(":")[0],
        _versions(_LOGIT_LIBRARIES, engine),
        {"unknown_token": metadata.profile.unknown_token if metadata and metadata.profile else None},
    ]
    return hashlib.blake2b(json.dumps(decisive, sort_keys=True).encode(), digest_size=16).hexdigest()
