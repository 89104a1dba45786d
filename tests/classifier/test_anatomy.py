"""The parts of a model against the parameters that torch counts."""

from __future__ import annotations

import pytest
from transformers import AutoModelForSequenceClassification

from scorer.classifier.anatomy import PARTS, parameters_by_part, part_of
from scorer.errors import ModelError
from tests.models import ARCHITECTURES, HIDDEN

POOLED = {"bert": True, "albert": True, "deberta-v2": True}


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_parts_add_up_to_the_model(tiny_model, architecture):
    directory = tiny_model(architecture)
    model = AutoModelForSequenceClassification.from_pretrained(directory)
    counts = parameters_by_part(directory)

    assert tuple(counts) == PARTS
    assert sum(counts.values()) == model.num_parameters()
    assert (counts["pooler"] > 0) == POOLED.get(architecture, False)
    head = counts["head"]
    assert 5 * HIDDEN + 5 <= head <= 5 * HIDDEN + 5 + HIDDEN * HIDDEN + 3 * HIDDEN
    words = model.get_input_embeddings().weight.numel()
    assert words <= counts["embeddings"] < words + 400 * HIDDEN
    assert counts["encoder"] > HIDDEN * HIDDEN


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("bert.embeddings.word_embeddings.weight", "embeddings"),
        ("bert.encoder.layer.0.output.dense.weight", "encoder"),
        ("bert.pooler.dense.weight", "pooler"),
        ("classifier.out_proj.weight", "head"),
        ("score.weight", "head"),
        ("model.layers.3.mlp.gate_proj.weight", "encoder"),
    ],
)
def test_part_of_a_parameter(name, part):
    assert part_of(name) == part


def test_damaged_weights_are_a_model_error(tmp_path):
    (tmp_path / "model.safetensors").write_bytes(b"\x10\0\0\0\0\0\0\0 no header here")
    with pytest.raises(ModelError, match=r"model\.safetensors: cannot be read"):
        parameters_by_part(tmp_path)
