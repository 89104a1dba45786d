"""Whether tokenizer.json is the whole tokenizer of a model directory, so that transformers adds nothing to it.

transformers builds many tokenizers anew, from the vocabulary in tokenizer.json and the options in
tokenizer_config.json. `scorer fit` compares the two and writes down that they are one. Of BERT's own tokenizer it is
seen from the files, where both say the same.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from scorer.classifier.directory import ModelDirectory
from scorer.classifier.parts import foreign
from scorer.classifier.tokenization import TruncationSide
from scorer.classifier.tokenizer_copies import read_tokenizer
from scorer.errors import ModelError

_FILE = "tokenizer.json"
_OPTIONS = "tokenizer_config.json"
# What transformers read before version 5 beside them.
_OLD_FILES = ("special_tokens_map.json", "added_tokens.json")
_NO_LIMIT = int(1e30)
# By the class of the tokenizer: whether it tells the types of tokens.
_CLASSES = {"BertTokenizer": True, "ElectraTokenizer": True, "DistilBertTokenizer": False}
# What BERT's class takes the options for that are not there, and the options that change no token.
_DEFAULTS: Mapping[str, Any] = {
    "cls_token": "[CLS]",
    "do_lower_case": True,
    "mask_token": "[MASK]",
    "pad_token": "[PAD]",
    "sep_token": "[SEP]",
    "strip_accents": None,
    "tokenize_chinese_chars": True,
    "unk_token": "[UNK]",
}
_HARMLESS = {
    "backend",
    "clean_up_tokenization_spaces",
    "is_local",
    "local_files_only",
    "model_input_names",
    "model_max_length",
    "padding_side",
    "tokenizer_class",
    "truncation_side",
}


@dataclass(frozen=True)
class TokenizerFacts:
    """What tokenizer.json does not say: whether the types of tokens are told, the longest input in tokens, and which
    end of a longer one is cut off."""

    token_types: bool
    longest: Any
    truncation_side: TruncationSide


def plain_tokenizer(directory: ModelDirectory) -> tuple[Tokenizer, TokenizerFacts] | None:
    """The tokenizer that tokenizer.json in `directory` is, or None where transformers might make another of it."""
    path = directory.path / _FILE
    try:
        text = path.read_text(encoding="utf-8")
        options = json.loads((directory.path / _OPTIONS).read_text(encoding="utf-8"))
        document = json.loads(text)
        facts = _facts(directory, document, options)
        if facts is None:
            return None
        with foreign(_FILE):
            return read_tokenizer(text, document), facts
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError, ModelError):
        # Whatever is the matter with it, transformers is asked, and says so.
        return None


def is_whole(path: Path, tokenizer: Tokenizer) -> bool:
    """Whether tokenizer.json in the directory `path` is `tokenizer`, which transformers made of it."""
    text = (path / _FILE).read_text(encoding="utf-8")
    found = read_tokenizer(text)
    return tokenizer.encode_special_tokens is False and _bare(found) == _bare(tokenizer)


def _bare(tokenizer: Tokenizer) -> str:
    """`tokenizer` in JSON, without padding and truncation, which every call sets anew."""
    found: dict[str, Any] = json.loads(tokenizer.to_str())
    return json.dumps(found | {"padding": None, "truncation": None}, sort_keys=True)


def _facts(directory: ModelDirectory, document: Mapping[str, Any], options: Mapping[str, Any]) -> TokenizerFacts | None:
    """What there is besides tokenizer.json, with the contents `document`, if that is the whole tokenizer; else None."""
    token_types = directory.metadata.token_types if directory.metadata is not None else None
    if token_types is None and _says_what_bert_does(directory.path, document, options):
        names = options.get("model_input_names")
        token_types = _CLASSES[_class_of(options)] if names is None else "token_type_ids" in names
    truncation = document.get("truncation") or {}
    side = options.get("truncation_side", str(truncation.get("direction", "right")).lower())
    if token_types is None or side not in ("left", "right"):
        return None
    longest = options.get("model_max_length")
    return TokenizerFacts(token_types, _NO_LIMIT if longest is None else longest, side)


def _class_of(options: Mapping[str, Any]) -> str:
    return str(options.get("tokenizer_class")).removesuffix("Fast")


def _says_what_bert_does(path: Path, document: Mapping[str, Any], options: Mapping[str, Any]) -> bool:
    """Whether `document` is what BERT's class makes of its vocabulary and the `options`."""
    if _class_of(options) not in _CLASSES or not options.keys() <= _DEFAULTS.keys() | _HARMLESS:
        return False
    if any((path / name).exists() for name in _OLD_FILES):
        return False
    said = {**_DEFAULTS, **options}
    model = document["model"]
    vocabulary = model["vocab"]
    return (
        {key: model[key] for key in model if key != "vocab"} == _model(said)
        and document["normalizer"] == _normalizer(said)
        and document["pre_tokenizer"] == {"type": "BertPreTokenizer"}
        and document["post_processor"] == _post_processor(said, vocabulary)
        and _by_place(document["added_tokens"]) == _by_place(_added_tokens(said, vocabulary))
    )


def _model(said: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "type": "WordPiece",
        "unk_token": said["unk_token"],
        "continuing_subword_prefix": "##",
        "max_input_chars_per_word": 100,
    }


def _normalizer(said: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "type": "BertNormalizer",
        "clean_text": True,
        "handle_chinese_chars": said["tokenize_chinese_chars"],
        "strip_accents": said["strip_accents"],
        "lowercase": said["do_lower_case"],
    }


def _post_processor(said: Mapping[str, Any], vocabulary: Mapping[str, int]) -> dict[str, Any]:
    """[CLS] A [SEP] with the type 0, and B [SEP] with the type 1 behind it."""
    first, last = said["cls_token"], said["sep_token"]

    def special(token: str, kind: int) -> dict[str, Any]:
        return {"SpecialToken": {"id": token, "type_id": kind}}

    def sequence(name: str, kind: int) -> dict[str, Any]:
        return {"Sequence": {"id": name, "type_id": kind}}

    single = [special(first, 0), sequence("A", 0), special(last, 0)]
    return {
        "type": "TemplateProcessing",
        "single": single,
        "pair": [*single, sequence("B", 1), special(last, 1)],
        "special_tokens": {
            token: {"id": token, "ids": [vocabulary[token]], "tokens": [token]} for token in (first, last)
        },
    }


def _added_tokens(said: Mapping[str, Any], vocabulary: Mapping[str, int]) -> list[dict[str, Any]]:
    """Those that the options name, and no others."""
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    names = {said[key] for key in _DEFAULTS if key.endswith("_token")}
    return [{"id": vocabulary[name], "content": name, **flags} for name in names]


def _by_place(tokens: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(tokens, key=lambda token: token["id"])
