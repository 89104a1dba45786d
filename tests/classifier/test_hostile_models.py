"""Model directories that mean harm, or are broken in ways that only show when they are used: refused, nothing executed.

What `test_directory` and `test_loading` refuse is not repeated.
"""

from __future__ import annotations

import json
import os
import pickle
import shutil
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scorer.classifier.classifier import Classifier
from scorer.classifier.decision import Decision
from scorer.classifier.directory import open_model
from scorer.classifier.labels import LabelSet
from scorer.classifier.metadata import ModelMetadata
from tests.classifier.canaries import Canary, refused
from tests.models import sentences


def edit(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))


@pytest.mark.parametrize(
    ("file", "entries"),
    [
        ("config.json", {"text_config": {"auto_map": {"AutoModel": "own.M"}}}),
        ("config.json", {"parts": [{"deep": [{"auto_map": {"AutoModel": "own.M"}}]}]}),
        ("config.json", {"trust_remote_code": True}),
        ("tokenizer_config.json", {"trust_remote_code": True}),
        ("tokenizer_config.json", {"trust_remote_code": "yes"}),
        ("config.json", {"custom_pipelines": {"own": {"impl": "own.P"}}}),
        ("config.json", {"attn_implementation": "somebody/kernel"}),
        ("config.json", {"_attn_implementation": "somebody/kernel@main"}),
        ("config.json", {"experts_implementation": {"": "somebody/kernel"}}),
    ],
    ids=lambda part: json.dumps(part) if isinstance(part, dict) else "",
)
def test_a_configuration_that_asks_for_code_at_any_depth(model, canary, monkeypatch, file, entries):
    (model.parent / "own.py").write_text(f"open({str(canary)!r}, 'w')")
    monkeypatch.chdir(model.parent)
    edit(model / file, lambda document: document.update(entries))
    refused(model, rf"{file}: asks for code")
    assert not canary.exists()


def test_a_command_that_is_given_such_a_model_ends_with_78(model, canary, run_scorer, tmp_path):
    (model / "own.py").write_text(f"open({str(canary)!r}, 'w')")
    edit(model / "config.json", lambda document: document.update(auto_map={"AutoModel": "own.M"}))
    (tmp_path / "in.csv").write_text("text\ngood room\n")
    for command in (["score", "in.csv", "out.parquet", "-m", model], ["inspect", model]):
        ran = run_scorer(*command)
        assert (ran.returncode, ran.stdout) == (78, "")
        assert ran.stderr.count("\n") == 1
    assert not canary.exists()
    assert not (tmp_path / "out.parquet").exists()


def test_labels_and_words_may_have_any_name(model):
    names = ["auto_map", "trust_remote_code", "quantization_config", "x_implementation", "5"]

    def rename(document: dict[str, Any]) -> None:
        document["id2label"] = {str(index): name for index, name in enumerate(names)}
        document["label2id"] = {name: index for index, name in enumerate(names)}

    edit(model / "config.json", rename)
    (model / "vocab.json").write_text(json.dumps({"auto_map": 3, "trust_remote_code": 4}))
    (model / "metrics.json").write_text(json.dumps({"labels": {"auto_map": {"f1": 1.0}}}))
    assert open_model(str(model)).labels == LabelSet(tuple(names), "string")


@pytest.mark.parametrize("name", ["OWN.PY", "Pytorch_Model.BIN", "deep/weights.PKL"])
def test_code_and_pickles_by_names_in_capitals(model, canary, name):
    (model / name).parent.mkdir(exist_ok=True)
    (model / name).write_bytes(pickle.dumps(Canary(canary)))
    (model / "model.safetensors").unlink()
    refused(model, "code in a model directory|only pickled weights")
    assert not canary.exists()


def test_a_pickle_that_calls_itself_safetensors(model, canary):
    (model / "model.safetensors").write_bytes(pickle.dumps(Canary(canary)))
    refused(model, "cannot be loaded as a classifier")
    assert not canary.exists()


@pytest.mark.parametrize("shard", ["weights.bin", "../outside.safetensors", "/etc/passwd", "deep/x.safetensors", 7])
def test_an_index_that_names_something_else_than_its_own_shards(model, canary, shard):
    for path in (model / "weights.bin", model.parent / "outside.safetensors"):
        path.write_bytes(pickle.dumps(Canary(canary)))
    shutil.move(model / "model.safetensors", model / "model-00001-of-00002.safetensors")
    index = {"metadata": {}, "weight_map": {"classifier.weight": shard}}
    (model / "model.safetensors.index.json").write_text(json.dumps(index))
    refused(model, r"index\.json: names weights that are no safetensors files beside it")
    assert not canary.exists()


