"""scorer itself: a model that stays loaded, from file to file, and the whole job."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import torch
from tokenizers import Tokenizer

import scorer
from harness.peers import Setup
from scorer.classifier.tokenization import TextEncoder
from scorer.config import ScoreConfig
from scorer.runs.console import Console
from scorer.runs.signals import StopSignals
from scorer.scoring.output import FileOutput
from scorer.scoring.preparation import prepare
from scorer.scoring.streaming import Streaming
from scorer.scoring.summary import ScoreSummary, Tally, summarize


class _Scorer:
    """What both ways share: there is nothing to choose, and the token ids are TextEncoder's."""

    choices: Sequence[Any] = (None,)

    def __init__(self, setup: Setup) -> None:
        if setup.threads is not None:
            torch.set_num_threads(setup.threads)
        self._setup = setup
        self.busy: Mapping[str, float] = {}
        self.computed_tokens: int | None = None

    def choose(self, choice: Any) -> None:
        pass

    def ready(self, source: Path, target: Path) -> None:
        pass

    def token_ids(self, texts: list[str]) -> list[list[int]]:
        tokenizer = Tokenizer.from_file(str(self._setup.model / "tokenizer.json"))
        found = TextEncoder(tokenizer, max_length=self._setup.max_length)(texts)
        return [found.ids[a:b].tolist() for a, b in zip(found.offsets, found.offsets[1:], strict=False)]

    def _options(self, **options: Any) -> dict[str, Any]:
        given = {"text_column": (self._setup.column,), "max_length": self._setup.max_length, "probabilities": True}
        return given | {"model": str(self._setup.model), "device": self._setup.device} | options


class Loaded(_Scorer):
    """`scorer.load(...).score_frame`, between a read and a write of the whole file."""

    def __init__(self, setup: Setup, *, backend: str, precision: str) -> None:
        super().__init__(setup)
        self._model = scorer.load(**self._options(backend=backend, precision=precision))
        self.about = f"{backend}, {precision}"

    def score(self, source: Path, target: Path) -> None:
        pq.write_table(self._model.score_frame(pq.read_table(source)), target)


class Job(_Scorer):
    """`scorer score`: the overlapped stream and the durable publication; the model is loaded before each, by `ready`.

    These are the two halves of `scorer.scoring.job.score`, taken apart so that loading has a time of its own.
    """

    def __init__(self, setup: Setup, *, reuse: bool, **options: Any) -> None:
        super().__init__(setup)
        self._given = {"reuse": reuse, "force": True, "quiet": True, **options}
        self.about = "reuse" if reuse else "no reuse"
        self.summary: ScoreSummary | None = None
        self._output: FileOutput | None = None
        self._streaming: Streaming | None = None

    def ready(self, source: Path, target: Path) -> None:
        if self._output is not None:
            self._output.close()
        # An output that the same job wrote before would leave nothing to do.
        target.unlink(missing_ok=True)
        config = ScoreConfig(source=str(source), target=str(target), **self._options(**self._given))
        prepared = prepare(config)
        self._output = FileOutput(target, prepared.output_format, force=True)
        self._streaming = Streaming(prepared, self._output)
        engine = self._streaming.engine
        words = [str(engine["backend"]), str(engine["precision"]), f"{engine['batch_tokens']} tokens a batch"]
        self.about = ", ".join([*words, "reuse" if self._given["reuse"] else "no reuse"])

    def score(self, source: Path, target: Path) -> None:
        assert self._streaming is not None, f"ready comes before {source}"
        assert self._output is not None, f"ready comes before {source}"
        tally = Tally()
        with closing(self._output) as output, StopSignals() as signals:
            clock = self._streaming.run(tally, Console(quiet=True), signals)
            tally.check()
            output.publish(self._streaming.job | {"counts": tally.counts})
        engine = self._streaming.engine
        self.summary = summarize(tally, output=str(target), engine=engine, busy=clock.shares())
        self.busy = self.summary.busy
        self.computed_tokens = self.summary.computed_tokens if engine["backend"] == "packed" else None
        self._output = self._streaming = None
