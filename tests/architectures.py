"""Tiny random classifiers of every architecture that transformers classifies sequences with, and what they are worth.

`python -m tests.architectures [NAME ...]` prints the table of scorer/classifier/README.md: each architecture's rows,
scored by every backend in batches of several sizes, against transformers' own forward pass of each row alone.
"""

from __future__ import annotations

import dataclasses
import inspect
import random
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import (
    CONFIG_MAPPING,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    PreTrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    PreTrainedTokenizerFast,
)
from transformers.models.auto.tokenization_auto import TOKENIZER_MAPPING_NAMES

from scorer.classifier.classifier import Classifier
from scorer.classifier.directory import open_model
from scorer.classifier.forward.choice import registered
from scorer.classifier.forward.spec import Work
from scorer.classifier.independence import TESTED
from tests.models import _byte_pairs, _unigrams, _word_pieces, sentences

POSITIONS = 128
LABELS = 3
SHORT = ("bart", "fnet", "gpt2", "llama", "modernbert-decoder", "nystromformer", "roberta", "t5", "xlnet")
# Why the others of transformers' own list are not built here; a model of theirs is tried out when it is loaded.
LEFT_OUT = {
    "canine": "reads characters, and no text of fewer than it pools",
    "cohere_compass_text": "its configuration is not settled in this version of transformers",
    "funnel": "needs more tokens than a short text has",
    "gemma3": "images",
    "layoutlmv2": "needs detectron2",
    "layoutlmv3": "images",
    "mistral4": "too large to be made small by its configuration",
    "modernvbert": "images",
    "plbart": "its tokenizer needs sentencepiece",
    "qwen3_5": "images",
    "reformer": "hashes by chance: refused",
    "t5gemma": "a decoder beside an encoder, each with a configuration of its own",
    "t5gemma2": "images",
    "tapas": "reads tables",
    "ultravbert": "images",
    "zamba": "layers in a fixed order, too many to be tiny",
    "zamba2": "layers in a fixed order, too many to be tiny",
}

_SIZES: dict[str, Any] = {
    **dict.fromkeys(("hidden_size", "d_model", "n_embd", "emb_dim", "dim", "word_embed_proj_dim", "d_latents"), 32),
    **dict.fromkeys(("num_hidden_layers", "n_layer", "n_layers", "num_layers", "encoder_layers"), 2),
    **dict.fromkeys(("decoder_layers", "num_decoder_layers"), 2),
    **dict.fromkeys(("num_attention_heads", "n_head", "n_heads", "num_heads"), 4),
    **dict.fromkeys(("encoder_attention_heads", "decoder_attention_heads"), 4),
    **dict.fromkeys(("intermediate_size", "d_ff", "ffn_dim", "encoder_ffn_dim", "decoder_ffn_dim", "hidden_dim"), 64),
    # RoBERTa and its kin count from the id of padding on.
    **dict.fromkeys(("max_position_embeddings", "n_positions"), POSITIONS + 16),
    **dict.fromkeys(("num_experts", "num_local_experts", "n_routed_experts"), 4),
    **dict.fromkeys(("moe_intermediate_size", "shared_expert_intermediate_size"), 16),
    **dict.fromkeys(("q_lora_rank", "kv_lora_rank", "embedding_size", "sliding_window"), 16),
    **dict.fromkeys(("head_dim", "d_kv", "attention_window", "rotary_dim"), 8),
    **dict.fromkeys(("n_group", "topk_group", "first_k_dense_replace"), 1),
    "num_key_value_heads": 2,
    "num_experts_per_tok": 2,
    "ffn_hidden_size": 64,
}
_LATENT = {"qk_rope_head_dim": 4, "qk_nope_head_dim": 4, "v_head_dim": 8, "head_dim": 4, "num_key_value_heads": 4}
_OWN: dict[str, dict[str, Any]] = {
    **dict.fromkeys(("axk1", "axk2", "deepseek_v2", "deepseek_v3", "minicpm3"), _LATENT),
    "esm": {"position_embedding_type": "rotary"},
    "esmc": {"num_key_value_heads": 4},
    "gpt_neo": {"attention_types": [[["global", "local"], 1]], "window_size": 16},
    "lilt": {"hidden_size": 48, "channel_shrink_ratio": 2},
    "luke": {"entity_vocab_size": 10, "entity_emb_size": 16},
    "mobilebert": {"intra_bottleneck_size": 32, "true_hidden_size": 32},
    "perceiver": {"num_latents": 8, "num_self_attends_per_block": 1, "num_self_attention_heads": 4},
    "qwen3_5_text": {"linear_num_value_heads": 4, "linear_num_key_heads": 2},
    "qwen3_next": {"linear_num_value_heads": 4, "linear_num_key_heads": 2},
    "roc_bert": {"shape_vocab_size": 10, "pronunciation_vocab_size": 10, "enable_shape": False},
    "squeezebert": {"embedding_size": 32},
    "t5": {"decoder_start_token_id": 0},
    "mt5": {"decoder_start_token_id": 0},
    "umt5": {"decoder_start_token_id": 0},
    "xmod": {"languages": ["en_XX"], "default_language": "en_XX"},
}
_WITHOUT = {"falcon": ("head_dim",), "xlnet": ("max_position_embeddings",)}
_KINDS = {"WordPiece": _word_pieces, "Unigram": _unigrams, "BPE": _byte_pairs}


