"""The forward pass of a fit against transformers' own: logits and gradients, and dropout that is drawn otherwise."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import AutoModelForSequenceClassification, PreTrainedModel

from scorer.training.data_parallel import DataParallel, LossOf
from scorer.training.forward import Dropout, FastForward, why_not_fast
from scorer.training.step_weights import StepWeights
from tests.models import make_model

CPU = torch.device("cpu")
FAMILY = ("bert", "roberta", "xlm-roberta", "electra", "distilbert")
LENGTHS = (7, 3, 12, 1)


def model_of(directory: Path, architecture: str, **changed: object) -> PreTrainedModel:
    make_model(directory, architecture)
    model = AutoModelForSequenceClassification.from_pretrained(directory, **changed)
    assert isinstance(model, PreTrainedModel)
    return model.eval()


def without_dropout(directory: Path, architecture: str) -> PreTrainedModel:
    names = (
        "hidden_dropout_prob",
        "attention_probs_dropout_prob",
        "dropout",
        "attention_dropout",
        "seq_classif_dropout",
    )
    model = model_of(directory, architecture)
    for name in names:
        if hasattr(model.config, name):
            setattr(model.config, name, 0.0)
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    return model.train()


def batch_of(model: PreTrainedModel, *, lengths: tuple[int, ...] = LENGTHS, typed: bool = False) -> dict[str, Tensor]:
    draw = torch.Generator().manual_seed(3)
    pad = model.config.pad_token_id
    inside = torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]
    ids = torch.randint(pad + 4, model.config.vocab_size, inside.shape, generator=draw).masked_fill(~inside, pad)
    batch = {"input_ids": ids, "attention_mask": inside.long()}
    return batch | ({"token_type_ids": (torch.arange(ids.shape[1]) > 1).long().expand_as(ids)} if typed else {})


def fast(model: PreTrainedModel, precision: str = "fp32") -> DataParallel:
    found = DataParallel.of(model, device=CPU, precision=precision)
    assert found is not None
    return found


def labels_of(rows: int) -> Tensor:
    return torch.arange(rows) % 5


def mean_loss(rows: int) -> LossOf:
    """The cross entropy of some of so many rows, which adds up to its mean."""

    def loss_of(outputs, part):
        return functional.cross_entropy(outputs["logits"], part["labels"], reduction="sum") / rows

    return loss_of


def gradients_of(model: PreTrainedModel) -> dict[str, Tensor]:
    return {name: one.grad.clone() for name, one in model.named_parameters() if one.grad is not None}


def theirs(model: PreTrainedModel, batch: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
    """The loss by transformers, and its gradients."""
    model.zero_grad()
    logits = model(**batch).logits
    loss = functional.cross_entropy(logits, labels_of(len(logits)))
    loss.backward()
    return loss.detach(), gradients_of(model)


def ours(model: PreTrainedModel, batch: dict[str, Tensor], parallel: DataParallel) -> tuple[Tensor, dict[str, Tensor]]:
    model.zero_grad()
    rows = len(batch["input_ids"])
    loss = parallel.step(batch | {"labels": labels_of(rows)}, mean_loss(rows))
    return loss, gradients_of(model)


def assert_close(found: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    assert found.keys() == expected.keys()
    # That of a key's bias is nothing but rounding, as it moves all scores of a query alike.
    rounding = 1e-5 * max(gradient.norm() for gradient in expected.values())
    for name, gradient in expected.items():
        assert (found[name] - gradient).norm() <= 1e-4 * gradient.norm() + rounding, name


@pytest.mark.parametrize("typed", [False, True])
@pytest.mark.parametrize("lengths", [LENGTHS, (5, 5), (9,)])
@pytest.mark.parametrize("architecture", FAMILY)
def test_losses_and_gradients_are_those_of_transformers(architecture, lengths, typed, tmp_path):
    model = without_dropout(tmp_path, architecture)
    batch = batch_of(model, lengths=lengths, typed=typed and architecture in ("bert", "electra"))
    expected, gradients = theirs(model, batch)
    loss, found = ours(model, batch, fast(model))
    torch.testing.assert_close(loss, expected, rtol=1e-5, atol=1e-5)
    assert_close(found, gradients)


@pytest.mark.parametrize("masked", [True, False])
@pytest.mark.parametrize("architecture", FAMILY)
def test_padding_that_a_text_spells_is_what_it_is_to_transformers(architecture, masked, tmp_path):
    """RoBERTa and its kin count no place for it; nowhere is anything learned of it."""
    model = without_dropout(tmp_path, architecture)
    batch = batch_of(model, lengths=(7, 3, 12, 2) if masked else (9, 9))
    pad = model.config.pad_token_id
    batch["input_ids"][0, 2:4] = batch["input_ids"][1, 1] = pad
    if not masked:
        del batch["attention_mask"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # transformers wants a mask for it
        expected, gradients = theirs(model, batch)
        logits = model.eval()(**batch).logits
    parallel = fast(model.train())
    loss, found = ours(model, batch, parallel)
    torch.testing.assert_close(loss, expected, rtol=1e-5, atol=1e-5)
    assert_close(found, gradients)
    words = found[parallel._weights.names.words]
    assert not words[pad].any()
    torch.testing.assert_close(parallel.outputs(**batch)["logits"], logits, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("architecture", FAMILY)
def test_logits_in_evaluation_are_those_of_transformers(architecture, tmp_path):
    model = model_of(tmp_path, architecture)
    batch = batch_of(model)
    logits = fast(model).outputs(**batch)["logits"]
    torch.testing.assert_close(logits, model(**batch).logits, rtol=1e-5, atol=1e-5)
    assert not logits.requires_grad


def test_parts_of_a_batch_add_up_to_it(tmp_path, monkeypatch):
    """Also where rows cannot be divided evenly, and where some words are in both parts."""
    model = without_dropout(tmp_path, "bert")
    batch = batch_of(model, lengths=(5, 9, 4, 4, 8, 3, 7))
    expected, gradients = theirs(model, batch)
    monkeypatch.setattr("scorer.training.data_parallel.worker_count", lambda _device: 3)
    monkeypatch.setattr("scorer.training.data_parallel._LEAST_ROWS", 2)
    parallel = fast(model)
    for _ in range(2):
        loss, found = ours(model, batch, parallel)
        torch.testing.assert_close(loss, expected, rtol=1e-5, atol=1e-5)
        assert_close(found, gradients)
    torch.testing.assert_close(parallel.outputs(**batch)["logits"], model(**batch).logits, rtol=1e-5, atol=1e-5)


def test_a_step_sees_what_the_one_before_has_learned(tmp_path):
    model = without_dropout(tmp_path, "bert")
    parallel, batch = fast(model), batch_of(model)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(2):
        expected, gradients = theirs(model, batch)
        loss, found = ours(model, batch, parallel)
        torch.testing.assert_close(loss, expected, rtol=1e-5, atol=1e-5)
        assert_close(found, gradients)
        optimizer.step()


@pytest.mark.parametrize("architecture", FAMILY)
def test_bf16_is_as_near_to_fp32_as_autocast_is(architecture, tmp_path):
    model = model_of(tmp_path, architecture)
    batch = batch_of(model)
    exact = model(**batch).logits
    with torch.autocast("cpu", torch.bfloat16):
        autocast = model(**batch).logits.float()
    found = fast(model, "bf16").outputs(**batch)["logits"]
    assert found.dtype == torch.float32
    assert (found - exact).square().mean().sqrt() < 1.5 * (autocast - exact).square().mean().sqrt() + 0.01


def test_gradients_of_several_batches_add_up_and_then_begin_anew(tmp_path):
    model = without_dropout(tmp_path, "bert")
    parallel, batches = fast(model), (batch_of(model), batch_of(model, lengths=(2,)), batch_of(model, lengths=(6, 1)))
    alone = [theirs(model, batch)[1] for batch in batches]
    model.zero_grad()
    for batch in batches[:2]:
        rows = len(batch["input_ids"])
        parallel.step(batch | {"labels": labels_of(rows)}, mean_loss(rows))
    assert_close(gradients_of(model), {name: alone[0][name] + alone[1][name] for name in alone[0]})
    assert_close(ours(model, batches[2], parallel)[1], alone[2])


def test_what_is_frozen_has_no_gradient(tmp_path):
    model = without_dropout(tmp_path, "bert")
    frozen = [*model.bert.embeddings.parameters(), *model.bert.encoder.layer[0].parameters()]
    for parameter in frozen:
        parameter.requires_grad_(False)
    batch = batch_of(model)
    expected = theirs(model, batch)[1]
    assert_close(ours(model, batch, fast(model))[1], expected)
    assert "bert.embeddings.word_embeddings.weight" not in expected


@pytest.mark.parametrize("share", [0.1, 0.25, 0.5])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_dropout_drops_its_share_and_keeps_the_mean(share, dtype):
    dropped = Dropout(torch.Generator().manual_seed(0))(torch.ones(1000, 999, dtype=dtype), share)
    assert dropped.dtype == dtype
    assert (dropped == 0).float().mean() == pytest.approx(share, abs=0.002)
    assert dropped.float().mean() == pytest.approx(1.0, abs=0.005)
    assert len(dropped.unique()) == 2
    # Neighbours of one draw are as independent as others.
    gone = (dropped == 0).flatten().float() - share
    for apart in (1, 2, 3, 4, 999):
        assert abs((gone[apart:] * gone[:-apart]).mean()) < 0.001


def test_dropout_is_drawn_from_torchs_generator(tmp_path):
    model = model_of(tmp_path, "bert").train()
    parallel, batch = fast(model), batch_of(model)
    torch.manual_seed(1)
    first, other = (ours(model, batch, parallel)[1] for _ in range(2))
    torch.manual_seed(1)
    again = ours(model, batch, parallel)[1]
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not all(torch.equal(first[name], other[name]) for name in first)


@pytest.mark.parametrize("architecture", FAMILY)
def test_dropout_is_where_transformers_has_it(architecture, tmp_path):
    """Over many draws logits have the mean and the spread of those of transformers."""
    model = model_of(tmp_path, architecture).train()
    many = {name: value.expand(512, -1) for name, value in batch_of(model, lengths=(6,)).items()}
    weights = StepWeights(model, torch.float32)
    forward = FastForward(model.config, weights, torch.float32)
    dropout = Dropout(torch.Generator().manual_seed(0))
    torch.manual_seed(0)
    with torch.no_grad():
        words = functional.embedding(many["input_ids"], weights.words)
        expected = torch.cat([model(**many).logits for _ in range(4)])
        found = torch.cat([forward(words, many, dropout)["logits"] for _ in range(4)])
    error = expected.std(dim=0) / len(expected) ** 0.5
    assert ((found.mean(dim=0) - expected.mean(dim=0)).abs() < 6 * error).all()
    torch.testing.assert_close(found.std(dim=0), expected.std(dim=0), rtol=0.15, atol=0.0)


@pytest.mark.parametrize("architecture", ["deberta-v2", "modernbert", "albert"])
def test_other_models_are_left_to_transformers(architecture, tmp_path):
    model = model_of(tmp_path, architecture)
    assert "does not compute" in str(why_not_fast(model, CPU))
    assert DataParallel.of(model, device=CPU, precision="fp32") is None


def test_a_gpu_is_left_to_transformers(tmp_path):
    assert why_not_fast(model_of(tmp_path, "bert"), torch.device("cuda", 0)) == "not on a CPU"


def test_an_activation_of_another_kind_is_left_to_transformers(tmp_path):
    assert (
        why_not_fast(model_of(tmp_path, "bert", hidden_act="gelu_new"), CPU)
        == "does not compute the activation gelu_new"
    )
