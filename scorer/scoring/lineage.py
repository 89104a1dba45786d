"""What decides the output of a score job, and the name under which its scores are kept.

Which options are in either follows from what each setting affects.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from typing import Any

from scorer.classifier.decision import Decision
from scorer.classifier.directory import ModelDirectory
from scorer.classifier.execution import Execution
from scorer.classifier.labels import LabelSet
from scorer.classifier.long_text import LongText
from scorer.config import FrameConfig, identity
from scorer.records.job import JobSpec, ModelRecord
from scorer.records.lineage import Lineage
from scorer.scoring.known_engines import library_version
from scorer.scoring.preparation import CheckedJob
from scorer.version import __version__

# The library whose version can change a model's input; those that can change a logit the forward pass names.
_INPUT_LIBRARIES = ("tokenizers",)
# What else can change a byte of the output.
_OUTPUT_LIBRARIES = ("numpy", "pyarrow")


def _versions(libraries: tuple[str, ...], engine: Execution) -> dict[str, str]:
    return {name: library_version(name) or "" for name in libraries + engine.libraries}


def describe_job(checked: CheckedJob, engine: Execution, *, labels: LabelSet, decision: Decision) -> Lineage:
    """The job and its input, before anything was found out of its rows."""
    config = checked.config
    resolved = _engine_settings(engine) | {
        "model": checked.directory.fingerprint,
        "source": checked.source.fingerprint(),
        "text_column": list(checked.text_columns),
        "input_format": checked.source.format,
        "output_format": checked.output_format,
        "rejects": checked.rejected,
    }
    options = identity(config, "logits", "answers", "output", resolved=resolved)
    model = ModelRecord(
        fingerprint=options.pop("model"),
        labels=labels.names,
        decision=dataclasses.asdict(decision),
        long_text=dataclasses.asdict(_long_text(checked.directory)),
    )
    source = options.pop("source")
    versions = {"scorer": __version__} | _versions(_OUTPUT_LIBRARIES + _INPUT_LIBRARIES, engine)
    return Lineage(job=JobSpec(kind="score", models={"model": model}, options=options, versions=versions), input=source)


def logit_fingerprint(directory: ModelDirectory, engine: Execution) -> str:
    """BLAKE2b (hexadecimal, 32 characters) of everything that changes a logit, and of which tokens are counted beside
    it as unknown: the name under which scores are kept."""
    metadata = directory.metadata
    resolved = _engine_settings(engine) | {"model": directory.fingerprint}
    decisive = {
        "settings": identity(FrameConfig(), "logits", resolved=resolved),
        "long_text": dataclasses.asdict(_long_text(directory)),
        "unknown_token": metadata.profile.unknown_token if metadata and metadata.profile else None,
        "versions": {"scorer": __version__} | _versions(_INPUT_LIBRARIES, engine),
    }
    return hashlib.blake2b(json.dumps(decisive, sort_keys=True).encode(), digest_size=16).hexdigest()


def _engine_settings(engine: Execution) -> dict[str, Any]:
    """What those settings came to that say how logits are computed. The number of a GPU says nothing of them."""
    return {
        "max_length": engine.max_length,
        "precision": engine.precision,
        "backend": engine.backend,
        "device": engine.device.partition(":")[0],
    }


def _long_text(directory: ModelDirectory) -> LongText:
    return directory.metadata.long_text if directory.metadata else LongText()
