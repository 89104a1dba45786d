"""Each model is loaded once a process; another one that takes its name is noticed."""

from __future__ import annotations

import json
import pickle
import shutil
import weakref
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa
import pytest

from scorer.errors import ModelError, UsageError
from scorer.frames import models
from scorer.frames.models import known_model
from tests.models import FIVE_STARS

TEXTS = pa.table({"text": ["good room", None]})


@pytest.fixture
def latest(tmp_path: Path, tiny_model) -> Path:
    """A link to a model, as `scorer fit` leaves it."""
    (tmp_path / "models").mkdir()
    shutil.copytree(tiny_model("bert"), tmp_path / "models" / "one")
    shutil.copytree(tiny_model("bert", seed=3), tmp_path / "models" / "two")
    link = tmp_path / "models" / "latest"
    link.symlink_to("one")
    return link


def move(link: Path, target: str) -> None:
    link.unlink()
    link.symlink_to(target)


def test_one_model_in_memory_for_all_who_ask(latest):
    first = known_model(latest)
    assert known_model(latest).scorer is first.scorer
    assert known_model(latest.parent / "one").scorer is first.scorer
    assert known_model(latest, precision="fp32").scorer is not first.scorer


def test_threads_load_it_once(latest, monkeypatch):
    made = []

    class Counted(models.FrameScorer):
        def __init__(self, *arguments):
            made.append(arguments)
            super().__init__(*arguments)

    monkeypatch.setattr(models, "FrameScorer", Counted)
    found = known_model(latest)
    with ThreadPoolExecutor(8) as pool:
        assert len({id(one) for one in pool.map(lambda _: found.scorer, range(32))}) == 1
    assert len(made) == 1


def test_a_moved_link_is_another_model_and_the_one_before_is_kept_by_whoever_has_it(latest):
    before = known_model(latest)
    answers = before.scorer.score_columns(TEXTS, where="a test")
    move(latest, "two")
    after = known_model(latest)
    assert after.identity != before.identity
    assert not after.scorer.score_columns(TEXTS, where="a test").equals(answers)
    assert before.scorer.score_columns(TEXTS, where="a test").equals(answers)
    move(latest, "one")
    assert known_model(latest).identity == before.identity


def test_a_directory_that_was_written_anew_is_another_model(latest, tiny_model):
    before = known_model(latest)
    one = latest.parent / "one"
    shutil.copytree(tiny_model("bert", seed=7), one, dirs_exist_ok=True)
    assert known_model(latest).identity != before.identity


def test_a_model_that_was_replaced_before_it_was_loaded_is_refused(latest, tiny_model):
    before = known_model(latest)
    one = latest.parent / "one"
    shutil.copytree(tiny_model("bert", seed=7), one, dirs_exist_ok=True)
    with pytest.raises(ModelError, match="another model took its place"):
        _ = before.scorer


def test_the_identity_does_not_tell_where_a_model_lies_but_what_it_is_asked(latest, tmp_path):
    shutil.copytree(latest.parent / "one", tmp_path / "copy")
    assert known_model(tmp_path / "copy").identity == known_model(latest).identity
    asked = [{}, {"top_k": 2}, {"prefix": "x"}, {"max_length": 16}, {"precision": "fp32"}, {"batch_tokens": 64}]
    identities = [known_model(latest, **options).identity for options in asked]
    assert len(set(identities[:-1])) == 5
    assert identities[-1] == identities[0], "how fast is no part of an answer"


def test_at_most_so_many_models_stay_in_memory(latest):
    options = [{"max_length": 16 + number} for number in range(6)]
    first = weakref.ref(known_model(latest, **options[0]).scorer)
    for asked in options[1:]:
        _ = known_model(latest, **asked).scorer
    assert known_model(latest, **options[-1]).scorer is known_model(latest, **options[-1]).scorer
    assert first() is None


def test_whoever_has_a_model_keeps_it_when_others_take_its_place(latest, tiny_model):
    """In its directory, under its name, and among those that are kept."""
    mine = known_model(latest)
    answers = mine.scorer.score_columns(TEXTS, where="a test")
    shutil.rmtree(latest.parent / "one")
    shutil.copytree(tiny_model("bert", seed=7), latest.parent / "one")
    assert not known_model(latest).scorer.score_columns(TEXTS, where="a test").equals(answers)
    for number in range(6):
        _ = known_model(latest, max_length=16 + number).scorer
    assert mine.scorer.score_columns(TEXTS, where="a test").equals(answers)


def test_those_who_have_the_same_model_have_it_once(latest):
    mine, of_another = known_model(latest), known_model(latest.parent / "one")
    _ = mine.scorer
    for number in range(6):
        _ = known_model(latest, max_length=16 + number).scorer
    assert of_another.scorer is mine.scorer


def test_a_model_goes_through_a_pipe_without_what_was_loaded(latest):
    mine = known_model(latest)
    _ = mine.scorer
    copy = pickle.loads(pickle.dumps(mine))
    assert copy == mine
    assert copy.held.scorer is None
    assert copy.scorer is mine.scorer


def test_labels_that_a_configuration_does_not_name_are_those_of_the_loaded_model(tmp_path, tiny_model):
    shutil.copytree(tiny_model("bert", labels=("LABEL_0", "LABEL_1")), tmp_path / "model")
    configuration = json.loads((tmp_path / "model" / "config.json").read_text())
    assert "id2label" not in configuration, "two labels without names are what transformers takes for granted"
    found = known_model(tmp_path / "model")
    assert [field.name for field in found.fields] == ["score", "confidence", "score_status"]


def test_what_is_no_model(tmp_path):
    with pytest.raises(ModelError, match="no such model directory"):
        known_model(tmp_path / "nothing")
    with pytest.raises(UsageError, match="presicion"):
        known_model(tmp_path, presicion="fp32")


def test_equal_texts_are_scored_once_and_get_one_answer(latest):
    texts = pa.table({"text": ["good room", "bad soup", "good room", None, "bad soup"] * 3})
    scored = known_model(latest).scorer.score_columns(texts, where="a test").to_pylist()
    assert scored[0] == scored[2] == scored[5]
    assert scored[1] == scored[4] != scored[0]
    assert scored[3]["score_status"] == "null"
    assert str(scored[0]["score"]) in FIVE_STARS
