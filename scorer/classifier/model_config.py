"""What `config.json` says of a model's architecture, read without transformers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from transformers import PreTrainedConfig

# What DistilBERT calls what the others have.
_OTHER_NAMES = {"distilbert": {"hidden_size": "dim", "num_attention_heads": "n_heads", "num_hidden_layers": "n_layers"}}


class PlainConfig:
    """The entries of a `config.json`, as attributes; AttributeError for one that is not there.

    The defaults that transformers has for what a file leaves out are not known here.
    """

    def __init__(self, document: dict[str, Any]) -> None:
        self._document = document
        self.model_type = str(document.get("model_type"))
        self.problem_type = document.get("problem_type")

    def __getattr__(self, name: str) -> Any:
        known = _OTHER_NAMES.get(self.model_type, {}).get(name, name)
        if known not in self._document:
            raise AttributeError(f"config.json does not say {known}")
        return self._document[known]

    @property
    def id2label(self) -> dict[int, str]:
        return {int(index): name for index, name in self._document["id2label"].items()}

    @property
    def num_labels(self) -> int:
        return len(self._document["id2label"])


ModelConfig: TypeAlias = "PlainConfig | PreTrainedConfig"
