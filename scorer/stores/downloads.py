"""A copy on this machine of what lies beneath a name in an object store: for libraries that open files by their names.

It is made once for each version of the objects, in the user's cache folder, and appears whole.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from scorer.errors import DataError, InputMissing, from_os_error
from scorer.stores.fingerprints import is_ours, user_cache
from scorer.stores.object_path import ObjectPath

_CHUNK: Final = 8 << 20


def local_copy(place: ObjectPath) -> Path:
    """The folder with the files beneath `place`, in $XDG_CACHE_HOME/scorer/models, else ~/.cache/scorer/models, else
    among the temporary files. InputMissing where there are none; DataError where they change meanwhile."""
    objects = list(place.beneath())
    if not objects:
        raise InputMissing(f"{place}: nothing lies beneath this name")
    target = _root() / _identity(place, objects) / (place.name or "model")
    if target.is_dir():
        return target
    try:
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".", dir=target.parent) as beside:
            copy = Path(beside, "copy")
            for found in objects:
                _download(found, copy.joinpath(*found.parts[len(place.parts) :]))
            if list(map(_seen, place.beneath())) != list(map(_seen, objects)):
                raise DataError(f"{place}: changed while it was read; run again when it is no longer written to")
            _publish(copy, target)
    except OSError as error:
        raise from_os_error(error) from error
    return target


def _publish(copy: Path, target: Path) -> None:
    try:
        copy.rename(target)
    except OSError:
        if not target.is_dir():  # else another process was faster, with the same bytes
            raise


def _download(found: ObjectPath, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with found.open("rb", buffering=0) as stream, target.open("wb") as file:
        shutil.copyfileobj(stream, file, _CHUNK)
        file.flush()
        os.fsync(file.fileno())


def _identity(place: ObjectPath, objects: Sequence[ObjectPath]) -> str:
    """Of the place and of every version in it: what changes is copied anew, beside the copy that somebody may use."""
    known = [str(place), os.environ.get("AWS_ENDPOINT_URL", ""), *map(_seen, objects)]
    return hashlib.blake2b("\0".join(known).encode(), digest_size=16).hexdigest()


def _seen(found: ObjectPath) -> str:
    info = found.seen()
    return f"{found} {info.size} {info.token}" if info is not None else ""


def _root() -> Path:
    """A folder that nobody else can write into."""
    shared = Path(tempfile.gettempdir(), f"scorer-{os.geteuid()}")
    for root in (user_cache("models"), shared):
        if root is not None and is_ours(root):
            root.mkdir(mode=0o700, parents=True, exist_ok=True)
            return root
    return Path(tempfile.mkdtemp(prefix="scorer-"))
