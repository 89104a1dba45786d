"""The door to `obstore`: the objects of one bucket of S3, Google Cloud Storage or Azure, or of one web server.

Credentials, region and endpoint come from where each cloud's own tools take them: AWS_ACCESS_KEY_ID, AWS_PROFILE,
AWS_REGION, AWS_ENDPOINT_URL and ~/.aws for S3, GOOGLE_APPLICATION_CREDENTIALS for Google, AZURE_STORAGE_ACCOUNT_NAME
and its siblings for Azure. Requests that are throttled, cut or stalled are made again, with growing pauses.

Errors come out of `scorer.errors`: InputMissing or OutputRefused for a bucket that is not there, NotPermitted for a key
that the store does not take, StorageError where it cannot be reached, ConfigError where `obstore` is not installed.
"""

from __future__ import annotations

import os
import re
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar

from scorer.errors import (
    ConfigError,
    DataError,
    InputMissing,
    NotPermitted,
    OutputRefused,
    ScorerError,
    StorageError,
    UsageError,
)
from scorer.stores import aws_profile

if TYPE_CHECKING:
    from obstore.store import ObjectStore as Client

T = TypeVar("T")
Scheme = Literal["s3", "gs", "az", "hf", "http", "https"]

SCHEMES: Final[tuple[Scheme, ...]] = ("s3", "gs", "az", "hf", "http", "https")
WRITABLE: Final[tuple[Scheme, ...]] = ("s3", "gs", "az", "hf")
WEB: Final[tuple[Scheme, ...]] = ("http", "https")
NO_TIME: Final = datetime(1970, 1, 1, tzinfo=UTC)
"""When an object was written of which nothing tells that."""

_EXTRA: Final = "pip install 'scorer[object-stores]'"
# A request that takes longer has stalled. AWS_TIMEOUT names another time in seconds, AWS_MAX_ATTEMPTS another number.
_TIMEOUT_SECONDS: Final = 30.0
_ATTEMPTS: Final = 10
_RETRY_SECONDS: Final = 180
# What obstore gives up on at once (a lost answer to a conditional put, a cut multipart upload) is tried so often.
_TRIES: Final = 5
_PAUSE_SECONDS: Final = 0.2
_CHUNK_BYTES: Final = 8 << 20
_MOST_CHUNKS: Final = 9000
_UPLOADS: Final = 3
# Azure takes names of metadata that are identifiers alone, and some proxies drop those with _.
_PUT: Final = "scorerput"
# What a store says where trying again would not help.
_NO_KEY: Final = (
    *("InvalidAccessKeyId", "SignatureDoesNotMatch", "AccessDenied", "ExpiredToken", "InvalidToken"),
    *("AuthenticationFailed", "AuthorizationFailure", "403 Forbidden", "401 Unauthorized", "AuthorizationHeader"),
)
_NO_CREDENTIALS: Final = ("169.254.169.254", "metadata.google.internal", "CredentialsNotLoaded", "no credentials")
_NO_BUCKET: Final = ("NoSuchBucket", "ContainerNotFound", "The specified bucket does not exist")
# obstore has tried it again itself, as often as it may.
_TRIED_ENOUGH: Final = re.compile(r" after [1-9][0-9]* retries")
_GONE_UPLOAD: Final = "NoSuchUpload"
_NO_PATH: Final = "Could not parse path"
_MOVED: Final = ("301 Moved", "PermanentRedirect", "307 Temporary", "400 Bad Request", "MissingRegion")
_FULL: Final = ("507 Insufficient", "QuotaExceeded", "EntityTooLarge")


@dataclass(frozen=True)
class Tag:
    """What a store knows one writing of an object by: its etag, and its generation where it counts them."""

    etag: str | None
    generation: str | None = None


@dataclass(frozen=True)
class ObjectInfo:
    """An object as it was at one moment: its size in bytes, its `tag`, when it was written by the store's clock, and a
    `token` that a change of its content alters."""

    key: str
    size: int
    tag: Tag
    modified: datetime

    @property
    def etag(self) -> str | None:
        return self.tag.etag

    @property
    def token(self) -> str:
        return self.tag.etag or self.modified.isoformat()


