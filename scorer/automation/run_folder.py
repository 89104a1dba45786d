"""What a job keeps between its runs: its lock, what is known of each day, a manifest for each run.

    runs/nightly/lock                                    held while the job runs
    runs/nightly/days/2026-03-31.json                    what its steps came to for that day
    runs/nightly/20260401T023000.123456Z-1f2e3d4c.json   the manifest of a run

Every file is written whole. Manifests beyond the newest that are kept are deleted; what is known of days stays.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any, Final, Literal

from scorer.errors import ConfigError, from_os_error
from scorer.stores.atomic import make_folder, write_whole
from scorer.stores.workspace import FileLease, holder_of

_LOCK: Final = "lock"
_REASON: Final = ".reason"
_DAYS: Final = "days"
_MANIFESTS: Final = "????????T??????.??????Z-????????.json"


@dataclass(frozen=True, kw_only=True)
class StepMemory:
    """What is known of a step for a day: it was `begun`, is `done` or has `failed`, with these `settings` and of this
    `identity`. `outputs` are what it writes and was not there before, but for what an earlier try of it had written;
    `stood` are those that were there, and `force` says whether it was to replace them. `left` is the hash of what an
    interrupted fit had left before it, `left_by` the identity that the step had then: "" where a try could not go on
    from there, None where that was no try of it."""

    state: Literal["begun", "done", "failed"]
    settings: str
    identity: str | None
    outputs: tuple[str, ...] = ()
    stood: tuple[str, ...] = ()
    force: bool = False
    left: str | None = None
    left_by: str | None = None


class RunFolder:
    """The folder `path` of one job, which is made when it is held for the first time."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @contextmanager
    def held(self, job: Path) -> Iterator[FileLease]:
        """Hold the lock of the `job` in the block. Busy when another run does."""
        lease = None
        while lease is None:  # somebody deletes the folder just now
            make_folder(self.path / _DAYS)
            try:
                lease = FileLease.take(self.path / _LOCK, what=job, doing="running this job")
            except OSError as error:
                raise from_os_error(error) from error
        try:
            lease.sign()
            yield lease
        finally:
            lease.unsign()
            lease.let_go()

    @property
    def holder(self) -> str | None:
        """The number of the process that runs the job; None when none does."""
        return holder_of(self.path / _LOCK)

    @property
    def reason(self) -> Path:
        """The file into which a step that fails writes why."""
        return self.path / _REASON

    def recall(self, day: date) -> dict[str, StepMemory]:
        """What is known of the steps of `day`, by their names. ConfigError when the file is damaged."""
        path = self._day(day)
        try:
            if not path.exists():
                return {}
            document = json.loads(path.read_text(encoding="utf-8"))
            return {name: _memory(known) for name, known in document.items()}
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise ConfigError(f"{path}: not what a run wrote; delete it, and the day is done again") from error
        except OSError as error:
            raise from_os_error(error) from error

    def remember(self, day: date, steps: Mapping[str, StepMemory]) -> None:
        """Keep what is known of the `steps` of `day`."""
        write_whole(self._day(day), _json({name: asdict(known) for name, known in steps.items()}))

    def manifest(self, name: str) -> Path:
        """Where the manifest of the run `name` is written."""
        return self.path / f"{name}.json"

    def write(self, name: str, manifest: Mapping[str, Any]) -> Path:
        """Write the `manifest` of a run whole, under its `name`."""
        path = self.manifest(name)
        write_whole(path, _json(manifest))
        return path

    def manifests(self) -> list[Path]:
        """Those that there are, oldest first."""
        return sorted(self.path.glob(_MANIFESTS))

    def keep(self, count: int) -> None:
        """Delete all manifests but the newest `count`."""
        try:
            for path in self.manifests()[:-count]:
                path.unlink(missing_ok=True)
        except OSError as error:
            raise from_os_error(error) from error

    def _day(self, day: date) -> Path:
        return self.path / _DAYS / f"{day.isoformat()}.json"


def _memory(known: Mapping[str, Any]) -> StepMemory:
    return StepMemory(**{**known, "outputs": tuple(known["outputs"]), "stood": tuple(known["stood"])})


def _json(document: Mapping[str, Any]) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"
