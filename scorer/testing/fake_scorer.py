"""A Scorer without a model: the same steps, records, statuses and columns, in milliseconds and without torch.

The logits of a text are drawn from its words, so equal texts get equal answers, whatever stands beside them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Generator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from scorer.classifier import batches
from scorer.classifier.decision import Activation, Decision
from scorer.classifier.execution import Execution
from scorer.classifier.forward.resilient import Outcome
from scorer.classifier.labels import LabelSet, LabelValue
from scorer.classifier.sequences import EncodedInputs, TokenSequences
from scorer.config import FrameConfig
from scorer.scoring.scorer import Scorer

if TYPE_CHECKING:
    from scorer.classifier.early import EarlyBatches

_BATCH_TOKENS = 512
_BEGIN, _END = 1, 2
_SPECIAL = 3


class FakeScorer(Scorer):
    """A scorer for `labels`, of any number of them a row with `multi`, or with an `activation` for numbers in place of
    labels; `options` are those of `FrameConfig`.

    A text has a token for each of its words, one before and one behind them; of a pair, one between the texts, too.
    What is beyond `max_length` tokens is cut off. The words in `nonfinite` and `oom` make a row that cannot be scored,
    as a sick model and a full device do.
    """

    def __init__(
        self,
        labels: Sequence[LabelValue] = (1, 2, 3),
        *,
        multi: bool = False,
        activation: Activation | None = None,
        decision: Decision | None = None,
        max_length: int = 16,
        nonfinite: str = "nonfinite",
        oom: str = "oom",
        **options: Any,
    ) -> None:
        if activation is not None:
            known, decision = LabelSet.of_number("LABEL_0"), Decision(activation=activation)
        else:
            known = LabelSet.from_values(labels, multi=multi)
        sick = {_word_id(nonfinite): Outcome.NONFINITE, _word_id(oom): Outcome.OUT_OF_MEMORY}
        model = _FakeModel(known, decision or Decision.uncalibrated(known), max_length=max_length, sick=sick)
        super().__init__(model, FrameConfig(**options))


class _FakeModel:
    """What `Classifier` is to a Scorer."""

    back_offs = 0
    early: EarlyBatches | None = None
    why_not_early: str | None = "a fake has no layers"

    def __init__(self, labels: LabelSet, decision: Decision, *, max_length: int, sick: dict[int, Outcome]) -> None:
        self.labels = labels
        self.decision = decision
        self.engine = Execution(
            device="cpu",
            precision="fp32",
            backend="fake",
            reason="a test",
            workers=1,
            batch_tokens=_BATCH_TOKENS,
            max_length=max_length,
        )
        self.concerns: list[str] = []
        self._sick = sick

    def encode(self, texts: Sequence[str], pairs: Sequence[str] | None = None) -> EncodedInputs:
        firsts = [[_BEGIN, *map(_word_id, text.split()), _END] for text in texts]
        seconds = [[*map(_word_id, text.split()), _END] for text in pairs] if pairs is not None else [[]] * len(firsts)
        whole = [first + second for first, second in zip(firsts, seconds, strict=True)]
        longest = self.engine.max_length
        kept = [tokens[:longest] for tokens in whole]
        return EncodedInputs.single(
            TokenSequences(
                ids=np.array([token for tokens in kept for token in tokens], np.int32),
                offsets=np.concatenate(([0], np.cumsum([len(tokens) for tokens in kept], dtype=np.int64))),
                first=np.array([min(len(first), longest) for first in firsts], np.int32),
                truncated=np.array([len(tokens) > longest for tokens in whole], np.bool_),
            )
        )

    def plan(self, lengths: NDArray[np.int64]) -> list[NDArray[np.int64]]:
        return batches.plan(lengths, budget=self.engine.batch_tokens)

    def forward(
        self, inputs: EncodedInputs, plan: Sequence[NDArray[np.int64]]
    ) -> Generator[tuple[NDArray[np.float32], NDArray[np.int8]]]:
        ids, offsets = inputs.sequences.ids, inputs.sequences.offsets
        for rows in plan:
            sequences = [ids[offsets[row] : offsets[row + 1]] for row in rows.tolist()]
            outcomes = np.array([self._outcome(sequence) for sequence in sequences], np.int8)
            logits = np.stack([fake_logits(sequence, labels=len(self.labels)) for sequence in sequences])
            logits[outcomes != Outcome.SCORED] = 0.0
            yield logits, outcomes

    def _outcome(self, sequence: NDArray[np.int32]) -> Outcome:
        return next((self._sick[token] for token in sequence.tolist() if token in self._sick), Outcome.SCORED)


def fake_logits(ids: NDArray[np.int32], *, labels: int) -> NDArray[np.float32]:
    """The logits (labels,) float32, between -4 and 4, that a FakeScorer gives to a text with the token `ids` (t,)."""
    digest = hashlib.blake2b(ids.astype("<i4").tobytes(), digest_size=8).digest()
    drawn = np.random.default_rng(int.from_bytes(digest, "little")).random(labels)
    return (8 * drawn - 4).astype(np.float32)


def _word_id(word: str) -> int:
    """A number for the word, the same in every process; those of special tokens are not among them."""
    digest = hashlib.blake2b(word.encode(), digest_size=3).digest()
    return _SPECIAL + int.from_bytes(digest, "little")
