"""OpenVINO on the plain exported model: what a person gets who converts the model and sorts by tokens.

`equal_lengths` is an ablation: the same engine and model with batches of one length, which pad nothing.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import openvino
from numpy.typing import NDArray

from harness.batching import equal_length_batches, padded_batches
from harness.peers import Setup
from harness.peers.exports import traceable
from harness.peers.sorted_loop import SortedLoop

_HINTS = {"fp32": openvino.Type.f32, "bf16": openvino.Type.bf16}


class OpenVino(SortedLoop):
    """`choices` are streams and the token budget of a batch; several streams share the threads."""

    choices = tuple((streams, budget) for streams in (1, 2) for budget in (512, 1024, 2048, 4096))

    def __init__(self, setup: Setup, *, precision: str, equal_lengths: bool = False) -> None:
        self._core = openvino.Core()
        self._file = _file(setup)
        self._hints: dict[str, Any] = {"INFERENCE_PRECISION_HINT": _HINTS[precision], "PERFORMANCE_HINT": "THROUGHPUT"}
        if setup.threads is not None:
            self._hints["INFERENCE_NUM_THREADS"] = setup.threads
        self._streams: int | None = None
        self.batching = equal_length_batches if equal_lengths else padded_batches
        super().__init__(setup)

    @staticmethod
    def prepare(setup: Setup, **_options: Any) -> None:
        path = _file(setup)
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            module, example = traceable(setup)
            free = openvino.PartialShape([-1, -1])
            model = openvino.convert_model(module, example_input=example, input=[free, free])
            unfinished = path.with_name("unfinished.xml")
            openvino.save_model(model, unfinished, compress_to_fp16=False)
            unfinished.with_suffix(".bin").replace(path.with_suffix(".bin"))
            unfinished.replace(path)

    @property
    def about(self) -> str:
        return f"{self._streams} streams, {super().about}"

    def choose(self, choice: Any) -> None:
        streams, budget = choice
        if streams != self._streams:
            compiled = self._core.compile_model(self._file, "CPU", self._hints | {"NUM_STREAMS": streams})
            # One request a stream computes while one more is being filled.
            self._queue = openvino.AsyncInferQueue(compiled, streams + 1)
            self._queue.set_callback(_keep)
            self._streams = streams
        super().choose(budget)

    def run(self, ids: list[list[int]], batches: list[list[int]], logits: NDArray[np.float32]) -> None:
        for rows in batches:
            self._queue.start_async(list(self.pad(ids, rows)), userdata=(logits, rows))
        self._queue.wait_all()


def _keep(request: openvino.InferRequest, place: tuple[NDArray[np.float32], list[int]]) -> None:
    logits, rows = place
    logits[rows] = request.get_output_tensor(0).data


def _file(setup: Setup) -> Path:
    return setup.exports / "model.xml"
