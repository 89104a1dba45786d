"""Tiny random classifiers of real architectures, with real tokenizers, for tests.

Owns directories that look like what a hub gives: config, safetensors weights, a fast tokenizer of the architecture's
own class. The weights mean nothing, but they are scaled so that different texts get clearly different logits; with the
usual initialisation every text would get nearly the same, and a comparison of labels would prove nothing.
"""

from __future__ import annotations

import json
import random
import string
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import (
    AlbertConfig,
    AlbertTokenizer,
    AutoModelForSequenceClassification,
    BertConfig,
    BertTokenizer,
    DebertaV2Config,
    DebertaV2Tokenizer,
    DistilBertConfig,
    DistilBertTokenizer,
    ElectraConfig,
    ElectraTokenizer,
    ModernBertConfig,
    PreTrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    PreTrainedTokenizerFast,
    RobertaConfig,
    RobertaTokenizer,
    XLMRobertaConfig,
    XLMRobertaTokenizer,
)

ARCHITECTURES = ("bert", "distilbert", "roberta", "xlm-roberta", "electra", "deberta-v2", "modernbert", "albert")
FIVE_STARS = ("1", "2", "3", "4", "5")
BYTE_PAIRS = 500
HIDDEN = 32
LAYERS = 2
HEADS = 4

_BERT_TOKENS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
_ROBERTA_TOKENS = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
_TEXT = """
    the a and but or not never very quite rather it was is were they we i you my our this that with without for from
    at in on of to no yes all none good great fine bad awful poor lovely broken clean dirty fast slow cheap dear warm
    cold quiet loud kind rude room staff food price battery screen plot actor parcel driver sound light water door
    window phone hotel film soup bread coffee table night day week hour minute bought stayed ate watched ordered waited
    paid returned worked failed loved hated liked enjoyed regretted would again recommend friend family money back
    service manager update crash button menu delivery box late early perfect terrible nothing everything something
    , , ; : - it's don't "so" (maybe) 1 2 10 24/7 5€ 100%
    prix café größe señal 服务 很好 房间 不错 太差 味道 спасибо плохо хорошо شكرا जय 😀 👎 ❤
"""
_ASCII = string.ascii_letters + string.digits + string.punctuation


def sentences(count: int, *, seed: int = 0, shortest: int = 2, longest: int = 24) -> list[str]:
    """`count` nonsense texts of `shortest` to `longest` words, for feeding the models of this module."""
    draw = random.Random(seed)
    texts = [" ".join(draw.choices(_TEXT.split(), k=draw.randint(shortest, longest))) for _ in range(count)]
    return [text.capitalize() + draw.choice([".", "!", "?", ""]) for text in texts]


def make_model(
    directory: Path,
    architecture: str = "bert",
    *,
    labels: Sequence[str] = FIVE_STARS,
    seed: int = 0,
    max_positions: int = 128,
) -> Path:
    """Write a tiny random sequence-classification model of `architecture` with its tokenizer; return `directory`.

    `max_positions` is the longest sequence in tokens, special tokens included (RoBERTa's two spare positions come on
    top, as in the real ones). Same arguments, same weights.
    """
    tokenizer = make_tokenizer(architecture, max_positions)
    config = _config(architecture, tokenizer, max_positions)
    config.id2label = dict(enumerate(labels))
    config.label2id = {label: index for index, label in enumerate(labels)}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = AutoModelForSequenceClassification.from_config(config).eval()
        _spread_weights(model)
    _spread_logits(model, tokenizer)
    model.save_pretrained(directory)
    tokenizer.save_pretrained(directory)
    return directory


def make_tokenizer(architecture: str, max_positions: int = 128) -> PreTrainedTokenizerBase:
    """A fast tokenizer of the architecture's own class and special tokens, made for the words of this module."""
    limit = {"model_max_length": max_positions}
    if architecture in ("bert", "electra", "distilbert"):
        kind = {"bert": BertTokenizer, "electra": ElectraTokenizer, "distilbert": DistilBertTokenizer}[architecture]
        return kind(vocab=_word_pieces(), **limit)
    if architecture == "roberta":
        vocab, merges = _byte_pairs(_ROBERTA_TOKENS)
        return RobertaTokenizer(vocab=vocab, merges=merges, **limit)
    if architecture == "modernbert":
        return _modernbert_tokenizer(max_positions)
    if architecture == "xlm-roberta":
        return XLMRobertaTokenizer(vocab=_unigrams(_ROBERTA_TOKENS), **limit)
    if architecture == "deberta-v2":
        return DebertaV2Tokenizer(vocab=_unigrams(_BERT_TOKENS), do_lower_case=False, **limit)
    if architecture == "albert":
        return AlbertTokenizer(vocab=_unigrams(_BERT_TOKENS), **limit)
    raise ValueError(f"{architecture}: none of {ARCHITECTURES}")


def _word_pieces() -> dict[str, int]:
    text = normalizers.BertNormalizer().normalize_str(_TEXT)
    words = [word for word, _ in pre_tokenizers.BertPreTokenizer().pre_tokenize_str(text)]
    pieces = _pieces([*words, *_ASCII.lower()], first="", inner="##")
    return {piece: index for index, piece in enumerate(_BERT_TOKENS + pieces)}


