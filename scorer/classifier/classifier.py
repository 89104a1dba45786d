"""The classifier: a model directory in memory, ready to turn texts into logits and logits into answers.

Puts the parts of this folder together: chooses the device, the precision, the forward pass and the budget of a batch.
Files of data, windows and the score cache stay with the caller.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from scorer.classifier import batches
from scorer.classifier.device import (
    bound_kernel_caches,
    choose_device,
    choose_precision,
    gpu_count,
    memory_errors,
    use_kernels_without_plans,
)
from scorer.classifier.directory import FileStamp, ModelDirectory
from scorer.classifier.early import EarlyBatches
from scorer.classifier.execution import Execution
from scorer.classifier.forward import DeviceOutOfMemory, Forward
from scorer.classifier.forward.choice import choose_forward, precision_of
from scorer.classifier.forward.early import EarlyForward
from scorer.classifier.forward.packed import PackedForward
from scorer.classifier.forward.padded import PaddedForward
from scorer.classifier.forward.resilient import Outcome, ResilientForward
from scorer.classifier.forward.spec import Work
from scorer.classifier.labels import LabelSet
from scorer.classifier.loading import LoadedModel, load
from scorer.classifier.long_text import LongText
from scorer.classifier.sequences import EncodedInputs
from scorer.classifier.token_processes import ProcessEncoder, process_count
from scorer.classifier.tokenization import TextEncoder
from scorer.classifier.workers import Workers, usable_cores, worker_count
from scorer.config import Backend, FrameConfig, Precision
from scorer.errors import DeviceError, ModelError

# Batches of two thousand tokens stay within a core's share of the caches; a GPU needs more to be busy.
_CPU_BATCH_TOKENS = 2_048
_GPU_BATCH_TOKENS = 32_768
# Models whose attention no fused kernel computes hold its scores, one for each row, head and pair of tokens, several
# times over. So many are 128 MiB in half precision; with 12 heads they are those of 21 texts of 512 tokens.
_KEEP_SCORES = ("deberta", "deberta-v2")
_SCORES_OF_A_BATCH = 1 << 26
# More rows than this share that have to be computed again are a reason for another precision.
_MANY_NONFINITE = 0.01


class Classifier:
    """`directory`, loaded; the other arguments are those of `FrameConfig`. `early` computes rows that may leave the
    model early; where there is none, `why_not_early` says why."""

    def __init__(
        self,
        directory: ModelDirectory,
        *,
        device: str = "auto",
        precision: Precision = "auto",
        max_length: int | None = None,
        backend: Backend = "auto",
        batch_tokens: int | None = None,
    ) -> None:
        chosen_device = choose_device(device)
        where = chosen_device.device
        bound_kernel_caches()
        use_kernels_without_plans(where)
        stamp = directory.stamp()
        loaded = load(directory, max_length=max_length)
        exact = choose_precision(precision_of(backend, precision), where, own=directory.dtype)
        self._workers = Workers(worker_count(where), where)
        try:
            with memory_errors():
                work = Work(device=where, precision=exact, streams=self._workers.count)
                chosen = choose_forward(loaded, backend, work)
        except DeviceOutOfMemory as error:
            raise DeviceError(f"{where}: no memory left for the model; see what else is there") from error
        default_tokens = _GPU_BATCH_TOKENS if where.type == "cuda" else _CPU_BATCH_TOKENS
        self.directory = directory
        self.labels: LabelSet = loaded.labels
        self.decision = loaded.decision
        self.encode = _encoder(loaded, where)
        self.engine = Execution(
            device=str(where),
            precision=exact,
            backend=chosen.spec.name,
            reason=chosen.reason,
            workers=self._workers.count,
            batch_tokens=batch_tokens or default_tokens,
            max_length=loaded.max_length,
            libraries=chosen.spec.libraries,
        )
        self._most_squares = _most_squares(loaded)
        self._device_concern = chosen_device.concern
        self._shapes = chosen.shapes
        self._forward = ResilientForward(
            chosen.forward,
            in_fp32=lambda: _padded_fp32(_load_again(directory, stamp, max_length=max_length), where),
            labels=len(self.labels),
        )
        self.why_not_early = _why_not_early(loaded, chosen.forward, where)
        self.early: EarlyBatches | None = None
        if self.why_not_early is None:
            assert isinstance(chosen.forward, PackedForward), "only that has layers to leave behind; this is a bug"
            early = EarlyForward(chosen.forward, self._forward, budget=self.engine.batch_tokens)
            self.early = EarlyBatches(early, self._workers, self.plan, self.decision)

    @classmethod
    def of(cls, config: FrameConfig, directory: ModelDirectory) -> Classifier:
        """`directory`, loaded as `config` says."""
        return cls(
            directory,
            device=config.device,
            precision=config.precision,
            max_length=config.max_length,
            backend=config.backend,
            batch_tokens=config.batch_tokens,
        )

    def plan(self, lengths: NDArray[np.int64]) -> list[NDArray[np.int64]]:
        """Batches of rows for inputs of `lengths` (n,) tokens; only of such as do not change each other's logits."""
        budget = self.engine.batch_tokens
        return batches.plan(lengths, budget=budget, most_squares=self._most_squares, shapes=self._shapes)

    def forward(
        self, inputs: EncodedInputs, plan: Sequence[NDArray[np.int64]]
    ) -> Generator[tuple[NDArray[np.float32], NDArray[np.int8]]]:
        """Logits (b, labels) float32 and `Outcome`s (b,) int8 of each batch of `plan`, rows (b,) of `inputs`, in the
        plan's order. Batches are computed ahead; closing the generator stops that."""
        if inputs.one_each:
            return self._workers.map(lambda rows: self._forward(inputs.sequences.take(rows)), plan)
        return self._workers.map(lambda rows: self._pooled(inputs.take(rows)), plan)

    def logits(self, inputs: EncodedInputs) -> tuple[NDArray[np.float32], NDArray[np.int8]]:
        """Logits (n, labels) float32 and `Outcome`s (n,) int8 of all `inputs`, in their order."""
        logits = np.zeros((len(inputs), len(self.labels)), np.float32)
        outcomes = np.zeros(len(inputs), np.int8)
        plan = self.plan(inputs.lengths)
        for rows, (batch_logits, batch_outcomes) in zip(plan, self.forward(inputs, plan), strict=True):
            logits[rows], outcomes[rows] = batch_logits, batch_outcomes
        return logits, outcomes

    def _pooled(self, batch: EncodedInputs) -> tuple[NDArray[np.float32], NDArray[np.int8]]:
        """Logits and outcomes of inputs of several sequences, which may exceed the budget of a batch together: one
        input alone may. An input of which one sequence could not be scored has no score, hence no logits."""
        sequences = batch.sequences
        logits = np.zeros((len(sequences), len(self.labels)), np.float32)
        outcomes = np.zeros(len(sequences), np.int8)
        for rows in self.plan(sequences.lengths):
            logits[rows], outcomes[rows] = self._forward(sequences.take(rows))
        pooled = self.encode.long_text.pool(logits, batch.starts)
        worst: NDArray[np.int8] = np.maximum.reduceat(outcomes, batch.starts[:-1])
        pooled[worst != Outcome.SCORED] = 0.0
        return pooled, worst

    @property
    def back_offs(self) -> int:
        """How many batches were halved so far, because they did not fit the device's memory."""
        return self._forward.back_offs

    @property
    def concerns(self) -> list[str]:
        """What a person should be told about the device and about the rows so far."""
        found = [] if self._device_concern is None else [self._device_concern]
        rows, again = self._forward.rows, self._forward.recomputed
        if again > _MANY_NONFINITE * rows:
            found.append(
                f"{again} of {rows} rows ({again / rows:.1%}) gave numbers that are not finite in "
                f"{self.engine.precision} and were computed again in fp32, which is slow; try --precision bf16 or fp32"
            )
        return found


