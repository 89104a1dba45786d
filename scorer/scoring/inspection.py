"""What a model directory or a scored file says of itself: the documents that `scorer inspect` prints.

Loads no weights and reads no rows; `verification` does.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from scorer.classifier.directory import ModelDirectory, open_model, parameters_by_part
from scorer.tables.lineage import read_lineage
from scorer.tables.source import Source


def inspect_model(name: str) -> dict[str, Any]:
    """Parameters by part, and everything in `scorer.json`; the recorded hashes have been compared with the files."""
    return describe_model(open_model(name))


def describe_model(directory: ModelDirectory) -> dict[str, Any]:
    """The same of a directory that was opened before."""
    parameters = parameters_by_part(directory.path)
    document: dict[str, Any] = {
        "kind": "model",
        "path": str(directory.path.resolve()),
        "fingerprint": directory.fingerprint,
        "parameters": {"total": sum(parameters.values())} | parameters,
        "fitted_by_scorer": directory.metadata is not None,
        "labels": dataclasses.asdict(directory.labels) if directory.labels else None,
    }
    if directory.metadata is not None:
        document |= dataclasses.asdict(directory.metadata)
    return document


def inspect_file(path: Path) -> dict[str, Any]:
    """Rows and columns of a data file; of one that scorer wrote also by which command, and its lineage.

    The lineage of a score job has the counts by status.
    """
    source = Source.open(str(path))
    reader = source.read()
    lineage = read_lineage(path) if source.format == "parquet" else None
    writer = lineage.kind if lineage is not None else None
    return {
        "kind": "file",
        "path": str(path),
        "format": source.format,
        "rows": reader.rows,
        "columns": {field.name: str(field.type) for field in reader.schema},
        "scored": writer == "score",
        "written_by": writer,
        "lineage": lineage.as_document() if lineage is not None else None,
    }
