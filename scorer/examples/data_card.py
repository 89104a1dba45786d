"""The card of a data set of the hub: what the front matter of its README.md tells of its files and columns."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

from scorer.errors import InputMissing
from scorer.stores.object_path import ObjectPath

_CARD: Final = "README.md"
_FRONT_MATTER: Final = re.compile(r"\A\ufeff?---\s*\n(.*?)\n---\s*(\n|\Z)", re.DOTALL)


def card_of(place: ObjectPath) -> Mapping[str, Any]:
    """The front matter of the card of the data set that the `place` is in; empty where there is none to be read."""
    found = (root_of(place) / _CARD).look()
    return {} if found is None else _read(str(root_of(place)), found.token)


def root_of(place: ObjectPath) -> ObjectPath:
    """The data set that the place is in."""
    key = place.key
    return place.parents[len(key.split("/")) - 1] if key else place


@lru_cache(maxsize=4)
def _read(root: str, version: str) -> Mapping[str, Any]:  # noqa: ARG001 - the cache's key
    import yaml

    try:
        text = (ObjectPath.of(root) / _CARD).open().read().decode()
        found = _FRONT_MATTER.match(text)
        document = yaml.safe_load(found[1]) if found else {}
    except (InputMissing, UnicodeDecodeError, yaml.YAMLError):
        return {}
    return document if isinstance(document, dict) else {}


def mappings(found: Any) -> list[dict[str, Any]]:
    """One or several mappings as a list."""
    several = found if isinstance(found, list) else [found]
    return [one for one in several if isinstance(one, dict)]
