"""A teacher: a fitted model whose answers to the training rows a smaller one learns beside their labels (distillation,
Hinton et al. 2015).

It is asked once, before training, through the Scorer that files are scored with. Its answers are kept in the workspace,
so that a fit which goes on learns the same ones and does not ask again.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray

from scorer.classifier.directory import ModelDirectory, open_model
from scorer.classifier.forward.resilient import Outcome
from scorer.classifier.labels import LabelSet
from scorer.config import FrameConfig, Precision
from scorer.errors import DeviceError, ModelError, UsageError
from scorer.examples.reading import Examples
from scorer.runs.console import Console
from scorer.scoring.scorer import Scorer, ScorerSpec
from scorer.scoring.texts import scores_of
from scorer.stores.folder import Folder
from scorer.stores.workspace import Workspace

KEPT = "teacher.npy"
_MOST_NAMED = 3


@dataclass(frozen=True)
class Teacher:
    """The model in `directory`, whose `places` (labels,) hold the logits of the labels that are learned, in their
    order."""

    directory: ModelDirectory
    places: tuple[int, ...]

    @classmethod
    def of(cls, name: str, labels: LabelSet) -> Teacher:
        """The model `name` as a teacher of `labels`; ModelError where it is none that can be opened, UsageError where
        it knows other labels."""
        directory = open_model(name)
        known = directory.labels
        if known is None:
            raise ModelError(f"{name}: config.json names no labels to compare with; take a teacher that scorer fitted")
        if labels.is_number or known.is_number:
            if labels.is_number != known.is_number:
                raise UsageError(f"--teacher {name}: gives {_what(known)}, and the rows have {_what(labels)}")
            return cls(directory, (0,))
        _refuse_other_labels(name, known, labels)
        return cls(directory, tuple(known.names.index(label) for label in labels.names))

    @property
    def record(self) -> dict[str, Any]:
        """What a model says of its teacher, as JSON types: its name, without the folders before it, and `fingerprint`,
        of all that changes an answer."""
        metadata = self.directory.metadata
        reading = [metadata.max_length, asdict(metadata.long_text)] if metadata is not None else []
        said = f"{self.directory.fingerprint} {reading}"
        named = self.directory.name
        return {
            # A model travels; the folders of the machine that it was made on do not. models/latest tells its target.
            "name": self.directory.path.name if Folder.of(named).is_folder else named,
            "fingerprint": hashlib.blake2b(said.encode(), digest_size=16).hexdigest(),
        }

    def answers(
        self,
        examples: Examples,
        workspace: Workspace,
        *,
        device: torch.device,
        precision: str,
        console: Console,
        check: Callable[[], object],
    ) -> NDArray[np.float32]:
        """What the teacher says of `examples`: logits (n, labels), or numbers (n, 1).

        Answers that an interrupted fit left in `workspace` are taken. `check` may raise while the teacher is asked.

        DeviceError where a row exhausts the device's memory, ModelError where an answer is not finite.
        """
        kept = _kept(workspace, shape=(len(examples), len(self.places)))
        if kept is not None:
            return kept
        console.say(f"asking the teacher {self.directory.name}: {len(examples)} rows")
        computed_in = cast(Precision, precision)
        options = FrameConfig(model=self.directory.name, device=str(device), precision=computed_in)
        scorer = Scorer.build(ScorerSpec.of(options, self.directory), self.directory)
        found = scores_of(scorer, examples.texts, console, check=check)
        if (found["outcome"] == Outcome.OUT_OF_MEMORY).any():
            raise DeviceError(f"{self.directory.name}: a single row exhausts the device's memory; try --device cpu")
        if unscored := int((found["outcome"] != Outcome.SCORED).sum()):
            raise ModelError(
                f"{self.directory.name}: its answers to {unscored} rows are not finite; try --precision fp32"
            )
        answers = found["logits"][:, self.places]
        if scorer.labels.is_number:
            answers = scorer.decision.numbers(found["logits"])[:, None]
        answers = np.ascontiguousarray(answers, np.float32)
        buffer = io.BytesIO()
        np.save(buffer, answers)
        workspace.keep(KEPT, buffer.getvalue())
        return answers


def _refuse_other_labels(name: str, known: LabelSet, labels: LabelSet) -> None:
    if known.multi != labels.multi:
        raise UsageError(f"--teacher {name}: gives {_what(known)}, and the rows have {_what(labels)}")
    if set(known.names) == set(labels.names):
        return
    unknown, absent = sorted(set(labels.names) - set(known.names)), sorted(set(known.names) - set(labels.names))
    parts = [f"{what} {_some(names)}" for what, names in (("it lacks", unknown), ("the rows lack", absent)) if names]
    raise UsageError(f"--teacher {name}: other labels than those of the rows: {'; '.join(parts)}")


def _some(names: list[str]) -> str:
    shown = ", ".join(map(repr, names[:_MOST_NAMED]))
    return shown + (f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else "")


def _what(labels: LabelSet) -> str:
    if labels.is_number:
        return "numbers"
    return "several labels a row" if labels.multi else "one label a row"


def _kept(workspace: Workspace, *, shape: tuple[int, int]) -> NDArray[np.float32] | None:
    """The answers that an interrupted fit left, if they are of this `shape`; None where they are to be made."""
    if not workspace.folder.has(KEPT):
        return None
    try:
        found = np.load(io.BytesIO(workspace.kept(KEPT)), allow_pickle=False)
    except (ValueError, EOFError):
        return None
    sound = found.shape == shape and found.dtype == np.float32 and np.isfinite(found).all()
    return found if sound else None
