"""The heavy half of a score job: the model in memory, and every window of the input on its way through the stages.

Owns the putting together of stages, score cache and output. Does not know what was checked before or what is published.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import asdict
from pathlib import Path
from threading import Event
from typing import Any

from scorer.classifier.classifier import Classifier
from scorer.runs.background_store import BackgroundStore
from scorer.runs.console import Console
from scorer.runs.score_store import ScoreStore
from scorer.runs.signals import StopSignals
from scorer.scoring import local
from scorer.scoring.answers import Answers
from scorer.scoring.append import Append
from scorer.scoring.classify import Classify
from scorer.scoring.drift import Observer
from scorer.scoring.encode import Encode
from scorer.scoring.lineage import describe_job, logit_fingerprint
from scorer.scoring.output import Output
from scorer.scoring.preparation import Preparation
from scorer.scoring.summary import Tally
from scorer.scoring.windows import ScoredWindow, Window, record_dtype


class Streaming:
    """The job that was `prepared`, its model loaded, bound for `output`.

    `job` describes everything that decides the output, `engine` how logits are computed.
    """

    def __init__(self, prepared: Preparation, output: Output) -> None:
        config = prepared.config
        self._prepared = prepared
        self._output = output
        self._classifier = Classifier.of(config, prepared.directory)
        metadata = prepared.directory.metadata
        self._profile = metadata.profile if metadata else None
        self._answers = Answers.of(config, labels=self._classifier.labels, decision=self._classifier.decision)
        self.engine: dict[str, Any] = asdict(self._classifier.engine)
        self.job = describe_job(prepared, self._classifier)

    def run(self, tally: Tally, console: Console, signals: StopSignals) -> local.Pace:
        """Send every window through the stages into the output, and count."""
        tally.profile = self._profile
        with ExitStack() as stack:
            # Two connections to one file: it is looked into for the next windows while this one's scores are added.
            known, kept = self._open_store(stack), self._open_store(stack)
            background = None if kept is None else stack.enter_context(closing(BackgroundStore(kept)))
            given_up = Event()

            def between_batches() -> None:
                signals.check()
                if given_up.is_set():
                    raise local.GivenUp

            run = _run_number(known, self._output.unfinished_run(self.job))
            encode, classify, append = self._stages(run, between_batches, known=known, kept=background)
            sink = self._output.begin(self.job, run, self._answers.schema(self._prepared.reader.schema))
            with console.progress("score", self._prepared.rows, "rows") as bar:

                def write(window: ScoredWindow) -> None:
                    signals.check()
                    sink.write(window.table)
                    tally.add(window)
                    bar.update(window.table.num_rows)

                try:
                    return local.run(
                        self._windows(tally),
                        encode=encode,
                        classify=classify,
                        append=append,
                        write=write,
                        given_up=given_up,
                    )
                finally:
                    tally.back_offs = self._classifier.back_offs

    def _stages(
        self, run: int, between_batches: Callable[[], None], *, known: ScoreStore | None, kept: BackgroundStore | None
    ) -> tuple[Encode, Classify, Append]:
        observe = Observer(self._profile, self._classifier.decision) if self._profile else None
        encode = Encode(
            self._classifier.encode,
            text_columns=self._prepared.text_columns,
            labels=len(self._classifier.labels),
            fingerprint=logit_fingerprint(self._classifier),
            store=known,
            run=run,
            count_unknown=observe.unknown if observe else None,
        )
        classify = Classify(self._classifier, store=kept, run=run, between_batches=between_batches)
        return encode, classify, Append(self._answers, observe=observe)

    def _windows(self, tally: Tally) -> Iterator[Window]:
        for number, table in enumerate(self._prepared.windows()):
            tally.rows_read += table.num_rows
            yield Window(number, table)

    def _open_store(self, stack: ExitStack) -> ScoreStore | None:
        config = self._prepared.config
        if not config.reuse:
            return None
        if config.cache is not None:
            config.cache.mkdir(parents=True, exist_ok=True)
        path = store_path(config.cache or self._output.directory, self._classifier)
        width = record_dtype(len(self._classifier.labels)).itemsize
        return stack.enter_context(closing(ScoreStore(path, width=width)))


def store_path(folder: Path, classifier: Classifier) -> Path:
    """The file in `folder` that keeps scores of `classifier`; whatever changes a logit changes its name."""
    return folder / f"scores.{logit_fingerprint(classifier)}.sqlite"


def _run_number(store: ScoreStore | None, unfinished: int | None) -> int:
    """The unfinished run's number where the store still knows it, else a new one."""
    if store is None:
        return 0
    return unfinished if unfinished is not None and store.has_run(unfinished) else store.new_run()
