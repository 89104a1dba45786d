"""What an interrupted fit left behind, and whether this fit may go on from there.

What lies beside the output may be damaged, or somebody else's. So the jobs are compared, a checkpoint is chosen, and it
is proved that it may be loaded. The Trainer makes the checkpoints.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any, Protocol

import torch
from safetensors import safe_open
from safetensors.torch import load_file
from transformers import TrainerState
from transformers.trainer_pt_utils import safe_globals

from scorer.config import FitConfig, identity
from scorer.errors import ANEW, ConfigError, ModelError, OutputRefused
from scorer.runs.console import Console
from scorer.stores.folder import Folder
from scorer.stores.location import Location
from scorer.stores.workspace import Workspace, newest_left
from scorer.training.resumable import ResumableTrainer
from scorer.training.seeds import LOG

_CHECKPOINT = re.compile(r"checkpoint-([0-9]+)")
_STATE = "trainer_state.json"
_WEIGHTS = "model.safetensors"
# Pickles, which can hold code: what a checkpoint must have of them, and what it has when precision needs it.
_STATES, _SCALER = ("optimizer.pt", "scheduler.pt", "rng_state.pth"), "scaler.pt"
# The Trainer writes it but never reads it.
_UNREAD = "training_args.bin"
_PICKLED = (".pt", ".pth", ".bin", ".pkl", ".pickle", ".ckpt")


def job_of(
    config: FitConfig,
    *,
    fingerprints: dict[str, str],
    precision: str,
    base_model: list[str],
    teacher: dict[str, Any] | None = None,
    held_out: str | None = None,
    marks: Mapping[str, Any] = MappingProxyType({}),
) -> dict[str, Any]:
    """Everything that changes the model that a fit writes, as JSON types: equal descriptions, equal weights.

    `fingerprints` are those of the contents that settings name, `base_model` are its name and its fingerprint,
    `teacher` is the record of it, `held_out` that of `TrainingData`; `marks` are what tells this fit from one of the
    same settings that a version before began.
    """
    resolved = {
        **fingerprints,
        "valid_fraction": config.held_out,
        "learning_rate": config.peak_learning_rate,
        "best_metric": config.chosen_metric,
        "precision": precision,
        "base_model": base_model,
        "teacher": teacher,
    }
    job = described_job(config, resolved, files=fingerprints) | dict(marks)
    return job if held_out is None else job | {"held_out": held_out}


def described_job(config: Any, resolved: Mapping[str, Any], *, files: Collection[str]) -> dict[str, Any]:
    """What the configuration `config` says of the model that comes of it, as JSON types; see `identity` for what is
    `resolved`, among which are the fingerprints of `files`."""
    described = identity(config, "weights", "answers", "output", resolved=resolved)
    described["files"] = {name: described.pop(name) for name in files}
    copied: dict[str, Any] = json.loads(json.dumps(described, default=str))
    return copied


class Resumable(Protocol):
    """What a configuration says of a training that may have been interrupted."""

    @property
    def output(self) -> object: ...
    @property
    def resume(self) -> bool: ...
    @property
    def force(self) -> bool: ...


def open_workspace(config: Resumable, output: Location, job: dict[str, Any]) -> tuple[Workspace, Location]:
    """The workspace to train in, held, and the output it belongs to; with --resume that of the interrupted fit.

    Raises ConfigError when there is nothing to resume or what is there was another job, OutputRefused when an
    unfinished fit would be overwritten, Busy when another run holds it.
    """
    if config.resume:
        output = output if config.output is not None else _newest(output, job)
        left = Folder(Workspace.path_of(output.path))
        if not left.is_folder:
            raise ConfigError(f"{left}: nothing to resume; run the same command without --resume")
    workspace = Workspace(output.path, make_parents=True)
    try:
        Folder(output.path).refuse_existing(force=config.force)
        _claim(workspace, config, job)
    except BaseException:
        workspace.release()
        raise
    return workspace, output


def last_checkpoint(folder: Folder) -> Folder | None:
    """The newest complete checkpoint in `folder`; incomplete ones, cut short by a kill, are deleted.

    The Trainer writes `trainer_state.json` last, so a checkpoint with a readable one is complete.
    """
    complete = {}
    for name in folder.names():
        if not (number := _CHECKPOINT.fullmatch(name)):
            continue
        checkpoint = folder.folder(name)
        if state_of(checkpoint) is None:
            checkpoint.remove()
        else:
            complete[int(number[1])] = checkpoint
    return complete[max(complete)] if complete else None


def checkpoint_folders(workspace: Workspace) -> list[Folder]:
    """Where checkpoints may lie: the workspace, and a folder a seed when there are several.

    ModelError for a link in a folder's place: incomplete checkpoints are deleted, which must not happen elsewhere.
    """
    inside = (workspace.folder.folder(name) for name in workspace.folder.names() if name.startswith("seed-"))
    folders = [folder for folder in inside if folder.is_folder]
    for folder in folders:
        if folder.is_link:
            raise ModelError(f"{folder}: a symbolic link in the place of a fit's checkpoints; {ANEW}")
    return [workspace.folder, *folders]


def state_of(checkpoint: Folder) -> dict[str, Any] | None:
    """The Trainer's state in `checkpoint`, or None when it was not written to its end."""
    try:
        text = checkpoint.read(_STATE)
        state: dict[str, Any] | None = None if text is None else json.loads(text)
    except (ValueError, RecursionError):
        return None
    return state


