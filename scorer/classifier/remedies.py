"""What a model directory lacks, or has in a form that is not read: in one line for people, with what to do about it.

Nothing is loaded, converted or run here.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from pathlib import Path

ADAPTER_FILE = "adapter_config.json"
# Whatever of these stands beside a sentencepiece file, transformers reads without the library.
_VOCABULARIES = ("tokenizer.json", "vocab*")
_SENTENCEPIECE = ("sentencepiece", "google.protobuf")


def merge_adapter(directory: Path) -> str:
    """For a `directory` that holds an adapter of PEFT, and not the model that it belongs to."""
    lines = (
        "from peft import AutoPeftModelForSequenceClassification as Adapted; "
        f"Adapted.from_pretrained({str(directory)!r}, num_labels=N).merge_and_unload().save_pretrained('OUT')"
    )
    return (
        f"{directory / ADAPTER_FILE}: an adapter of PEFT, whose base model lies elsewhere; merge them in Python, with "
        f"the number of labels for N: `{lines}`; then save the tokenizer of the base model into OUT"
    )


def convert_weights(name: str, pickled: Sequence[str]) -> str:
    """For the model `name` that has no safetensors, but perhaps weights that are `pickled`."""
    found = f"only pickled weights ({pickled[0]}), which may hold code" if pickled else "no .safetensors file"
    lines = (
        "from transformers import AutoModelForSequenceClassification as Model, AutoTokenizer as Tokenizer; "
        f"[kind.from_pretrained({name!r}).save_pretrained('OUT') for kind in (Model, Tokenizer)]"
    )
    return (
        f"{name}: {found}; only safetensors weights are read; if you trust who made it, convert it in Python: `{lines}`"
    )


def name_outputs(name: str, *, outputs: int, labels: int) -> str:
    """For the model `name` whose head has other `outputs` than its configuration names `labels`."""
    return (
        f"{name}: the head has {outputs} outputs, and config.json names {labels} labels (2 where it has no id2label); "
        "write the label of each output into id2label, in the order of the outputs"
    )


def install_sentencepiece(name: str, directory: Path) -> str | None:
    """For the model `name` whose tokenizer is a sentencepiece file alone, where the libraries that read one are not
    installed; else None. transformers asks for another library, which does not help."""
    if any(found for pattern in _VOCABULARIES for found in directory.glob(pattern)):
        return None
    files = sorted(directory.glob("*.model"))
    if not files or all(map(is_installed, _SENTENCEPIECE)):
        return None
    return (
        f"{name}: its tokenizer is a sentencepiece file ({files[0].name}) without tokenizer.json; to read it, "
        "pip install 'scorer[sentencepiece]' (sentencepiece and protobuf)"
    )


def is_installed(module: str, *, find: Callable[[str], object] = importlib.util.find_spec) -> bool:
    """Whether `module` can be imported; of a module in a package also where there is no such package."""
    try:
        return find(module) is not None
    except ModuleNotFoundError:
        return False
