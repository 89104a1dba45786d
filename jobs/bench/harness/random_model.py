"""A BERT classifier of a given shape with random weights, for speed alone.

Owns the shapes and the tokenizer: that of the installed base model where there is one, else WordPiece over the words of
the texts to be scored.
"""

from __future__ import annotations

import string
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from tokenizers import normalizers, pre_tokenizers
from transformers import (
    AutoTokenizer,
    BertConfig,
    BertForSequenceClassification,
    BertTokenizer,
    PreTrainedTokenizerBase,
)

from scorer.classifier.base_model import bundled_directory

VOCABULARY = 30_522
LABELS = 5
SHAPES: dict[str, dict[str, int]] = {
    "bert-base": {
        "hidden_size": 768,
        "num_hidden_layers": 12,
        "num_attention_heads": 12,
        "intermediate_size": 3072,
    },
    "bert-large": {
        "hidden_size": 1024,
        "num_hidden_layers": 24,
        "num_attention_heads": 16,
        "intermediate_size": 4096,
    },
    "minilm-l6": {"hidden_size": 384, "num_hidden_layers": 6, "num_attention_heads": 12, "intermediate_size": 1536},
    "tiny": {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64},
}
_SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


def make_random_model(shape: str, *, texts: Sequence[str], folder: Path) -> Path:
    """A model directory of `shape` in `folder`; its tokenizer knows the words of `texts`."""
    target = folder / f"random-{shape}"
    if not target.exists():
        tokenizer = _tokenizer(texts)
        sizes: dict[str, Any] = {**SHAPES[shape], "num_labels": LABELS}
        torch.manual_seed(0)
        model = BertForSequenceClassification(BertConfig(vocab_size=VOCABULARY, **sizes))
        model.save_pretrained(target)
        tokenizer.save_pretrained(target)
    return target


def _tokenizer(texts: Sequence[str]) -> PreTrainedTokenizerBase:
    bundled = bundled_directory()
    if bundled is not None:
        found: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(bundled)
        return found
    return BertTokenizer(vocab=_word_pieces(texts), model_max_length=512)


def _word_pieces(texts: Sequence[str]) -> dict[str, int]:
    """Special tokens, characters, and the texts' words, the frequent ones first."""
    normalizer, splitter = normalizers.BertNormalizer(), pre_tokenizers.BertPreTokenizer()
    words: Counter[str] = Counter()
    for text in texts:
        words.update(word for word, _ in splitter.pre_tokenize_str(normalizer.normalize_str(text)))
    characters = sorted({character for word in words for character in word} | set(string.printable.lower().split()))
    pieces = [*characters, *(f"##{character}" for character in characters), *(word for word, _ in words.most_common())]
    unique = dict.fromkeys([*_SPECIAL, *pieces])
    return {piece: index for index, piece in enumerate(list(unique)[:VOCABULARY])}