def verify_checkpoint(checkpoint: Folder) -> None:
    """ModelError unless everything that the Trainer would load from `checkpoint` is there and holds no code.

    The Trainer unpickles with weights_only=True, as is done here; but it goes on without a word where a file is not
    there, and with an exception of any kind where one is damaged or holds code.
    """
    advice = f"delete it to go on from the one before, or {ANEW}"
    for name in (_WEIGHTS, *_STATES):
        if not checkpoint.has(name):
            raise ModelError(f"{checkpoint.at(name)}: missing from the checkpoint; {advice}")
    for name in checkpoint.names():
        if name.endswith(_PICKLED) and name not in (*_STATES, _SCALER, _UNREAD):
            raise ModelError(f"{checkpoint.at(name)}: pickled weights, which no fit of scorer writes; {advice}")
    for name in (_WEIGHTS, *_STATES, _SCALER):
        try:
            _load_structure(checkpoint, name)
        except Exception as error:
            raise ModelError(
                f"{checkpoint.at(name)}: damaged, or holds code ({type(error).__name__}); {advice}"
            ) from error
    _verify_best(checkpoint, advice)


def _load_structure(checkpoint: Folder, name: str) -> None:
    """Read the structure of a file of a checkpoint; tensors stay on disk."""
    if name.endswith(".safetensors"):
        with safe_open(checkpoint.at(name), framework="pt"):
            return
    if checkpoint.has(name):
        with safe_globals():
            torch.load(checkpoint.at(name), map_location="cpu", weights_only=True, mmap=True)


def _verify_best(checkpoint: Folder, advice: str) -> None:
    """The best checkpoint so far, whose weights the Trainer loads in the end, must lie beside this one."""
    file, state = checkpoint.at(_STATE), state_of(checkpoint)
    kinds = {"stateful_callbacks": dict, "global_step": int, "max_steps": int}
    if not isinstance(state, dict) or not all(isinstance(state.get(name), kind) for name, kind in kinds.items()):
        raise ModelError(f"{file}: not the state of a fit; {advice}")
    if state.get("best_model_checkpoint") is None:
        return
    best = Folder.of(str(state["best_model_checkpoint"]))
    if not best.is_beside(checkpoint):
        raise ModelError(
            f"{file}: names a best checkpoint in another folder; move the unfinished fit back to where it began, "
            f"or {ANEW}"
        )
    if best.name != f"checkpoint-{state.get('best_global_step')}":
        raise ModelError(f"{file}: not the state of a fit; {advice}")
    if not best.has(_WEIGHTS):
        raise ModelError(f"{best.at(_WEIGHTS)}: missing, the best weights so far; {ANEW}")


