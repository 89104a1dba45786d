"""Texts become full blocks, or pairs of parts of documents; equal texts stay on one side of what is held out."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scorer.adapting.corpus import Corpus, HeldOut
from scorer.adapting.marks import Marks
from scorer.adapting.packing import Packed, _sentences, pack, part_bounds
from scorer.adapting.rows import Blocks, DocumentParts, Visits
from scorer.config import AdaptConfig, Data
from scorer.errors import DataError, UsageError
from scorer.runs.console import Console
from scorer.runs.signals import StopSignals
from scorer.stores.folder import Folder
from scorer.tables.source import Source
from tests.adapting.adaptations import write_texts
from tests.models import make_tokenizer, sentences

TOKENIZER = make_tokenizer("bert")


def packed(path: Path, **options: object) -> Packed:
    config = AdaptConfig(data=path, **{"max_length": 32, **options})
    corpus = Corpus.of(config.data, Source.open(config.data), ())
    with Console(quiet=True).progress("", None, "") as counter, StopSignals() as signals:
        return pack(
            corpus,
            None,
            tokenizer=TOKENIZER.backend_tokenizer,
            marks=Marks.of(TOKENIZER, "tiny", words=False),
            unknown=TOKENIZER.unk_token_id,
            config=config,
            folder=Folder.of("."),
            counter=counter,
            signals=signals,
        )


def test_blocks_are_full_and_hold_every_token_once_in_order(tmp_path):
    found = packed(write_texts(tmp_path / "texts.csv"))
    assert isinstance(found.train, Blocks)
    assert isinstance(found.valid, Blocks)
    rows = found.train.__getitems__(range(len(found.train)))
    ids = rows["input_ids"].numpy().copy()
    ids.reshape(-1)[rows["places"].numpy()] = rows["targets"].numpy()
    assert ids.shape == (len(found.train), 32)
    assert (ids[:, 0] == TOKENIZER.cls_token_id).all()
    assert (ids[:, -1] == TOKENIZER.sep_token_id).all()
    inside = ids[:, 1:-1].reshape(-1)
    assert (inside == found.train.tokens[: len(inside)]).all()
    assert len(found.train.tokens) - len(inside) < 30
    texts = [line.strip('"') for line in (tmp_path / "texts.csv").read_text(encoding="utf-8").splitlines()][1:]
    expected = sum(len(TOKENIZER(text, add_special_tokens=False)["input_ids"]) + 1 for text in texts)
    assert found.tokens + len(found.valid.tokens) == expected
    assert found.texts + found.valid_texts == len(texts)


def test_equal_texts_are_on_one_side_whatever_the_order():
    texts = [f"text {number % 97}" for number in range(2000)]
    lengths = np.full(len(texts), 3)
    out = HeldOut(0.3, seed=1, enough=10**6).choose(texts, lengths)
    sides = {text: {bool(side) for other, side in zip(texts, out, strict=True) if other == text} for text in set(texts)}
    assert all(len(found) == 1 for found in sides.values())
    assert 0.15 < out.mean() < 0.45
    assert (HeldOut(0.3, seed=2, enough=10**6).choose(texts, lengths) != out).any()


def test_there_is_enough_held_out_and_a_text_that_is_stays_so():
    texts = [f"text {number}" for number in range(1000)] * 2
    chosen = HeldOut(0.5, seed=1, enough=30)
    out = np.concatenate([chosen.choose(texts[i : i + 100], np.full(100, 3)) for i in range(0, 2000, 100)])
    assert 3 * out[:1000].sum() == 30
    assert (out[:1000] == out[1000:]).all()


def test_every_row_is_visited_once_an_epoch_in_another_order():
    order = Visits(50, seed=3)
    first = list(order)
    order.set_epoch(1)
    second = list(order)
    assert sorted(first) == list(range(50))
    assert sorted(second) == list(range(50, 100))
    assert first != [visit - 50 for visit in second]
    assert first == list(Visits(50, seed=3)) != list(Visits(50, seed=4))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 90), max_size=30), st.integers(4, 60), st.integers(0, 2**32))
def test_parts_follow_each_other_and_fit(lengths, room, seed):
    bounds = part_bounds(lengths, room=room, generator=np.random.default_rng(seed))
    for begin, middle, end in bounds:
        assert begin < middle < end <= begin + room
    assert all(end <= begin for (_, _, end), (begin, _, _) in itertools.pairwise(bounds))
    assert not bounds or bounds[-1][2] <= sum(lengths)


def test_half_of_the_second_parts_are_of_another_document(tmp_path):
    found = packed(write_texts(tmp_path / "texts.csv", 300), nsp=True)
    assert isinstance(found.train, DocumentParts)
    assert len(found.train) > 100
    assert 0 < found.without_parts < 300 - len(np.unique(found.train.parts[:, 3])) + 1
    rows = found.train.__getitems__(range(len(found.train)))
    other = rows["next_sentence_label"].numpy()
    assert other.mean() == pytest.approx(0.5, abs=0.15)
    ids, mask, types = (rows[name].numpy() for name in ("input_ids", "attention_mask", "token_type_ids"))
    assert ids.shape[1] <= 32
    assert (ids[mask == 0] == TOKENIZER.pad_token_id).all()
    restored = ids.copy()
    restored.reshape(-1)[rows["places"].numpy()] = rows["targets"].numpy()
    separator, tokens = TOKENIZER.sep_token_id, found.train.tokens
    for row, (begin, middle, end, _) in enumerate(found.train.parts.tolist()):
        inside = restored[row][mask[row] == 1]
        assert np.flatnonzero(inside == separator).tolist() == [middle - begin + 1, len(inside) - 1]
        assert (inside[1 : middle - begin + 1] == tokens[begin:middle]).all()
        follows = inside[middle - begin + 2 : -1].tolist() == tokens[middle:end].tolist()
        assert follows or other[row]
        assert types[row].sum() == len(inside) - (middle - begin + 2)


def test_sentences_of_several_scripts():
    assert _sentences('It is good. "Really?" No!\nYes') == ["It is good.", '"Really?', "No!", "Yes"]
    assert _sentences("房间很好。服务不错！下次再来？") == ["房间很好。", "服务不错！", "下次再来？"]
    assert _sentences("version 1.5 is out") == ["version 1.5 is out"]


def test_too_few_texts_are_refused(tmp_path):
    with pytest.raises(DataError, match="less than a block of 32"):
        packed(write_texts(tmp_path / "texts.csv", 1))
    (tmp_path / "one.csv").write_text("text\n" + "one sentence without an end\n" * 500)
    with pytest.raises(DataError, match="less than one document of two sentences"):
        packed(tmp_path / "one.csv", nsp=True)


def test_what_has_nothing_to_read_is_passed_over_and_counted(tmp_path):
    lines = [f'"{text}"' for text in sentences(20, seed=1) if '"' not in text]
    (tmp_path / "texts.csv").write_text("\n".join(["a,text", *(f"1,{line}" for line in lines), "2,", '3," "', "4,x"]))
    corpus = Corpus.of(Data("texts.csv"), Source.open(tmp_path / "texts.csv"), ())
    assert len(list(corpus)) == len(lines) + 1
    assert corpus.passed_over == 2
    assert "2 texts passed over" in corpus.remarks()[-1]
    with pytest.raises(UsageError, match="no column 'b'"):
        Corpus.of(Data("texts.csv"), Source.open(tmp_path / "texts.csv"), ("b",))
