"""The ONNX forward pass: the whole model as a graph that ONNX Runtime computes, on token ids padded to one length.

The graph of a model is made once and kept in the user's cache. The only file that imports onnxruntime, but for int8.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scorer.classifier.feeding import Feed
from scorer.classifier.forward import DeviceOutOfMemory
from scorer.classifier.forward.onnx_graph import INPUTS, lacking, write_graph
from scorer.classifier.forward.openvino import CONVERTIBLE
from scorer.classifier.forward.spec import ForwardSpec, Work
from scorer.classifier.known_executions import library_version
from scorer.classifier.loading import LoadedModel
from scorer.classifier.model_config import ModelConfig
from scorer.classifier.sequences import TokenSequences
from scorer.stores.fingerprints import is_ours, user_cache
from scorer.stores.folder import Folder, temporary_folder
from scorer.version import __version__

_LIBRARIES = ("torch", "transformers", "onnx", "onnxscript", "onnxruntime")
_FILE = "model.onnx"
# Graphs of so many models are kept: as many as somebody compares, and no disk is filled by models of the past.
_KEPT = 4
_EXHAUSTED = ("bad_alloc", "bad allocation", "Failed to allocate memory")


def is_installed() -> bool:
    """Whether the packages of the extra are there; none is imported."""
    return importlib.util.find_spec("onnxruntime") is not None and not lacking()


class OnnxForward:
    """The graph in the file `path`, computed by `threads` for each batch; `feed` says how it is called.

    Several threads may use it at once.
    """

    def __init__(self, path: Path, *, feed: Feed, threads: int) -> None:
        self._session = _session(path, threads=threads)
        self._feed = feed

    @classmethod
    def of(cls, path: Path, *, pad_id: int, threads: int) -> OnnxForward:
        """The same where only the graph says what it is given."""
        forward = cls(path, feed=Feed(pad_id=pad_id), threads=threads)
        names = [taken.name for taken in forward._session.get_inputs()]
        forward._feed = Feed(pad_id=pad_id, token_types=INPUTS[2] in names)
        return forward

    def __call__(self, batch: TokenSequences) -> NDArray[np.float32]:
        with _memory_errors():
            (logits,) = self._session.run(None, self._feed.arguments(batch))
        return np.asarray(logits, np.float32)


def _session(path: Path, *, threads: int) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # Threads that wait for one another sleep: spinning takes the processor from whoever else is at work.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # Whatever is worth more than that is raised.
    options.log_severity_level = 4
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


@contextmanager
def _memory_errors() -> Iterator[None]:
    """Raise DeviceOutOfMemory for what ONNX Runtime says when memory is exhausted: it has no exception of its own."""
    try:
        yield
    except Exception as error:
        if any(words in str(error) for words in _EXHAUSTED):
            raise DeviceOutOfMemory(str(error)) from error
        raise


def _why_not(config: ModelConfig, work: Work) -> str | None:
    if work.device.type != "cpu":
        return "it is for the CPU"
    if work.precision != "fp32":
        return f"{work.precision} is not computed by it; say --precision fp32"
    if config.model_type not in CONVERTIBLE:
        return f"not tested with {config.model_type} models"
    if getattr(config, "is_decoder", False):
        return "does not convert decoders"
    return None if is_installed() else "not installed; pip install 'scorer[onnx]'"


def _make(loaded: LoadedModel, _work: Work) -> OnnxForward:
    """The pass of the graph that is kept; one that cannot be opened is made again."""
    folder = user_cache("onnx")
    # Each of the threads that use the pass computes a batch of its own.
    options = {"pad_id": loaded.pad_id, "threads": 1}
    if folder is None or not is_ours(folder):
        with temporary_folder("scorer-") as made:
            write_graph(loaded, made.path / _FILE)
            return OnnxForward.of(made.path / _FILE, **options)
    kept = Folder(folder / _key(loaded))
    if kept.has(_FILE):
        with suppress(Exception):  # damaged: it was made by a machine, and is again
            os.utime(kept.path)
            return OnnxForward.of(kept.path / _FILE, **options)
    _keep(loaded, kept)
    return OnnxForward.of(kept.path / _FILE, **options)


def _keep(loaded: LoadedModel, kept: Folder) -> None:
    kept.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    unfinished = kept.beside(f"{kept.name}.{os.getpid()}")
    unfinished.make_anew()
    try:
        write_graph(loaded, unfinished.path / _FILE)
        unfinished.publish(kept, force=True)
    finally:
        unfinished.discard()
    for old in sorted(kept.path.parent.iterdir(), key=_age)[_KEPT:]:
        Folder(old).discard()


def _age(path: Path) -> float:
    with suppress(OSError):
        return -path.stat().st_mtime
    return 0.0


def _key(loaded: LoadedModel) -> str:
    """What the graph follows from: the model, and whoever made it."""
    versions = {name: library_version(name) for name in _LIBRARIES}
    decisive = [loaded.directory.fingerprint, __version__, versions]
    return hashlib.blake2b(json.dumps(decisive).encode(), digest_size=16).hexdigest()


SPEC = ForwardSpec(
    name="onnx",
    why="",
    why_not=_why_not,
    shapes=None,
    libraries=_LIBRARIES,
    make=_make,
    yields=lambda _config, _work: "another is faster",
    precision="fp32",
)
