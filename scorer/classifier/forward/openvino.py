"""The OpenVINO forward pass: the whole model compiled for the CPU, on token ids that are padded to one length.

The only file that imports openvino (the extra `openvino`).
"""

from __future__ import annotations

import importlib.util
import threading
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from scorer.classifier.device import memory_errors
from scorer.classifier.feeding import Feed
from scorer.classifier.forward.spec import ForwardSpec, Work
from scorer.classifier.loading import LoadedModel
from scorer.classifier.model_config import ModelConfig
from scorer.classifier.one_output import REGRESSION
from scorer.classifier.sequences import TokenSequences

if TYPE_CHECKING:
    from transformers import PreTrainedModel

# Architectures whose conversion is tested to give the same logits for every shape of a batch.
CONVERTIBLE = ("albert", "bert", "deberta-v2", "distilbert", "electra", "modernbert", "roberta", "xlm-roberta")
_PRECISIONS = {"fp32": "f32", "bf16": "bf16"}


def is_installed() -> bool:
    """Whether the package openvino is there; it is not imported."""
    return importlib.util.find_spec("openvino") is not None


class OpenVinoForward:
    """`model`, converted and compiled in `precision` (fp32 or bf16) for `streams` threads that use it at once; `feed`
    says how it is called."""

    def __init__(self, model: PreTrainedModel, *, feed: Feed, precision: str, streams: int) -> None:
        self._feed = feed
        self._compiled = _compile(model, feed.token_types, precision=_PRECISIONS[precision], streams=streams)
        self._own = threading.local()

    def __call__(self, batch: TokenSequences) -> NDArray[np.float32]:
        arguments = list(self._feed.arguments(batch).values())
        with memory_errors():
            outputs = self._request().infer(arguments)
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

    # Who has a model of transformers has imported it.
    from scorer.classifier.transformers_parts import quietly

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


def _why_not(config: ModelConfig, work: Work) -> str | None:
    if work.device.type != "cpu":
        return "it is for the CPU"
    if work.precision not in _PRECISIONS:
        return f"{work.precision} is not fast on a CPU; say bf16 or fp32"
    if work.precision != "fp32" and config.problem_type == REGRESSION:
        return "does not keep the output layer of numbers in fp32; say --precision fp32"
    if config.model_type not in CONVERTIBLE:
        return f"not tested with {config.model_type} models"
    if getattr(config, "is_decoder", False):
        return "does not convert decoders"
    return None if is_installed() else "not installed; pip install 'scorer[openvino]'"


def _make(loaded: LoadedModel, work: Work) -> OpenVinoForward:
    return OpenVinoForward(loaded.model, feed=loaded.feed, precision=work.precision, streams=work.streams)


SPEC = ForwardSpec(
    name="openvino",
    why="compiles {kind} models for this CPU",
    why_not=_why_not,
    shapes=None,
    libraries=("torch", "transformers", "openvino"),
    make=_make,
)
