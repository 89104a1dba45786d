"""What an export leaves, and when it leaves nothing."""

from __future__ import annotations

import dataclasses
import importlib.util
import json
from pathlib import Path

import numpy as np
import onnx
import pytest

import scorer
from scorer.classifier.directory import open_model
from scorer.classifier.long_text import LongText
from scorer.errors import ConfigError, DataError, ModelError, OutputRefused, UsageError
from scorer.exporting import making
from scorer.exporting.runtimes import onnx as onnx_runtime
from tests.evaluation.fitted import make_fitted, texts
from tests.exporting.kinds import exported, say
from tests.exporting.programs import run_program
from tests.models import make_model, sentences

TEXTS = [*sentences(12, seed=5, longest=60), "naïve 房间 \U0001f600", "it's\ta tab", "a" * 300]


def assert_same(found, expected):
    for row, other in zip(found, expected, strict=True):
        assert row["score"] == other["score"]
        assert row["confidence"] == pytest.approx(other["confidence"], abs=1e-5)


def test_its_program_says_what_predict_says(onnx_export):
    found = run_program(onnx_export.folder, TEXTS)
    assert [row["text"] for row in found] == TEXTS
    assert_same(found, scorer.load(onnx_export.model, precision="fp32").score_texts(TEXTS))


def test_what_lies_in_it(onnx_export):
    files = {path.name: path.stat().st_size for path in onnx_export.folder.iterdir()}
    assert files.keys() == {"model.onnx", "tokenizer.json", "export.json", "certificate.json", "README.md"}
    summary = onnx_export.summary.as_dict()
    assert summary["files"] == files
    said = json.loads((onnx_export.folder / "export.json").read_text())
    assert (said["labels"], said["label_kind"], said["max_length"]) == (["bad", "fair", "good"], "string", 32)
    assert said["decision"]["temperature"] == [0.8]
    assert said["model"] == {"name": "reviews", "fingerprint": open_model(str(onnx_export.model)).fingerprint}
    assert not list(onnx_export.folder.parent.glob("*.unfinished"))


def test_its_certificate_holds(onnx_export):
    certificate = json.loads((onnx_export.folder / "certificate.json").read_text())
    assert certificate == onnx_export.summary.certificate
    compared = {one["of"]: one for one in certificate["fp32"]}
    assert {"awkward texts", "generated texts"} <= compared.keys()
    assert {"a batch of 1 x 1 tokens", "a batch of 1 x 128 tokens", "a batch of 33 x 17 tokens"} <= compared.keys()
    assert compared["generated texts"]["rows"] == 1024
    for one in compared.values():
        assert one["logit"] <= 1e-5 * max(one["magnitude"], 1)
    assert certificate["flips"] == 0
    assert certificate["tokenizer"]["texts"] > 1024


def test_no_path_of_this_machine_is_in_it(onnx_export):
    here = str(Path(__file__).parents[2]).encode()
    packages = str(Path(onnx.__file__).parents[1]).encode()
    for path in onnx_export.folder.iterdir():
        content = path.read_bytes()
        assert here not in content
        assert packages not in content


@pytest.mark.slow
def test_the_same_export_has_the_same_bytes(onnx_export, tmp_path):
    again = exported(onnx_export.model, tmp_path / "again")
    for path in onnx_export.folder.iterdir():
        assert path.read_bytes() == (again.folder / path.name).read_bytes(), path.name


def test_scoring_with_it_says_what_to_do(onnx_export):
    with pytest.raises(ModelError, match=r"an export for another runtime.*--backend onnx"):
        open_model(str(onnx_export.folder))


def test_what_stands_there_stays(onnx_export, tmp_path):
    with pytest.raises(OutputRefused, match="exists already"):
        exported(onnx_export.model, onnx_export.folder)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/notes.txt").write_text("mine")
    with pytest.raises(OutputRefused, match="no export of ours"):
        exported(onnx_export.model, tmp_path / "mine", force=True)
    with pytest.raises(UsageError, match="lies inside the model"):
        exported(onnx_export.model, onnx_export.model / "onnx")


class _Wrong:
    """A forward pass that is a little off."""

    def __init__(self, forward, error):
        self._forward, self._error = forward, error

    def __call__(self, batch):
        return self._forward(batch) + np.float32(self._error)


@pytest.fixture
def quick(monkeypatch, onnx_export):
    """The graph that is there is taken, instead of being made again; `quick(error)` lets it be off by so much."""
    graph = onnx_export.folder / "model.onnx"
    runtime = onnx_runtime.RUNTIME

    def take(error=0.0):
        changed = dataclasses.replace(
            runtime,
            write=lambda _loaded, path: path.write_bytes(graph.read_bytes()),
            open=lambda *arguments: _Wrong(runtime.open(*arguments), error),
        )
        monkeypatch.setattr(onnx_runtime, "RUNTIME", changed)
        # So few are enough here.
        monkeypatch.setattr(making, "generated", lambda *, pairs: making_generated(pairs=pairs, count=40))

    making_generated = making.generated
    return take


