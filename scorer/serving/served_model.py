"""A model that is served: in memory under its name, and replaced by another one when its directory changes.

A request is answered by one model from beginning to end. The one before answers what it has taken, then it goes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow as pa

from scorer.classifier.directory import ModelDirectory, open_model
from scorer.config import FrameConfig
from scorer.errors import ScorerError
from scorer.runs.console import Console
from scorer.scoring.columns import AnswerColumns
from scorer.scoring.scorer import Scorer, ScorerSpec
from scorer.scoring.windows import Window
from scorer.serving.batcher import Batcher, Deliver
from scorer.serving.measures import Measures
from scorer.serving.waiting import Closed, Ticket
from scorer.stores.folder import Folder


@dataclass(frozen=True, eq=False)
class LoadedModel:
    """One model in memory, with the threads that answer from it."""

    config: FrameConfig
    directory: ModelDirectory
    scorer: Scorer
    batcher: Batcher
    columns: AnswerColumns

    @classmethod
    def load(cls, config: FrameConfig, *, most_texts: int, deliver: Deliver) -> LoadedModel:
        """The model that `config` names; it has answered one text, so that what cannot work is found here.

        ModelError, DeviceError and UsageError as `scorer predict` raises them.
        """
        directory = open_model(config.model)
        scorer = Scorer.build(ScorerSpec.of(config, directory), directory)
        columns = AnswerColumns.of(config, labels=scorer.labels)
        metadata = directory.metadata
        texts = ["warm", "up"][: len(metadata.text_columns) if metadata else 1]
        names = tuple(map(str, range(len(texts))))
        table = pa.table([pa.array([text]) for text in texts], names=list(names))
        scorer.score(Window(0, table, names))
        return cls(config, directory, scorer, Batcher(scorer, most_texts=most_texts, deliver=deliver), columns)

    @property
    def version(self) -> str:
        """What tells this model from others of its name."""
        return self.directory.fingerprint

    @property
    def reads_pairs(self) -> bool | None:
        """Whether a row is a pair of texts; None where the model does not say."""
        metadata = self.directory.metadata
        return len(metadata.text_columns) == 2 if metadata and metadata.text_columns else None


class ServedModel:
    """The model called `name`; `current` is who answers from now on."""

    def __init__(
        self, name: str, config: FrameConfig, *, most_texts: int, deliver: Deliver, measures: Measures, console: Console
    ) -> None:
        self.name = name
        self.reload_error: str | None = None
        self._config, self._most_texts, self._deliver = _by_its_place(config), most_texts, deliver
        self._measures, self._console = measures, console
        self._seen = self._sight()
        self._settled = self._seen
        self.current = self._load()
        measures.watch_waiting(name, lambda: self.current.batcher.waiting)

    def submit(self, prepare: Callable[[LoadedModel], Ticket]) -> tuple[LoadedModel, Ticket]:
        """Let the current model answer the ticket that is `prepare`d for it; both of them. Full when there is no room,
        Refused as `prepare` raises it."""
        while True:
            loaded = self.current
            ticket = prepare(loaded)
            try:
                loaded.batcher.submit(ticket)
                return loaded, ticket
            except Closed:  # between the two lines another one took its place
                continue

    def look(self) -> None:
        """Load the model anew if its directory has changed, and is no longer changing. One that is bad changes
        nothing, and that is said."""
        seen, before = self._sight(), self._seen
        self._seen = seen
        if seen != before or seen == self._settled:
            return
        self._settled = seen
        try:
            fresh = self._load()
        except Exception as error:  # noqa: BLE001  whatever is wrong with the new one, the old one stays
            self.reload_error = str(error) if isinstance(error, ScorerError | OSError) else type(error).__name__
            self._measures.reloads.labels(self.name, "failed").inc()
            self._console.warn(f"{self.name}: the new model is not taken, the old one stays: {self.reload_error}")
            return
        old, self.current = self.current, fresh
        self.reload_error = None
        self._measures.reloads.labels(self.name, "taken").inc()
        self._console.say(f"{self.name}: {fresh.directory.path} ({fresh.version}) answers from now on")
        old.batcher.close()

    def close(self) -> None:
        """Answer what waits, and end."""
        self.current.batcher.close()

    def _load(self) -> LoadedModel:
        return LoadedModel.load(self._config, most_texts=self._most_texts, deliver=self._deliver)

    def _sight(self) -> tuple[object, ...] | None:
        return Folder.of(self._config.model).sight()


def _by_its_place(config: FrameConfig) -> FrameConfig:
    """`config` with the absolute path of a model of this machine: one that is gone some day is missing then, where a
    name alone might mean somebody's model on the hub."""
    is_local = Folder.of(config.model).is_folder
    return replace(config, model=str(Path(config.model).absolute())) if is_local else config
