"""`fit --exits`: heads that learn what the whole model says, and are gone in the end."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from torch import Tensor
from torch.nn import functional
from transformers import PreTrainedModel

from scorer.classifier.classifier import Classifier
from scorer.classifier.directory import open_model
from scorer.errors import Interrupted, UsageError
from scorer.training.data_parallel import DataParallel
from scorer.training.exits import EXIT_HEADS, add_exits, mean_states, outputs_and_states, with_exits
from tests.conftest import TinyModel
from tests.models import make_model
from tests.training.fits import Remembering, reviews, run, weights, write_csv, write_reviews
from tests.training.test_forward import assert_close, batch_of, gradients_of, labels_of, without_dropout
from tests.training.test_resume import Stopping

CPU = torch.device("cpu")


@pytest.fixture
def base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiny_model: TinyModel) -> Path:
    monkeypatch.chdir(tmp_path)
    return tiny_model("bert")


def stored(model: Path) -> set[str]:
    """The names of a model directory's weights."""
    with safe_open(model / "model.safetensors", "np") as file:
        return set(file.keys())


def surprise(model: PreTrainedModel, batch: dict[str, Tensor]) -> float:
    """How much less the head behind the first layer knows of the answers than the whole model: a divergence in nats."""
    with torch.no_grad():
        outputs = outputs_and_states(model, **batch)
        answers = outputs["logits"].log_softmax(dim=1)
        said = getattr(model, EXIT_HEADS)[1](outputs["states"][1]).log_softmax(dim=1)
    return float((answers.exp() * (answers - said)).sum(dim=1).mean())


def test_layers_learn_to_tell_the_answer(tmp_path):
    """A head on layers that learn with it knows more than one on layers that learn the labels alone."""
    found = {}
    for exits in (True, False):
        model = without_dropout(tmp_path / str(exits), "bert")
        add_exits(model, name="it")
        batch = batch_of(model, lengths=tuple(range(3, 35)))
        heads = getattr(model, EXIT_HEADS)
        optimizer = torch.optim.Adam(model.parameters(), 2e-3)

        def labels_alone(outputs, targets, items):
            return functional.cross_entropy(outputs["logits"], targets, reduction="sum") / items

        loss_of = with_exits(labels_alone, model, multi=False)
        for _ in range(120):
            optimizer.zero_grad()
            outputs = outputs_and_states(model, **batch)
            if not exits:
                outputs["states"] = [states.detach() for states in outputs["states"]]
            loss_of(outputs, labels_of(32), 32).backward()
            optimizer.step()
        assert heads[0].weight.any()
        found[exits] = surprise(model, batch)
    assert found[True] < 0.8 * found[False]


def test_the_model_is_as_any_other(base):
    train = write_reviews(Path("train.csv"), 160)
    plain = run(train, base, output=Path("plain"))
    taught = run(train, base, output=Path("taught"), exits=True)
    assert weights(taught.model) != weights(plain.model)
    assert stored(taught.model) == stored(plain.model)
    classifier = Classifier(open_model(str(taught.model)), precision="fp32", device="cpu")
    assert classifier.why_not_early is None


@pytest.mark.parametrize("architecture", ["bert", "distilbert", "electra"])
@pytest.mark.parametrize("multi", [False, True])
def test_both_ways_to_compute_learn_the_same(architecture, multi, tmp_path):
    model = without_dropout(tmp_path, architecture)
    add_exits(model, name="it")
    for parameter in getattr(model, EXIT_HEADS).parameters():
        torch.nn.init.normal_(parameter, generator=torch.Generator().manual_seed(0))
    batch = batch_of(model)
    rows = len(batch["input_ids"])
    targets = functional.one_hot(labels_of(rows), 5).float() if multi else labels_of(rows)
    plain = functional.binary_cross_entropy_with_logits if multi else functional.cross_entropy
    loss_of = with_exits(
        lambda outputs, said, items: plain(outputs["logits"], said, reduction="sum") / items, model, multi=multi
    )
    expected = loss_of(outputs_and_states(model, **batch), targets, targets.numel())
    expected.backward()
    gradients = gradients_of(model)
    assert f"{EXIT_HEADS}.0.weight" in gradients
    model.zero_grad()
    parallel = DataParallel.of(model, device=CPU, precision="fp32")
    loss = parallel.step(
        batch | {"labels": targets}, lambda outputs, part: loss_of(outputs, part["labels"], targets.numel())
    )
    torch.testing.assert_close(loss, expected.detach(), rtol=1e-5, atol=1e-5)
    assert_close(gradients_of(model), gradients)


def test_the_heads_learn_from_the_whole_model_and_not_it_from_them(tmp_path):
    """Where only the heads lose, the last layers have no gradient."""
    model = without_dropout(tmp_path, "bert")
    add_exits(model, name="it")
    torch.nn.init.ones_(getattr(model, EXIT_HEADS)[0].weight)
    loss_of = with_exits(lambda outputs, *_: 0.0 * outputs["logits"].sum(), model, multi=False)
    loss_of(outputs_and_states(model, **batch_of(model)), labels_of(4), 4).backward()
    assert not model.classifier.weight.grad.any()
    assert not model.bert.encoder.layer[-1].output.dense.weight.grad.any()
    assert getattr(model, EXIT_HEADS)[-1].weight.grad.any()
    assert model.get_input_embeddings().weight.grad.any()


def test_padding_is_not_in_the_mean():
    hidden = torch.tensor([[[1.0], [3.0], [100.0]], [[2.0], [4.0], [6.0]]])
    mask = torch.tensor([[1, 1, 0], [1, 1, 1]])
    assert mean_states(hidden, mask).tolist() == [[2.0], [4.0]]
    assert mean_states(hidden, None)[1].tolist() == [4.0]


def test_a_fit_that_goes_on_has_the_same_heads(base):
    train = write_reviews(Path("train.csv"), 80)
    options = {"epochs": 3.0, "exits": True, "eval_steps": 4}
    whole = run(train, base, output=Path("whole"), **options)
    with pytest.raises(Interrupted):
        run(train, base, Stopping(6), output=Path("out"), **options)
    console = Remembering()
    resumed = run(train, base, console, output=Path("out"), resume=True, **options)
    assert console.having("resumed from checkpoint-")
    assert weights(resumed.model) == weights(whole.model)


@pytest.mark.parametrize(
    "options", [{"seeds": 2}, {"lora_rank": 2}, {"freeze_layers": 1}, {"layers": 1}, {"layer_decay": 0.8}]
)
def test_it_goes_with_other_ways_to_fit(base, options):
    pytest.importorskip("peft")
    train = write_reviews(Path("train.csv"), 60)
    summary = run(train, base, exits=True, **options)
    assert not [name for name in stored(summary.model) if EXIT_HEADS in name or "lora" in name]


def test_what_means_nothing_is_refused(base, tmp_path):
    train = write_csv(Path("train.csv"), ("sentence", "score"), [(text, len(text)) for text, _ in reviews(60)])
    with pytest.raises(UsageError, match="--exits: with --regression"):
        run(train, base, exits=True, regression=True)
    with pytest.raises(UsageError, match="windows"):
        run(train, base, exits=True, long_text="window")
    other = make_model(tmp_path / "modernbert", "modernbert")
    write_reviews(train, 60)
    with pytest.raises(UsageError, match="cannot be left early"):
        run(train, other, exits=True)
