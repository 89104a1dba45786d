"""ONNX Runtime: a graph of ONNX, and its dynamic quantization."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from scorer.classifier.forward.onnx import OnnxForward, is_installed
from scorer.classifier.forward.onnx_graph import write_graph
from scorer.classifier.loading import LoadedModel
from scorer.exporting.runtimes.runtime import Runtime, Samples


def _open(path: Path, loaded: LoadedModel, threads: int) -> OnnxForward:
    return OnnxForward(path, feed=loaded.feed, threads=threads)


def _quantize(source: Path, target: Path, _samples: Samples) -> None:
    """Weights in 8 bits, one scale for each output; what they are multiplied with is rounded when it is there."""
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    model = onnx.load(source)
    # The exporter's shapes of what is between contradict those that the quantizer infers; it needs none of them.
    del model.graph.value_info[:]
    with _silently():
        quantize_dynamic(
            model,
            target,
            weight_type=QuantType.QInt8,
            per_channel=True,
            use_external_data_format=source.with_name(f"{source.name}.data").exists(),
        )


@contextmanager
def _silently() -> Iterator[None]:
    """The quantizer advises by the root of all loggers, to which that would give a handler; flips are counted
    instead."""
    root, handler = logging.getLogger(), logging.NullHandler()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        root.setLevel(level)
        root.removeHandler(handler)


RUNTIME = Runtime(
    title="ONNX Runtime",
    model_file="model.onnx",
    libraries=("onnx", "onnxscript", "onnxruntime"),
    why_not=lambda _int8: None if is_installed() else "not installed; pip install 'scorer[onnx]'",
    write=write_graph,
    quantize=_quantize,
    open=_open,
    imports="onnxruntime",
    lines=(
        'session = onnxruntime.InferenceSession("model.onnx")',
        "logits = session.run(None, given)[0].astype(np.float64)",
    ),
)
