"""scorer itself: a model that stays loaded, from file to file, and the whole job."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import torch
from tokenizers import Tokenizer

import scorer
from harness.peers import Setup
from harness.workloads import texts_of
from scorer.classifier.batches import plan
from scorer.classifier.sequences import TokenSequences
from scorer.classifier.tokenization import TextEncoder
from scorer.engines.summary import ScoreSummary


class _Scorer:
    """What both ways share: there is nothing to choose, and the token ids are TextEncoder's."""

    choices: Sequence[Any] = (None,)

    def __init__(self, setup: Setup) -> None:
        if setup.threads is not None:
            torch.set_num_threads(setup.threads)
        self._setup = setup
        self.busy: Mapping[str, float] = {}
        self.stream_seconds: float | None = None
        self._source: Path | None = None

    def choose(self, choice: Any) -> None:
        pass

    @property
    def computed_tokens(self) -> int | None:
        """What the plan makes of the tokens of the last file, of at most one window, where every row was computed."""
        batch_tokens = self._packed_tokens()
        if self._source is None or batch_tokens is None:
            return None
        lengths = self._encode(texts_of(self._source, self._setup.column)).lengths
        return sum(len(rows) * int(lengths[rows].max()) for rows in plan(lengths, budget=batch_tokens))

    def _packed_tokens(self) -> int | None:
        """The tokens of a batch where the packed pass computes every row, else None."""
        raise NotImplementedError

    def _encode(self, texts: list[str]) -> TokenSequences:
        tokenizer = Tokenizer.from_file(str(self._setup.model / "tokenizer.json"))
        return TextEncoder(tokenizer, max_length=self._setup.max_length)(texts).sequences

    def token_ids(self, texts: list[str]) -> list[list[int]]:
        found = self._encode(texts)
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

    def _packed_tokens(self) -> int | None:
        engine = self._model.engine
        return engine.batch_tokens if engine.backend == "packed" else None

    def score(self, source: Path, target: Path) -> None:
        self._source = source
        pq.write_table(self._model.score_frame(pq.read_table(source)), target)


class Job(_Scorer):
    """`scorer.score`, which loads the model, streams, and publishes the output durably; the stream has its own time."""

    def __init__(self, setup: Setup, *, reuse: bool, **options: Any) -> None:
        super().__init__(setup)
        self._given = {"reuse": reuse, "force": True, **options}
        self.about = "reuse" if reuse else "no reuse"
        self.summary: ScoreSummary | None = None

    def _packed_tokens(self) -> int | None:
        engine = self.summary.engine if self.summary is not None else {}
        known = not self._given["reuse"] and engine.get("backend") == "packed"
        return int(engine["batch_tokens"]) if known else None

    def score(self, source: Path, target: Path) -> None:
        self._source = source
        # An output that the same job wrote before would leave nothing to do.
        target.unlink(missing_ok=True)
        self.summary = scorer.score(source, target, **self._options(**self._given))
        self.stream_seconds = self.summary.stream_seconds
        self.busy = self.summary.busy
        engine = self.summary.engine
        words = [str(engine["backend"]), str(engine["precision"]), f"{engine['batch_tokens']} tokens a batch"]
        self.about = ", ".join([*words, "reuse" if self._given["reuse"] else "no reuse"])
