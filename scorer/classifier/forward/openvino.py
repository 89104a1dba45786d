"""The OpenVINO forward pass: the whole model compiled for the CPU, on token ids that are padded to one length.

The only file that imports openvino (the extra `openvino`).
"""

from __future__ import annotations

import importlib.util
import threading
import warnings
from collections.abc import Mapping
from pathlib import Path
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
from scorer.errors import StorageError

if TYPE_CHECKING:
    from transformers import PreTrainedModel

# Architectures whose conversion is tested to give the same logits for every shape of a batch.
CONVERTIBLE = ("albert", "bert", "deberta-v2", "distilbert", "electra", "modernbert", "roberta", "xlm-roberta")
_PRECISIONS = {"fp32": "f32", "bf16": "bf16"}


def is_installed() -> bool:
    """Whether the package openvino is there; it is not imported."""
    return importlib.util.find_spec("openvino") is not None


class OpenVinoForward:
    """`converted`, a model of `convert` or the file of one, compiled in `precision` (fp32 or bf16) for `streams`
    threads that use it at once, each batch computed by `threads`; `feed` says how it is called."""

    def __init__(self, converted: Any, *, feed: Feed, precision: str, streams: int, threads: int = 1) -> None:
        self._feed = feed
        hints = {"INFERENCE_PRECISION_HINT": _PRECISIONS[precision], "NUM_STREAMS": streams}
        self._compiled = _compile(converted, hints | {"INFERENCE_NUM_THREADS": streams * threads})
        self._own = threading.local()

    def __call__(self, batch: TokenSequences) -> NDArray[np.float32]:
        arguments = self._feed.arguments(batch)
        with memory_errors():
            outputs = self._request().infer(arguments)
        logits: NDArray[np.float32] = np.array(outputs[0], np.float32)
        return logits

    def _request(self) -> Any:
        """This thread's own place to infer in."""
        if not hasattr(self._own, "request"):
            self._own.request = self._compiled.create_infer_request()
        return self._own.request


def convert(model: PreTrainedModel, feed: Feed) -> Any:
    """`model` as OpenVINO has it, in fp32, with any number of rows and tokens. Its inputs have the names that
    transformers gives them, and the one output is called logits."""
    # Not openvino.convert_model, which reports its use to a server.
    from openvino.frontend import FrontEndManager
    from openvino.frontend.pytorch.ts_decoder import TorchScriptPythonDecoder

    # Who has a model of transformers has imported it.
    from scorer.classifier.transformers_parts import quietly

    example = {name: torch.ones(2, 8, dtype=torch.long) for name in ("input_ids", "attention_mask")}
    if feed.token_types:
        example["token_type_ids"] = torch.zeros(2, 8, dtype=torch.long)
    with quietly(), warnings.catch_warnings():
        # Tracing warns of every shape that it takes for fixed; the tests compare logits over many shapes instead.
        warnings.simplefilter("ignore")
        decoder = TorchScriptPythonDecoder(model.eval(), example_input=example)
        frontend = FrontEndManager().load_by_framework(framework="pytorch")
        converted = frontend.convert(frontend.load(decoder))
    for name, taken in zip(example, converted.inputs, strict=True):
        taken.get_tensor().set_names({name})
    converted.outputs[0].get_tensor().set_names({"logits"})
    return converted


def save(converted: Any, path: Path) -> None:
    """Write a model of `convert` to the file `path`, NAME.xml, and its weights to NAME.bin beside it. StorageError when
    that fails."""
    from openvino import save_model

    try:
        # Otherwise weights are rounded to fp16.
        save_model(converted, path, compress_to_fp16=False)
    except RuntimeError as error:
        raise StorageError(f"{path}: OpenVINO could not write it; is there space left?") from error


def read(path: Path) -> Any:
    """The model in the file `path`, as `save` or another wrote it."""
    from openvino import Core

    return Core().read_model(path)


def _compile(converted: Any, hints: Mapping[str, Any]) -> Any:
    from openvino import Core

    return Core().compile_model(converted, "CPU", dict(hints))


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
    converted = convert(loaded.model, loaded.feed)
    return OpenVinoForward(converted, feed=loaded.feed, precision=work.precision, streams=work.streams)


SPEC = ForwardSpec(
    name="openvino",
    why="compiles {kind} models for this CPU",
    why_not=_why_not,
    shapes=None,
    libraries=("torch", "transformers", "openvino"),
    make=_make,
)
