"""What an interrupted fit left behind, and whether this fit may go on from there.

What lies beside the output may be damaged, or somebody else's. So the jobs are compared, a checkpoint is chosen, and it
is proved that it may be loaded. The Trainer makes the checkpoints.
"""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from transformers.trainer_pt_utils import safe_globals

from scorer.config import UNFINISHED, FitConfig, identity
from scorer.errors import ConfigError, ModelError, OutputRefused
from scorer.stores.workspace import Workspace
from scorer.training.fit_output import unfinished
from scorer.training.seeds import LOG

_CHECKPOINT = re.compile(r"checkpoint-([0-9]+)")
_WEIGHTS = "model.safetensors"
# Pickles, which can hold code: what a checkpoint must have of them, and what it has when precision needs it.
_STATES, _SCALER = ("optimizer.pt", "scheduler.pt", "rng_state.pth"), "scaler.pt"
# The Trainer writes it but never reads it.
_UNREAD = "training_args.bin"
_PICKLED = (".pt", ".pth", ".bin", ".pkl", ".pickle", ".ckpt")


def describe(config: FitConfig, *, fingerprints: dict[str, str], precision: str, base_model: str) -> dict[str, Any]:
    """Everything that changes the model that a fit writes, as JSON types: equal descriptions, equal weights.

    `fingerprints` are those of the contents that settings name.
    """
    resolved = {
        **fingerprints,
        "valid_fraction": config.held_out,
        "learning_rate": config.peak_learning_rate,
        "precision": precision,
        "base_model": base_model,
    }
    described = identity(config, "weights", "answers", "output", resolved=resolved)
    described["files"] = {name: described.pop(name) for name in fingerprints}
    copied: dict[str, Any] = json.loads(json.dumps(described, default=str))
    return copied


def open_workspace(config: FitConfig, output: Path, job: dict[str, Any]) -> tuple[Workspace, Path]:
    """The workspace to train in, held, and the output it belongs to; with --resume that of the interrupted fit.

    Raises ConfigError when there is nothing to resume or what is there was another job, OutputRefused when an
    unfinished fit would be overwritten, Busy when another run holds it.
    """
    if config.resume:
        output = output if config.output is not None else _newest(output.parent, job)
        if not unfinished(output).is_dir():
            raise ConfigError(f"{unfinished(output)}: nothing to resume; run the same command without --resume")
    output.parent.mkdir(parents=True, exist_ok=True)
    workspace = Workspace(output)
    try:
        _claim(workspace, config, job)
    except BaseException:
        workspace.release()
        raise
    return workspace, output


def last_checkpoint(folder: Path) -> Path | None:
    """The newest complete checkpoint in `folder`; incomplete ones, cut short by a kill, are deleted.

    The Trainer writes `trainer_state.json` last, so a checkpoint with a readable one is complete.
    """
    complete = {}
    for path in folder.iterdir() if folder.is_dir() else ():
        if not (number := _CHECKPOINT.fullmatch(path.name)):
            continue
        if state_of(path) is None:
            shutil.rmtree(path)
        else:
            complete[int(number[1])] = path
    return complete[max(complete)] if complete else None


def checkpoint_folders(workspace: Workspace) -> list[Path]:
    """Where checkpoints may lie: the workspace, and a folder a seed when there are several.

    ModelError for a link in a folder's place: incomplete checkpoints are deleted, which must not happen elsewhere.
    """
    folders = sorted(path for path in workspace.path.glob("seed-*") if path.is_dir())
    for folder in folders:
        if folder.is_symlink():
            raise ModelError(f"{folder}: a symbolic link in the place of a fit's checkpoints; start anew with --force")
    return [workspace.path, *folders]


def resumable(workspace: Workspace) -> bool:
    """Whether anything is in `workspace` to go on from: a checkpoint, or a seed that was fitted to its end."""
    return (workspace.path / LOG).exists() or any(map(last_checkpoint, checkpoint_folders(workspace)))


def state_of(checkpoint: Path) -> dict[str, Any] | None:
    """The Trainer's state in `checkpoint`, or None when it was not written to its end."""
    try:
        state: dict[str, Any] = json.loads((checkpoint / "trainer_state.json").read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError, RecursionError):
        return None
    return state


