"""Where bytes lie on this machine: how much room is left, and how much is kept from earlier runs."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import chain, islice
from pathlib import Path
from typing import Final

from scorer.records.condition import Condition
from scorer.runs.score_store import score_files
from scorer.stores.fingerprints import user_cache
from scorer.stores.parts_folder import HIDDEN

LITTLE: Final = 2 << 30
"""Less room than so many bytes is worth a word: a fit keeps checkpoints, a score job sorts on disk."""
_LARGE_CACHE: Final = 20 << 30
# A look must not take minutes: so many folders are searched for scores.
_MOST_FOLDERS: Final = 2000
# Nor is a cache of more files measured to its end.
_MOST_FILES: Final = 100_000


def look_at_disks(here: Path, *, cache: Path | None = None) -> list[Condition]:
    """The room on each file system that a run writes to: here, in models, the caches and for temporary files."""
    places = {"here": here, "models": here / "models", "temporary files": Path(tempfile.gettempdir())}
    places |= {"hub cache": _hub_cache()} | ({"cache": cache} if cache is not None else {})
    if (kept := user_cache("")) is not None:
        places["user cache"] = kept
    devices: dict[int, tuple[list[str], Path]] = {}
    for name, place in places.items():
        standing = _standing(place.absolute())
        devices.setdefault(standing.stat().st_dev, ([], standing))[0].append(name)
    return [_disk(names, at) for names, at in devices.values()]


def _disk(names: list[str], at: Path) -> Condition:
    free, part = shutil.disk_usage(at).free, "disk"
    said = f"{size(free)} free at {at}, for {', '.join(names)}"
    details = {"for": names, "path": str(at), "free_bytes": free, "writable": os.access(at, os.W_OK)}
    if not details["writable"]:
        return Condition(part, "note", f"{said}; it cannot be written to", details=details)
    if free < LITTLE:
        return Condition(part, "note", said, (f"free some space at {at}: {size(free)} are left",), details)
    return Condition(part, "ok", said, details=details)


def look_at_caches(here: Path, *, cache: Path | None = None) -> list[Condition]:
    """The scores that are kept in `cache` and in folders OUT near by, and what is kept for this user."""
    found = list(_score_caches(here, cache))
    if not found:
        said = "none known of; --cache DIR or SCORER_CACHE=DIR keeps scores from one run to the next"
        found.append(Condition("scores", "ok", said, details={"bytes": 0}))
    kept = user_cache("")
    if kept is None:
        return [*found, Condition("user cache", "note", "none, without HOME: files are hashed again by every run")]
    total = bytes_of([kept])
    said = f"{size(total)} of hashes and downloaded models in {kept}"
    return [*found, Condition("user cache", "ok", said, details={"path": str(kept), "bytes": total})]


def _score_caches(here: Path, cache: Path | None) -> Iterator[Condition]:
    if cache is not None and not cache.is_dir():
        said = f"{cache} is no folder" if cache.exists() else f"{cache} is not there yet"
        yield Condition("scores", "note", said, details={"path": str(cache), "bytes": 0})
    named = [cache] if cache is not None and cache.is_dir() else []
    for folder in (*named, *(output / HIDDEN for output in _near(here))):
        if not (stores := score_files(folder)):
            continue
        total = bytes_of(stores)
        said = f"{size(total)} in {folder}, of {len(stores)} models or settings"
        advice = (f"remove {folder} if its scores are not needed",) if total > _LARGE_CACHE else ()
        details = {"path": str(folder), "bytes": total, "stores": len(stores)}
        yield Condition("scores", "note" if advice else "ok", said, advice, details)


def _near(here: Path) -> Iterator[Path]:
    """This folder, those in it and those in them: each may be a folder OUT, which keeps scores of its own."""
    below = list(_folders_in(here))
    return islice(chain([here], below, chain.from_iterable(map(_folders_in, below))), _MOST_FOLDERS)


def _folders_in(folder: Path) -> Iterator[Path]:
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in islice(entries, _MOST_FOLDERS):
            if entry.is_dir(follow_symlinks=False):
                yield Path(entry)


def bytes_of(places: Iterable[Path]) -> int:
    """How large the files are in `places`, which may be files or folders; what cannot be read counts nothing."""
    total, files = 0, 0
    for place in places:
        for folder, _, names in os.walk(place) if place.is_dir() else [(str(place.parent), [], [place.name])]:
            for name in names:
                with suppress(OSError):
                    total += Path(folder, name).lstat().st_size
            files += len(names)
            if files > _MOST_FILES:
                return total
    return total


def size(count: int) -> str:
    """So many bytes, as a person reads it."""
    for unit, factor in (("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if count >= factor:
            return f"{count / factor:.1f} {unit}"
    return f"{count} bytes"


def _hub_cache() -> Path:
    home = os.environ.get("HF_HOME") or Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache", "huggingface")
    return Path(os.path.expanduser(os.environ.get("HF_HUB_CACHE") or Path(home, "hub")))  # noqa: PTH111  never raises


def _standing(place: Path) -> Path:
    """The nearest folder at or above `place` that is there."""
    return next(folder for folder in (place, *place.parents) if folder.is_dir())
