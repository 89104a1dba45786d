"""Forks of a process that has a model in memory: nothing waits for threads that are not there."""

from __future__ import annotations

import shutil
from multiprocessing import get_context

import pandas as pd
import pytest
import torch
from tokenizers import Tokenizer

import scorer
from scorer.classifier import forks
from scorer.classifier.device import choose_device
from scorer.classifier.workers import CORES, Workers
from scorer.errors import ModelError, UsageError
from tests.classifier.cards import pretend
from tests.in_fork import in_fork
from tests.models import sentences

TEXTS = sentences(300)


@pytest.fixture
def model(tmp_path, tiny_model):
    shutil.copytree(tiny_model("bert"), tmp_path / "model")
    return tmp_path / "model"


@pytest.fixture
def loaded(model):
    """A model that has scored texts; and torch has a team of threads, as after any work of some size."""
    made = scorer.load(model, precision="fp32")
    made.score_texts(TEXTS)
    torch.ones(2048, 2048).sum()
    return made


@pytest.fixture
def _two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("_two_threads")
@pytest.mark.parametrize("backend", ["packed", "padded", "onnx", "openvino"])
def test_a_model_works_in_forks_of_forks_too(model, backend):
    made = scorer.load(model, precision="fp32", backend=backend)
    expected = made.score_texts(TEXTS)
    torch.ones(2048, 2048).sum()
    assert in_fork(lambda: made.score_texts(TEXTS)) == expected
    assert in_fork(lambda: in_fork(lambda: made.score_texts(TEXTS))) == expected
    assert made.score_texts(TEXTS) == expected


def chunk(part: pd.Series, model: str) -> list[float]:
    scored: list[float] = scorer.pandas.score(part, model, precision="fp32")["confidence"].tolist()
    return scored


@pytest.mark.usefixtures("loaded")
def test_a_pool_of_forks_scores_what_its_parent_scored(model):
    texts = pd.Series(TEXTS)
    expected = chunk(texts, model)
    with get_context("fork").Pool(2) as pool:
        found = pool.starmap_async(chunk, [(texts[:150], model), (texts[150:], model)]).get(timeout=60)
    assert found[0] + found[1] == pytest.approx(expected, abs=1e-5)


@pytest.mark.usefixtures("loaded")
def test_a_fork_tokenizes_on_its_own_account(model):
    """As `datasets.map(tokenize, num_proc=4)` does, with any tokenizer."""
    tokenizer = Tokenizer.from_file(str(model / "tokenizer.json"))
    expected = [encoding.ids for encoding in tokenizer.encode_batch_fast(TEXTS)]
    assert in_fork(lambda: [encoding.ids for encoding in tokenizer.encode_batch_fast(TEXTS)]) == expected


@pytest.mark.usefixtures("_two_threads")
def test_torch_has_one_thread_in_a_fork_that_loads_a_model(loaded, model):
    assert in_fork(torch.get_num_threads) == 2, "no model there, so whoever uses torch has the say"

    def threads():
        loaded.score_texts(TEXTS)
        first = torch.get_num_threads()
        torch.set_num_threads(2)  # and whatever uses them here would wait for ever
        scorer.load(model).score_texts(TEXTS)
        return first, torch.get_num_threads()

    assert in_fork(threads) == (1, 1)


def test_another_model_in_its_place_is_not_taken_for_it(loaded, model, tiny_model):
    shutil.copytree(tiny_model("bert", seed=3), model, dirs_exist_ok=True)
    with pytest.raises(ModelError, match="another model took its place since"):
        in_fork(lambda: loaded.score_texts(TEXTS))
    assert len(loaded.score_texts(TEXTS)) == len(TEXTS), "where it was loaded it is still there"


def test_the_gpu_of_a_parent_is_refused(monkeypatch):
    forks.settle()
    pretend(monkeypatch, (9, 0))
    monkeypatch.setattr(torch.cuda, "init", lambda: (_ for _ in ()).throw(RuntimeError("a fork")))
    choose_device("cuda")
    for name in ("auto", "cuda"):
        with pytest.raises(UsageError, match=f"--device {name}: this process is a fork .*CUDA"):
            in_fork(lambda name=name: choose_device(name))
    assert in_fork(lambda: str(choose_device("cpu").device)) == "cpu"


def test_cores_that_were_lent_are_free_in_a_fork():
    workers = Workers(1, torch.device("cpu"))
    with CORES.lent_to(workers):

        def lent():
            with CORES.lent_to(object()) as mine:
                return mine

        assert not lent()
        assert in_fork(lent)
