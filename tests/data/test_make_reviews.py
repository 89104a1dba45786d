"""The sample: the same at every run, varied enough to read like reviews, spoiled enough to be worth scoring."""

from __future__ import annotations

import csv
import hashlib
import random
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from grammar import Reviewer, domain
from make_reviews import reviews
from phrases import DOMAINS
from table import SCHEMA, table

DATA = Path(__file__).parents[2] / "data"


@pytest.fixture(scope="module")
def train() -> list[dict[str, str]]:
    with (DATA / "train.csv").open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream, strict=True))


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """A folder with what the script writes, made in a process of its own."""
    folder = tmp_path_factory.mktemp("sample")
    command = [sys.executable, DATA / "make_reviews.py", "--folder", folder, "--rows", "4000"]
    subprocess.run(command, check=True, env={"PYTHONHASHSEED": "1"})
    return folder


def test_the_committed_training_file_is_what_the_script_writes(made):
    assert (made / "train.csv").read_bytes() == (DATA / "train.csv").read_bytes()


def test_the_table_is_the_same_at_every_run(made, tmp_path):
    command = [sys.executable, DATA / "make_reviews.py", "--folder", tmp_path, "--rows", "4000", "--only", "reviews"]
    subprocess.run(command, check=True, env={"PYTHONHASHSEED": "2"})

    assert [path.name for path in tmp_path.iterdir()] == ["reviews.parquet"]
    one, two = ((folder / "reviews.parquet").read_bytes() for folder in (made, tmp_path))
    assert hashlib.sha256(one).digest() == hashlib.sha256(two).digest()


def test_training_rows_are_distinct_and_not_balanced(train):
    scores = Counter(row["score"] for row in train)
    assert len(train) == 2000
    assert len({row["sentence"] for row in train}) == 2000
    assert sorted(scores) == ["1", "2", "3", "4", "5"]
    assert min(scores.values()) >= 150
    assert max(scores.values()) >= 2 * min(scores.values())


def test_training_texts_are_finished_sentences(train):
    for row in train:
        text = row["sentence"]
        assert text == text.strip()
        assert not re.search(r"[{}|@>=]|  |\.\.|\b(\w+) \1\b(?<!that that)", text, re.IGNORECASE), text


def test_neighbouring_scores_overlap_but_the_ends_do_not():
    """The same feeling gets neighbouring scores; delight never gets one star, disgust never five."""
    reviewer = Reviewer(random.Random(3))
    by_feeling = {feeling: Counter(reviewer.review(feeling).score for _ in range(300)) for feeling in (-2, 0, 2)}

    assert set(by_feeling[-2]) <= {1, 2, 3}
    assert set(by_feeling[2]) <= {3, 4, 5}
    assert {2, 3, 4} <= set(by_feeling[0])


def test_words_alone_tell_the_score_in_part(train):
    """A count of words (naive Bayes, written out here) is better than chance by far and worse than certain by far."""
    words = [set(re.findall(r"[a-z']+", row["sentence"].lower())) for row in train]
    scores = [row["score"] for row in train]
    seen, unseen = range(1600), range(1600, 2000)
    rows = Counter(scores[index] for index in seen)
    counts = Counter((scores[index], word) for index in seen for word in words[index])

    def guess(index: int) -> str:
        def likelihood(score: str) -> float:
            product = rows[score] / len(seen)
            for word in words[index]:
                product *= (counts[score, word] + 0.5) / (rows[score] + 1)
            return product

        return max(rows, key=likelihood)

    accuracy = sum(guess(index) == scores[index] for index in unseen) / len(unseen)
    assert max(rows.values()) / len(seen) + 0.15 < accuracy < 0.85


@pytest.mark.parametrize("name", DOMAINS)
def test_every_domain_has_words_for_every_degree(name):
    words = domain(name)
    assert len(words.aspects) >= 7
    assert all(set(aspect.words) == {-2, -1, 0, 1, 2} and all(aspect.words.values()) for aspect in words.aspects)
    assert {clause.worth for clause in words.events} == {-2, -1, 0, 1, 2}
    assert {clause.worth for clause in words.verdicts} == {-2, -1, 0, 1, 2}
    assert len(words.openings) >= 7
    assert len(words.sarcasm) >= 4


def test_the_table_keeps_its_contract(made):
    read = pq.read_table(made / "reviews.parquet")
    assert read.schema.equals(SCHEMA, check_metadata=True)
    assert read.num_rows == 4000
    assert len(SCHEMA) >= 10

    ids = read["review_id"].to_pylist()
    assert len(set(ids)) == 4000
    assert all(len(value) == 7 for value in ids)
    assert any(value.startswith("00") for value in ids)
    assert {name: column.null_count > 0 for name, column in zip(read.column_names, read.columns, strict=True)} == {
        field.name: field.nullable for field in SCHEMA
    }


def test_some_texts_are_null_empty_blank_repeated_or_very_long(made):
    texts = pq.read_table(made / "reviews.parquet")["sentence"].to_pylist()
    written = [text for text in texts if text and text.replace("\u200b", "").strip()]
    assert texts.count(None) >= 10
    assert texts.count("") >= 5
    assert len(written) < len([text for text in texts if text])
    assert 20 <= len(written) - len(set(written)) <= 400
    assert sum(len(text.split()) > 512 for text in written) >= 2


def test_reviews_to_score_are_not_the_ones_to_learn_from(train, made):
    known = {row["sentence"] for row in train}
    texts = pq.read_table(made / "reviews.parquet")["sentence"].to_pylist()
    assert not known & set(texts)


def test_stars_of_a_repeated_text_are_its_own():
    source = random.Random(5)
    rows = reviews(1000, source, known=set())
    score = {review.text: review.score for review in rows}
    shown = table(rows, source).select(["sentence", "stars"])
    assert isinstance(shown, pa.Table)
    pairs = [(row["sentence"], row["stars"]) for row in shown.to_pylist() if row["stars"] and row["sentence"] in score]
    assert len(pairs) > 500
    assert all(score[text] == stars for text, stars in pairs)


def test_the_chinese_sample_is_the_same_at_every_run(tmp_path):
    folders = [tmp_path / name for name in ("one", "two")]
    for number, folder in enumerate(folders):
        folder.mkdir()
        command = [sys.executable, DATA / "make_reviews.py", "--folder", folder, "--only", "chinese"]
        subprocess.run(command, check=True, env={"PYTHONHASHSEED": str(number)})
    names = ("takeaway.csv", "takeaway_new.csv")
    assert [(folders[0] / name).read_bytes() for name in names] == [(folders[1] / name).read_bytes() for name in names]
    texts = [(folders[0] / name).read_text(encoding="utf-8") for name in names]
    labelled, later = (list(csv.DictReader(text.splitlines())) for text in texts)
    assert (len(labelled), len(later)) == (1200, 800)
    assert not {row["review"] for row in labelled} & {row["review"] for row in later}
    assert 0.5 < sum(row["label"] == "1" for row in labelled) / len(labelled) < 0.7
    assert [row["day"] for row in later] == sorted(row["day"] for row in later)
