"""A model and what is done with it: texts are encoded, classified, answered. Everything that scores rows uses this.

    scorer = Scorer.build(ScorerSpec.of(config))
    answers = scorer.score(Window(0, table, ("text",))).answers

Reading rows and putting answers somewhere is left to the caller. So any process can build a Scorer from its spec alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from scorer.classifier.decision import Decision
from scorer.classifier.directory import ModelDirectory, open_model
from scorer.classifier.execution import Execution
from scorer.classifier.labels import LabelSet
from scorer.classifier.profile import Profile
from scorer.classifier.stages import stage_names
from scorer.config import WINDOW_ROWS, FrameConfig
from scorer.errors import ModelError
from scorer.scoring.answers import Answers, count_statuses
from scorer.scoring.cache import ScoreCache
from scorer.scoring.classify import AfterBatch, Batches, Classify
from scorer.scoring.columns import AnswerColumns, asks_who_decided
from scorer.scoring.drift import Observer
from scorer.scoring.encode import Encode, Encoder
from scorer.scoring.windows import (
    AnsweredWindow,
    ClassifiedWindow,
    EncodedWindow,
    ScoredWindow,
    Window,
    window_rows,
)

if TYPE_CHECKING:
    from scorer.classifier.early import EarlyBatches
    from scorer.scoring.flips.early_rows import EarlyRows


class Model(Batches, Protocol):
    """A classifier in memory, as far as scoring needs one. `early` computes rows that may leave it early; where there
    is none, `why_not_early` says why."""

    labels: LabelSet
    decision: Decision
    engine: Execution
    early: EarlyBatches | None
    why_not_early: str | None

    @property
    def encode(self) -> Encoder: ...

    @property
    def back_offs(self) -> int: ...

    @property
    def concerns(self) -> list[str]: ...


@dataclass(frozen=True, kw_only=True)
class ScorerSpec:
    """What makes a Scorer, as plain data: it can be pickled, and another process builds the same Scorer of it.

    options      the model and what is asked of it
    fingerprint  what `ModelDirectory.fingerprint` must be; None takes the model that is there
    observe      whether to count what rows look like, for a model that knows its training data
    decided_by   whether to append what decided each row
    """

    options: FrameConfig
    fingerprint: str | None = None
    observe: bool = False
    decided_by: bool = False

    @classmethod
    def of(cls, config: FrameConfig, directory: ModelDirectory | None = None, *, observe: bool = False) -> ScorerSpec:
        """The Scorer that `config` asks for. With a `directory` that was opened already, it must be that very model."""
        options = FrameConfig(**{field.name: getattr(config, field.name) for field in fields(FrameConfig)})
        told = asks_who_decided(config)
        if directory is None:
            return cls(options=options, observe=observe, decided_by=told)
        # The name may mean another model by the time that another process opens it.
        options = replace(options, model=str(directory.path))
        return cls(options=options, fingerprint=directory.fingerprint, observe=observe, decided_by=told)


class Scorer:
    """`model`, and what `options` ask of it; `profile` is what the model says of its training data, if rows are to be
    counted for a comparison with it. With `decided_by` a column says what decided each row."""

    def __init__(
        self, model: Model, options: FrameConfig, *, profile: Profile | None = None, decided_by: bool = False
    ) -> None:
        self.model = model
        self.columns = AnswerColumns.of(options, labels=model.labels)
        if decided_by:
            stages = model.early.stages if model.early is not None else stage_names(0)
            self.columns = replace(self.columns, stages=stages)
        self.profile = profile
        self._observe = Observer(profile, model.decision) if profile is not None else None
        self._encode = Encode(
            model.encode,
            labels=len(model.labels),
            count_unknown=self._observe.unknown if self._observe is not None else None,
        )
        self._classify = Classify(model)

    @classmethod
    def build(cls, spec: ScorerSpec, directory: ModelDirectory | None = None) -> Scorer:
        """Load the model of `spec`, or the one in the `directory` that was opened already.

        ModelError when it is not the model that `spec` was made for, DeviceError when the device has no room for it.
        """
        from scorer.classifier.classifier import Classifier

        directory = directory or open_model(spec.options.model)
        if spec.fingerprint is not None and directory.fingerprint != spec.fingerprint:
            raise ModelError(f"{directory.name}: another model took its place while it was at work; run again")
        profile = directory.profile if spec.observe else None
        return cls(Classifier.of(spec.options, directory), spec.options, profile=profile, decided_by=spec.decided_by)

    @property
    def labels(self) -> LabelSet:
        return self.model.labels

    @property
    def decision(self) -> Decision:
        """What stands between logits and labels."""
        return self.model.decision

    @property
    def engine(self) -> Execution:
        """How logits are computed here."""
        return self.model.engine

    @property
    def back_offs(self) -> int:
        """How many batches were halved so far, because they did not fit the device's memory."""
        return self.model.back_offs

    @property
    def concerns(self) -> list[str]:
        """What a person should be told about the device, and about the rows that it computed so far."""
        return self.model.concerns

    def plan(self, lengths: NDArray[np.int64]) -> list[NDArray[np.int64]]:
        """Which inputs of `lengths` (n,) tokens the device should see together: batches of rows, longest first."""
        return self.model.plan(lengths)

    def encode(self, window: Window, cache: ScoreCache | None = None, *, distinct: bool = False) -> EncodedWindow:
        """The texts of `window` as token sequences; with a `cache` equal texts once, and known ones not at all, or
        without one equal texts once if `distinct`."""
        return self._encode(window, cache, distinct=distinct)

    def classify(
        self,
        encoded: EncodedWindow,
        cache: ScoreCache | None = None,
        *,
        after_batch: AfterBatch = lambda _share: None,
        early: EarlyRows | None = None,
    ) -> ClassifiedWindow:
        """Logits of what was `encoded` with the same `cache`. `after_batch` is called with each batch's share of
        the window; it may raise to stop. Rows may leave the model early as those of `early` do."""
        return self._classify(encoded, cache, after_batch=after_batch, early=early)

    def answer(self, classified: ClassifiedWindow) -> AnsweredWindow:
        """The answers to all rows of a window, as arrays.

        A step apart from `classify`, so that the device goes on with the next window meanwhile. Waits until what was
        computed is durable in the score cache; StorageError where it cannot be kept.
        """
        if classified.kept is not None:
            classified.kept.result()
        answers = Answers.of_scores(
            classified.scores,
            status=classified.status,
            scorable=classified.scorable,
            decision=self.decision,
            stages=classified.stages,
        )
        stats = None
        if self._observe is not None:
            probability, left_early = answers.probability[classified.scorable], answers.stages is not None
            stats = self._observe(classified.scores, probability, left_early=left_early)
        return AnsweredWindow(
            window=classified.window,
            answers=answers,
            computed_tokens=classified.computed_tokens,
            reused=classified.reused,
            stats=stats,
        )

    def append(self, answered: AnsweredWindow) -> ScoredWindow:
        """The window's table with the columns that were asked for."""
        answers = answered.answers
        return ScoredWindow(
            table=self.columns.append(answered.window.table, answers),
            status_counts=count_statuses(answers.status),
            tokens=int(answers.tokens.sum()),
            computed_tokens=answered.computed_tokens,
            reused=answered.reused,
            stats=answered.stats,
        )

    def score(self, window: Window) -> AnsweredWindow:
        """All three steps, one after the other."""
        return self.answer(self.classify(self.encode(window)))

    def windows(self, table: pa.Table, text_columns: tuple[str, ...], *, rows: int = WINDOW_ROWS) -> Iterator[Window]:
        """`table` in windows of at most so many `rows`, or fewer for a model of many labels; one if it has no rows."""
        most = window_rows(rows, labels=len(self.labels))
        for number, start in enumerate(range(0, max(table.num_rows, 1), most)):
            yield Window(number, table.slice(start, most), text_columns)
