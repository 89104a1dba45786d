"""The peers: every way of scoring a file that is measured, by its name.

Owns the list. Each peer's module is loaded only in the process that measures it, since each needs libraries of its own.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, get_args

from scorer.config import Backend


@dataclass(frozen=True, kw_only=True)
class Setup:
    """What a peer is told: the model directory, where it may keep exports of it, and how texts are read.

    `threads` is None where the libraries are to choose, `device` as in torch.
    """

    model: Path
    exports: Path
    column: str
    max_length: int
    threads: int | None = None
    device: str = "cpu"


class Peer(Protocol):
    """A model in memory and a way to score a file with it.

    `choices` are the settings worth trying, of which `choose` takes one; `about` describes the setting in use.
    `computed_tokens` counts the tokens of the last `score`, padding included, or is None where nobody knows.
    `stream_seconds` is how long the last `score` took without loading, where it loads the model itself, else None.
    `busy` is each stage's busy share, where it is known.
    """

    choices: Sequence[Any]
    about: str
    computed_tokens: int | None
    stream_seconds: float | None
    busy: Mapping[str, float]

    def choose(self, choice: Any) -> None: ...

    def score(self, source: Path, target: Path) -> None:
        """Score the Parquet file `source` into the Parquet file `target`."""
        ...

    def token_ids(self, texts: list[str]) -> list[list[int]]:
        """The token ids that the model gets for `texts`, without padding."""
        ...


@dataclass(frozen=True)
class Entry:
    """A peer of the list: its class, what the class is made with, and the packages that it needs."""

    place: str
    options: Mapping[str, Any] = field(default_factory=dict)
    needs: tuple[str, ...] = ()
    form: str = "tuned"

    def missing(self) -> list[str]:
        """The packages that are not installed."""
        return [package for package in self.needs if importlib.util.find_spec(package) is None]

    def prepare(self, setup: Setup) -> None:
        """Whatever is done once for a model and not at every start, like exporting it."""
        prepare = getattr(self._class(), "prepare", None)
        if prepare is not None:
            prepare(setup, **self.options)

    def load(self, setup: Setup) -> Peer:
        peer: Peer = self._class()(setup, **self.options)
        return peer

    def _class(self) -> Any:
        module, name = self.place.split(":")
        return getattr(importlib.import_module(f"harness.peers.{module}"), name)


_ONNX = ("onnx", "onnxscript", "onnxruntime")
_NEEDS = {"openvino": ("openvino",), "onnx": _ONNX}


def _scorers() -> dict[str, Entry]:
    """Every backend that scorer has, in bf16 and fp32, on a model that stays loaded; and the whole job."""
    found = {}
    for backend in get_args(Backend):
        precisions = {"auto": ("auto",), "onnx": ("fp32",)}.get(backend, ("bf16", "fp32"))
        for precision in precisions:
            name = "scorer" if backend == "auto" else f"scorer-{backend}-{precision}"
            options = {"backend": backend, "precision": precision}
            needs = _NEEDS.get(backend, ())
            found[name] = Entry("scorers:Loaded", options, needs, "scorer")
    found["scorer-job"] = Entry("scorers:Job", {"reuse": False}, (), "scorer")
    found["scorer-job-reuse"] = Entry("scorers:Job", {"reuse": True}, (), "scorer")
    return found


PEERS: dict[str, Entry] = {
    "pipeline-32-fp32": Entry("pipelines:Pipeline", {"batch_size": 32, "precision": "fp32"}, (), "documented"),
    "pipeline-1-fp32": Entry("pipelines:Pipeline", {"batch_size": 1, "precision": "fp32"}, (), "documented"),
    "pipeline-1-bf16": Entry("pipelines:Pipeline", {"batch_size": 1, "precision": "bf16"}, (), "documented"),
    "crossencoder-32-fp32": Entry(
        "cross_encoder:CrossEncoderPeer",
        {"precision": "fp32", "sizes": (32,)},
        ("sentence_transformers",),
        "documented",
    ),
    "crossencoder-best": Entry(
        "cross_encoder:CrossEncoderPeer",
        {"precision": "bf16", "sizes": (1, 4, 16, 64)},
        ("sentence_transformers",),
    ),
    "sorted-fp32": Entry("sorted_loop:TorchLoop", {"precision": "fp32"}),
    "sorted-bf16": Entry("sorted_loop:TorchLoop", {"precision": "bf16"}),
    "onnx-fp32": Entry("onnx_runtime:OnnxRuntime", {"precision": "fp32"}, _ONNX),
    "onnx-int8": Entry("onnx_runtime:OnnxRuntime", {"precision": "int8"}, _ONNX),
    "openvino-fp32": Entry("open_vino:OpenVino", {"precision": "fp32"}, ("openvino",)),
    "openvino-bf16": Entry("open_vino:OpenVino", {"precision": "bf16"}, ("openvino",)),
    "openvino-equal-fp32": Entry(
        "open_vino:OpenVino", {"precision": "fp32", "equal_lengths": True}, ("openvino",), "ablation"
    ),
    "openvino-equal-bf16": Entry(
        "open_vino:OpenVino", {"precision": "bf16", "equal_lengths": True}, ("openvino",), "ablation"
    ),
    **_scorers(),
}
# What every peer's speed is told as a multiple of.
BASELINE = "pipeline-32-fp32"
# What reuses equal texts is no fair peer where the others do not, so it runs on no workload but this one.
REUSE_WORKLOAD = "duplicates"
REUSE_PEERS = ("scorer-job", "scorer-job-reuse")
