"""An export as it is made: every file of it written, the tokenizer and the model compared with ours.

Knows nothing of where the folder goes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from scorer.classifier.classifier import Classifier
from scorer.classifier.device import choose_device
from scorer.classifier.directory import EXPORT_FILE, ModelDirectory
from scorer.classifier.forward import Forward
from scorer.classifier.forward.choice import spec_of
from scorer.classifier.forward.spec import Work
from scorer.classifier.loading import LoadedModel, load
from scorer.classifier.network import max_positions, token_count
from scorer.classifier.sequences import EncodedInputs, TokenSequences
from scorer.classifier.workers import usable_cores
from scorer.config import Backend, ExportConfig
from scorer.errors import ModelError, ScorerError
from scorer.exporting.description import CERTIFICATE_FILE, README_FILE, Exported
from scorer.exporting.parity import Difference, compare_shapes, difference, logits_of
from scorer.exporting.runtimes.runtime import Runtime
from scorer.exporting.texts import Texts, awkward, generated, of_file
from scorer.exporting.tokenizer_file import TOKENIZER_FILE, compare_tokenizer, refuse_unlike_refusals, write_tokenizer
from scorer.runs.console import Console
from scorer.stores.folder import Folder

_LONGEST: Final = 512
# Rows that an exported model is given at once.
_TOGETHER: Final = 8
# A quantizer may look at so many batches of so many rows.
_SAMPLES, _SAMPLE_ROWS = 64, 4


@dataclass(frozen=True)
class Computed:
    """Those of the texts that have tokens as sequences (n,), with our logits (n, labels) float32 of them."""

    texts: Texts
    sequences: TokenSequences
    logits: NDArray[np.float32]


class Making:
    """The export of the model in `directory` for `runtime`, as `config` asks for it. ModelError for a model that none
    can be exported of."""

    def __init__(self, config: ExportConfig, runtime: Runtime, directory: ModelDirectory, console: Console) -> None:
        self._config = config
        self._runtime = runtime
        self._console = console
        # First what is said of the file, which may be wrong, then what takes seconds.
        self._texts = _texts(config, directory)
        self._loaded = load(directory, max_length=config.max_length, plain=False)
        _refuse_dependent(self._loaded)
        backend = _reference(self._loaded)
        options: dict[str, Any] = {"device": "cpu", "precision": "fp32", "max_length": config.max_length}
        self._ours = Classifier(directory, backend=backend, **options)

    def write(self, made: Folder, scratch: Folder) -> Exported:
        """Write the export into the folder `made`; `scratch` is for what is not part of it. ModelError where the export
        differs from ours."""
        runtime, loaded, int8 = self._runtime, self._loaded, self._config.int8
        write_tokenizer(loaded, made.path / TOKENIZER_FILE)
        tokenized = self._compare_tokenizer(made)
        plain, small = ((scratch if int8 else made).path / runtime.model_file, made.path / runtime.model_file)
        self._console.detail(f"exporting {loaded.directory.name} for {runtime.title}")
        runtime.write(loaded, plain)
        computed = [self._computed(texts) for texts in self._texts]
        differences = [*self._compare(runtime.open(plain, loaded, _threads()), computed)]
        quantized: list[Difference] = []
        if int8:
            self._quantize(plain, small, computed)
            # What differs on awkward texts says little: no file is full of them.
            quantized = [*self._compare_texts(runtime.open(small, loaded, _threads()), computed[1:])]
        exported = Exported(
            loaded=loaded,
            runtime=runtime,
            differences=differences,
            quantized=quantized,
            tolerance=self._config.tolerance,
            max_flips=self._config.max_flips,
            tokenized=tokenized,
            pairs=self._texts[0].second is not None,
            computed_by=f"{self._ours.engine.backend}, {self._ours.engine.precision}, {self._ours.engine.device}",
        )
        made.write(EXPORT_FILE, _as_json(exported.document()))
        made.write(CERTIFICATE_FILE, _as_json(exported.certificate()))
        made.write(README_FILE, exported.page())
        return exported

    def _quantize(self, plain: Path, small: Path, computed: Sequence[Computed]) -> None:
        try:
            self._runtime.quantize(plain, small, self._samples(computed))
        except (OSError, MemoryError, ScorerError):
            raise
        except Exception as error:
            reason = (str(error).strip().splitlines() or [""])[0][:200]
            raise ModelError(
                f"{self._loaded.directory.name}: cannot be quantized for {self._runtime.title} "
                f"({type(error).__name__}: {reason}); export it in fp32"
            ) from error

    def _compare_tokenizer(self, made: Folder) -> int:
        """How many texts got the same ids."""
        path, encode, feed = made.path / TOKENIZER_FILE, self._ours.encode, self._loaded.feed
        refuse_unlike_refusals(path, encode)
        for texts in self._texts:
            compare_tokenizer(path, encode, feed, texts)
        return sum(map(len, self._texts))

    def _computed(self, texts: Texts) -> Computed:
        sequences = self._ours.encode(texts.first, texts.second).sequences
        # Where a tokenizer adds no special tokens, a text may have none at all, and every runtime answers as it likes.
        read = sequences.take(np.flatnonzero(sequences.lengths))
        return Computed(texts, read, self._logits(EncodedInputs.single(read)))

    def _logits(self, inputs: EncodedInputs) -> NDArray[np.float32]:
        logits, outcomes = self._ours.logits(inputs)
        if outcomes.any():
            raise ModelError(
                f"{self._loaded.directory.name}: {int((outcomes != 0).sum())} of {len(inputs)} rows that an export is "
                "compared on have no finite logits in fp32; look at the model"
            )
        return logits

    def _compare(self, theirs: Forward, computed: Sequence[Computed]) -> Iterator[Difference]:
        """The differences of all texts and shapes, each within the tolerance."""
        model = self._loaded.model
        longest = max(min(max_positions(model) or _LONGEST, _LONGEST), self._loaded.max_length)
        of_shapes = compare_shapes(
            theirs, self._logits, self._loaded.decision, longest=longest, vocabulary=token_count(model)
        )
        for found in (*of_shapes, *self._compare_texts(theirs, computed)):
            found.require(self._config.tolerance, runtime=self._runtime.title)
            yield found

    def _compare_texts(self, theirs: Forward, computed: Sequence[Computed]) -> Iterator[Difference]:
        total = sum(len(one.sequences) for one in computed)
        with self._console.progress("comparing", total, "texts") as counter:
            for one in computed:
                plan, labels = self._plan(one), len(self._loaded.labels)
                logits = logits_of(theirs, one.sequences, plan, labels=labels, after=counter.update)
                yield difference(logits, one.logits, self._loaded.decision, of=f"{one.texts.source} texts")

    def _plan(self, one: Computed) -> list[NDArray[np.int64]]:
        """Batches of texts that are ours as they come, short beside long ones; of a file, which may be large, those
        with the least padding."""
        rows = len(one.sequences)
        if one.texts.of_file:
            return self._ours.plan(one.sequences.lengths)
        return [np.arange(start, min(start + _TOGETHER, rows)) for start in range(0, rows, _TOGETHER)]

    def _samples(self, computed: Sequence[Computed]) -> list[Mapping[str, NDArray[np.int64]]]:
        """Batches of the texts that are most like those to come."""
        sequences = computed[-1].sequences
        starts = range(0, min(len(sequences), _SAMPLES * _SAMPLE_ROWS), _SAMPLE_ROWS)
        rows = [np.arange(start, min(start + _SAMPLE_ROWS, len(sequences))) for start in starts]
        return [self._loaded.feed.arguments(sequences.take(some)) for some in rows]


def _texts(config: ExportConfig, directory: ModelDirectory) -> list[Texts]:
    """Awkward ones, generated ones, and those of a file where one is named."""
    pairs = _takes_pairs(config, directory)
    found = [awkward(pairs=pairs), generated(pairs=pairs)]
    if config.parity_data is not None:
        found.append(of_file(config.parity_data, config.text_column, directory))
    return found


def _takes_pairs(config: ExportConfig, directory: ModelDirectory) -> bool:
    """Whether the model was fitted on pairs of texts; of one that others fitted, whether two columns are named."""
    fitted = directory.metadata.text_columns if directory.metadata is not None else config.text_column
    return len(fitted) == 2


def _reference(loaded: LoadedModel) -> Backend:
    """The forward pass of ours that an export is compared with: no other runtime's, which may be the same one."""
    work = Work(device=choose_device("cpu").device, precision="fp32", streams=1)
    return "packed" if spec_of("packed").why_not(loaded.config, work) is None else "padded"


def _refuse_dependent(loaded: LoadedModel) -> None:
    """ModelError where a row's logits depend on the rows beside it: whoever runs the export would have to know."""
    if loaded.shapes != "any" or loaded.feed.end is not None:
        raise ModelError(
            f"{loaded.directory.name}: a row of {loaded.config.model_type} models changes with the rows beside it, so "
            "they are not exported; fit a model of another architecture, such as BERT"
        )


def _threads() -> int:
    return max(int(usable_cores()), 1)


def _as_json(document: Any) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
