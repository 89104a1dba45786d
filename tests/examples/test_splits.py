"""Data sets of the hub: their splits, their label names, and what a fit and an evaluation take of them."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from scorer.config import Data, FitConfig
from scorer.errors import UsageError
from scorer.examples.splits import Splits
from scorer.runs.console import Console
from scorer.training.data import load_data
from tests.models import sentences
from tests.stores.hubs import Hub, hub_server

NAME = "dair/emotion"
PLACE = f"hf://datasets/{NAME}"
CARD = """---
configs:
- config_name: split
  data_files:
  - split: train
    path: split/train-*
  - split: validation
    path: split/validation-*
  - split: test
    path: split/test-*
  default: true
- config_name: unsplit
  data_files:
  - split: train
    path: unsplit/train-*
dataset_info:
- config_name: split
  features:
  - name: text
    dtype: string
  - name: label
    dtype:
      class_label:
        names:
          '0': sadness
          '1': joy
          '2': love
          '3': anger
          '4': fear
          '5': surprise
---

# Emotion
"""
NAMES = ["sadness", "joy", "love", "anger", "fear", "surprise"]


def content(seed: int, rows: int = 60) -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.table({"text": sentences(rows, seed=seed), "label": [n % 6 for n in range(rows)]}), sink)
    return sink.getvalue()


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    made = Hub()
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    with hub_server(made) as address:
        monkeypatch.setenv("HF_ENDPOINT", address)
        yield made


@pytest.fixture
def emotion(hub: Hub) -> Hub:
    files = {
        f"split/{split}-00000-of-00001.parquet": content(seed)
        for seed, split in enumerate(("train", "validation", "test"))
    }
    hub.commit(NAME, **files, **{"unsplit/train-00000-of-00001.parquet": content(9), "README.md": CARD.encode()})
    return hub


def at(*paths: str) -> Data:
    return Data(*(f"{PLACE}/{path}-00000-of-00001.parquet" for path in paths))


@pytest.mark.usefixtures("emotion")
def test_splits_as_the_card_tells_them() -> None:
    found = Splits.of(Data(PLACE))
    assert (found.train, found.valid, found.test) == (at("split/train"), at("split/validation"), at("split/test"))
    other = Splits.of(Data(f"{PLACE}/unsplit"))
    assert (other.train, other.valid) == (at("unsplit/train"), None)


@pytest.mark.usefixtures("emotion")
def test_what_is_no_data_set_is_taken_as_it_is(tmp_path: Path) -> None:
    for data in (Data(f"{PLACE}/split/train-00000-of-00001.parquet"), Data(f"{PLACE}/split/*.parquet"), Data("a.csv")):
        assert Splits.of(data).train == data
        assert Splits.of(data).valid is None
    (tmp_path / "train.csv").write_text("text,label\n")
    assert Splits.of(Data(str(tmp_path))).train == Data(str(tmp_path))


def test_splits_as_the_names_of_files_tell_them(hub: Hub) -> None:
    hub.commit(NAME, **{"train.csv": b"", "dev.csv": b"", "test/part.csv": b"", "README.md": b"no card"})
    found = Splits.of(Data(PLACE))
    assert found.train == Data(f"{PLACE}/train.csv")
    assert found.valid == Data(f"{PLACE}/dev.csv")
    assert found.test == Data(f"{PLACE}/test/part.csv")
    hub.commit(NAME, **{"reviews.csv": b""})
    with pytest.raises(UsageError, match=r"dev\.csv is named after a split, .*reviews\.csv after none"):
        Splits.of(Data(PLACE))


def test_without_a_name_of_a_split_all_of_it_is_data(hub: Hub) -> None:
    hub.commit(NAME, **{"reviews.csv": b"", "more.csv": b"", "README.md": b"no card"})
    assert Splits.of(Data(PLACE)).train == Data(PLACE)


def test_several_configurations_without_a_default(hub: Hub) -> None:
    hub.commit(NAME, **{"a/train.csv": b"", "README.md": CARD.replace("  default: true\n", "").encode()})
    with pytest.raises(UsageError, match=r"several configurations \(split, unsplit\)"):
        Splits.of(Data(PLACE))


@pytest.mark.usefixtures("emotion")
def test_a_fit_takes_train_and_validation_and_six_names() -> None:
    said = io.StringIO()
    data = load_data(FitConfig(train=PLACE), Console(stream=said))
    assert sorted(data.labels.names) == sorted(NAMES)
    assert (len(data.train), len(data.valid)) == (60, 60)
    assert data.train.labels[:6] == NAMES
    assert "fitted on train, validation on validation" in said.getvalue()


@pytest.mark.usefixtures("emotion")
def test_a_share_that_is_asked_for_is_held_out() -> None:
    data = load_data(FitConfig(train=PLACE, valid_fraction=0.5), Console(quiet=True, stream=io.StringIO()))
    assert len(data.train) + len(data.valid) == 60
