"""The door to data sets of the Hugging Face hub, `hf://datasets/OWNER/NAME/PATH`: their files as objects, to be read.

A revision may stand behind the name (`NAME@v1`), else the newest is read. What is listed or opened is read from the
very commit that it was found in, so a data set that is written to meanwhile is never mixed. A file is known by the hash
that the hub tells of its content.

Token and endpoint are those of the hub's own tools: HF_TOKEN or `hf auth login`, HF_ENDPOINT.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, NoReturn, TypeVar
from urllib.parse import unquote

from scorer.errors import InputMissing, NotPermitted, ScorerError, StorageError, UsageError
from scorer.stores.objects import NO_TIME, Bucket, ObjectInfo, Tag

T = TypeVar("T")

_NAME: Final = re.compile(r"datasets/([A-Za-z0-9][\w.-]*/[\w.-]+?)(?:@([\w.%-]+))?")
_NEWEST: Final = "main"
_TIMEOUT_SECONDS: Final = 30
ASK_FOR_TOKEN: Final = "set HF_TOKEN, or log in (hf auth login)"


@dataclass(frozen=True)
class HubDataset(Bucket):
    """A data set; its `name` is datasets/OWNER/NAME, perhaps with a revision."""

    def __post_init__(self) -> None:
        if _NAME.fullmatch(self.name) is None:
            raise UsageError(
                f"hf://{self.name}: of the hub data sets are read, as hf://datasets/OWNER/NAME/PATH or "
                "hf://datasets/OWNER/NAME@REVISION/PATH; a model is named OWNER/NAME"
            )

    @property
    def store(self) -> str:
        return os.environ.get("HF_ENDPOINT", "")

    def look(self, key: str) -> ObjectInfo | None:
        try:
            found = self._asked(
                key,
                lambda: library().get_hf_file_metadata(
                    self._url(key, self._revision), timeout=_TIMEOUT_SECONDS, retry_on_errors=True
                ),
            )
        except FileNotFoundError:
            return None
        if found.etag is None or found.size is None or found.commit_hash is None:
            raise StorageError(f"{self.url}/{key}: the hub does not say what it is; is HF_ENDPOINT a hub?")
        return ObjectInfo(key, found.size, Tag(found.etag, found.commit_hash), NO_TIME)

    def note(self, key: str) -> Mapping[str, str] | None:
        return None if self.look(key) is None else {}

    def read(self, info: ObjectInfo, begin: int, end: int) -> bytes:
        utils = library().utils
        commit = info.tag.generation or self._revision
        headers = utils.build_hf_headers() | {"Range": f"bytes={begin}-{end - 1}", "Accept-Encoding": "identity"}

        def get() -> bytes:
            response = utils.http_backoff("GET", self._url(info.key, commit), headers=headers, timeout=_TIMEOUT_SECONDS)
            utils.hf_raise_for_status(response)
            content = bytes(response.content)
            # Whoever looks at no range sends all.
            return content[begin:end] if response.status_code == 200 else content

        try:
            content = self._asked(info.key, get)
        except FileNotFoundError as error:
            raise self._changed(info.key) from error
        if len(content) != end - begin:
            raise self._changed(info.key)
        return content

    def list(self, folder: str = "") -> Iterator[ObjectInfo]:
        commit = self._asked("", lambda: str(self._api().dataset_info(self._id, revision=self._revision).sha))
        try:
            yield from self._asked(folder, lambda: list(self._files(folder, commit)))
        except FileNotFoundError as error:
            raise self._missing(folder) from error

    def has_any(self, folder: str) -> bool:
        try:
            return (
                self._asked(folder, lambda: next(iter(self._tree(folder, self._revision, recursive=False)), None))
                is not None
            )
        except FileNotFoundError:
            return False

    @property
    def written_name(self) -> str:
        """OWNER/NAME, to which commits are made. UsageError for another revision than the newest."""
        if self._parts[1] is not None:
            raise UsageError(f"{self.url}: a revision is read alone; leave out what stands behind the name from @ on")
        return self._id

    def put(self, key: str, content: bytes, *, only: Literal["absent"] | Tag | None = None) -> NoReturn:  # noqa: ARG002
        raise AssertionError(f"{self.url}: is written by commits alone; this is a bug")

    def upload(self, key: str, path: Any, *, note: Mapping[str, str]) -> NoReturn:  # noqa: ARG002
        raise AssertionError(f"{self.url}: is written by commits alone; this is a bug")

    def delete(self, key: str) -> NoReturn:  # noqa: ARG002
        raise AssertionError(f"{self.url}: is written by commits alone; this is a bug")

    def _files(self, folder: str, commit: str) -> Iterator[ObjectInfo]:
        for found in self._tree(folder, commit, recursive=True):
            if isinstance(found, library().hf_api.RepoFile):
                # A large file is known by its content, a small one as Git knows it: as the header of each says, too.
                etag = found.lfs.sha256 if found.lfs is not None else found.blob_id
                # Of a time it tells only when it looks at every commit.
                yield ObjectInfo(found.path, found.size, Tag(etag, commit), NO_TIME)

    def _tree(self, folder: str, revision: str, *, recursive: bool) -> Iterator[Any]:
        found = self._api().list_repo_tree(
            self._id, folder or None, recursive=recursive, revision=revision, repo_type="dataset"
        )
        yield from found

    def _asked(self, key: str, work: Callable[[], T]) -> T:
        """What `work` gives; FileNotFoundError where there is no such file or folder. Other errors are named."""
        errors = library().errors
        try:
            return work()
        except errors.EntryNotFoundError as error:
            raise FileNotFoundError(key) from error
        except (errors.HTTPError, OSError, ValueError) as error:
            raise self._told(error, f"{self.url}/{key}" if key else self.url) from error

    def _told(self, error: Exception, where: str) -> ScorerError:
        errors = library().errors
        status = getattr(getattr(error, "response", None), "status_code", None)
        if isinstance(error, errors.OfflineModeIsEnabled):
            return InputMissing(f"{where}: HF_HUB_OFFLINE keeps us from the hub; unset it")
        if isinstance(error, errors.GatedRepoError):
            return NotPermitted(
                f"{where}: the data set asks for your consent; give it on its page, and {ASK_FOR_TOKEN}"
            )
        if isinstance(error, errors.RepositoryNotFoundError):
            return InputMissing(f"{self.url}: no such data set, or a private one; check its name, or {ASK_FOR_TOKEN}")
        if isinstance(error, errors.RevisionNotFoundError):
            return InputMissing(f"{self.url}: the data set has no such revision; check what stands behind @")
        if status in (401, 403):
            return NotPermitted(f"{where}: the hub does not let us (status {status}); {ASK_FOR_TOKEN}")
        reason = f"status {status}" if status is not None else type(error).__name__
        return StorageError(f"{where}: the hub cannot be reached ({reason}); run the same command again")

    def _url(self, key: str, revision: str) -> str:
        found = library().hf_hub_url(self._id, key, repo_type="dataset", revision=revision, endpoint=endpoint())
        return str(found)

    def _api(self) -> Any:
        return library().HfApi(endpoint=endpoint())

    @property
    def _id(self) -> str:
        return self._parts[0]

    @property
    def _revision(self) -> str:
        return unquote(self._parts[1] or _NEWEST)

    @property
    def _parts(self) -> tuple[str, str | None]:
        found = _NAME.fullmatch(self.name)
        assert found is not None, "a name that was looked at before; this is a bug"
        return found[1], found[2]


def library() -> Any:
    """`huggingface_hub`, imported when it is needed."""
    import huggingface_hub
    import huggingface_hub.errors
    import huggingface_hub.hf_api
    import huggingface_hub.utils

    return huggingface_hub


def endpoint() -> str | None:
    """Where the hub is, if not where the library knows it."""
    return os.environ.get("HF_ENDPOINT") or None
