"""What an output says of where it came from: the document under the footer's key `scorer`.

Which options are in it follows from what each setting affects. No clock time is in it, so the same job on the same
input gives the same bytes.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from importlib.metadata import version
from typing import Any

from scorer.classifier.classifier import Classifier, Engine
from scorer.config import FrameConfig, identity
from scorer.scoring.preparation import Preparation
from scorer.version import __version__

LINEAGE_VERSION = 2
# The libraries whose version can change a logit; one more where it computes them.
_LOGIT_LIBRARIES = ("tokenizers", "torch", "transformers")
_ENGINE_LIBRARIES = {"openvino": ("openvino",)}
# What else can change a byte of the output.
_OUTPUT_LIBRARIES = ("numpy", "pyarrow")


def _versions(libraries: tuple[str, ...], engine: Engine) -> dict[str, str]:
    return {name: version(name) for name in libraries + _ENGINE_LIBRARIES.get(engine.backend, ())}


def describe_job(prepared: Preparation, classifier: Classifier) -> dict[str, Any]:
    """Everything that decides the output; two runs with an equal description write the same scores."""
    config, engine = prepared.config, classifier.engine
    resolved = _engine_settings(engine) | {
        "model": classifier.directory.fingerprint,
        "source": prepared.source.fingerprint(),
        "text_column": list(prepared.text_columns),
        "input_format": prepared.source.format,
        "output_format": prepared.output_format,
        "rejects": prepared.rejected,
    }
    options = identity(config, "logits", "answers", "output", resolved=resolved)
    return {
        "lineage_version": LINEAGE_VERSION,
        "model": {
            "fingerprint": options.pop("model"),
            "decision": dataclasses.asdict(classifier.decision),
            "labels": list(classifier.labels.names),
            "long_text": dataclasses.asdict(classifier.encode.long_text),
        },
        "input": {"fingerprint": options.pop("source")},
        "options": options,
        "versions": {"scorer": __version__} | _versions(_OUTPUT_LIBRARIES + _LOGIT_LIBRARIES, engine),
    }


def logit_fingerprint(classifier: Classifier) -> str:
    """BLAKE2b (hexadecimal, 32 characters) of everything that changes a logit, and of which tokens are counted beside
    it as unknown: the name under which scores are kept."""
    metadata, engine = classifier.directory.metadata, classifier.engine
    resolved = _engine_settings(engine) | {"model": classifier.directory.fingerprint}
    decisive = {
        "settings": identity(FrameConfig(), "logits", resolved=resolved),
        "long_text": dataclasses.asdict(classifier.encode.long_text),
        "unknown_token": metadata.profile.unknown_token if metadata and metadata.profile else None,
        "versions": {"scorer": __version__} | _versions(_LOGIT_LIBRARIES, engine),
    }
    return hashlib.blake2b(json.dumps(decisive, sort_keys=True).encode(), digest_size=16).hexdigest()


def _engine_settings(engine: Engine) -> dict[str, Any]:
    """What those settings came to that say how logits are computed. The number of a GPU says nothing of them."""
    return {
        "max_length": engine.max_length,
        "precision": engine.precision,
        "backend": engine.backend,
        "device": engine.device.partition(":")[0],
    }