def verify_checkpoint(checkpoint: Path) -> None:
    """ModelError unless everything that the Trainer would load from `checkpoint` is there and holds no code.

    The Trainer unpickles with weights_only=True, as is done here; but it goes on without a word where a file is not
    there, and with an exception of any kind where one is damaged or holds code.
    """
    advice = "delete it to go on from the one before, or start anew with --force"
    for name in (_WEIGHTS, *_STATES):
        if not (checkpoint / name).is_file():
            raise ModelError(f"{checkpoint / name}: missing from the checkpoint; {advice}")
    for path in sorted(checkpoint.iterdir()):
        if path.suffix in _PICKLED and path.name not in (*_STATES, _SCALER, _UNREAD):
            raise ModelError(f"{path}: pickled weights, which no fit of scorer writes; {advice}")
    for name in (_WEIGHTS, *_STATES, _SCALER):
        try:
            _open_state(checkpoint / name)
        except Exception as error:
            raise ModelError(
                f"{checkpoint / name}: damaged, or holds code ({type(error).__name__}); {advice}"
            ) from error
    _verify_best(checkpoint, advice)


def _open_state(path: Path) -> None:
    """Read the structure of a file of a checkpoint; tensors stay on disk."""
    if path.suffix == ".safetensors":
        with safe_open(path, framework="pt"):
            return
    if path.exists():
        with safe_globals():
            torch.load(path, map_location="cpu", weights_only=True, mmap=True)


def _verify_best(checkpoint: Path, advice: str) -> None:
    """The best checkpoint so far, whose weights the Trainer loads in the end, must lie beside this one."""
    file, state = checkpoint / "trainer_state.json", state_of(checkpoint)
    kinds = {"stateful_callbacks": dict, "global_step": int, "max_steps": int}
    if not isinstance(state, dict) or not all(isinstance(state.get(name), kind) for name, kind in kinds.items()):
        raise ModelError(f"{file}: not the state of a fit; {advice}")
    best = state.get("best_model_checkpoint")
    if best is None:
        return
    if Path(str(best)).parent.resolve() != checkpoint.parent.resolve():
        raise ModelError(
            f"{file}: names a best checkpoint in another folder; move the unfinished fit back to where it began, "
            "or start anew with --force"
        )
    if Path(str(best)).name != f"checkpoint-{state.get('best_global_step')}":
        raise ModelError(f"{file}: not the state of a fit; {advice}")
    if not (Path(str(best)) / _WEIGHTS).is_file():
        raise ModelError(f"{Path(str(best)) / _WEIGHTS}: missing, the best weights so far; start anew with --force")


def has_ended(state: dict[str, Any], patience: int | None) -> bool:
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


def discard(workspace: Workspace) -> None:
    """Delete everything in `workspace` but its lock."""
    for path in workspace.path.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
    workspace.clear()


def _claim(workspace: Workspace, config: FitConfig, job: dict[str, Any]) -> None:
    left = workspace.recall()
    if config.resume:
        if left is None:
            raise ConfigError(f"{workspace.path}: nothing to resume; run the same command without --resume")
        different = sorted(name for name in job.keys() | left.keys() if job.get(name) != left.get(name))
        if different:
            raise ConfigError(
                f"{workspace.path}: was left by another job (different: {', '.join(different)}); "
                "give the same options and files, or start anew with --force"
            )
        for folder in checkpoint_folders(workspace):
            if (checkpoint := last_checkpoint(folder)) is not None:
                verify_checkpoint(checkpoint)
        return
    if left is not None and not config.force:
        raise OutputRefused(
            f"{workspace.path}: an unfinished fit; go on from it with --resume, or start anew with --force"
        )
    discard(workspace)
    workspace.remember(job)


def _newest(folder: Path, job: dict[str, Any]) -> Path:
    """The output of the newest unfinished fit in `folder` that was the same job."""
    found = []
    for path in folder.glob("*" + UNFINISHED):
        try:
            left = json.loads((path / "job.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        if left == job:
            found.append(path)
    if not found:
        raise ConfigError(f"{folder}: no unfinished fit of this job to resume; run the same command without --resume")
    newest = max(found, key=lambda path: (path.stat().st_mtime_ns, path.name))
    return newest.with_name(newest.name.removesuffix(UNFINISHED))
