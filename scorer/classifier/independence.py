"""Which batches a model can be given so that no row's logits depend on the rows beside it: by a list, or by trying.

The list is what `tests/classifier/forward/test_architectures.py` scored row by row; README.md in this folder has its
table. A model whose architecture is not listed is tried out when its weights are loaded: it computes a few rows of
token ids alone and together, on the CPU in fp32.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from scorer.classifier.batches import Shapes
from scorer.classifier.feeding import Feed
from scorer.classifier.sequences import TokenSequences

if TYPE_CHECKING:
    from transformers import PreTrainedModel

# Padded on the right and masked, the rows of these have the logits that they have alone.
_MASKED = """
    albert arcee axk1 axk2 bart bert big_bird bigbird_pegasus biogpt bloom camembert ctrl data2vec-text deberta
    deberta-v2 deepseek_v2 deepseek_v3 diffllama distilbert doge electra ernie esm esmc eurobert exaone4 falcon
    flaubert gemma gemma2 gemma3_text glm glm4 gpt-sw3 gpt2 gpt_bigcode gpt_neo gpt_neox gpt_oss gptj gte helium
    hunyuan_v1_dense hunyuan_v1_moe ibert jamba jetmoe jina_embeddings_v3 layoutlm lilt llama longformer luke
    markuplm mbart megatron-bert minicpm3 minimax ministral ministral3 mistral mixtral modernbert modernbert-decoder
    mpnet mpt mt5 mvp nemotron nomic_bert olmo olmo2 olmo3 openai-gpt opt perceiver persimmon phi phi3 phimoe
    qwen2 qwen2_moe qwen3 qwen3_5_text qwen3_moe qwen3_next rembert roberta roberta-prelayernorm roc_bert roformer
    seed_oss smollm3 squeezebert stablelm starcoder2 t5 ultrabert umt5 xlm xlm-roberta xlm-roberta-xl xmod
""".split()  # noqa: SIM905 (the list would be a page)
# Why the rows of these see their padding.
_MIXED = {
    "convbert": "its convolutions run over padding",
    "fnet": "its Fourier transform runs over padding",
    "mobilebert": "it reads each token with its neighbours, padding too",
    "mra": "it chooses blocks of attention by the length of the batch",
    "nystromformer": "its landmarks are means over padding",
    "xlnet": "it reads its last place, padding too",
    "yoso": "it hashes by the length of the batch",
}
TESTED: dict[str, Shapes] = {**dict.fromkeys(_MASKED, "any"), **dict.fromkeys(_MIXED, "equal lengths")}

# Of what the logits are, this much may be rounding.
_ROUNDING = 2e-5
# Rows are cut off or repeated to these lengths, so many of each: short beside long ones, and several of one length.
_LENGTHS = (3, 3, 9, 9, 17, 40)


def mixing(architecture: str) -> str:
    """Why a batch of unequal rows would change the logits of `architecture`, for people; empty when not known."""
    return _MIXED.get(architecture, "")


def probes(encoded: Sequence[Sequence[int]], *, longest: int) -> TokenSequences:
    """Rows to try a model with: the inner tokens of `encoded` texts, over and over, between their first and last."""
    made = []
    for number, length in enumerate(_LENGTHS):
        ids = np.array(encoded[number % len(encoded)], np.int32)
        inner = np.roll(np.resize(ids[1:-1] if len(ids) > 2 else ids, max(min(length, longest) - 2, 0)), number)
        row = np.concatenate((ids[:1], inner, ids[-1:]))
        made.append(TokenSequences(row, np.array([0, len(row)]), np.array([len(row)], np.int32), np.zeros(1, np.bool_)))
    return TokenSequences.concatenate(made)


def shapes_by_trial(model: PreTrainedModel, feed: Feed, rows: TokenSequences) -> Shapes | None:
    """The batches in which `model` gives each of `rows` the logits that it has alone; None when it gives one row
    different ones from time to time."""
    by_length = np.argsort(rows.lengths, kind="stable").tolist()
    alone = _logits(model, feed, rows, [[row] for row in by_length])
    if not _close(alone, _logits(model, feed, rows, [[row] for row in reversed(by_length)])):
        return None
    if _close(alone, _logits(model, feed, rows, [by_length])):
        return "any"
    equal = [list(group) for _, group in groupby(by_length, key=rows.lengths.__getitem__)]
    return "equal lengths" if _close(alone, _logits(model, feed, rows, equal)) else "alone"


@torch.inference_mode()
def _logits(
    model: PreTrainedModel, feed: Feed, rows: TokenSequences, plan: Sequence[Sequence[int]]
) -> NDArray[np.float32]:
    found = np.zeros((len(rows), int(model.config.num_labels or 0)), np.float32)
    for batch in plan:
        chosen = np.array(batch)
        for part in feed.together(rows.take(chosen)):
            arrays = feed.arguments(rows.take(chosen[part]))
            tensors = {name: torch.from_numpy(array) for name, array in arrays.items()}
            found[chosen[part]] = model(**tensors, **feed.options).logits.numpy()
    return found


def _close(one: NDArray[np.float32], other: NDArray[np.float32]) -> bool:
    return bool(np.abs(one - other).max() <= _ROUNDING * max(1.0, float(np.abs(one).max())))