@dataclass(frozen=True)
class Bucket:
    """The bucket or container `name`, or the web server of that name. May be sent to another process."""

    scheme: Scheme
    name: str

    @property
    def url(self) -> str:
        return f"{self.scheme}://{self.name}"

    @property
    def store(self) -> str:
        """What tells the store from others in which a bucket may have the same name: its endpoint, or an account."""
        if self.scheme == "s3":
            return aws_profile.endpoint()
        named = _ACCOUNT if self.scheme == "az" else ()
        return " ".join(filter(None, (os.environ.get(name) for name in named)))

    def look(self, key: str) -> ObjectInfo | None:
        """The object as it is now; None where there is none, or no such bucket. DataError where nothing would tell a
        change of it."""
        try:
            found = self._info(self._tried(key, lambda: self._client.head(key)))
        except FileNotFoundError:
            return None
        if found.etag is None and found.modified == NO_TIME:
            raise DataError(
                f"{self.url}/{key}: the server tells neither ETag nor Last-Modified, so a change could not be seen; "
                "fetch it (curl -O), or pipe it in and say -"
            )
        return found

    def note(self, key: str) -> Mapping[str, str] | None:
        """What its writer noted beside the object; None where there is none."""
        try:
            found = self._tried(key, lambda: self._client.get(key, options={"head": True}).attributes)
        except FileNotFoundError:
            return None
        return {str(name): str(value) for name, value in found.items()}

    def read(self, info: ObjectInfo, begin: int, end: int) -> bytes:
        """The bytes from `begin` to `end` of the object as it was when `info` was told; DataError when it has changed,
        also where a store does not look at the etag that it is asked for."""
        # A weak etag, or what a web server has for one, matches nothing by the rules of HTTP.
        options: Any = {"if_match": info.etag} if info.etag and info.etag.startswith('"') else {}
        if (begin, end) != (0, info.size):  # some stores answer a range of everything as if none were asked for
            options["range"] = (begin, end)

        def get() -> tuple[ObjectInfo, bytes]:
            found = self._client.get(info.key, options=options)
            return self._info(found.meta), found.bytes().to_bytes()

        try:
            now, content = self._tried(info.key, get)
        except (FileNotFoundError, _errors().PreconditionError) as error:
            raise self._changed(info.key) from error
        if len(content) != end - begin or self._differs(now, info):
            raise self._changed(info.key)
        return content

    def _differs(self, now: ObjectInfo, before: ObjectInfo) -> bool:
        """Whether an answer tells of another writing than there was `before`."""
        if before.etag:
            return now.etag != before.etag
        return self.scheme in WEB and now.modified not in (before.modified, NO_TIME)

    def list(self, folder: str = "") -> Iterator[ObjectInfo]:
        """All objects beneath `folder`, in any order. InputMissing when there is no such bucket."""
        try:
            found = self._tried(folder, lambda: self._client.list(folder or None).collect())
        except FileNotFoundError as error:
            raise self._missing(folder) from error
        yield from map(self._info, found)

    def has_any(self, folder: str) -> bool:
        """Whether there is an object beneath `folder`. InputMissing when there is no such bucket."""
        try:
            first = self._tried(folder, lambda: next(iter(self._client.list(folder or None, chunk_size=1)), ()))
        except FileNotFoundError as error:
            raise self._missing(folder) from error
        return len(first) > 0

    def put(self, key: str, content: bytes, *, only: Literal["absent"] | Tag | None = None) -> Tag | None:
        """Write a small object, whole, and return its tag. With "absent" only where there is none, with a tag only
        where that is the object's: else None, and nothing changed."""
        mode: Any = "overwrite" if only is None else "create"
        if isinstance(only, Tag):
            mode = {name: value for name, value in (("e_tag", only.etag), ("version", only.generation)) if value}
        # An answer may get lost, and a second try then finds what the first has written: by this it is known.
        mine = uuid.uuid4().hex
        attributes: Any = {_PUT: mine}
        errors = _errors()
        try:
            done = self._tried(
                key, lambda: self._client.put(key, content, mode=mode, attributes=attributes, use_multipart=False)
            )
            return self._tag(done)
        except (errors.AlreadyExistsError, errors.PreconditionError):
            if (self.note(key) or {}).get(_PUT) != mine:
                return None
            found = self.look(key)
            return None if found is None else found.tag
        except FileNotFoundError as error:
            if only not in (None, "absent") and _says(error, ("NoSuchKey",)):
                return None
            raise OutputRefused(f"{self.url}: no such bucket; create it first") from error

    def upload(self, key: str, path: Path, *, note: Mapping[str, str]) -> ObjectInfo:
        """Write the object from the local file `path`, by parts where it is large, with a `note` of its writer. It is
        seen when it is whole."""
        chunk = max(_CHUNK_BYTES, path.stat().st_size // _MOST_CHUNKS)
        attributes: Any = dict(note)
        for last in (*[False] * (_TRIES - 1), True):
            try:
                done = self._tried(
                    key,
                    lambda: self._client.put(
                        key, path, chunk_size=chunk, max_concurrency=_UPLOADS, attributes=attributes
                    ),
                )
                return ObjectInfo(key, path.stat().st_size, self._tag(done), datetime.now(UTC))
            except FileNotFoundError as error:
                # A lost answer to the end of an upload: a second end finds none. The same bytes are sent again.
                if _says(error, (_GONE_UPLOAD,)) and not last:
                    continue
                raise OutputRefused(f"{self.url}: no such bucket; create it first") from error
        raise AssertionError("the last try returns or raises; this is a bug")

    def delete(self, key: str) -> None:
        """Delete the object, if there is one."""
        try:
            self._tried(key, lambda: self._client.delete(key))
        except FileNotFoundError:
            return

    def _info(self, found: Any) -> ObjectInfo:
        return ObjectInfo(str(found["path"]), int(found["size"]), self._tag(found), found["last_modified"])

    def _tag(self, found: Any) -> Tag:
        etag = found["e_tag"]
        # Some stores leave the quotes out in their lists.
        bare = etag and self.scheme not in WEB and not etag.endswith('"')
        return Tag(f'"{etag}"' if bare else etag, found["version"])

    def _tried(self, key: str, work: Callable[[], T]) -> T:
        """What `work` gives, tried again where the connection is at fault. FileNotFoundError and obstore's errors of a
        condition pass; all others are named."""
        errors = _errors()
        for again in range(_TRIES):
            try:
                return work()
            except (FileNotFoundError, errors.AlreadyExistsError, errors.PreconditionError):
                raise
            except (errors.BaseError, OSError, ValueError) as error:
                named = self._named(error, key)
                if not isinstance(named, StorageError) or _TRIED_ENOUGH.search(str(error)) or again == _TRIES - 1:
                    raise named from error
                time.sleep(_PAUSE_SECONDS * 2**again)
        raise AssertionError("the last try returns or raises; this is a bug")

    def _named(self, error: Exception, key: str) -> ScorerError:
        where = f"{self.url}/{key}"
        if _says(error, _NO_BUCKET):
            return InputMissing(f"{self.url}: no such bucket; check its name, the region and the endpoint")
        if isinstance(error, (_errors().PermissionDeniedError, _errors().UnauthenticatedError)) or _says(
            error, _NO_KEY
        ):
            return NotPermitted(f"{where}: the store does not let us ({_reason(error)}); {ADVICE[self.scheme]}")
        if _says(error, _NO_CREDENTIALS):
            return NotPermitted(f"{where}: no credentials were found; {ADVICE[self.scheme]}")
        if _says(error, _MOVED) and not _says(error, ("RequestTimeout",)):
            return InputMissing(f"{where}: the store refuses the request ({_reason(error)}); check region and endpoint")
        if isinstance(error, _errors().InvalidPathError) or _says(error, (_NO_PATH,)):
            return DataError(f"{where}: there is an object that we cannot name ({_reason(error)}); rename it")
        if _says(error, _FULL):
            return StorageError(f"{where}: no room in the store ({_reason(error)})")
        return StorageError(f"{where}: the store cannot be reached ({_reason(error)}); run the same command again")

    def _changed(self, key: str) -> DataError:
        return DataError(f"{self.url}/{key}: changed while it was read; run again when it is no longer written to")

    def _missing(self, folder: str) -> InputMissing:
        return InputMissing(f"{self.url}/{folder}: no such bucket or folder")

    @property
    def _client(self) -> Client:
        # A fork has none of the threads that its parent's client works with.
        return _client(self.url, os.getpid(), tuple(os.environ.get(name) for name in _ENVIRONMENT))


ADVICE: Final[dict[Scheme, str]] = {
    "s3": "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY or AWS_PROFILE; for a public bucket AWS_SKIP_SIGNATURE=true",
    "gs": "name the key file in GOOGLE_APPLICATION_CREDENTIALS",
    "az": "set AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY",
    "hf": "set HF_TOKEN",
    "http": "fetch it with a tool that can log in, and pipe it",
    "https": "fetch it with a tool that can log in, and pipe it",
}
"""What to do where a store does not let us."""
_ACCOUNT: Final = ("AZURE_STORAGE_ACCOUNT_NAME", "AZURE_STORAGE_ENDPOINT", "AZURITE_BLOB_STORAGE_URL")
# What a client is made from besides: when one of them changes, another client is made.
_ENVIRONMENT: Final = (
    *aws_profile.VARIABLES,
    *("AWS_SESSION_TOKEN", "AWS_TIMEOUT", "AWS_MAX_ATTEMPTS", "AWS_SKIP_SIGNATURE", "AWS_ALLOW_HTTP"),
    *("GOOGLE_APPLICATION_CREDENTIALS", "GOOGLE_SERVICE_ACCOUNT"),
    *("AZURE_STORAGE_ACCOUNT_NAME", "AZURE_STORAGE_ACCOUNT_KEY", "AZURITE_BLOB_STORAGE_URL"),
)


@lru_cache(maxsize=64)
def _client(url: str, process: int, environment: tuple[str | None, ...]) -> Client:  # noqa: ARG001 - the cache's key
    store = _library().store
    s3 = url.startswith("s3:")
    config: Any = aws_profile.of_profile() if s3 else {}
    plain = url.startswith("http:") or (s3 and aws_profile.endpoint().startswith("http:"))
    options: Any = {"timeout": timedelta(seconds=_number("AWS_TIMEOUT", _TIMEOUT_SECONDS))}
    if plain or os.environ.get("AWS_ALLOW_HTTP", "").lower() == "true":
        options["allow_http"] = True
    attempts = max(int(_number("AWS_MAX_ATTEMPTS", _ATTEMPTS)), 1)
    retry: Any = {"max_retries": attempts - 1, "retry_timeout": timedelta(seconds=_RETRY_SECONDS)}
    try:
        if url.startswith("http"):
            made: Client = store.HTTPStore.from_url(url, client_options=options, retry_config=retry)
        else:
            made = store.from_url(url, config=config, client_options=options, retry_config=retry)
        return made
    except (ValueError, _errors().BaseError) as error:
        raise UsageError(f"{url}: {_reason(error)}") from error


def _number(variable: str, otherwise: float) -> float:
    said = os.environ.get(variable, "")
    try:
        return float(said) if said else otherwise
    except ValueError:
        raise UsageError(f"{variable}={said}: a number is needed") from None


def _library() -> Any:
    try:
        import obstore
        import obstore.store
    except ImportError as error:
        raise ConfigError(f"reading and writing object stores needs a library: {_EXTRA}") from error
    return obstore


def _errors() -> Any:
    _library()
    import obstore.exceptions

    return obstore.exceptions


def _says(error: Exception, words: tuple[str, ...]) -> bool:
    text = str(error)
    return any(word in text for word in words)


def _reason(error: Exception) -> str:
    """What a store says, in few words: the code of its answer, or the end of the first line."""
    text = str(error)
    for begin, end in (("<Code>", "</Code>"), ("non-2xx status code: ", ":")):
        if begin in text:
            return text.partition(begin)[2].partition(end)[0][:80]
    first = text.strip().partition("\n")[0]
    return first.rpartition(" - ")[2][:160]
