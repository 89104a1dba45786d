"""A model directory for others: its files as one commit to the hub, where any `-m OWNER/NAME` finds it.

The repository holds this model then and nothing of one that was there before: a stale file would be opened with it.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from scorer.classifier.directory import belongs_to_model, open_model
from scorer.config import PushConfig
from scorer.errors import Busy, ModelError
from scorer.stores.folder import Folder
from scorer.stores.hub_repository import Repository

_TRIES: Final = 3


@dataclass(frozen=True, kw_only=True)
class Pushed:
    """What was sent: the model's `fingerprint` and its `files`, and which files of a model before were `deleted`; where
    it is seen now, since which `commit`."""

    model: str
    name: str
    address: str
    commit: str
    fingerprint: str
    files: tuple[str, ...]
    deleted: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """JSON types only."""
        return asdict(self) | {"files": list(self.files), "deleted": list(self.deleted)}


def push(config: PushConfig) -> Pushed:
    """Send the model directory. ModelError for what is no model, or not a sound one, before anything is sent;
    NotPermitted without a token that may write; Busy, OutputRefused and StorageError as `Repository` has them."""
    if not Folder.of(config.model).is_folder:
        raise ModelError(f"{config.model}: no such model directory; name the folder that `scorer fit` wrote")
    directory = open_model(config.model)
    files = _files(directory.path)
    repository = Repository("model", config.name)
    repository.check_token()
    repository.make(private=config.private)
    message = config.message or f"{directory.path.name}, sent by scorer push"
    commit, deleted = _committed(repository, message, files)
    return Pushed(
        model=config.model,
        name=config.name,
        address=repository.address,
        commit=commit,
        fingerprint=directory.fingerprint,
        files=tuple(files),
        deleted=deleted,
    )


def _committed(repository: Repository, message: str, files: dict[str, Path]) -> tuple[str, tuple[str, ...]]:
    """The commit that leaves `files` and nothing of another model, and what it deleted. Where somebody else's commit
    comes in between, it is looked at again."""
    for _ in range(_TRIES):
        parent, there = repository.files()
        deleted = tuple(name for name in sorted(there) if belongs_to_model(name) and name not in files)
        commit = repository.commit(message, add=files, delete=deleted, parent=parent)
        if commit is not None:
            return commit, deleted
    raise Busy(f"{repository.url}: somebody else is writing to it; try again later")


def _files(directory: Path) -> dict[str, Path]:
    """All files by their paths in the model directory, which holds nothing else than files and folders: but for what
    begins with a dot, which is no part of a model."""
    found = {path.relative_to(directory).as_posix(): path for path in sorted(directory.rglob("*")) if path.is_file()}
    return {name: path for name, path in found.items() if not any(part.startswith(".") for part in name.split("/"))}