@dataclass(frozen=True)
class Measured:
    """The largest difference of a probability, and which rows the backend `padded` was given together."""

    backend: str
    difference: float
    batches: str


def make_architecture(directory: Path, name: str) -> Path:
    """Write a tiny random classifier of the architecture `name`, with a tokenizer of its own class where that is made
    of a vocabulary; return `directory`."""
    tokenizer = own_tokenizer(name)
    config = _config(name, tokenizer)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = AutoModelForSequenceClassification.from_config(config).eval()
        spread(model)
    model.save_pretrained(directory)
    tokenizer.save_pretrained(directory)
    return directory


def own_tokenizer(name: str) -> PreTrainedTokenizerBase:
    """The architecture's own class; byte pairs that are padded on the left where it has none of the fast kind."""
    own = getattr(transformers, TOKENIZER_MAPPING_NAMES.get(name) or "", None)
    kind = getattr(getattr(own, "model", None), "__name__", "")
    if own is None or kind not in _KINDS or own.__name__ == "TokenizersBackend" or name == "markuplm":
        return _byte_level(closed=name in ("bigbird_pegasus", "umt5"))
    special = list(dict.fromkeys([*own().all_special_tokens]))
    if kind == "WordPiece":
        pieces = [piece for piece in _word_pieces() if piece not in special]
        return own(vocab={piece: number for number, piece in enumerate(special + pieces)}, model_max_length=POSITIONS)
    if kind == "Unigram":
        unknown = special.index(own().unk_token)
        return own(vocab=_unigrams(special), unk_id=unknown, model_max_length=POSITIONS)
    vocabulary, merges = _byte_pairs(special)
    return own(vocab=vocabulary, merges=merges, model_max_length=POSITIONS)


def _byte_level(*, closed: bool) -> PreTrainedTokenizerBase:
    """Byte pairs; encoder-decoders look for an end, which has to be put there."""
    vocabulary, merges = _byte_pairs(["<s>", "<pad>", "</s>", "<unk>", "<mask>"])
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=merges))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    if closed:
        ends = [("</s>", vocabulary["</s>"])]
        pair = "$A </s> $B </s>"
        tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", pair=pair, special_tokens=ends)
    names = {"bos_token": "<s>", "pad_token": "<pad>", "eos_token": "</s>", "unk_token": "<unk>"}
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, padding_side="left", model_max_length=POSITIONS, mask_token="<mask>", **names
    )


def _config(name: str, tokenizer: PreTrainedTokenizerBase) -> PreTrainedConfig:
    kind = CONFIG_MAPPING[name]
    known = inspect.signature(kind.__init__).parameters
    sizes = {key: value for key, value in _SIZES.items() if key in known and key not in _WITHOUT.get(name, ())}
    tokens = {f"{token}_token_id": getattr(tokenizer, f"{token}_token_id") for token in ("pad", "bos", "eos")}
    others = {f"{token}_token_id": getattr(tokenizer, f"{token}_token_id") for token in ("cls", "sep", "mask")}
    tokens |= {key: value for key, value in others.items() if key in known and value is not None}
    config = kind(**{"vocab_size": len(tokenizer), **sizes, **tokens, **_OWN.get(name, {})})
    config.id2label = {number: str(number + 1) for number in range(LABELS)}
    return config