def _encoder(loaded: LoadedModel, device: torch.device) -> TextEncoder | ProcessEncoder:
    """What makes token sequences: in processes of their own where a GPU waits for them and cores are many."""
    metadata = loaded.directory.metadata
    options: dict[str, Any] = {
        "max_length": loaded.max_length,
        "token_types": loaded.token_types,
        "long_text": metadata.long_text if metadata else LongText(),
        "truncation_side": loaded.truncation_side,
        "why_no_pairs": loaded.why_no_pairs,
    }
    encoder = TextEncoder(loaded.tokenizer, **options)
    count = process_count(usable_cores(), gpus=gpu_count()) if device.type == "cuda" else 0
    return ProcessEncoder(encoder, count=count, options=options) if count else encoder


def _why_not_early(loaded: LoadedModel, forward: Forward, device: torch.device) -> str | None:
    """Why no row can leave before the whole model has seen it, or None."""
    if loaded.labels.is_number:
        return "the model gives numbers, no labels"
    if device.type != "cpu":
        return f"rows leave early on a CPU only, not on {device}"
    if not isinstance(forward, PackedForward):
        return "rows leave early in the backend packed only, and not in modernbert models"
    metadata = loaded.directory.metadata
    if metadata is not None and metadata.long_text.strategy == "window":
        return "the model reads long texts in windows"
    return None


def _most_squares(loaded: LoadedModel) -> int | None:
    """The most rows times length squared of a batch, where a model keeps all scores of its attention; else None."""
    config = loaded.config
    if config.model_type not in _KEEP_SCORES:
        return None
    return max(_SCORES_OF_A_BATCH // max(int(config.num_attention_heads), 1), 1)


def _load_again(directory: ModelDirectory, stamp: list[FileStamp], *, max_length: int | None) -> LoadedModel:
    """`directory`, which had this `stamp` when it was loaded first. ModelError when it is no longer the same."""
    loaded = load(directory, max_length=max_length, plain=False)
    if directory.stamp() != stamp:
        raise ModelError(f"{directory.name}: another model took its place while it was at work; run again")
    return loaded


def _padded_fp32(loaded: LoadedModel, device: torch.device) -> Forward:
    with memory_errors():
        return PaddedForward(loaded, device=device, dtype=torch.float32)
