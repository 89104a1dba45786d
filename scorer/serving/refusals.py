"""Why a request gets no answer: the status of HTTP, and the reason in words that hold nothing of a text."""

from __future__ import annotations

from scorer.errors import DeviceError, ScorerError, UsageError
from scorer.serving.waiting import Full

RETRY_SECONDS = 1


class Refused(Exception):
    """`status` is that of HTTP; `reason` says what is wrong, with which value, and what to try."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason

    @property
    def headers(self) -> dict[str, str]:
        """Of a refusal that is not for long, when to come again."""
        return {"Retry-After": str(RETRY_SECONDS)} if self.status in (429, 503) else {}


def wrong(reason: str) -> Refused:
    """The request is not what is expected."""
    return Refused(422, reason)


def too_large(reason: str) -> Refused:
    return Refused(413, reason)


def refusal_of(error: BaseException) -> Refused:
    """What to say of an `error` that came up while a request was answered. What is no error of ours may quote a text,
    so its kind alone is told."""
    if isinstance(error, Refused):
        return error
    if isinstance(error, Full):
        return Refused(429, f"too many texts wait already; try again in {RETRY_SECONDS} s")
    if isinstance(error, UsageError):
        return wrong(str(error))
    if isinstance(error, DeviceError | MemoryError):
        return Refused(503, "no memory is left for this request; try again, with fewer texts")
    if isinstance(error, ScorerError):
        return wrong(str(error))
    return Refused(500, f"{type(error).__name__}; this is a bug: report it")