@torch.no_grad()
def spread(model: PreTrainedModel) -> None:
    """Draw matrices anew, large enough that texts get clearly different logits."""
    for name, parameter in model.named_parameters():
        if parameter.ndim == 2:
            embeds = any(part in name for part in ("embed", "wte", "shared"))
            parameter.normal_(0.0, 1.0 if embeds else 1.5 / parameter.shape[1] ** 0.5)


def rows_for(tokenizer: PreTrainedTokenizerBase) -> list[str]:
    """60 texts: of one word to more than fit, with special tokens at their beginning, midst and end."""
    draw = random.Random(3)
    special = ["</s>", "<s>", "[SEP]", "<pad>", *tokenizer.all_special_tokens][:9]
    spelt = [f"good {token} room" for token in special] + [f"{token} bad soup" for token in special[:5]]
    spelt += [f"cold coffee {token}" for token in special[:5]] + [f"{special[0]} kind {special[0]}", "a", "room"]
    long = [" ".join(sentences(20, seed=7)) for _ in range(2)]
    texts = spelt + long + sentences(58 - len(spelt), seed=5, shortest=1, longest=40)
    draw.shuffle(texts)
    return texts[:60]


def alone(directory: Path, *columns: list[str]) -> np.ndarray:
    """Probabilities (n, labels): each row as transformers' pipeline feeds it to its own forward pass."""
    tokenizer = AutoTokenizer.from_pretrained(directory)
    model = AutoModelForSequenceClassification.from_pretrained(directory).eval()
    uncached = {"use_cache": False} if "use_cache" in inspect.signature(model.forward).parameters else {}
    limit = {"truncation": True, "max_length": POSITIONS, "return_tensors": "pt"}
    with torch.inference_mode():
        rows = [model(**tokenizer(*row, **limit), **uncached).logits for row in zip(*columns, strict=True)]
    return torch.softmax(torch.cat(rows).double(), dim=1).numpy()


def measure(directory: Path) -> list[Measured]:
    """Every backend that computes the model in `directory`, in default, small and large batches, single and paired."""
    texts = rows_for(AutoTokenizer.from_pretrained(directory))
    columns = ([texts], [texts[:20], texts[20:40]])
    expected = [alone(directory, *column) for column in columns]
    config = transformers.AutoConfig.from_pretrained(directory)
    work = Work(device=torch.device("cpu"), precision="fp32", streams=1)
    found = []
    for spec in registered():
        # Its graph takes seconds to make, and is compared in test_onnx.py.
        if spec.name == "onnx" or spec.why_not(config, work) is not None:
            continue
        options = {"precision": "fp32", "device": "cpu", "max_length": POSITIONS, "backend": spec.name}
        classifier = Classifier(open_model(str(directory)), **options)
        worst = 0.0
        for column, right in zip(columns, expected, strict=True):
            inputs = classifier.encode(*column)
            for budget in (classifier.engine.batch_tokens, 64, 16_384):
                classifier.engine = dataclasses.replace(classifier.engine, batch_tokens=budget)
                logits, outcomes = classifier.logits(inputs)
                assert not outcomes.any()
                got = torch.softmax(torch.from_numpy(logits).double(), dim=1).numpy()
                worst = max(worst, float(np.abs(got - right).max()))
        told = classifier.engine.reason.partition("; batches: ")[2].partition(",")[0]
        found.append(Measured(spec.name, worst, told or "any"))
    return found


def main(names: list[str]) -> None:
    """Print the table."""
    sys.stdout.write("| architecture | backend: largest difference | rows in a batch |\n|---|---|---|\n")
    for name in names or sorted(TESTED):
        with tempfile.TemporaryDirectory() as folder:
            try:
                found = measure(make_architecture(Path(folder), name))
            except Exception as error:  # noqa: BLE001  (the table shall name all others)
                sys.stderr.write(f"{name}: {type(error).__name__}: {str(error)[:300]}\n")
                continue
        differences = ", ".join(f"{one.backend} {one.difference:.0e}" for one in found)
        sys.stdout.write(f"| {name} | {differences} | {found[-1].batches} |\n")
        sys.stdout.flush()


if __name__ == "__main__":
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    torch.set_num_threads(1)
    main(sys.argv[1:])
