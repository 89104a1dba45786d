"""The rows that the Trainer reads: their tokens, their order, their batches, and the texts that they are of."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from transformers import AutoTokenizer, DataCollatorWithPadding

from scorer.classifier.labels import LabelSet
from scorer.classifier.long_text import LongText
from scorer.classifier.sequences import TokenSequences
from scorer.classifier.tokenization import TextEncoder
from scorer.classifier.transformers_parts import quietly
from scorer.config import FitConfig
from scorer.examples.reading import Examples
from scorer.training.dataset import Collator, EpochOrder, TextPooling, TokenRows, evaluation_rows, tokenize
from scorer.training.pretrained import BaseModel, load_base_model
from tests.architectures import make_architecture
from tests.conftest import TinyModel

FIRST = ["a great film", "bad", "the room was not clean " * 9, "soup"]
SECOND = ["really", "the food was cold " * 12, "", "good bread"]


def token_rows(
    ids: list[list[int]], *, targets: NDArray[np.int64] | None = None, examples: NDArray[np.int64] | None = None
) -> TokenRows:
    """Rows of `ids`, each a text of its own unless `examples` says otherwise."""
    lengths = [len(row) for row in ids]
    tokens = TokenSequences(
        np.concatenate(ids).astype(np.int32),
        np.concatenate(([0], np.cumsum(lengths))),
        np.array(lengths, np.int32),
        np.zeros(len(ids), np.bool_),
    )
    labels = np.zeros(len(ids), np.int64) if targets is None else targets
    labels = labels.astype(np.float32) if labels.ndim == 2 else labels
    return TokenRows(tokens, labels, np.arange(len(ids)) if examples is None else examples, pairs=False)


def examples(*texts: list[str]) -> Examples:
    return Examples(None, texts, [0] * len(texts[0]), len(texts[0]), "")  # type: ignore[arg-type]


def base_model(path: Path) -> BaseModel:
    with quietly():
        return load_base_model(FitConfig(train=Path("a.csv"), base_model=str(path)), LabelSet(("x", "y"), "string"))


def encoder(path: Path, long_text: LongText = LongText()) -> TextEncoder:  # noqa: B008 (frozen)
    tokenizer = AutoTokenizer.from_pretrained(path)
    return TextEncoder(Tokenizer.from_str(tokenizer.backend_tokenizer.to_str()), max_length=16, long_text=long_text)


@pytest.mark.parametrize("architecture", ["bert", "roberta"])
@pytest.mark.parametrize("longest_first", [False, True])
def test_tokens_are_those_of_the_tokenizer_itself(
    tiny_model: TinyModel, architecture: str, longest_first: bool
) -> None:
    path = tiny_model(architecture)
    rows = tokenize(examples(FIRST, SECOND), np.arange(4), encoder(path), longest_first=longest_first)
    expected = AutoTokenizer.from_pretrained(path)(FIRST, SECOND, truncation=True, max_length=16)
    assert sorted(rows.labels) == [0, 1, 2, 3]
    for place, row in enumerate(rows.labels.tolist()):
        (tokens,) = (rows.take([place]).tokens,)
        assert tokens.ids.tolist() == expected["input_ids"][row]
        if architecture == "bert":
            assert tokens.types.tolist() == expected["token_type_ids"][row]
    order = sorted(range(4), key=lambda row: -len(expected["input_ids"][row])) if longest_first else [0, 1, 2, 3]
    assert rows.labels.tolist() == rows.example.tolist() == order


@pytest.mark.parametrize("strategy", ["truncate", "window"])
def test_a_text_is_cut_off_where_tokens_of_it_are_in_no_row(tiny_model: TinyModel, strategy: str) -> None:
    read_whole = strategy == "window"
    ways = LongText("window", 4) if read_whole else LongText()
    rows = tokenize(examples(FIRST), np.array([0, 1, 0, 1]), encoder(tiny_model("bert"), ways))
    assert rows.cut_off == (0 if read_whole else 1)
    assert rows.example.tolist() == [0, 1, *[2] * (len(rows) - 3), 3]
    assert len(rows) > 4 if read_whole else len(rows) == 4
    assert rows.labels.tolist() == [place % 2 for place in rows.example.tolist()]


@pytest.mark.parametrize("architecture", ["bert", "roberta", "distilbert"])
@pytest.mark.parametrize("pairs", [False, True])
def test_a_batch_is_padded_as_transformers_does(tiny_model: TinyModel, architecture: str, pairs: bool) -> None:
    path = tiny_model(architecture)
    base = base_model(path)
    texts = (FIRST, SECOND) if pairs else (FIRST,)
    rows = tokenize(examples(*texts), np.array([[0, 1], [1, 1], [0, 0], [1, 0]], np.int8), encoder(path))
    batch = Collator(base)(rows.__getitems__([3, 0, 1]))
    features = [rows.take([row]) for row in (3, 0, 1)]
    plain = [
        {"input_ids": row.tokens.ids.tolist(), "labels": row.labels[0].tolist()}
        | ({"token_type_ids": row.tokens.types.tolist()} if pairs and architecture == "bert" else {})
        for row in features
    ]
    expected = DataCollatorWithPadding(base.tokenizer)(plain)
    assert batch.keys() == expected.keys()
    for name, tensor in expected.items():
        assert torch.equal(batch[name], tensor), name
        assert batch[name].dtype == tensor.dtype, name


@pytest.mark.parametrize(("architecture", "side"), [("bert", "right"), ("xlnet", "left")])
def test_rows_are_padded_where_scoring_pads_them(tmp_path: Path, architecture: str, side: str) -> None:
    """A tokenizer that pads on the left would move the words of a BERT: validation would see other logits. A model
    whose rows see their padding was trained with it on its own side."""
    base = base_model(make_architecture(tmp_path / "base", architecture))
    base.tokenizer.padding_side = "left"
    batch = Collator(base)(token_rows([[7], [9, 8, 6]]))
    mask = [1, 0, 0] if side == "right" else [0, 0, 1]
    assert batch["attention_mask"].tolist() == [mask, [1, 1, 1]]
    assert batch["input_ids"][0, mask.index(1)] == 7
    if side == "right":
        base.model.eval()
        with torch.inference_mode():
            rows = token_rows([[7], [9, 8, 6]])
            together, alone = (base.model(**Collator(base)(some)).logits[0] for some in (rows, rows.take([0])))
        torch.testing.assert_close(together, alone)


def test_rows_with_unlike_numbers_of_ends_keep_the_last(tmp_path: Path) -> None:
    base = base_model(make_architecture(tmp_path / "base", "t5"))
    end, unknown, pad = base.feed.end, base.tokenizer.unk_token_id, base.tokenizer.pad_token_id
    assert end is not None
    rows = token_rows([[end, 9, end, 8, end], [7, end], [end, 5, end]])
    collate = Collator(base)
    found = collate(rows)["input_ids"].tolist()
    rest = [pad] * 3
    assert found == [[unknown, 9, unknown, 8, end], [7, end, *rest], [unknown, 5, end, *rest[:2]]]
    for alike in ([0], [2], [1]):
        assert collate(rows.take(alike))["input_ids"].tolist() == [rows.take(alike).tokens.ids.tolist()]
    assert rows.tokens.ids.tolist().count(end) == 6, "the rows themselves stay as they are"
    assert evaluation_rows(base, rows, 32) == 1
    assert evaluation_rows(base, rows.take([1]), 32) == 32


LENGTHS = [int(length) for length in np.random.default_rng(0).integers(3, 60, 1003)]


def order(*, seed: int = 0, epoch: int = 0, batch: int = 8, lengths: list[int] = LENGTHS) -> list[int]:
    sampler = EpochOrder(batch, lengths, seed=seed)
    sampler.set_epoch(epoch)
    return list(sampler)


def batches(rows: list[int], batch: int = 8) -> list[list[int]]:
    return [rows[start : start + batch] for start in range(0, len(rows), batch)]


@pytest.mark.parametrize("count", [1, 7, 8, 9, 16, 1003])
def test_every_row_comes_once(count: int) -> None:
    assert sorted(order(lengths=LENGTHS[:count])) == list(range(count))


def test_the_order_depends_on_seed_and_epoch_alone() -> None:
    assert order(seed=1, epoch=2) == order(seed=1, epoch=2)
    assert order(seed=1, epoch=2) != order(seed=1, epoch=3)
    assert order(seed=1, epoch=2) != order(seed=2, epoch=2)
    assert order(seed=0, epoch=1) != order(seed=1, epoch=0)


def test_batches_hold_similar_lengths_in_no_particular_order() -> None:
    means = [np.mean([LENGTHS[row] for row in batch]) for batch in batches(order())]
    spreads = [np.ptp([LENGTHS[row] for row in batch]) for batch in batches(order())[1:-1]]
    assert np.mean(spreads) < 4 < np.ptp(LENGTHS) / 4
    assert abs(np.corrcoef(means[:-1], means[1:])[0, 1]) < 0.3


def test_the_longest_row_comes_first() -> None:
    assert LENGTHS[order()[0]] == max(LENGTHS)


@pytest.mark.parametrize("counts", [[1, 1, 1], [3, 1, 2, 5], [4]])
@pytest.mark.parametrize("shape", [(), (2,)], ids=["one label", "several labels"])
def test_texts_come_in_their_order(counts: list[int], shape: tuple[int, ...]) -> None:
    draw = np.random.default_rng(len(counts))
    order = draw.permutation(sum(counts))
    examples = np.repeat(np.arange(len(counts)), counts)[order]
    logits = draw.normal(size=(len(order), 3)).astype(np.float32)
    targets = draw.integers(0, 2, (len(counts), *shape))
    rows = token_rows([[7]] * len(order), examples=examples)
    pooled, found = TextPooling(rows, LongText("window"))(logits, targets[examples])
    expected = [logits[examples == text].mean(axis=0) for text in range(len(counts))]
    np.testing.assert_allclose(pooled, np.stack(expected), rtol=1e-5, atol=1e-6)
    assert np.array_equal(found, targets)
