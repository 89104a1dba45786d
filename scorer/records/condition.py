"""What is so of one part of a machine or of an installation, for people and as JSON."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from scorer.errors import ScorerError

State = Literal["ok", "note", "wrong"]


@dataclass(frozen=True)
class Condition:
    """A `part`, how it is, one line about it, and what to do.

    `note` is what a person may want to know or change; with `wrong`, something cannot be done. `details` are JSON
    types.
    """

    part: str
    state: State
    said: str
    advice: tuple[str, ...] = ()
    details: Mapping[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """All but the part's name, in which the line and its details stand side by side."""
        return {"state": self.state, "said": self.said, **self.details}


def looked_at(part: str, look: Callable[[], Sequence[Condition]]) -> list[Condition]:
    """What `look` found; where it failed, that it did, as the condition of `part`.

    Anything may be wrong with a machine, and a library of Rust panics with what is no Exception: only what stops a run
    goes through.
    """
    try:
        return list(look())
    except (KeyboardInterrupt, SystemExit):
        raise
    except ScorerError as error:
        return [Condition(part, "wrong", str(error))]
    except BaseException as error:  # noqa: BLE001
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        return [Condition(part, "wrong", f"cannot be looked at: {reason}")]
