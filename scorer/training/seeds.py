"""Several fits that differ in their seed alone: what each came to, and the weights of the best.

What `--seeds` needs to keep is kept in the workspace, so that a fit that was finished is not done again after a kill.
The caller trains and measures.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_model, save_model
from transformers import PreTrainedModel, TrainerState

from scorer.config import FitConfig
from scorer.errors import ANEW, ModelError
from scorer.stores.folder import Folder
from scorer.training.arguments import best_figure, is_more_better

LOG = "seeds.json"


@dataclass(frozen=True)
class SeedResult:
    """What the fit with `seed` came to: `figures` are those of the validation rows, by their names."""

    seed: int
    epochs: float
    steps: int
    figures: dict[str, float]


class SeedLog:
    """The results so far, in the order of the seeds, in the workspace `folder`; ModelError when they are damaged."""

    def __init__(self, folder: Folder, config: FitConfig) -> None:
        self._folder = folder
        self._config = config
        self.results = _read(folder, required=best_figure(config))

    def missing(self) -> list[int]:
        """The seeds that are still to be fitted."""
        finished = {result.seed for result in self.results}
        return [seed for seed in seeds_of(self._config) if seed not in finished]

    def checkpoints(self, seed: int) -> Folder:
        """Where the fit with `seed` keeps its checkpoints."""
        return self._folder.folder(f"seed-{seed}")

    @property
    def best(self) -> SeedResult:
        """The best in the configuration's best metric; the earlier one of two that are equal."""
        name, sign = best_figure(self._config), 1.0 if is_more_better(self._config) else -1.0
        return max(self.results, key=lambda result: sign * result.figures[name])

    def add(self, result: SeedResult, model: PreTrainedModel, state: TrainerState) -> None:
        """Keep `result`, and `model` and `state` if it is the best so far; then its checkpoints are deleted.

        The weights are complete before the log names them, so that a kill at any moment loses one fit at most.
        """
        self.results = (*self.results, result)
        if self.best == result:
            with self._folder.written(_weights(result.seed)) as path:
                save_model(model, path)
            with self._folder.written(_state(result.seed)) as path:
                state.save_to_json(path)
        self._folder.write(LOG, json.dumps([dataclasses.asdict(found) for found in self.results]))
        self._tidy()

    def leave_out(self, seed: int) -> None:
        """Delete the checkpoints of a fit that came to nothing; a fit that goes on from here tries it again."""
        self.checkpoints(seed).discard()

    def restore_best(self, model: PreTrainedModel) -> TrainerState:
        """Load the best weights into `model`, which has no adapters; the state in which their fit ended."""
        seed = self.best.seed
        try:
            load_model(model, self._folder.at(_weights(seed)))
            state: TrainerState = TrainerState.load_from_json(self._folder.at(_state(seed)))
        except (SafetensorError, OSError, ValueError, RuntimeError, TypeError) as error:
            raise ModelError(
                f"{self._folder.at(_weights(seed))}: the best weights so far are damaged ({type(error).__name__}); "
                f"{ANEW}"
            ) from error
        return state

    def _tidy(self) -> None:
        for result in self.results:
            self.checkpoints(result.seed).discard()
            if result != self.best:
                self._folder.delete(_weights(result.seed))
                self._folder.delete(_state(result.seed))


def seeds_of(config: FitConfig) -> range:
    """The seeds that `config` asks for."""
    return range(config.seed, config.seed + config.seeds)


def summarize(results: Iterable[SeedResult], kept: SeedResult) -> list[dict[str, Any]]:
    """JSON types only: one flat object a seed, which says whether it is the one that was kept."""
    return [
        {"seed": found.seed, "kept": found == kept, "epochs": found.epochs, "steps": found.steps, **found.figures}
        for found in results
    ]


def _weights(seed: int) -> str:
    return f"weights-{seed}.safetensors"


def _state(seed: int) -> str:
    return f"state-{seed}.json"


def _read(folder: Folder, *, required: str) -> tuple[SeedResult, ...]:
    try:
        if (text := folder.read(LOG)) is None:
            return ()
        results = tuple(SeedResult(**entry) for entry in json.loads(text))
        if not all(isinstance(value, int | float) for result in results for value in _numbers(result, required)):
            raise ValueError("numbers")
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise ModelError(f"{folder.at(LOG)}: not the log of a fit ({type(error).__name__}); {ANEW}") from error
    return results


def _numbers(result: SeedResult, required: str) -> list[object]:
    return [result.seed, result.epochs, result.steps, result.figures[required], *result.figures.values()]
