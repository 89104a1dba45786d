"""The splits of a data set of the hub: which files are for training, for validation, for a test.

The data set's card tells them; where it does not, the names of files and folders do.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Final

from scorer.config import Data
from scorer.errors import UsageError
from scorer.examples.data_card import card_of, mappings, root_of
from scorer.stores.object_path import ObjectPath, is_object, matches
from scorer.tables.formats.registry import format_of

_WORDS: Final = {
    "train": ("train", "training"),
    "validation": ("validation", "valid", "val", "dev"),
    "test": ("test", "testing", "eval", "evaluation"),
}


@dataclass(frozen=True)
class Splits:
    """The files of the `named` splits of a data set of the hub, or of a folder in one; of any other `data` none."""

    data: Data
    named: Mapping[str, Sequence[str]]

    @classmethod
    def of(cls, data: Data) -> Splits:
        """UsageError where a data set has several configurations, none of which is the default."""
        return cls(data, splits_of(data))

    @property
    def train(self) -> Data:
        """What to fit on: the split `train`, or all of the data."""
        return self._of("train") or self.data

    @property
    def valid(self) -> Data | None:
        """The split `validation`, where there is one beside that to fit on."""
        return self._of("validation") if "train" in self.named else None

    @property
    def test(self) -> Data:
        """What to measure a model on: the split `test`, or that for validation, or all of the data."""
        return self._of("test") or self._of("validation") or self.data

    def told(self, *, valid: Data | None) -> list[str]:
        """Lines for people: which splits a fit takes."""
        if "train" not in self.named:
            return []
        beside = ", validation on validation" if valid is not None and valid == self.valid else ""
        return [f"{self.data}: splits {', '.join(self.named)}; fitted on train{beside}"]

    def _of(self, split: str) -> Data | None:
        return Data(*self.named[split]) if split in self.named else None


def splits_of(data: Data) -> dict[str, list[str]]:
    """The files of each split of a data set of the hub, or of a folder in one; nothing where `data` is something else,
    or has no splits."""
    if len(data.places) > 1 or not is_object(data.places[0]):
        return {}
    place = ObjectPath.of(data.places[0])
    if place.bucket.scheme != "hf" or any(sign in place.key for sign in "*?[") or format_of(place.name) is not None:
        return {}
    files = [path for path in place.beneath() if format_of(path.name) is not None]
    return _told(place, files) or _by_names(place, files)


def _told(place: ObjectPath, files: Sequence[ObjectPath]) -> dict[str, list[str]]:
    """The splits as the card tells them: those of the configuration that is the default, or the only one, or called as
    the folder that was named."""
    known = {str(one.get("config_name")): one for one in mappings(card_of(place).get("configs"))}
    if place.key:
        known = {name: one for name, one in known.items() if name == place.key}
    if not known:
        return {}
    default = [name for name, one in known.items() if one.get("default") is True]
    chosen = next(chain(default, (name for name in ("default",) if name in known)), None)
    if chosen is None and len(known) > 1:
        raise UsageError(
            f"{place}: has several configurations ({', '.join(sorted(known)[:9])}); name the folder or the files of one"
        )
    root, found = root_of(place), dict[str, list[str]]()
    for split in mappings(known[chosen or next(iter(known))].get("data_files")):
        patterns = split.get("path")
        for pattern in [patterns] if isinstance(patterns, str) else patterns or []:
            parts = str(pattern).split("/")
            inside = [str(path) for path in files if matches(path.parts[len(root.parts) :], parts)]
            found.setdefault(str(split.get("split")), []).extend(inside)
    return {_usual(split): paths for split, paths in found.items() if paths}


def _by_names(place: ObjectPath, files: Sequence[ObjectPath]) -> dict[str, list[str]]:
    """The splits as the names of files, or else of their folders, tell them; nothing where no file tells one.
    UsageError where some do: what the others are for is not known, and a fit on all would learn what it is to be
    measured on."""
    found: dict[str, list[str]] = {}
    others: list[str] = []
    for path in files:
        inside = path.parts[len(place.parts) :]
        split = next((split for part in reversed(inside) if (split := _split_of(part)) is not None), None)
        if split is None:
            others.append(str(path))
        else:
            found.setdefault(split, []).append(str(path))
    if found and others:
        one = next(iter(found.values()))[0]
        raise UsageError(f"{place}: {one} is named after a split, {others[0]} after none; name the files to be read")
    return found


def _split_of(name: str) -> str | None:
    words = re.split(r"[^a-z]+", name.lower())
    return next((split for split, known in _WORDS.items() if set(words) & set(known)), None)


def _usual(split: str) -> str:
    """What a split is called that a card may call otherwise."""
    return next((usual for usual, known in _WORDS.items() if split.lower() in known), split)
