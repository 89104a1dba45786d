"""A model directory on disk: where it is, whether it may be opened, and the fingerprint of what it holds.

Owns the rules of trust: only safetensors are read, no code and no pickled weights are accepted, a file that changed
since `scorer fit` wrote it is refused. Nothing of the directory is executed and no weight is loaded here.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from scorer.classifier.labels import LabelSet
from scorer.classifier.metadata import METADATA_FILE, ModelMetadata, sha256
from scorer.errors import ModelError

_HUB_NAME = re.compile(r"(?!models/)[A-Za-z0-9][\w.-]*(/[\w.-]+)?")
_HUB_FILES = ["*.json", "*.safetensors", "*.txt", "*.model"]
# Pickled weights in the names that trainers and exporters give them. A trainer's own state (training_args.bin,
# optimizer.pt) is no weight of the model: it stays unread.
_PICKLES = ("pytorch_model*.bin", "model*.bin", "model*.pt", "model*.pth", "*.pkl", "*.pickle", "*.ckpt")
# What changes a logit: weights, configuration and the tokenizer. The report and the model card do not.
_DECISIVE = (
    "*.safetensors",
    "config.json",
    "tokenizer*.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab*",
    "merges.txt",
    "*.model",
)


@dataclass(frozen=True)
class ModelDirectory:
    """A directory that passed the rules of trust; `metadata` is None when `scorer fit` did not write it."""

    name: str
    path: Path
    metadata: ModelMetadata | None

    @cached_property
    def fingerprint(self) -> str:
        """BLAKE2b (16 bytes, hexadecimal) over the names and SHA-256 hashes of every file that changes a logit."""
        names = sorted({path for pattern in _DECISIVE for path in self.path.glob(pattern) if path.is_file()})
        recorded = self.metadata.files if self.metadata else {}
        lines = [f"{path.name} {recorded.get(path.name) or sha256(path)}" for path in names]
        return hashlib.blake2b("\n".join(lines).encode(), digest_size=16).hexdigest()

    @property
    def labels(self) -> LabelSet | None:
        """The labels as `scorer.json` names them, or else `config.json`; None when neither does."""
        if self.metadata is not None:
            return self.metadata.labels
        names = json.loads((self.path / "config.json").read_text(encoding="utf-8")).get("id2label")
        if not isinstance(names, dict) or set(names) != set(map(str, range(len(names)))):
            return None
        return LabelSet.from_id2label({int(index): name for index, name in names.items()})


def open_model(name: str) -> ModelDirectory:
    """The model directory that `name` means: a local directory, or a hub name that is cached or can be fetched.

    Raises ModelError when it is no model, or one that must not be opened.
    """
    path = Path(name)
    if path.is_dir():
        _refuse_code(path)
        _refuse_foreign_links(path)
    elif path.exists():
        raise ModelError(f"{name}: a file, where a model directory is expected")
    elif _HUB_NAME.fullmatch(name) and not Path(name.split("/")[0]).exists():
        path = _from_hub(name)
    else:
        raise ModelError(f"{name}: no such model directory; run `scorer fit` first, or name a model with -m")
    _refuse_auto_map(path)
    if not any(path.glob("*.safetensors")):
        raise ModelError(f"{name}: no .safetensors file; only safetensors weights are read")
    metadata = ModelMetadata.read(path)
    if metadata is not None:
        metadata.verify(path)
    return ModelDirectory(name, path, metadata)


def _from_hub(name: str) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(name, allow_patterns=_HUB_FILES))
    except (LocalEntryNotFoundError, HfHubHTTPError, OSError) as error:
        hint = "check the name and the network, or give a local directory"
        raise ModelError(
            f"{name}: no such directory, and not to be had from the hub ({type(error).__name__}); {hint}"
        ) from error


def _refuse_code(path: Path) -> None:
    for pattern in ("*.py", *_PICKLES):
        for found in path.rglob(pattern):
            kind = "code" if found.suffix == ".py" else "pickled weights"
            raise ModelError(
                f"{found}: {kind} in a model directory; only safetensors weights and configuration are accepted"
            )


def _refuse_foreign_links(path: Path) -> None:
    """Symbolic links may not lead out of the directory, except from a snapshot to its blobs in a hub cache."""
    home = path.resolve()
    if home.parent.name == "snapshots":
        home = home.parent.parent
    for found in path.rglob("*"):
        if found.is_symlink() and not found.resolve().is_relative_to(home):
            raise ModelError(f"{found}: a symbolic link out of the model directory; copy the file instead")


def _refuse_auto_map(path: Path) -> None:
    if not (path / "config.json").is_file():
        raise ModelError(f"{path}: no config.json; this is not a model directory")
    for file in path.glob("*.json"):
        # tokenizer.json is large, and the tokenizers library, which alone reads it, knows no code of a model's own.
        if file.name in (METADATA_FILE, "tokenizer.json"):
            continue
        try:
            document = json.loads(file.read_text(encoding="utf-8"))
        except (ValueError, RecursionError) as error:
            raise ModelError(f"{file}: not valid JSON") from error
        if file.name == "config.json" and not isinstance(document, dict):
            raise ModelError(f"{file}: {type(document).__name__}, where an object is expected")
        if isinstance(document, dict) and "auto_map" in document:
            raise ModelError(f"{file}: asks for code of its own (auto_map); such models are refused")
