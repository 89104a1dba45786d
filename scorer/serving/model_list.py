"""All models of a server, by their names, and the thread that looks whether one of them has changed."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from threading import Event, Thread

from scorer.config import ServeConfig
from scorer.errors import UsageError
from scorer.runs.console import Console
from scorer.serving.batcher import Deliver
from scorer.serving.measures import Measures
from scorer.serving.refusals import Refused, wrong
from scorer.serving.served_model import ServedModel

# How often the directories of models are looked at. What is seen twice in this time is taken for finished.
LOOK_SECONDS = 1.0
_NAMED = re.compile(r"([A-Za-z0-9][\w.-]*)=(.+)", re.ASCII)
_NO_NAME = re.compile(r"[^\w.-]+", re.ASCII)


class ModelList:
    """The models that `config` names, in memory."""

    def __init__(self, config: ServeConfig, *, deliver: Deliver, measures: Measures, console: Console) -> None:
        self._models: dict[str, ServedModel] = {}
        self._ended = Event()
        self._watcher = Thread(target=self._watch, name="scorer-serve-watch")
        try:
            for name, place in named_models(config.model).items():
                self._models[name] = ServedModel(
                    name,
                    config.frame(place),
                    most_texts=config.queue,
                    deliver=deliver,
                    measures=measures,
                    console=console,
                )
        except BaseException:
            self.close()
            raise
        if config.reload:
            self._watcher.start()

    def __iter__(self) -> Iterator[ServedModel]:
        return iter(self._models.values())

    def find(self, name: str | None, *, version: str | None = None) -> ServedModel:
        """The model of that name; where there is one model, no name is needed. Refused when there is none, or it has
        another `version` now."""
        known = ", ".join(self._models)
        if name is None and len(self._models) > 1:
            raise wrong(f"which model? say it; there are {known}")
        found = next(iter(self)) if name is None else self._models.get(name)
        if found is None or version not in (None, found.current.version):
            raise Refused(404, f"no such model; there are {known}" if found is None else "no such version")
        return found

    def close(self) -> None:
        """Answer what waits, and end all threads."""
        self._ended.set()
        if self._watcher.ident is not None:
            self._watcher.join()
        for model in self:
            model.close()

    def _watch(self) -> None:
        while not self._ended.wait(LOOK_SECONDS):
            for model in self:
                model.look()


def named_models(models: Sequence[str]) -> dict[str, str]:
    """The places of `models` by their names: what stands before a =, or else the last part of the place.

    UsageError for a name that is given twice.
    """
    found: dict[str, str] = {}
    for model in models:
        match = _NAMED.fullmatch(model)
        name, place = match.groups() if match else (_last_part(model), model)
        if name in found:
            raise UsageError(f"--model: two models are called {name!r}; say NAME=MODEL")
        found[name] = place
    return found


def _last_part(place: str) -> str:
    return _NO_NAME.sub("-", place.rstrip("/").rpartition("/")[2]).strip("-.") or "model"
