"""Faults of the device inside the real job: rows are rescued or flagged, no number is non-finite, nothing hangs."""

from __future__ import annotations

import shutil
import threading
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoTokenizer

import scorer
from scorer.classifier.classifier import Classifier
from scorer.classifier.directory import open_model
from scorer.errors import ModelError, StorageError
from tests.engines.faults import FaultyForward, inject, share_of_rows
from tests.models import make_model, sentences
from tests.scoring.files import write

OPTIONS = {"precision": "fp32", "window_rows": 300, "batch_tokens": 512, "probabilities": True}


def numbers(table: pa.Table) -> np.ndarray:
    """Confidence and probabilities of each row (rows, 1 + labels); not a number where a row has none."""
    labels = [field.name for field in table.schema.field("probabilities").type]
    structs = table["probabilities"].combine_chunks()
    columns = [table["confidence"], *(pa.chunked_array([structs.field(name)]) for name in labels)]
    return np.stack([column.to_numpy(zero_copy_only=False).astype(np.float64) for column in columns], axis=1)


def assert_as_without_faults(found: pa.Table, expected: pa.Table, flagged: set[int]) -> None:
    """Rows of `found` are those of `expected`, but for the `flagged`, which have no score; nothing is non-finite."""
    assert found.num_rows == expected.num_rows
    scored = np.array([row not in flagged for row in range(found.num_rows)])
    assert found["score"].is_valid().to_numpy().tolist() == scored.tolist()
    assert found["score"].filter(pa.array(scored)) == expected["score"].filter(pa.array(scored))
    values = numbers(found)
    assert np.isfinite(values[scored]).all()
    assert np.abs(values[scored] - numbers(expected)[scored]).max() < 1e-5
    assert found["confidence"].null_count == len(flagged)


def rows(count: int, *, seed: int = 0) -> pa.Table:
    texts = [f"{text} {number}" for number, text in enumerate(sentences(count, seed=seed))]
    return pa.table({"id": range(count), "text": texts})


def run_with_faults(folder: Path, model: Path, count: int) -> dict[str, int]:
    """One percent of the logits non-finite, five percent of the calls out of memory; what was counted."""
    source = write(folder / "in.parquet", rows(count))
    scorer.score(source, folder / "sound.parquet", model=str(model), **OPTIONS)
    with pytest.MonkeyPatch.context() as patch:
        made = inject(
            patch, lambda forward: FaultyForward(forward, out_of_memory=0.05, poisoned=share_of_rows(0.01), seed=3)
        )
        summary = scorer.score(source, folder / "faulty.parquet", model=str(model), **OPTIONS)
    (forward,) = made
    assert summary.back_offs == forward.failed > 0
    assert 0.005 * count < forward.spoiled < 0.02 * count
    assert summary.statuses == {"ok": count}
    assert_as_without_faults(pq.read_table(folder / "faulty.parquet"), pq.read_table(folder / "sound.parquet"), set())
    return {"rows": count, "back_offs": summary.back_offs, "spoiled": forward.spoiled}


def test_injected_faults_change_no_row(tmp_path, tiny_model):
    run_with_faults(tmp_path, tiny_model("bert"), 1_000)


def test_36_a_row_that_exhausts_memory_alone_is_flagged_and_its_neighbours_are_not(tmp_path, tiny_model, monkeypatch):
    source = write(tmp_path / "in.parquet", rows(200))
    model = str(tiny_model("bert"))
    scorer.score(source, tmp_path / "sound.parquet", model=model, token_count=True, **OPTIONS)
    sound = pq.read_table(tmp_path / "sound.parquet")
    longest = max(sound["token_count"].to_pylist())
    flagged = {row for row, tokens in enumerate(sound["token_count"].to_pylist()) if tokens == longest}
    inject(monkeypatch, lambda forward: FaultyForward(forward, too_large=lambda ids: len(ids) == longest))
    summary = scorer.score(source, tmp_path / "faulty.parquet", model=model, **OPTIONS)
    assert summary.statuses == {"ok": 200 - len(flagged), "oom": len(flagged)}
    assert summary.back_offs >= len(flagged)
    found = pq.read_table(tmp_path / "faulty.parquet")
    assert {row for row, status in enumerate(found["score_status"].to_pylist()) if status == "oom"} == flagged
    assert_as_without_faults(found, sound, flagged)


def test_a_flagged_row_is_tried_again_by_the_next_run(tmp_path, tiny_model):
    source = write(tmp_path / "in.parquet", rows(20))
    options = OPTIONS | {"model": str(tiny_model("bert")), "cache": tmp_path / "cache"}
    with pytest.MonkeyPatch.context() as patch:
        inject(patch, lambda forward: FaultyForward(forward, too_large=lambda ids: True))  # noqa: ARG005
        assert scorer.score(source, tmp_path / "one.parquet", **options).statuses == {"oom": 20}
    assert scorer.score(source, tmp_path / "two.parquet", **options).statuses == {"ok": 20}


@pytest.mark.parametrize(("share", "told"), [(0.2, True), (0.002, False)])
def test_many_rows_that_are_computed_again_are_a_reason_to_say_so(
    tmp_path, tiny_model, monkeypatch, capsys, share, told
):
    source = write(tmp_path / "in.parquet", rows(1_000))
    inject(monkeypatch, lambda forward: FaultyForward(forward, poisoned=share_of_rows(share)))
    summary = scorer.score(source, tmp_path / "out.parquet", model=str(tiny_model("bert")), **OPTIONS)
    assert summary.statuses == {"ok": 1_000}
    assert ("computed again in fp32, which is slow; try --precision bf16" in capsys.readouterr().err) == told


