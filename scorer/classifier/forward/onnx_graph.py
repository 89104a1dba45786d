"""A model of transformers as a graph of ONNX, which takes any number of rows and tokens.

The only file that calls torch's exporter (the extra `onnx`).
"""

from __future__ import annotations

import importlib.util
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import torch
from torch import Tensor, nn

from scorer.classifier.loading import LoadedModel
from scorer.classifier.network import max_positions
from scorer.classifier.parts import foreign

if TYPE_CHECKING:
    from transformers import PreTrainedModel

INPUTS: Final = ("input_ids", "attention_mask", "token_type_ids")
"""What a graph is given, (rows, tokens) int64 each; the last one where the model is told types of token."""
OUTPUT: Final = "logits"
_NEEDED = ("onnx", "onnxscript")
_MOST_ROWS = 1 << 16
_MOST_TOKENS = 1 << 20
# A file of ONNX has at most 2 GiB; the weights of a larger model stand beside it.
_MOST_BYTES = 1_800_000_000
# Two rows, so that a number of rows or tokens that happens to be one is not taken for fixed.
_EXAMPLE = (2, 9)


def lacking() -> list[str]:
    """The packages that are needed to make a graph and are not installed; none is imported."""
    return [name for name in _NEEDED if importlib.util.find_spec(name) is None]


def write_graph(loaded: LoadedModel, path: Path) -> None:
    """Write the model of `loaded` in fp32 to the file `path`; weights beyond 2 GB go to `NAME.data` beside it.

    ModelError where torch cannot export it.
    """
    model, feed = loaded.model.eval(), loaded.feed
    names = INPUTS if feed.token_types else INPUTS[:2]
    free = {
        0: torch.export.Dim("rows", max=_MOST_ROWS),
        1: torch.export.Dim("tokens", max=max_positions(model) or _MOST_TOKENS),
    }
    with foreign(f"{loaded.directory.name}: cannot be exported"), _silently():
        program = torch.onnx.export(
            _Logits(model, feed.options).eval(),
            _example(len(names)),
            input_names=list(names),
            output_names=[OUTPUT],
            dynamic_shapes=dict.fromkeys(names, free),
            dynamo=True,
            verbose=False,
        )
        assert program is not None, "torch gives a program when it is told no file; this is a bug"
        _forget_sources(program.model)
    program.save(path, external_data=_weighs(model) > _MOST_BYTES)


class _Logits(nn.Module):
    """What an exporter understands: tensors in, one out."""

    def __init__(self, model: nn.Module, options: dict[str, Any]) -> None:
        super().__init__()
        self.model = model
        self._options = options

    def forward(self, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor | None = None) -> Tensor:
        arguments = {"input_ids": input_ids, "attention_mask": attention_mask}
        if token_type_ids is not None:
            arguments["token_type_ids"] = token_type_ids
        logits: Tensor = self.model(**arguments, **self._options).logits
        return logits


def _example(inputs: int) -> tuple[Tensor, ...]:
    """A batch of a long row and of a short one."""
    mask = torch.ones(_EXAMPLE, dtype=torch.int64)
    mask[1, 5:] = 0
    return (torch.ones(_EXAMPLE, dtype=torch.int64), mask, torch.zeros(_EXAMPLE, dtype=torch.int64))[:inputs]


def _weighs(model: PreTrainedModel) -> int:
    """Bytes of all weights."""
    return sum(tensor.numel() * tensor.element_size() for tensor in (*model.parameters(), *model.buffers()))


def _forget_sources(model: Any) -> None:
    """Leave out of the graph from which lines of which files of this machine its nodes were made."""
    for node in model.graph.all_nodes():
        node.metadata_props.clear()
        for value in node.outputs:
            value.metadata_props.clear()
    model.metadata_props.clear()


@contextmanager
def _silently() -> Iterator[None]:
    """The exporter tells of torchvision, of names of axes and of what it does not fold; the graph's logits are compared
    instead."""
    # Who has a model of transformers has imported it.
    from scorer.classifier.transformers_parts import quietly

    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "onnx_ir")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        with quietly(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
