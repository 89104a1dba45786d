"""What a model is made of, read from the headers of its weight files.

Counts the parameters of each part. The weights themselves are not loaded.
"""

from __future__ import annotations

import math
from pathlib import Path

from safetensors import SafetensorError, safe_open

from scorer.errors import ModelError

PARTS = ("embeddings", "encoder", "pooler", "head")
_HEADS = ("classifier", "pre_classifier", "score", "head", "out_proj")


def parameters_by_part(directory: Path) -> dict[str, int]:
    """Parameters of each of `PARTS`; ModelError when a weight file cannot be read."""
    counts = dict.fromkeys(PARTS, 0)
    for path in sorted(directory.glob("*.safetensors")):
        try:
            with safe_open(path, framework="np") as weights:
                for name in weights.keys():  # noqa: SIM118  not a mapping
                    counts[part_of(name)] += math.prod(weights.get_slice(name).get_shape())
        except (SafetensorError, OSError) as error:
            raise ModelError(f"{path}: cannot be read as safetensors ({type(error).__name__})") from error
    return counts


def part_of(name: str) -> str:
    """The part that the parameter `name` (as in `bert.encoder.layer.0.output.dense.weight`) belongs to."""
    pieces = name.split(".")
    if pieces[0] in _HEADS:
        return "head"
    if "pooler" in pieces:
        return "pooler"
    return "embeddings" if any("embedding" in piece for piece in pieces) else "encoder"