def test_logits_that_differ_are_no_export(quick, onnx_export, tmp_path):
    quick(1e-3)
    with pytest.raises(ModelError, match=r"ONNX Runtime computes other logits: .* 1\.0e-03 on a batch"):
        exported(onnx_export.model, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []
    assert exported(onnx_export.model, tmp_path / "out", tolerance=0.1).folder.is_dir()


def test_numbers_that_are_not_finite_are_no_export(quick, onnx_export, tmp_path):
    quick(float("nan"))
    with pytest.raises(ModelError, match="not finite"):
        exported(onnx_export.model, tmp_path / "out")


def test_a_tokenizer_that_differs_is_no_export(quick, onnx_export, tmp_path, monkeypatch):
    quick()
    real = making.write_tokenizer

    def spoil(loaded, path):
        real(loaded, path)
        document = json.loads(path.read_text())
        document["normalizer"]["lowercase"] = False
        path.write_text(json.dumps(document))

    monkeypatch.setattr(making, "write_tokenizer", spoil)
    with pytest.raises(ModelError, match=r"the exported tokenizer differs from scorer's: .*, not \d+"):
        exported(onnx_export.model, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_eight_bits_are_measured(quick, onnx_export, tmp_path):
    quick()
    rows = tmp_path / "rows.jsonl"
    rows.write_text("".join(json.dumps({"sentence": text}) + "\n" for text in texts(60)))
    made = exported(onnx_export.model, tmp_path / "small", int8=True, max_flips="100%", parity_data=rows)
    found = made.summary.certificate["int8"]
    assert [one["of"] for one in found["compared"]] == ["generated texts", "rows.jsonl texts"]
    assert found["rows"] == 60
    assert found["largest_answer_difference"] > 0
    small, large = (folder / "model.onnx" for folder in (made.folder, onnx_export.folder))
    assert small.stat().st_size < large.stat().st_size
    assert len(run_program(made.folder, TEXTS[:2])) == 2
    assert "8 bits change" in (made.folder / "README.md").read_text()


def test_more_flips_than_the_limit_are_no_export(quick, onnx_export, tmp_path, monkeypatch):
    quick()
    runtime = onnx_runtime.RUNTIME

    def open_turned(path, *rest):
        forward = runtime.open(path, *rest)
        return _Turned(forward) if path.parent.name == "made" else forward

    copied = {"quantize": lambda source, target, _samples: target.write_bytes(source.read_bytes())}
    monkeypatch.setattr(onnx_runtime, "RUNTIME", dataclasses.replace(runtime, open=open_turned, **copied))
    with pytest.raises(DataError, match=r"--int8 changes \d+ of 40 answers \(generated texts\), and --max-flips is 1%"):
        exported(onnx_export.model, tmp_path / "out", int8=True)
    assert list(tmp_path.iterdir()) == []


class _Turned:
    """A forward pass that mistakes each label for another."""

    def __init__(self, forward):
        self._forward = forward

    def __call__(self, batch):
        return -self._forward(batch)


def test_texts_of_a_file_are_found_by_the_models_column(quick, onnx_export, tmp_path):
    quick()
    rows = tmp_path / "rows.csv"
    rows.write_text('id,sentence\n1,a good room\n2,""\n3,\n4,a bad soup\n')
    made = exported(onnx_export.model, tmp_path / "out", parity_data=rows)
    assert {one["of"]: one["rows"] for one in made.summary.certificate["fp32"]}["rows.csv texts"] == 2
    rows.write_text("id,sentence\n1,\n")
    with pytest.raises(DataError, match="no text with anything to read"):
        exported(onnx_export.model, tmp_path / "none", parity_data=rows)
    with pytest.raises(UsageError, match="--text-column"):
        exported(onnx_export.model, tmp_path / "none", text_column=("id",))


def test_two_columns_say_that_a_model_of_others_reads_pairs(tmp_path):
    model = make_model(tmp_path / "model", labels=("no", "yes"))
    rows = tmp_path / "rows.csv"
    rows.write_text("query,passage\na room,a good room\na soup,a bad soup\n")
    made = exported(model, tmp_path / "out", to_="openvino", parity_data=rows, text_column=("query", "passage"))
    assert json.loads((made.folder / "export.json").read_text())["texts_a_row"] == 2
    expected = scorer.load(model, precision="fp32").score_texts(["a room"], ["a good room"])
    assert_same(run_program(made.folder, ["a room\ta good room"]), expected)


def test_long_texts_that_are_read_in_windows_are_not_exported(tmp_path):
    model = say(make_fitted(tmp_path / "model", ("a", "b")), long_text=LongText("window", stride=8))
    with pytest.raises(ModelError, match="--long-text window"):
        exported(model, tmp_path / "out")


def test_a_model_whose_rows_see_each_other_is_not_exported(tmp_path, monkeypatch):
    model = make_model(tmp_path / "model")
    real = making.load
    monkeypatch.setattr(
        making,
        "load",
        lambda *arguments, **options: dataclasses.replace(real(*arguments, **options), shapes="equal lengths"),
    )
    with pytest.raises(ModelError, match="changes with the rows beside it"):
        exported(model, tmp_path / "out")


def test_what_torch_cannot_export_is_one_line(onnx_export, tmp_path, monkeypatch):
    def fail(*_arguments, **_options):
        raise RuntimeError("no such operator\nand many lines more")

    monkeypatch.setattr("torch.onnx.export", fail)
    with pytest.raises(ModelError, match=r"cannot be exported \(RuntimeError: no such operator\)$"):
        exported(onnx_export.model, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_a_missing_package_is_named(onnx_export, tmp_path, monkeypatch):
    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "onnxruntime" else real(name))
    with pytest.raises(ConfigError, match=r"--to onnx: not installed; pip install 'scorer\[onnx\]'"):
        exported(onnx_export.model, tmp_path / "out")


def test_the_command(run_scorer, onnx_export, tmp_path):
    done = run_scorer("export", "-m", onnx_export.model, "--to", "onnx", "-o", onnx_export.folder)
    assert (done.returncode, done.stdout) == (73, "")
    done = run_scorer("export", "-m", onnx_export.model, "--to", "pickle", "-o", tmp_path / "x")
    assert done.returncode == 2
    done = run_scorer("score", "-m", onnx_export.folder, "a.csv", "b.csv")
    assert done.returncode in (66, 78)
