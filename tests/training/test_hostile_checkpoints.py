"""A checkpoint that a fit is to go on from may be damaged or somebody else's: refused with 78, nothing executed."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from scorer.errors import Interrupted, ModelError
from tests.conftest import TinyModel
from tests.training.fits import Remembering, run, weights, write_reviews


class Canary:
    """Unpickling it creates a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return (Path.touch, (self.path,))


@pytest.fixture(scope="module")
def unfinished(tiny_model: TinyModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a fit that was interrupted after its second epoch."""
    folder = tmp_path_factory.mktemp("fit")
    write_reviews(folder / "train.csv", 60)

    def interrupt(line: str) -> None:
        if "epoch 2 " in line:
            os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(Interrupted):
        run(folder / "train.csv", tiny_model("bert"), Remembering(interrupt), output=folder / "out", epochs=3.0)
    return folder


@pytest.fixture
def folder(unfinished: Path) -> Iterator[Path]:
    """The same, for a test to spoil; where it lay is part of what the Trainer remembers, so it is put back after."""
    kept = Path(shutil.copytree(unfinished / "out.unfinished", unfinished / "kept"))
    yield unfinished
    shutil.rmtree(unfinished / "out.unfinished", ignore_errors=True)
    shutil.rmtree(unfinished / "out", ignore_errors=True)
    kept.rename(unfinished / "out.unfinished")


def checkpoints(folder: Path) -> list[Path]:
    found = (folder / "out.unfinished").glob("checkpoint-[0-9]*")
    return sorted(found, key=lambda path: int(path.name.rpartition("-")[2]))


def resume(folder: Path, base: Path):
    return run(folder / "train.csv", base, output=folder / "out", epochs=3.0, resume=True)


def refused(folder: Path, base: Path, match: str) -> None:
    with pytest.raises(ModelError, match=match) as raised:
        resume(folder, base)
    assert raised.value.exit_code == 78
    assert "\n" not in str(raised.value)
    assert not (folder / "out").exists()
    assert checkpoints(folder), "what may still be of use was deleted"


@pytest.mark.parametrize("name", ["optimizer.pt", "scheduler.pt", "rng_state.pth", "scaler.pt", "model.safetensors"])
@pytest.mark.parametrize("form", ["pickle", "torch", "noise", "nothing"])
def test_a_state_that_holds_code_or_is_damaged(folder: Path, tiny_model: TinyModel, name: str, form: str) -> None:
    canary = folder / f"executed {name} {form}"
    path = checkpoints(folder)[-1] / name
    match form:
        case "pickle":
            path.write_bytes(pickle.dumps(Canary(canary)))
        case "torch":
            torch.save({"state": Canary(canary)}, path)
        case "noise":
            path.write_bytes(b"\x00\x01" * 500)
        case "nothing":
            path.write_bytes(b"")
    refused(folder, tiny_model("bert"), rf"{name}: damaged, or holds code")
    assert not canary.exists()


def test_the_canary_would_sing(tmp_path: Path) -> None:
    torch.save({"state": Canary(tmp_path / "executed")}, tmp_path / "optimizer.pt")
    torch.load(tmp_path / "optimizer.pt", weights_only=False)
    assert (tmp_path / "executed").exists()


@pytest.mark.parametrize("name", ["optimizer.pt", "scheduler.pt", "rng_state.pth", "model.safetensors"])
def test_a_state_that_is_not_there(folder: Path, tiny_model: TinyModel, name: str) -> None:
    (checkpoints(folder)[-1] / name).unlink()
    refused(folder, tiny_model("bert"), rf"{name}: missing from the checkpoint")


@pytest.mark.parametrize("name", ["pytorch_model.bin", "optimizer.bin", "own.pkl"])
def test_pickles_beside_the_state(folder: Path, tiny_model: TinyModel, name: str) -> None:
    canary = folder / f"executed {name}"
    (checkpoints(folder)[-1] / name).write_bytes(pickle.dumps(Canary(canary)))
    refused(folder, tiny_model("bert"), rf"{name}: pickled weights")
    assert not canary.exists()


def state(folder: Path, change: Callable[[dict], object]) -> None:
    path = checkpoints(folder)[-1] / "trainer_state.json"
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))


def test_a_best_checkpoint_in_another_folder(folder: Path, tiny_model: TinyModel) -> None:
    state(folder, lambda document: document.update(best_model_checkpoint="/elsewhere/checkpoint-1"))
    refused(folder, tiny_model("bert"), "names a best checkpoint in another folder")


def test_a_best_checkpoint_that_has_gone(folder: Path, tiny_model: TinyModel) -> None:
    gone = checkpoints(folder)[-1].with_name("checkpoint-1")
    state(folder, lambda document: document.update(best_model_checkpoint=str(gone), best_global_step=1))
    refused(folder, tiny_model("bert"), "missing, the best weights so far")


@pytest.mark.parametrize("document", ["[]", "7", "{}", '{"stateful_callbacks": 5}', '{"stateful_callbacks": {}}'])
def test_a_state_of_no_fit(folder: Path, tiny_model: TinyModel, document: str) -> None:
    (checkpoints(folder)[-1] / "trainer_state.json").write_text(document)
    refused(folder, tiny_model("bert"), "not the state of a fit")


def test_without_the_damaged_checkpoint_the_fit_goes_on_from_the_one_before(
    folder: Path, tiny_model: TinyModel, tmp_path: Path
) -> None:
    base = tiny_model("bert")
    assert len(checkpoints(folder)) == 2, "an epoch each"
    (folder / "out.unfinished" / "checkpoint-notes").mkdir()
    (checkpoints(folder)[-1] / "optimizer.pt").write_bytes(b"")
    refused(folder, base, r"damaged.*delete it to go on from the one before")
    shutil.rmtree(checkpoints(folder)[-1])
    resumed = resume(folder, base)
    whole = run(folder / "train.csv", base, output=tmp_path / "whole", epochs=3.0)
    assert weights(resumed.model) == weights(whole.model)
