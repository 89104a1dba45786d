"""A folder of parts, wherever it is: on this machine, in a bucket, in a data set of the hub."""

from __future__ import annotations

from pathlib import Path

from scorer.stores.object_path import ObjectPath
from scorer.stores.parts_bucket import PartsBucket
from scorer.stores.parts_folder import PartsFolder
from scorer.stores.parts_hub import PartsHub


def parts_folder(path: Path) -> PartsFolder:
    """The folder, or the place in a store."""
    if not isinstance(path, ObjectPath):
        return PartsFolder(path)
    return PartsHub(path) if path.bucket.scheme == "hf" else PartsBucket(path)