@pytest.mark.parametrize("index", [[], {}, {"weight_map": {}}, {"weight_map": ["model.safetensors"]}])
def test_an_index_that_is_none(model, index):
    (model / "model.safetensors.index.json").write_text(json.dumps(index))
    refused(model, r"index\.json: names weights")


def test_an_adapter_would_load_a_model_from_elsewhere(model, tiny_model):
    other = tiny_model("bert", labels=("a", "b"))
    (model / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": str(other)}))
    refused(model, "an adapter")


def test_an_index_of_weights_in_other_formats_is_nobodys_business(model):
    """Hubs have them beside safetensors; transformers is told not to read them."""
    (model / "pytorch_model.bin.index.json").write_text('{"weight_map": {"classifier.weight": "pytorch_model.bin"}}')
    assert Classifier(open_model(str(model))).engine.max_length == 128


def test_quantized_weights(model):
    edit(model / "config.json", lambda document: document.update(quantization_config={"quant_method": "mxfp4"}))
    refused(model, "quantized weights")


def fifo(path: Path) -> None:
    os.mkfifo(path)


def bound_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as stream:
        stream.bind(path.name)  # it has room for hardly a hundred bytes, so the test works in the folder itself


@pytest.mark.parametrize("make", [fifo, bound_socket])
@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "model.safetensors", "README.md"])
def test_what_is_neither_file_nor_folder_is_not_waited_for(model, monkeypatch, make, name):
    monkeypatch.chdir(model)
    (model / name).unlink(missing_ok=True)
    make(model / name)
    refused(model, "neither a file nor a folder")


@pytest.mark.parametrize(
    ("target", "match"),
    [
        ("nothing", "to nothing"),
        ("config.json", "to nothing"),
        ("../secret", "out of the model directory"),
        ("/", "out of the model directory"),
        ("/dev/zero", "out of the model directory"),
    ],
)
def test_links_to_nothing_to_themselves_and_outside(model, target, match):
    (model.parent / "secret").mkdir()
    for name in ("config.json", "README.md"):
        (model / name).unlink(missing_ok=True)
        (model / name).symlink_to(target if target != "config.json" else name)
        refused(model, f"{name}: a symbolic link {match}")
        (model / name).unlink()
        shutil.copy(model / "tokenizer_config.json", model / name)


def test_a_folder_called_snapshots_does_not_open_its_surroundings(model, tmp_path):
    """A snapshot of a hub cache may link to the cache's blobs, and to nothing else of what lies around it."""
    snapshot = tmp_path / "hub" / "snapshots" / "main"
    shutil.copytree(model, snapshot)
    for folder, match in (("blobs", None), ("elsewhere", "a symbolic link out of")):
        (tmp_path / "hub" / folder).mkdir()
        shutil.copy(model / "config.json", tmp_path / "hub" / folder / "config.json")
        (snapshot / "config.json").unlink()
        (snapshot / "config.json").symlink_to(f"../../{folder}/config.json")
        if match is None:
            assert open_model(str(snapshot)).metadata is None
        else:
            refused(snapshot, match)


def test_scorer_json_that_is_deeper_than_the_stack_or_lists_files_outside(model):
    (model / "scorer.json").write_text("[" * 100_000)
    refused(model, r"scorer\.json: not valid JSON")
    fields = {"base_model": "b", "text_columns": ("text",), "label_column": "l", "max_length": 64}
    ModelMetadata(labels=LabelSet.from_values([1, 2, 3, 4, 5]), **fields).write(model)
    edit(model / "scorer.json", lambda document: document["files"].update({"../../etc/passwd": "0" * 64}))
    refused(model, "passwd: missing|passwd: changed")


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"decision": Decision((1e-310,))}, r"temperature \(1e-310"),
        ({"decision": Decision((1e300,))}, r"temperature \(1e\+300"),
        ({"max_length": 1}, "max_length 1, but special tokens alone take 2"),
        ({"max_length": 2}, "max_length 2, but special tokens alone take 2"),
    ],
)
def test_numbers_in_scorer_json_that_no_fit_writes(model, changes, match):
    fields: dict[str, Any] = {"base_model": "b", "text_columns": ("text",), "label_column": "l", "max_length": 64}
    ModelMetadata(labels=LabelSet.from_values([1, 2, 3, 4, 5]), **fields | changes).write(model)
    refused(model, match)


