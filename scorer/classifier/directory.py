"""A model directory on disk: where it is, whether it may be opened, and the fingerprint of what it holds.

The rules of trust stand here. Only safetensors are read. No code and no pickled weights are accepted. A file that
changed since `scorer fit` wrote it is refused. Nothing of the directory is executed and no weight is loaded here: what
a model is made of is read from the headers of its weight files.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fnmatch import fnmatch
from functools import cached_property
from pathlib import Path
from typing import Any

from scorer.classifier.decision import Decision
from scorer.classifier.labels import LabelSet
from scorer.classifier.metadata import ModelMetadata, known_sha256, sha256
from scorer.classifier.one_output import activation_of, has_one_output
from scorer.classifier.profile import Profile
from scorer.classifier.remedies import ADAPTER_FILE, convert_weights, merge_adapter
from scorer.errors import InputMissing, ModelError
from scorer.stores.downloads import local_copy
from scorer.stores.object_path import ObjectPath, is_object

_HUB_NAME = re.compile(r"(?!models/)[A-Za-z0-9][\w.-]*(/[\w.-]+)?")
# What a model is made of and `scorer.json` may name, and what it tells people.
_MODEL_FILES = ("*.json", "*.safetensors", "*.txt", "*.model", "*.jinja")
_HUB_FILES = [*_MODEL_FILES, "*.md", "*.html"]
_CHAT_TEMPLATES = "additional_chat_templates"
_PAGES = ("README.md", "report.html")
# What may stand beside weights, vocabulary and configuration, which change what a model answers.
_BESIDE = (
    *("scorer.json", "metrics.json", "model.safetensors.index.json", "generation_config.json", "chat_template*"),
    *("preprocessor_config.json", "processor_config.json", "adapter_config.json", "modules.json"),
    *("sentence_bert_config.json", "config_sentence_transformers.json"),
)
# Pickled weights in the names that trainers and exporters give them. Beside safetensors they stay unread, as does a
# trainer's own state (training_args.bin, optimizer.pt), which is no weight of the model.
_PICKLES = ("pytorch_model*.bin", "model*.bin", "model*.pt", "model*.pth", "*.pkl", "*.pickle", "*.ckpt")
# What `scorer export` leaves, which is no model directory.
EXPORT_FILE = "export.json"
# What `problem_type` in a configuration says of a model whose rows may have any number of labels.
MULTI_LABEL = "multi_label_classification"
# Entries of a configuration that make transformers run or fetch code, unless they say no.
_CODE_KEYS = ("auto_map", "custom_pipelines", "trust_remote_code")
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
# The parts of a model, and the names that its head goes by.
PARTS = ("embeddings", "encoder", "pooler", "head")
_HEADS = ("classifier", "pre_classifier", "score", "head", "out_proj")

FileStamp = tuple[str, int, int, int]


@dataclass(frozen=True)
class ModelDirectory:
    """A directory that passed the rules of trust; `metadata` is None when `scorer fit` did not write it.

    Where it was opened `by_times`, files count as what they were when they were hashed before and had these times.
    """

    name: str
    path: Path
    metadata: ModelMetadata | None
    by_times: bool = False

    def for_loading(self) -> ModelDirectory:
        """The same with every byte looked at, as weights that are loaded must be. ModelError when one has changed."""
        if not self.by_times:
            return self
        if self.metadata is not None:
            self.metadata.verify(self.path, sha256)
        return replace(self, by_times=False)

    @cached_property
    def fingerprint(self) -> str:
        """BLAKE2b (16 bytes, hexadecimal) over the names and SHA-256 hashes of every file that changes a logit."""
        recorded = self.metadata.files if self.metadata else {}
        hash_of = known_sha256 if self.by_times else sha256
        lines = [f"{path.name} {recorded.get(path.name) or hash_of(path)}" for path in self._decisive()]
        return hashlib.blake2b("\n".join(lines).encode(), digest_size=16).hexdigest()

    def stamp(self) -> list[FileStamp]:
        """Name, size, modification time and inode that every file that changes a logit has now."""
        found = [(path.name, path.stat()) for path in self._decisive()]
        return [(name, status.st_size, status.st_mtime_ns, status.st_ino) for name, status in found]

    def _decisive(self) -> list[Path]:
        return sorted({path for pattern in _DECISIVE for path in self.path.glob(pattern) if path.is_file()})

    @property
    def profile(self) -> Profile | None:
        """What its training data looked like; None when `scorer.json` does not say."""
        return self.metadata.profile if self.metadata is not None else None

    @property
    def labels(self) -> LabelSet | None:
        """The labels as `scorer.json` names them, or else `config.json`; None when neither does."""
        if self.metadata is not None:
            return self.metadata.labels
        configuration = self._configuration()
        names = configuration.get("id2label")
        if has_one_output(configuration):
            return LabelSet.of_number(str(next(iter((names or {"0": "LABEL_0"}).values()))))
        if not isinstance(names, dict) or set(names) != set(map(str, range(len(names)))):
            return None
        multi = configuration.get("problem_type") == MULTI_LABEL
        return LabelSet.from_id2label({int(index): name for index, name in names.items()}, multi=multi)

    def decision_for(self, labels: LabelSet) -> Decision:
        """What stands between logits and answers: what `scorer.json` says, or else the logits by themselves.

        ModelError when the configuration asks for an activation that is not computed here.
        """
        if self.metadata is not None:
            return self.metadata.decision
        if labels.is_number:
            return Decision(activation=activation_of(self.path, self._configuration()))
        return Decision.uncalibrated(labels)

    @property
    def dtype(self) -> str | None:
        """The dtype that `config.json` says the weights are of, such as bfloat16; None when it does not say."""
        configuration = self._configuration()
        # transformers wrote torch_dtype before version 5.
        named = configuration.get("dtype") or configuration.get("torch_dtype")
        return named.removeprefix("torch.") if isinstance(named, str) else None

    def _configuration(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.path / "config.json").read_text(encoding="utf-8"))
        return found


def open_model(name: str, *, by_times: bool = False) -> ModelDirectory:
    """The model directory that `name` means: a local directory, or a hub name that is cached or can be fetched.

    `by_times` does not read a file again that was hashed before; such a directory is not loaded before `for_loading`.
    Raises ModelError when it is no model, or one that must not be opened.
    """
    path = find_model(name)
    metadata = ModelMetadata.read(path)
    if metadata is not None:
        metadata.verify(path, known_sha256 if by_times else sha256)
    return ModelDirectory(name, path, metadata, by_times)


def find_model(name: str) -> Path:
    """Where the model `name` lies, by the rules of trust; its files have not been compared with their hashes.

    Raises ModelError as `open_model` does.
    """
    path = copy_from_store(name) if is_object(name) else Path(name)
    if path.is_dir():
        # models/latest may mean another model before this one is loaded.
        path = path.resolve()
        _refuse_entries(path)
    elif path.exists():
        raise ModelError(f"{name}: a file, where a model directory is expected")
    elif _HUB_NAME.fullmatch(name) and not Path(name.split("/")[0]).exists():
        path = _from_hub(name)
    else:
        raise ModelError(f"{name}: no such model directory; run `scorer fit` first, or name a model with -m")
    _refuse_configuration(path)
    if not any(path.glob("*.safetensors")):
        raise ModelError(convert_weights(name, _pickles(path)))
    return path


def copy_from_store(name: str) -> Path:
    """The copy on this machine of a model in an object store; ModelError where nothing lies there."""
    try:
        return local_copy(ObjectPath.of(name))
    except InputMissing as error:
        raise ModelError(f"{error}; name the folder that holds config.json") from error


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


def _refuse_entries(path: Path) -> None:
    """No code, nothing that is neither file nor folder, no symbolic link that leads outside."""
    allowed = _within(path.resolve())
    for found in sorted(path.rglob("*")):
        if found.name.lower().endswith(".py"):
            raise ModelError(f"{found}: code in a model directory; only safetensors and configuration are accepted")
        if found.is_symlink():
            _refuse_link(found, allowed)
        if not found.is_file() and not found.is_dir():
            raise ModelError(f"{found}: neither a file nor a folder; remove it from the model directory")


def _pickles(path: Path) -> list[str]:
    """The names of pickled weights in the model directory `path`."""
    names = sorted(found.relative_to(path).as_posix() for found in path.rglob("*"))
    return [name for name in names if any(fnmatch(Path(name).name.lower(), pattern) for pattern in _PICKLES)]


def belongs_to_model(name: str) -> bool:
    """Whether the file `name` of a repository, a path, is of the model in it: read when that is opened, or written by
    `scorer fit` to tell people about it. What else somebody put there is not."""
    folder, _, last = name.rpartition("/")
    if folder not in ("", _CHAT_TEMPLATES) or last.startswith("."):
        return False
    return any(fnmatch(last, pattern) for pattern in (*_DECISIVE, *_BESIDE, *_PAGES, *_PICKLES)) or bool(folder)


def _refuse_link(found: Path, allowed: tuple[Path, ...]) -> None:
    if not found.exists():
        raise ModelError(f"{found}: a symbolic link to nothing; copy the file instead")
    if not any(found.resolve().is_relative_to(folder) for folder in allowed):
        raise ModelError(f"{found}: a symbolic link out of the model directory; copy the file instead")


def _within(home: Path) -> tuple[Path, ...]:
    """Where the links of the model directory `home` may lead: a snapshot of a hub cache links to the cache's blobs."""
    if home.parent.name == "snapshots":
        return home, home.parent.parent / "blobs"
    return (home,)