def test_attention_that_keeps_its_scores_has_a_budget_for_them(tiny_model, monkeypatch):
    monkeypatch.setattr("scorer.classifier.classifier._SCORES_OF_A_BATCH", 4 * 100**2 * 5)
    plans = {
        kind: Classifier(open_model(str(tiny_model(kind))), batch_tokens=1_000, backend="padded").plan(np.full(40, 100))
        for kind in ("bert", "deberta-v2")
    }
    assert {kind: {len(batch) for batch in plan} for kind, plan in plans.items()} == {"bert": {10}, "deberta-v2": {5}}


@pytest.fixture(scope="module")
def overflowing(tmp_path_factory) -> Path:
    """A model whose embedding of one word is so large that no arithmetic of it is finite; all its weights are."""
    directory = make_model(tmp_path_factory.mktemp("overflowing"))
    token = AutoTokenizer.from_pretrained(directory).convert_tokens_to_ids("soup")
    weights = load_file(directory / "model.safetensors")
    weights["bert.embeddings.word_embeddings.weight"][token] = torch.finfo(torch.float32).max
    save_file(weights, directory / "model.safetensors", metadata={"format": "pt"})
    return directory


@pytest.mark.parametrize("backend", ["packed", "padded"])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_35_a_row_that_is_not_finite_in_fp32_either_is_flagged(tmp_path, overflowing, backend, precision):
    source = write(tmp_path / "in.parquet", pa.table({"text": ["good room", "bad soup", "good", "soup"]}))
    options = OPTIONS | {"precision": precision, "backend": backend, "expected": True, "top_k": 2}
    summary = scorer.score(source, tmp_path / "out.parquet", model=str(overflowing), **options)
    assert summary.statuses == {"nonfinite": 2, "ok": 2}
    found = pq.read_table(tmp_path / "out.parquet")
    assert found["score_status"].to_pylist() == ["ok", "nonfinite", "ok", "nonfinite"]
    for name in ("score", "confidence", "probabilities", "expected", "top_k"):
        column = next(found[column] for column in found.column_names if column.endswith(name))
        assert column.is_valid().to_pylist() == [True, False, True, False], name
    assert np.isfinite(numbers(found)[[0, 2]]).all()


def test_a_model_that_was_replaced_meanwhile_rescues_no_row(tmp_path, tiny_model, monkeypatch):
    model = shutil.copytree(tiny_model("bert"), tmp_path / "model")
    other = tiny_model("bert", seed=1)

    def replace_and_spoil(forward):
        shutil.rmtree(model)  # what is loaded may still lie in the old file
        shutil.copytree(other, model)
        return FaultyForward(forward, poisoned=share_of_rows(1.0))

    inject(monkeypatch, replace_and_spoil)
    source = write(tmp_path / "in.parquet", rows(3))
    with pytest.raises(ModelError, match="another model took its place while it was at work"):
        scorer.score(source, tmp_path / "out.parquet", model=str(model), **OPTIONS)
    assert not (tmp_path / "out.parquet").exists()


@pytest.mark.parametrize("error", [RuntimeError("a kernel that failed"), SystemExit(3), MemoryError("elsewhere")])
def test_a_worker_that_dies_ends_the_run_with_its_own_error(tmp_path, tiny_model, monkeypatch, error):
    class Dying:
        name = "dying"

        def __init__(self) -> None:
            self.calls = 0

        def __call__(self, batch):
            self.calls += 1
            if self.calls > 3:
                raise error
            return np.zeros((len(batch), 5), np.float32)

    inject(monkeypatch, lambda forward: Dying())  # noqa: ARG005
    source = write(tmp_path / "in.parquet", rows(3_000))
    threads = set(threading.enumerate())
    begun = time.monotonic()
    with pytest.raises(type(error)) as raised:
        scorer.score(source, tmp_path / "out.parquet", model=str(tiny_model("bert")), **OPTIONS)
    assert raised.value is error
    assert time.monotonic() - begun < 10
    left = {thread.name for thread in set(threading.enumerate()) - threads}
    assert {name for name in left if not name.startswith("scorer-worker")} == set(), "a stage still runs"
    assert not (tmp_path / "out.parquet").exists()


def test_a_write_that_fails_stops_the_device_in_the_middle_of_a_window(tmp_path, tiny_model, monkeypatch):
    class Slow:
        name = "slow"

        def __init__(self) -> None:
            self.calls = 0

        def __call__(self, batch):
            self.calls += 1
            time.sleep(0.005)
            return np.zeros((len(batch), 5), np.float32)

    made = inject(monkeypatch, lambda forward: Slow())  # noqa: ARG005
    before: list[int] = []

    def full(*_: object) -> None:
        before.append(made[0].calls)
        raise StorageError("full")

    monkeypatch.setattr("scorer.tables.formats.parquet.ParquetSink.write", full)
    source = write(tmp_path / "in.parquet", rows(600))
    with pytest.raises(StorageError, match="full"):
        scorer.score(source, tmp_path / "out.parquet", model=str(tiny_model("bert")), **OPTIONS | {"batch_tokens": 4})
    assert 150 < before[0] <= made[0].calls < before[0] + 200
