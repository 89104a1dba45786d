"""The OpenVINO forward pass: the whole model compiled for the CPU, on token ids that are padded to one length.

The only file that imports openvino (the extra `openvino`). Owns the conversion. Does not know how a batch was chosen.
"""

from __future__ import annotations

import importlib.util
import inspect
import threading
import warnings
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import PreTrainedModel

from scorer.classifier.forward.memory import memory_errors
from scorer.classifier.loading import quietly
from scorer.classifier.sequences import TokenSequences

# Architectures whose conversion is tested to give the same logits for every shape of a batch.
CONVERTIBLE = ("albert", "bert", "deberta-v2", "distilbert", "electra", "modernbert", "roberta", "xlm-roberta")
_PRECISIONS = {"fp32": "f32", "bf16": "bf16"}


def is_installed() -> bool:
    """Whether the package openvino is there; it is not imported."""
    return importlib.util.find_spec("openvino") is not None


class OpenVinoForward:
    """`model`, converted and compiled in `precision` (fp32 or bf16) for `streams` threads that use it at once; `pad_id`
    fills the shorter rows."""

    name = "openvino"

    def __init__(self, model: PreTrainedModel, *, precision: str, pad_id: int, streams: int) -> None:
        self._pad_id = pad_id
        self._takes_types = "token_type_ids" in inspect.signature(model.forward).parameters
        self._compiled = _compile(model, self._takes_types, precision=_PRECISIONS[precision], streams=streams)
        self._own = threading.local()

    def __call__(self, batch: TokenSequences) -> NDArray[np.float32]:
        ids, mask, types = batch.padded(self._pad_id)
        with memory_errors():
            outputs = self._request().infer([ids, mask, types] if self._takes_types else [ids, mask])
        logits: NDArray[np.float32] = np.array(outputs[0], np.float32)
        return logits

    def _request(self) -> Any:
        """This thread's own place to infer in."""
        if not hasattr(self._own, "request"):
            self._own.request = self._compiled.create_infer_request()
        return self._own.request


def _compile(model: PreTrainedModel, takes_types: bool, *, precision: str, streams: int) -> Any:
    # Not openvino.convert_model, which reports its use to a server.
    from openvino import Core
    from openvino.frontend import FrontEndManager
    from openvino.frontend.pytorch.ts_decoder import TorchScriptPythonDecoder

    example = {name: torch.ones(2, 8, dtype=torch.long) for name in ("input_ids", "attention_mask")}
    if takes_types:
        example["token_type_ids"] = torch.zeros(2, 8, dtype=torch.long)
    with quietly(), warnings.catch_warnings():
        # Tracing warns of every shape that it takes for fixed; the tests compare logits over many shapes instead.
        warnings.simplefilter("ignore")
        decoder = TorchScriptPythonDecoder(model.eval(), example_input=example)
        frontend = FrontEndManager().load_by_framework(framework="pytorch")
        converted = frontend.convert(frontend.load(decoder))
    hints = {"INFERENCE_PRECISION_HINT": precision, "NUM_STREAMS": streams, "INFERENCE_NUM_THREADS": streams}
    return Core().compile_model(converted, "CPU", hints)