def _has_ended(state: dict[str, Any], patience: int | None) -> bool:
    """Whether training had already ended when `state` was saved, after its last step or for lack of improvement.

    The Trainer itself would forget the latter and train for another epoch, and in the middle of an epoch the former and
    train for another step.
    """
    if state["global_step"] >= state["max_steps"] and state.get("best_global_step"):
        return True
    if patience is None:
        return False
    saved = state["stateful_callbacks"].get("EarlyStoppingCallback", {})
    return bool(saved.get("attributes", {}).get("early_stopping_patience_counter", 0) >= patience)


def restore_ended(trainer: ResumableTrainer, checkpoint: Folder | None, patience: int | None) -> bool:
    """Take over the best weights of a training that had ended when it was interrupted; False if it had not."""
    state = state_of(checkpoint) if checkpoint else None
    if checkpoint is None or state is None or not _has_ended(state, patience):
        return False
    trainer.state = TrainerState.load_from_json(checkpoint.at(_STATE))
    best = checkpoint.beside(f"checkpoint-{trainer.state.best_global_step}")
    trainer.network.load_state_dict(load_file(best.at(_WEIGHTS)), strict=False)
    return True


@contextmanager
def kept_for_resume(workspace: Workspace, console: Console) -> Iterator[None]:
    """A training in `workspace`, which is deleted when the block ends. Where the block is cut short, and a checkpoint
    or a seed that was fitted to its end is there, it is left to a later --resume, and that is told; not after a
    ConfigError, as that would come again."""
    try:
        yield
    except ConfigError:
        workspace.remove()
        raise
    except BaseException:
        if _keep_if_resumable(workspace):
            console.warn(f"{workspace.path}: holds the last checkpoint; go on from it with --resume")
        raise
    workspace.remove()


def _keep_if_resumable(workspace: Workspace) -> bool:
    """Leave the workspace to a later --resume if it holds a checkpoint, or a seed that was
    fitted to its end; else delete it. Whether it was left."""
    if not (workspace.folder.has(LOG) or any(map(last_checkpoint, checkpoint_folders(workspace)))):
        workspace.remove()
        return False
    workspace.release()
    return True


def _claim(workspace: Workspace, config: Resumable, job: dict[str, Any]) -> None:
    left = workspace.recall()
    if config.resume:
        if left is None:
            raise ConfigError(f"{workspace.path}: nothing to resume, as job.json is missing or damaged; {ANEW}")
        different = sorted(name for name in job.keys() | left.keys() if job.get(name) != left.get(name))
        if different == ["precision"]:  # which a machine decides that has no GPU today
            raise ConfigError(
                f"{workspace.path}: was left by another job (different: precision): begun in {left['precision']}, and "
                f"this machine would go on in {job['precision']}; run again where it can be {left['precision']}, or "
                "say --precision"
            )
        if different:
            raise ConfigError(
                f"{workspace.path}: was left by another job (different: {', '.join(different)}); "
                f"give the same options and files, or {ANEW}"
            )
        for folder in checkpoint_folders(workspace):
            if (checkpoint := last_checkpoint(folder)) is not None:
                verify_checkpoint(checkpoint)
        return
    if left is not None and not config.force:
        raise OutputRefused(f"{workspace.path}: an unfinished fit; go on from it with --resume, or {ANEW}")
    workspace.clear()
    workspace.remember(job)


def _newest(output: Location, job: dict[str, Any]) -> Location:
    """The output of the newest unfinished fit beside `output` that was the same job."""
    folder = output.path.parent
    newest = newest_left(folder, job)
    if newest is None:
        raise ConfigError(f"{folder}: no unfinished fit of this job to resume; run the same command without --resume")
    return Location.of_output(newest)
