"""What a torch model is given by a library that calls it: token ids and padding, seen where ids are looked up.

The embedding is watched and not the model, since sentence-transformers calls `forward` past the model's own hooks.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor
from transformers import PreTrainedModel


class Watched:
    """Counts the tokens that `model` is called with, padding included, and collects their ids when asked to."""

    def __init__(self, model: PreTrainedModel) -> None:
        self.computed_tokens = 0
        self._pad_id = model.config.pad_token_id
        self._collected: list[list[int]] | None = None
        model.get_input_embeddings().register_forward_pre_hook(self._see)

    def collect(self) -> list[list[int]]:
        """A list to which the token ids of every row are added, in the order of the calls, until `stop`."""
        self._collected = []
        return self._collected

    def stop(self) -> None:
        self._collected = None

    def _see(self, _module: Any, arguments: tuple[Tensor, ...]) -> None:
        ids = arguments[0]
        self.computed_tokens += ids.numel()
        if self._collected is not None:
            # No text has the padding's token, which stands at the end of a row alone.
            self._collected += [[token for token in row if token != self._pad_id] for row in ids.tolist()]