def _refuse_configuration(path: Path) -> None:
    # An adapter rarely has a configuration beside it.
    if (path / ADAPTER_FILE).exists():
        raise ModelError(merge_adapter(path))
    if (path / EXPORT_FILE).is_file() and not (path / "config.json").exists():
        raise ModelError(
            f"{path}: an export for another runtime; score with the model that it was made of (--backend onnx computes "
            "as it does), or run the program of its README.md"
        )
    if not (path / "config.json").is_file():
        raise ModelError(f"{path}: no config.json; this is not a model directory")
    for file in sorted(path.glob("*.json")):
        # tokenizer.json is large, and the tokenizers library, which alone reads it, knows no code of a model's own.
        if file.name == "tokenizer.json":
            continue
        try:
            document = json.loads(file.read_text(encoding="utf-8"))
        except (ValueError, RecursionError) as error:
            raise ModelError(f"{file}: not valid JSON") from error
        if file.name == "config.json" and not isinstance(document, dict):
            raise ModelError(f"{file}: {type(document).__name__}, where an object is expected")
        if file.name.endswith(".safetensors.index.json"):
            _refuse_shards(file, document)
        # The keys of other files are words and labels, which may be anything.
        elif file.name.endswith("config.json"):
            _refuse_code_keys(file, document)


