"""Attention over runs of equal length against a softmax in double precision, with usual scores and with absurd ones."""

from __future__ import annotations

import math

import pytest
import torch

from scorer.classifier.forward.attention import attend, query_scale, runs_of

HEADS, WIDTH = 2, 8


def slow(qkv, lengths):
    """Softmax attention, one sequence and one head at a time, in fp64; queries are unscaled here."""
    out, start = [], 0
    for length in lengths:
        q, k, v = qkv[start : start + length].double().view(length, 3, HEADS, WIDTH).permute(1, 2, 0, 3)
        weights = torch.softmax(q @ k.transpose(1, 2) / math.sqrt(WIDTH), dim=-1)
        out.append((weights @ v).transpose(0, 1).reshape(length, HEADS * WIDTH))
        start += length
    return torch.cat(out)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.bfloat16, 3e-2)])
@pytest.mark.parametrize(
    "factor",
    [
        pytest.param(1.0, id="usual scores"),
        pytest.param(40.0, id="scores whose powers overflow"),
        pytest.param(-40.0, id="scores whose powers vanish"),
    ],
)
@pytest.mark.parametrize("lengths", [[1], [7, 7, 7, 3, 1, 1], [60, 60, 47], [520, 2]])
def test_attention(dtype, tolerance, factor, lengths):
    torch.manual_seed(0)
    qkv = torch.randn(sum(lengths), 3 * HEADS * WIDTH)
    hidden = HEADS * WIDTH
    # All keys and queries share a large part, so that every score of a row is far from zero, to one side.
    qkv[:, : 2 * hidden] = qkv[:, : 2 * hidden] * 0.3 + 1.0
    qkv[:, :hidden] *= factor
    qkv = qkv.to(dtype).float()
    scaled = qkv.clone()
    scaled[:, :hidden] *= query_scale(WIDTH)
    context = attend(scaled.to(dtype), runs_of(torch.tensor(lengths).numpy()), heads=HEADS).double()
    expected = slow(qkv, lengths)
    assert torch.isfinite(context).all()
    difference = (context - expected).abs()
    if factor == 1.0 or dtype == torch.float32:
        assert difference.max() < tolerance * max(abs(factor), 1.0)
    else:
        # bf16 rounds scores of hundreds to whole numbers: weights are coarse, but they are weights of these values.
        assert difference.max() < qkv[:, 2 * hidden :].abs().max() * 2
        assert (context.abs() <= qkv[:, 2 * hidden :].abs().max() * 1.01).all()
