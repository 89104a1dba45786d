"""Models for libraries that hand over texts: each is loaded once a process, when its first text comes.

A model is known by where it lies and by what it holds. So `models/latest` is another model when the link leads
elsewhere, and whoever was given the one before keeps it.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import Any
from weakref import WeakValueDictionary

import pyarrow as pa

from scorer.classifier.directory import ModelDirectory, open_model
from scorer.classifier.execution import Machine
from scorer.classifier.labels import LabelSet
from scorer.classifier.metadata import METADATA_FILE
from scorer.config import FrameConfig, identity
from scorer.config.reading import configure
from scorer.errors import ModelError, UsageError
from scorer.scoring.columns import AnswerColumns, refuse_clash
from scorer.scoring.frames import FrameScorer
from scorer.stores.folder import Folder
from scorer.tables.texts import find_text_columns
from scorer.version import __version__

# Models that stay in memory for whoever asks next; those that were not asked for longest go first.
_MOST = 4


class _Held:
    """What somebody's model is in the memory of this process, once it is loaded. It does not go through a pipe."""

    def __init__(self) -> None:
        self.scorer: FrameScorer | None = None

    def __reduce__(self) -> tuple[type[_Held], tuple[()]]:
        return _Held, ()


@dataclass(frozen=True)
class KnownModel:
    """What `config` asks of the model in `directory`; the `content` is that of everything in it that changes an
    answer. No weight is loaded before there is a text. Whoever has it keeps what was loaded then."""

    config: FrameConfig
    directory: ModelDirectory
    content: str
    held: _Held = field(default_factory=_Held, init=False, repr=False, compare=False)

    @property
    def key(self) -> tuple[FrameConfig, str]:
        """What tells it from others in this process."""
        return self.config, self.content

    @property
    def scorer(self) -> FrameScorer:
        """The model in the memory of this process. ModelError when another one has taken its place on the disk before
        it was loaded."""
        return _models(os.getpid()).loaded(self)

    @property
    def labels(self) -> LabelSet:
        return self.directory.labels or self.scorer.labels

    @property
    def fields(self) -> list[pa.Field]:
        """The columns that scoring appends; UsageError where the labels cannot give what is asked for."""
        return AnswerColumns.of(self.config, labels=self.labels).fields

    @property
    def fitted_columns(self) -> tuple[str, ...]:
        """The text columns that the model was fitted on; none when scorer did not fit it."""
        return self.directory.metadata.text_columns if self.directory.metadata else ()

    @property
    def identity(self) -> str:
        """BLAKE2b (hexadecimal, 32 characters) of everything that changes an answer here: content, options, versions,
        the kind of machine. The same in every process."""
        config, machine = self.config, Machine().identity
        asked = {name: getattr(config, name) for name in ("max_length", "precision", "device", "backend")}
        resolved = {"model": self.content, "text_column": config.text_column, **asked}
        decisive = {
            "settings": identity(config, "logits", "answers", "output", resolved=resolved),
            "machine": [machine["processor"], machine["drivers"]],
            "version": __version__,
        }
        return hashlib.blake2b(json.dumps(decisive, sort_keys=True).encode(), digest_size=16).hexdigest()

    def text_columns(self, names: Sequence[str], *, where: str) -> tuple[str, ...]:
        """The columns of texts among the `names` of a table, to which columns will be appended. UsageError where they
        cannot be told, or where an appended one has the name of another."""
        refuse_clash(names, self.config)
        found = find_text_columns(names, self.config.text_column, self.fitted_columns, where=where)
        if missing := [name for name in found if name not in names]:
            raise UsageError(f"{where}: no column {missing[0]!r}; columns: {', '.join(map(str, names[:20]))}")
        return found

    def check_texts(self, count: int) -> None:
        """UsageError when so many texts a row are not what the model was fitted on."""
        if self.fitted_columns and count != len(self.fitted_columns):
            wanted = "pairs of texts" if len(self.fitted_columns) > 1 else "single texts"
            raise UsageError(f"{self.directory.name}: the model was fitted on {wanted}; give {wanted}")


def known_model(model: str | Path, **options: Any) -> KnownModel:
    """The model directory or hub name `model` as it is now; `options` are the other fields of
    `scorer.config.FrameConfig`. ModelError when it is no model, or one that must not be opened."""
    return _models(os.getpid()).known(configure(FrameConfig, {"model": model, **options}))


class _Models:
    """Those of one process. Several threads may ask at once; while one loads a model, the others wait."""

    def __init__(self) -> None:
        self._turn = Lock()
        self._seen: dict[FrameConfig, tuple[tuple[object, ...], KnownModel]] = {}
        self._kept: OrderedDict[tuple[FrameConfig, str], FrameScorer] = OrderedDict()
        # With those that somebody holds beyond that.
        self._loaded: WeakValueDictionary[tuple[FrameConfig, str], FrameScorer] = WeakValueDictionary()

    def known(self, config: FrameConfig) -> KnownModel:
        with self._turn:
            # Looked at before it is read: what changes in between is seen the next time. No folder: a name of the hub.
            sight = Folder.of(config.model).sight()
            before = self._seen.get(config)
            if before is not None and before[0] == sight:
                return replace(before[1])  # which holds nothing yet
            found = _look(config)
            if before is not None and before[1].key != found.key:
                self._kept.pop(before[1].key, None)
            if sight is not None:
                self._seen[config] = (sight, found)
            return replace(found)

    def loaded(self, model: KnownModel) -> FrameScorer:
        with self._turn:
            found = model.held.scorer or self._loaded.get(model.key) or _load(model)
            model.held.scorer = self._loaded[model.key] = self._kept[model.key] = found
            self._kept.move_to_end(model.key)
            if len(self._kept) > _MOST:
                self._kept.popitem(last=False)
            return found


@lru_cache(maxsize=1)
def _models(process: int) -> _Models:  # noqa: ARG001 - the cache's key: a fork has none of its parent's threads
    return _Models()


def _look(config: FrameConfig) -> KnownModel:
    directory = open_model(config.model, by_times=True)
    return KnownModel(replace(config, model=str(directory.path)), directory, _content(directory))


def _load(model: KnownModel) -> FrameScorer:
    directory = open_model(model.config.model)
    if _content(directory) != model.content:
        raise ModelError(f"{directory.name}: another model took its place since it was asked for; ask for it again")
    return FrameScorer(model.config, directory)


def _content(directory: ModelDirectory) -> str:
    said = Folder(directory.path).read(METADATA_FILE) or ""
    return hashlib.blake2b(f"{directory.fingerprint} {said}".encode(), digest_size=16).hexdigest()
