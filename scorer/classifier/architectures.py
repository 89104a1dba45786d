"""Which batches an architecture can be given so that no row's logits depend on the rows beside it.

The list is what `tests/classifier/forward/test_architectures.py` scored row by row; README.md in this folder has its
table. An architecture that is not listed here is tried out when its weights are loaded (`independence`).
"""

from __future__ import annotations

from typing import Literal

Shapes = Literal["any", "equal lengths", "alone"]
"""Rows of any lengths together, padded on the right; rows of one length; one row a batch."""

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


def mixing(architecture: str) -> str:
    """Why a batch of unequal rows would change the logits of `architecture`, for people; empty when not known."""
    return _MIXED.get(architecture, "")
