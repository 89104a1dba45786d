"""How well a model fills in tokens that were hidden."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

# Above it, e to the power of a loss is no number that anybody reads.
_LARGEST_LOSS = 50.0


@dataclass(frozen=True)
class MaskedFigures:
    """Of `tokens` hidden tokens: the mean `loss` (negative log-likelihood, nats), and the share `accuracy` of which the
    most likely token is the right one; `next_accuracy` of pairs of which it was told rightly whether they belong
    together, None where that is not learned."""

    tokens: int
    loss: float
    accuracy: float
    next_accuracy: float | None = None

    @property
    def perplexity(self) -> float:
        """e to the power of the loss: among so many equally likely tokens the model is in doubt."""
        return math.exp(min(self.loss, _LARGEST_LOSS))

    def as_dict(self) -> dict[str, Any]:
        """JSON types only."""
        figures = {"tokens": self.tokens, "loss": self.loss, "perplexity": self.perplexity, "accuracy": self.accuracy}
        return figures if self.next_accuracy is None else figures | {"next_accuracy": self.next_accuracy}

    def describe(self) -> str:
        """For people."""
        told = f"loss {self.loss:.4f}, perplexity {self.perplexity:,.4g}, masked accuracy {self.accuracy:.4f}"
        return told if self.next_accuracy is None else f"{told}, next parts told {self.next_accuracy:.4f}"
