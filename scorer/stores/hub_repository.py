"""The door to `huggingface_hub` for what is written: a data set or a model of the hub, changed by whole commits.

A commit is seen all at once or not at all. One that expects a `parent` is refused where another came in between, so of
several writers one succeeds. The token is that of the hub's own tools (HF_TOKEN, or `hf auth login`); it is in no
message, and neither is what a server answers.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, TypeVar

from scorer.errors import (
    Busy,
    DataError,
    NotPermitted,
    OutputRefused,
    ScorerError,
    StorageError,
    UsageError,
    from_os_error,
)
from scorer.stores.hub import ASK_FOR_TOKEN, endpoint, library

T = TypeVar("T")

_TRIES: Final = 5
_PAUSE_SECONDS: Final = 1.0
# A hub that asks to wait longer is left for a later run.
_MOST_SECONDS: Final = 120.0
_AGAIN: Final = (408, 429, 500, 502, 503, 504)


@dataclass(frozen=True)
class Repository:
    """The data set or model called `name`, OWNER/NAME."""

    kind: Literal["dataset", "model"]
    name: str

    @property
    def url(self) -> str:
        return f"hf://datasets/{self.name}" if self.kind == "dataset" else self.name

    @property
    def address(self) -> str:
        """Where a person finds it."""
        return (
            f"{endpoint() or library().constants.ENDPOINT}/{'datasets/' if self.kind == 'dataset' else ''}{self.name}"
        )

    def check_token(self) -> None:
        """NotPermitted where there is no token: nothing of the hub is written without one."""
        if library().get_token() is None:
            raise NotPermitted(f"{self.url}: writing to the hub needs a token; {ASK_FOR_TOKEN}")

    def make(self, *, private: bool) -> None:
        """Make it where there is none; one that is there stays as it is."""
        self._asked(lambda: self._api.create_repo(self.name, repo_type=self.kind, private=private, exist_ok=True))

    def head(self) -> str:
        """The newest commit."""
        return self.files()[0]

    def files(self) -> tuple[str, list[str]]:
        """The newest commit, and the paths of the files in it."""
        found = self._asked(lambda: self._api.repo_info(self.name, repo_type=self.kind, revision="main"))
        return str(found.sha), [file.rfilename for file in found.siblings or ()]

    def commit(
        self, message: str, *, add: Mapping[str, Path | bytes], delete: Collection[str] = (), parent: str | None = None
    ) -> str | None:
        """One commit that adds these files and deletes those, by their paths; the newest commit after it. None where
        the newest one before was not the `parent`, if one is expected."""

        def commit() -> str:
            # They remember what became of them, so each try has its own.
            operations = [
                library().CommitOperationAdd(path, str(content) if isinstance(content, Path) else content)
                for path, content in sorted(add.items())
            ]
            operations += [library().CommitOperationDelete(path, is_folder=False) for path in sorted(delete)]
            with _silence():
                made = self._api.create_commit(
                    self.name, operations, commit_message=message, repo_type=self.kind, parent_commit=parent
                )
            return str(made.oid)

        try:
            return self._asked(commit)
        except _Conflict:
            if parent is None:
                raise
            return None

    def _asked(self, work: Callable[[], T]) -> T:
        """What `work` gives, tried again where the hub is busy or away."""
        for again in range(_TRIES):
            try:
                return work()
            except (library().errors.HTTPError, OSError, RuntimeError, ValueError) as error:
                status = _status(error)
                if status in (409, 412):
                    raise _Conflict(f"{self.url}: somebody else is writing to it; try again later") from error
                pause = _pause(error, again)
                if again == _TRIES - 1 or not _worth_trying(error, status) or pause > _MOST_SECONDS:
                    raise self._told(error, status, pause) from error
                time.sleep(pause)
        raise AssertionError("the last try returns or raises; this is a bug")

    def _told(self, error: Exception, status: int | None, pause: float) -> ScorerError:
        errors = library().errors
        if isinstance(error, errors.OfflineModeIsEnabled):
            return OutputRefused(f"{self.url}: HF_HUB_OFFLINE keeps us from the hub; unset it")
        if isinstance(error, errors.HFValidationError):
            return UsageError(f"{self.url}: no name of the hub; it is OWNER/NAME")
        if status in (401, 403):
            return NotPermitted(
                f"{self.url}: the hub does not let us write (status {status}); check its owner and that the token may "
                f"write, or {ASK_FOR_TOKEN}"
            )
        if status == 404:
            return OutputRefused(f"{self.url}: no such repository, or one that the token may not see; check its name")
        if status == 429:
            return Busy(f"{self.url}: the hub asks to wait {pause:.0f} seconds (status 429); run again after that")
        if status is None and isinstance(error, ValueError):
            return DataError(f"{self.url}: the hub refuses a file ({type(error).__name__}); is its README.md valid?")
        if isinstance(error, OSError) and error.filename is not None:
            return from_os_error(error)
        reason = f"status {status}" if status is not None else type(error).__name__
        return StorageError(f"{self.url}: the hub cannot be reached ({reason}); run the same command again")

    @property
    def _api(self) -> Any:
        return library().HfApi(endpoint=endpoint())


class _Conflict(Busy):
    """Another commit came in between."""


def _status(error: Exception) -> int | None:
    found = getattr(getattr(error, "response", None), "status_code", None)
    return found if isinstance(found, int) else None


def _worth_trying(error: Exception, status: int | None) -> bool:
    """Whether the same again may go well: of a broken connection, a full or a busy server."""
    if status is not None:
        return status in _AGAIN
    return isinstance(error, library().errors.HTTPError | OSError) and not isinstance(
        error, library().errors.OfflineModeIsEnabled
    )


def _pause(error: Exception, again: int) -> float:
    """How long to wait: as long as the server says, or each time twice as long."""
    said = getattr(getattr(error, "response", None), "headers", {}).get("Retry-After", "")
    return float(said) if said.isdecimal() else _PAUSE_SECONDS * 2.0**again


@contextmanager
def _silence() -> Iterator[None]:
    """No progress bars of the library, which knows nothing of ours."""
    utils = library().utils
    if utils.are_progress_bars_disabled():
        yield
        return
    utils.disable_progress_bars()
    try:
        yield
    finally:
        utils.enable_progress_bars()
