"""ONNX Runtime on the exported model, in fp32 and with its dynamic int8 quantization."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime  # type: ignore[import-untyped]
from numpy.typing import NDArray
from onnxruntime.quantization import QuantType, quantize_dynamic  # type: ignore[import-untyped]

from harness.peers import Setup
from harness.peers.exports import export_onnx
from harness.peers.sorted_loop import SortedLoop


class OnnxRuntime(SortedLoop):
    """Token-sorted batches through an InferenceSession with all graph optimizations; `precision` is fp32 or int8."""

    def __init__(self, setup: Setup, *, precision: str) -> None:
        super().__init__(setup)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = setup.threads or 0
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
        self._session = onnxruntime.InferenceSession(
            _file(setup, precision), options, providers=["CPUExecutionProvider"]
        )

    @staticmethod
    def prepare(setup: Setup, *, precision: str) -> None:
        plain = export_onnx(setup)
        quantized = _file(setup, "int8")
        if precision == "int8" and not quantized.exists():
            model = onnx.load(plain)
            # The exporter's shapes of intermediate values contradict what the quantizer infers; it needs none of them.
            del model.graph.value_info[:]
            unfinished = quantized.with_suffix(".unfinished")
            quantize_dynamic(model, unfinished, weight_type=QuantType.QInt8, per_channel=True)
            unfinished.replace(quantized)

    def forward(self, ids: NDArray[np.int64], mask: NDArray[np.int64]) -> NDArray[np.float32]:
        (logits,) = self._session.run(None, {"input_ids": ids, "attention_mask": mask})
        found: NDArray[np.float32] = logits
        return found


def _file(setup: Setup, precision: str) -> Path:
    return setup.exports / ("model.onnx" if precision == "fp32" else "model-int8.onnx")
