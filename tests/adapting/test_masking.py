"""What is hidden: how much, which places, whole words; the same at every visit of the same number."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scorer.adapting.marks import Marks
from scorer.adapting.masking import SHARE, Masking, chosen
from tests.models import make_tokenizer

SPECIAL = [True, True, True, True, True]  # as BERT has them, the mask last


def marks(size: int = 1000) -> Marks:
    special = np.zeros(size, np.bool_)
    special[:5] = True
    return Marks((2,), (3,), 4, 0, special, np.ones(size, np.bool_))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=200), st.integers(0, 2**32))
def test_chosen_places_can_be_hidden_and_hold_whole_words(tokens, seed):
    hideable, begins = (np.array(values, np.bool_) for values in zip(*tokens, strict=True))
    places = chosen(hideable, begins, np.random.default_rng(seed))
    candidates = int(hideable.sum())
    assert hideable[places].all()
    assert (np.diff(places) > 0).all()
    assert bool(len(places)) == bool(candidates)
    word, of_word = 0, np.zeros(len(begins), int)  # the slow way: a word ends at the next beginning, or at what is none
    for place in range(len(begins)):
        word += bool(begins[place] or (place and not hideable[place - 1]))
        of_word[place] = word if hideable[place] else -1
    for number in set(of_word[places].tolist()):
        assert set(np.flatnonzero(of_word == number)) <= set(places.tolist()), "a word is hidden in part"
    assert len(places) <= max(1, round(SHARE * candidates)) or len(set(of_word[places].tolist())) == 1


def test_one_in_seven_is_hidden_and_four_of_five_become_the_mask():
    ids = np.random.default_rng(0).integers(5, 1000, 20_000)
    masking = Masking(marks(), seed=1, stream=0)
    hidden, places = masking(ids, masking.generator(0))
    assert len(places) == round(0.15 * 20_000)
    of_these = hidden[places]
    assert (of_these == 4).mean() == pytest.approx(0.8, abs=0.02)
    assert (of_these == ids[places]).mean() == pytest.approx(0.1, abs=0.02)
    others = np.delete(np.arange(len(ids)), places)
    assert (hidden[others] == ids[others]).all()
    assert (hidden[hidden != 4] >= 5).all(), "a special token was drawn"


def test_a_visit_hides_the_same_again_and_another_visit_something_else():
    ids = np.arange(5, 205)
    masking = Masking(marks(), seed=1, stream=0)
    first, again, other = (masking(ids, masking.generator(visit))[1].tolist() for visit in (7, 7, 8))
    measured = Masking(marks(), seed=1, stream=1)
    assert first == again != other
    assert measured(ids, measured.generator(7))[1].tolist() != first


@pytest.mark.parametrize("architecture", ["bert", "roberta", "xlm-roberta", "deberta-v2", "modernbert", "albert"])
def test_the_marks_of_real_tokenizers(architecture):
    tokenizer = make_tokenizer(architecture)
    found = Marks.of(tokenizer, architecture, words=architecture != "modernbert")
    whole = tokenizer("good food")["input_ids"]
    bare = tokenizer("good food", add_special_tokens=False)["input_ids"]
    assert [*found.before, *bare, *found.after] == whole
    assert found.special[tokenizer.mask_token_id]
    assert not found.special[bare].any()


def test_words_of_word_pieces_and_of_sentence_pieces():
    for architecture in ("bert", "albert", "roberta"):
        tokenizer = make_tokenizer(architecture)
        ids = tokenizer(" the unbelievable hotel", add_special_tokens=False)["input_ids"]
        begins = Marks.of(tokenizer, architecture, words=True).begins[ids]
        tokens = tokenizer.convert_ids_to_tokens(ids)
        assert begins.sum() == 3, tokens
        assert len(ids) > 3, tokens


@pytest.mark.parametrize("architecture", ["bert", "albert", "xlm-roberta"])
def test_chinese_characters_are_words_of_their_own(architecture):
    tokenizer = make_tokenizer(architecture)
    marks = Marks.of(tokenizer, architecture, words=True)
    ids = [id_ for token, id_ in tokenizer.get_vocab().items() if "\u4e00" <= token.lstrip("\u2581#")[:1] <= "\u9fff"]
    plain = [id_ for id_ in ids if not tokenizer.convert_ids_to_tokens(id_).startswith("##")]
    assert marks.begins[plain].all()


def test_what_has_no_spaces_is_not_hidden_as_a_whole():
    hideable, begins = np.ones(300, np.bool_), np.zeros(300, np.bool_)
    begins[0] = True
    for seed in range(20):
        assert len(chosen(hideable, begins, np.random.default_rng(seed))) == 45
        assert len(chosen(hideable[:40], begins[:40], np.random.default_rng(seed))) == 16
    begins[:20] = True
    assert len(chosen(hideable[:24], begins[:24], np.random.default_rng(1))) <= 5
