"""Attention over a padded batch against a softmax in double precision, with usual scores and with absurd ones."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from scorer.classifier.forward.attention import PaddedShape, RaggedShape, attend, attend_first, query_scale
from tests.classifier.forward.wide import random_tokens

HEADS, WIDTH = 2, 8


def slow(qkv, lengths):
    """Softmax attention, one sequence and one head at a time, in fp64; queries are unscaled here."""
    out = []
    for row, length in zip(qkv, lengths, strict=True):
        q, k, v = row[:length].double().view(length, 3, HEADS, WIDTH).permute(1, 2, 0, 3)
        weights = torch.softmax(q @ k.transpose(1, 2) / math.sqrt(WIDTH), dim=-1)
        out.append((weights @ v).transpose(0, 1).reshape(length, HEADS * WIDTH))
    return torch.cat(out)


def padded(lengths):
    return PaddedShape.of(np.array(lengths), device=torch.device("cpu"))


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.bfloat16, 3e-2)])
@pytest.mark.parametrize(
    "factor",
    [
        pytest.param(1.0, id="usual scores"),
        pytest.param(40.0, id="scores whose powers overflow"),
        pytest.param(-40.0, id="scores whose powers vanish"),
    ],
)
@pytest.mark.parametrize("lengths", [[1], [7, 7, 7], [7, 7, 7, 3, 1, 1], [60, 47, 60], [520, 2]])
def test_attention(dtype, tolerance, factor, lengths):
    torch.manual_seed(0)
    hidden, longest = HEADS * WIDTH, max(lengths)
    qkv = torch.randn(len(lengths), longest, 3 * hidden)
    # All keys and queries share a large part, so that every score of a row is far from zero, to one side.
    qkv[..., : 2 * hidden] = qkv[..., : 2 * hidden] * 0.3 + 1.0
    qkv[..., :hidden] *= factor
    qkv = qkv.to(dtype).float()
    scaled = qkv.clone()
    scaled[..., :hidden] *= query_scale(WIDTH)
    found = attend(scaled.to(dtype).flatten(0, 1), padded(lengths), heads=HEADS).double().unflatten(0, (-1, longest))
    context = torch.cat([row[:length] for row, length in zip(found, lengths, strict=True)])
    expected = slow(qkv, lengths)
    assert torch.isfinite(context).all()
    difference = (context - expected).abs()
    if factor == 1.0 or dtype == torch.float32:
        assert difference.max() < tolerance * max(abs(factor), 1.0)
    else:
        # bf16 rounds scores of hundreds to whole numbers: weights are coarse, but they are weights of these values.
        assert difference.max() < qkv[..., 2 * hidden :].abs().max() * 2
        assert (context.abs() <= qkv[..., 2 * hidden :].abs().max() * 1.01).all()


@pytest.mark.parametrize("lengths", [[1], [5, 5], [9, 4, 1]])
def test_what_stands_behind_a_sequence_is_not_seen(lengths):
    torch.manual_seed(0)
    longest = max(lengths)
    qkv, other = torch.randn(2, len(lengths), longest, 3 * HEADS * WIDTH)
    holds = torch.arange(longest) < torch.tensor(lengths)[:, None]
    other[holds] = qkv[holds]
    both = [
        attend(each.flatten(0, 1), padded(lengths), heads=HEADS).unflatten(0, (-1, longest)) for each in (qkv, other)
    ]
    assert torch.equal(both[0][holds], both[1][holds])
    query = torch.randn(len(lengths), HEADS, WIDTH)
    firsts = [attend_first(query, each[..., :WIDTH].flatten(0, 1), padded(lengths)) for each in (qkv, other)]
    assert torch.equal(*firsts)


@pytest.mark.parametrize("rows_at_once", [1, 2, 4])
@pytest.mark.parametrize("lengths", [[9, 9, 4, 9, 1], [9] * 5, [60, 47, 60, 1, 59]])
def test_a_few_texts_at_a_time_see_what_they_see_together(lengths, rows_at_once):
    torch.manual_seed(0)
    longest = max(lengths)
    qkv = torch.randn(len(lengths) * longest, 3 * HEADS * WIDTH)
    together = attend(qkv, padded(lengths), heads=HEADS)
    scores = rows_at_once * HEADS * longest**2
    torch.testing.assert_close(attend(qkv, padded(lengths), heads=HEADS, scores_at_once=scores), together)


def test_the_mask_of_a_whole_batch_is_made_once():
    shape = padded([5, 3])
    assert shape.take(slice(0, 9)).whole_mask is shape.whole_mask
    assert shape.take(slice(1, 9)).whole_mask.tolist() == [[[[True, True, True, False, False]]]]


@pytest.mark.parametrize("lengths", [[7, 7, 7], [7, 7, 3, 1], [60, 47, 60], [33, 16]])
def test_the_mask_of_a_gpu_is_added_to_the_scores_and_aligned(lengths):
    torch.manual_seed(0)
    shape, longest = padded(lengths), max(lengths)
    bias = shape.bias(torch.float32)
    if len(set(lengths)) == 1:
        assert bias is None
        return
    assert bias is shape.bias(torch.float32)
    assert bias.shape == (len(lengths), 1, 1, longest)
    assert bias.stride(0) % 16 == 0
    assert bias.dtype == torch.float32
    assert shape.bias(torch.float16).dtype == torch.float16
    query, key, value = torch.randn(3, len(lengths), HEADS, longest, WIDTH)
    by_mask, by_bias = (
        torch.nn.functional.scaled_dot_product_attention(query, key, value, attn_mask=mask)
        for mask in (shape.whole_mask, bias)
    )
    torch.testing.assert_close(by_bias, by_mask)


def test_sequences_one_behind_the_other_find_their_places_when_they_are_padded():
    batch = random_tokens([4, 1, 3])
    shape = RaggedShape.of(batch, device=torch.device("cpu"))
    assert shape.offsets.tolist() == [0, 4, 5, 8]
    assert shape.offsets.dtype == torch.int32
    assert shape.longest == 4
    filled = batch.ids[shape.places.numpy()].reshape(3, 4)
    for row, (start, stop) in enumerate([(0, 4), (4, 5), (5, 8)]):
        assert filled[row, : stop - start].tolist() == batch.ids[start:stop].tolist()