@pytest.mark.parametrize("length", ["many", -5, 0, 2, [64], True])
def test_a_tokenizer_whose_longest_text_is_absurd(model, length):
    edit(model / "tokenizer_config.json", lambda document: document.update(model_max_length=length))
    refused(model, "model_max_length|tokenizer cannot be loaded")


@pytest.mark.parametrize(("length", "expected"), [(1e30, 128), (64.0, 64), (None, 128)])
def test_a_tokenizer_whose_longest_text_is_unusual_but_sound(model, length, expected):
    edit(model / "tokenizer_config.json", lambda document: document.update(model_max_length=length))
    assert Classifier(open_model(str(model))).engine.max_length == expected


WEIRD = {
    "empty vocabulary": lambda t: t["model"].update(vocab={}),
    "an id beyond the embeddings": lambda t: t["model"]["vocab"].update(good=10**6),
    "a negative id": lambda t: t["model"]["vocab"].update(good=-1),
    "an id beyond 32 bits": lambda t: t["model"]["vocab"].update(good=2**40),
    "a model of no kind": lambda t: t["model"].update(type="Unheard"),
    "no model": lambda t: t.pop("model"),
    "a normalizer with a broken pattern": lambda t: t.update(
        normalizer={"type": "Replace", "pattern": {"Regex": "("}, "content": ""}
    ),
    "a pre-tokenizer of no kind": lambda t: t.update(pre_tokenizer={"type": "Unheard"}),
    "another version": lambda t: t.update(version="99.0"),
}


@pytest.mark.parametrize("name", WEIRD)
def test_weird_entries_in_tokenizer_json(model, name):
    edit(model / "tokenizer.json", WEIRD[name])
    refused(model, "tokenizer")


def tokens_of(t: dict[str, Any]) -> dict[str, Any]:
    return t["post_processor"]["special_tokens"]["[CLS]"]


# Of BERT's tokenizer.json transformers takes the vocabulary only; of ModernBERT's, all of it.
WEIRD_ADDITIONS = {
    "an added token beyond the embeddings": lambda t: t["added_tokens"].append(
        {**t["added_tokens"][0], "id": 10**6, "content": "qqqq"}
    ),
    "what has no embedding": lambda t: tokens_of(t).update(ids=[10**6]),
    "a token type of no model": lambda t: t["post_processor"]["single"][0]["SpecialToken"].update(type_id=7),
    "a second type of token in a single text": lambda t: t["post_processor"]["single"][1]["Sequence"].update(type_id=1),
    "tokens that it does not have": lambda t: t["post_processor"].update(special_tokens={}),
}


@pytest.mark.parametrize("name", WEIRD_ADDITIONS)
def test_weird_entries_in_what_a_tokenizer_adds(tiny_model, tmp_path, name):
    model = Path(shutil.copytree(tiny_model("modernbert"), tmp_path / "model"))
    edit(
        model / "tokenizer_config.json",
        lambda document: document.update(model_input_names=["input_ids", "token_type_ids", "attention_mask"]),
    )
    edit(model / "tokenizer.json", WEIRD_ADDITIONS[name])
    refused(model, "tokenizer")


@pytest.mark.parametrize("document", ["", "{", "null", "[]", "{}", "[" * 100_000, '{"version": "1.0"}'])
def test_a_tokenizer_json_that_is_none(model, document):
    (model / "tokenizer.json").write_text(document)
    refused(model, "tokenizer")


def test_padding_and_truncation_that_a_tokenizer_brings_are_not_taken_over(model):
    """Padding to a billion tokens would take all memory, a truncation to nothing would give every text one score."""
    texts = sentences(8)
    before = Classifier(open_model(str(model)), precision="fp32")
    expected, _ = before.logits(before.encode(texts))
    padding = {"strategy": {"Fixed": 10**9}, "direction": "Left", "pad_to_multiple_of": None}
    absurd = {
        "padding": padding | {"pad_id": 10**6, "pad_type_id": 9, "pad_token": "[NOPE]"},
        "truncation": {"direction": "Left", "max_length": 0, "strategy": "LongestFirst", "stride": 0},
    }
    edit(model / "tokenizer.json", lambda document: document.update(absurd))
    after = Classifier(open_model(str(model)), precision="fp32")
    found, _ = after.logits(after.encode(texts))
    assert np.array_equal(found, expected)