def _unigrams(special: list[str]) -> list[tuple[str, float]]:
    pieces = _pieces([*_TEXT.split(), *_ASCII], first="▁", inner="")
    # Equal scores prefer the fewest pieces; the small slope leaves no ties.
    return [(token, 0.0) for token in special] + [(piece, -2.0 - 0.001 * rank) for rank, piece in enumerate(pieces)]


def _pieces(words: list[str], *, first: str, inner: str) -> list[str]:
    """Pieces that can spell any of `words` and much else: whole words, short beginnings and endings, characters.

    Not trained: the trainers of tokenizers 0.23 gave other WordPiece and Unigram vocabularies at every call.
    """
    beginnings = {first + word[:length] for word in words for length in (1, 2, 3, None)}
    endings = {inner + word[-length:] for word in words for length in (2, 3) if len(word) > length}
    characters = {inner + character for word in words for character in word}
    return sorted(beginnings | endings | characters)


def _byte_pairs(special: list[str]) -> tuple[dict[str, int], list[tuple[str, str]]]:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=BYTE_PAIRS,
        special_tokens=special,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(sentences(400), trainer)
    # The merges come out only through the saved form, where a merge is a list of two strings.
    merges = json.loads(tokenizer.to_str())["model"]["merges"]
    return tokenizer.get_vocab(), [tuple(merge) for merge in merges]


def _modernbert_tokenizer(max_positions: int) -> PreTrainedTokenizerBase:
    """ModernBERT has no class of its own: byte pairs with BERT's special tokens and no token types."""
    vocab, merges = _byte_pairs(_BERT_TOKENS)
    tokenizer = Tokenizer(models.BPE(vocab=vocab, merges=merges))
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B [SEP]",
        special_tokens=[(token, vocab[token]) for token in ("[CLS]", "[SEP]")],
    )
    names = {f"{token[1:-1].lower()}_token": token for token in _BERT_TOKENS}
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        model_input_names=["input_ids", "attention_mask"],
        model_max_length=max_positions,
        **names,
    )


def _config(architecture: str, tokenizer: PreTrainedTokenizerBase, max_positions: int) -> PreTrainedConfig:
    vocabulary: dict[str, Any] = {"vocab_size": len(tokenizer), "pad_token_id": tokenizer.pad_token_id}
    body = {
        **vocabulary,
        "hidden_size": HIDDEN,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": HEADS,
        "intermediate_size": 2 * HIDDEN,
        "max_position_embeddings": max_positions,
    }
    spare = {"max_position_embeddings": max_positions + tokenizer.pad_token_id + 1, "type_vocab_size": 1}
    ends = {"bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id}
    match architecture:
        case "bert":
            return BertConfig(**body)
        case "distilbert":
            shape = {"dim": HIDDEN, "n_layers": LAYERS, "n_heads": HEADS, "hidden_dim": 2 * HIDDEN}
            return DistilBertConfig(**vocabulary, **shape, max_position_embeddings=max_positions)
        case "roberta":
            return RobertaConfig(**{**body, **spare, **ends})
        case "xlm-roberta":
            return XLMRobertaConfig(**{**body, **spare, **ends})
        case "electra":
            return ElectraConfig(**body, embedding_size=HIDDEN // 2)
        case "albert":
            return AlbertConfig(**body, embedding_size=HIDDEN // 2, classifier_dropout_prob=0.0)
        case "deberta-v2":  # what DeBERTa-v3 has: relative positions in buckets, no absolute ones, no token types
            relative = {"relative_attention": True, "position_buckets": 32, "pos_att_type": ["p2c", "c2p"]}
            rest = {"share_att_key": True, "norm_rel_ebd": "layer_norm", "position_biased_input": False}
            return DebertaV2Config(**body, **relative, **rest, type_vocab_size=0)
        case "modernbert":
            tokens = {"cls_token_id": tokenizer.cls_token_id, "sep_token_id": tokenizer.sep_token_id}
            ends = {"bos_token_id": tokenizer.cls_token_id, "eos_token_id": tokenizer.sep_token_id}
            return ModernBertConfig(**body, **tokens, **ends, local_attention=16)
    raise ValueError(f"{architecture}: none of {ARCHITECTURES}")


@torch.no_grad()
def _spread_weights(model: PreTrainedModel) -> None:
    """Draw every matrix anew, large enough that attention is peaked and the first token sees the others."""
    for name, parameter in model.named_parameters():
        if parameter.ndim == 2:
            embeds = "embeddings" in name and "mapping" not in name and "project" not in name
            parameter.normal_(0.0, 1.0 if embeds else 2.0 / parameter.shape[1] ** 0.5)


@torch.no_grad()
def _spread_logits(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
    """Shift and scale the last layer, so that over many texts every logit has mean 0 and standard deviation 2."""
    head = [module for module in model.classifier.modules() if isinstance(module, torch.nn.Linear)][-1]
    batch = tokenizer(sentences(128, seed=1), padding=True, truncation=True, return_tensors="pt")
    logits = model(**batch).logits
    assert head.out_features == logits.shape[1], "the last linear layer is not the head"
    scale = 2.0 / logits.std(dim=0)
    head.weight.mul_(scale[:, None])
    head.bias.copy_((head.bias - logits.mean(dim=0)) * scale)