def _refuse_code_keys(file: Path, document: Any) -> None:
    """At any depth: transformers reads the configurations of a model's parts as it reads the model's own."""
    for key, value in _entries(document):
        if type(value) is int:  # a label of that name, with its index
            continue
        if key in _CODE_KEYS and value:
            raise ModelError(f"{file}: asks for code of its own ({key}); such models are refused")
        # transformers takes a name with a slash for a kernel, compiled code that it fetches from the hub.
        if key.endswith("_implementation") and "/" in str(value):
            raise ModelError(f"{file}: asks for code from the hub ({key}); such models are refused")
        if key == "quantization_config" and value:
            raise ModelError(f"{file}: quantized weights ({key}); only plain safetensors weights are read")


def _refuse_shards(file: Path, document: Any) -> None:
    """An index may name only safetensors files that stand beside it; a pickle would be unpickled, wherever it is."""
    weights = document.get("weight_map") if isinstance(document, dict) else None
    shards = weights.values() if isinstance(weights, dict) else ()
    if not shards or not all(isinstance(name, str) and re.fullmatch(r"[\w.-]+\.safetensors", name) for name in shards):
        raise ModelError(f"{file}: names weights that are no safetensors files beside it; save the model again")


def _entries(document: Any) -> Iterator[tuple[str, Any]]:
    """Every key of every object in `document`, which is as deep as JSON may be, with its value."""
    waiting = [document]
    while waiting:
        found = waiting.pop()
        if isinstance(found, dict):
            yield from found.items()
            waiting += found.values()
        elif isinstance(found, list):
            waiting += found


def parameters_by_part(directory: Path) -> dict[str, int]:
    """Parameters of each of `PARTS`; ModelError when a weight file cannot be read."""
    from safetensors import SafetensorError, safe_open

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
