"""Which model directories are opened, and that nothing in a refused one is ever executed: canaries would show it."""

from __future__ import annotations

import json
import pickle
import shutil
from pathlib import Path

import pytest
from huggingface_hub.utils import filter_repo_objects
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from scorer.classifier import directory
from scorer.classifier.classifier import Classifier
from scorer.classifier.directory import PARTS, open_model, parameters_by_part, part_of
from scorer.classifier.labels import LabelSet
from scorer.classifier.metadata import ModelMetadata
from scorer.errors import ModelError
from tests.classifier.canaries import Canary, refused
from tests.models import ARCHITECTURES, HIDDEN

FIVE = LabelSet.from_values([1, 2, 3, 4, 5])


def test_a_good_directory_is_opened(model):
    directory = open_model(str(model))
    assert (directory.path, directory.metadata) == (model, None)
    assert len(directory.fingerprint) == 32


@pytest.mark.parametrize("where", ["modeling_own.py", "deep/er/tokenization_own.py"])
def test_code_is_refused_and_not_executed(model, canary, where):
    (model / where).parent.mkdir(parents=True, exist_ok=True)
    (model / where).write_text(f"open({str(canary)!r}, 'w')")
    refused(model, "code in a model directory")
    assert not canary.exists()


@pytest.mark.parametrize("name", ["config.json", "tokenizer_config.json"])
@pytest.mark.parametrize("padding", [0, 2_000_000], ids=["small", "huge"])
def test_auto_map_is_refused_and_its_code_not_executed(model, canary, tmp_path, monkeypatch, name, padding):
    (tmp_path / "elsewhere.py").write_text(f"open({str(canary)!r}, 'w')")
    monkeypatch.chdir(tmp_path)
    document = json.loads((model / name).read_text())
    automap = {"AutoConfig": "elsewhere.C", "AutoModelForSequenceClassification": "elsewhere.M"}
    (model / name).write_text(json.dumps(document | {"auto_map": automap, "filling": "x" * padding}))
    refused(model, "auto_map")
    assert not canary.exists()


@pytest.mark.parametrize("name", ["pytorch_model.bin", "pytorch_model-00001-of-00002.bin", "model.pt", "x/own.pkl"])
def test_pickled_weights_are_never_read(model, canary, name):
    """Beside safetensors they count for nothing, as by a name of the hub, which does not even fetch them."""
    fingerprint = open_model(str(model)).fingerprint
    (model / name).parent.mkdir(exist_ok=True)
    (model / name).write_bytes(pickle.dumps(Canary(canary)))
    assert Classifier(open_model(str(model))).directory.fingerprint == fingerprint
    (model / "model.safetensors").unlink()
    refused(model, f"only pickled weights \\({name}\\)")
    (model / "other.safetensors").write_bytes(b"")
    refused(model, "cannot be loaded as a classifier")
    assert not canary.exists()
    pickle.loads((model / name).read_bytes())
    assert canary.exists(), "the canary itself does not sing"


def test_a_trainers_state_stays_unread(model, canary):
    (model / "training_args.bin").write_bytes(pickle.dumps(Canary(canary)))
    Classifier(open_model(str(model)))
    assert not canary.exists()


def test_a_link_out_of_the_directory_is_refused(model, tmp_path):
    shutil.move(model / "config.json", tmp_path / "config.json")
    (model / "config.json").symlink_to(tmp_path / "config.json")
    refused(model, r"config\.json: a symbolic link out of")


def test_a_link_within_the_directory_and_to_the_directory_is_fine(model, tmp_path):
    (model / "config.json").rename(model / "the-config.json")
    (model / "config.json").symlink_to("the-config.json")
    (tmp_path / "latest").symlink_to(model)
    assert open_model(str(tmp_path / "latest")).metadata is None


@pytest.mark.parametrize(
    ("spoil", "match"),
    [
        (lambda m: (m / "model.safetensors").unlink(), r"no \.safetensors file"),
        (lambda m: (m / "config.json").unlink(), r"no config\.json"),
        (lambda m: (m / "config.json").write_text("{"), r"config\.json: not valid JSON"),
        (lambda m: (m / "config.json").write_bytes(b"\xff\xfe{"), r"config\.json: not valid JSON"),
        (lambda m: (m / "config.json").write_text("[" * 100_000), r"config\.json: not valid JSON"),
        (lambda m: (m / "config.json").write_text("[]"), "model"),
        (lambda m: (m / "config.json").write_text('{"model_type": "unheard-of"}'), "model"),
        (lambda m: (m / "model.safetensors").write_bytes(b""), "model"),
        (lambda m: (m / "model.safetensors").write_bytes((m / "model.safetensors").read_bytes()[:-9]), "model"),
    ],
)
def test_what_is_no_model_is_refused(model, spoil, match):
    spoil(model)
    refused(model, match)


def test_a_changed_file_is_refused(model):
    ModelMetadata(base_model="b", text_columns=("text",), label_column="l", labels=FIVE, max_length=64).write(model)
    assert open_model(str(model)).metadata.max_length == 64
    with (model / "model.safetensors").open("r+b") as stream:
        stream.seek(-1, 2)
        stream.write(b"\x01")
    refused(model, r"model\.safetensors: changed since")


def test_a_file_and_a_missing_path_are_no_model(model, tmp_path):
    refused(model / "config.json", "a file, where a model directory is expected")
    refused(tmp_path / "absent", "no such model directory")
    refused(Path("models/never-fitted"), "no such model directory; run `scorer fit` first")


def test_the_fingerprint_follows_what_changes_a_logit_and_nothing_else(model):
    before = open_model(str(model)).fingerprint
    (model / "README.md").write_text("a card")
    assert open_model(str(model)).fingerprint == before
    config = json.loads((model / "config.json").read_text())
    (model / "config.json").write_text(json.dumps(config | {"layer_norm_eps": 1e-3}))
    assert open_model(str(model)).fingerprint != before


def test_the_fingerprint_does_not_depend_on_who_hashed(model):
    bare = open_model(str(model)).fingerprint
    ModelMetadata(base_model="b", text_columns=("text",), label_column="l", labels=FIVE, max_length=64).write(model)
    assert open_model(str(model)).fingerprint == bare


@pytest.fixture
def hub(tiny_model, tmp_path, monkeypatch) -> Path:
    """A hub cache that holds owner/tiny, laid out as huggingface_hub does: blobs, a snapshot of links, refs."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    home = tmp_path / "hub" / "models--owner--tiny"
    revision = "0123456789abcdef0123456789abcdef01234567"
    snapshot = home / "snapshots" / revision
    for folder in (snapshot, home / "blobs", home / "refs"):
        folder.mkdir(parents=True)
    (home / "refs" / "main").write_text(revision)
    for number, file in enumerate(sorted(tiny_model("bert").iterdir())):
        shutil.copy(file, home / "blobs" / f"{number:040x}")
        (snapshot / file.name).symlink_to(f"../../blobs/{number:040x}")
    return snapshot


def test_a_cached_hub_model_is_opened_without_the_network(hub, tiny_model):
    by_name = open_model("owner/tiny")
    assert by_name.path.samefile(hub)
    assert by_name.fingerprint == open_model(str(tiny_model("bert"))).fingerprint == open_model(str(hub)).fingerprint
    Classifier(by_name)


def test_all_that_a_tokenizer_writes_comes_from_the_hub(model, tmp_path):
    """`scorer.json` names every file of a fitted directory, and one that did not come would be missed."""
    tokenizer = AutoTokenizer.from_pretrained(model)
    tokenizer.chat_template = {"default": "{{ messages }}", "tool_use": "{{ tools }}"}
    tokenizer.save_pretrained(tmp_path / "chat")
    names = {path.relative_to(tmp_path / "chat").as_posix() for path in (tmp_path / "chat").rglob("*.*")}
    assert {"chat_template.jinja", "additional_chat_templates/tool_use.jinja"} < names
    assert set(filter_repo_objects(names, allow_patterns=directory._HUB_FILES)) == names
    assert all(map(directory.belongs_to_model, names))


def test_a_hub_model_that_asks_for_code_is_refused(hub, canary):
    config = hub / "config.json"
    document = json.loads(config.read_text()) | {"auto_map": {"AutoConfig": "own.C"}}
    config.unlink()
    config.write_text(json.dumps(document))
    (hub / "own.py").write_text(f"open({str(canary)!r}, 'w')")
    with pytest.raises(ModelError, match="auto_map"):
        open_model("owner/tiny")
    assert not canary.exists()


@pytest.mark.usefixtures("hub")
def test_a_hub_model_that_is_not_cached_is_a_model_error():
    with pytest.raises(ModelError, match="owner/other: no such directory, and not to be had from the hub"):
        open_model("owner/other")


@pytest.mark.parametrize(
    ("keys", "dtype"),
    [
        ({"dtype": "bfloat16"}, "bfloat16"),
        ({"torch_dtype": "bfloat16"}, "bfloat16"),
        ({"dtype": "torch.float16"}, "float16"),
        ({"dtype": None, "torch_dtype": "float32"}, "float32"),
        ({"dtype": 16}, None),
        ({}, None),
    ],
)
def test_the_dtype_that_a_model_says_its_weights_are_of(model, keys, dtype):
    path = model / "config.json"
    document = {key: value for key, value in json.loads(path.read_text()).items() if "dtype" not in key}
    path.write_text(json.dumps(document | keys))
    assert open_model(str(model)).dtype == dtype


POOLED = {"bert": True, "albert": True, "deberta-v2": True}


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_parts_add_up_to_the_model(tiny_model, architecture):
    directory = tiny_model(architecture)
    model = AutoModelForSequenceClassification.from_pretrained(directory)
    counts = parameters_by_part(directory)

    assert tuple(counts) == PARTS
    assert sum(counts.values()) == model.num_parameters()
    assert (counts["pooler"] > 0) == POOLED.get(architecture, False)
    head = counts["head"]
    assert 5 * HIDDEN + 5 <= head <= 5 * HIDDEN + 5 + HIDDEN * HIDDEN + 3 * HIDDEN
    words = model.get_input_embeddings().weight.numel()
    assert words <= counts["embeddings"] < words + 400 * HIDDEN
    assert counts["encoder"] > HIDDEN * HIDDEN


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("bert.embeddings.word_embeddings.weight", "embeddings"),
        ("bert.encoder.layer.0.output.dense.weight", "encoder"),
        ("bert.pooler.dense.weight", "pooler"),
        ("classifier.out_proj.weight", "head"),
        ("score.weight", "head"),
        ("model.layers.3.mlp.gate_proj.weight", "encoder"),
    ],
)
def test_part_of_a_parameter(name, part):
    assert part_of(name) == part


def test_damaged_weights_are_a_model_error(tmp_path):
    (tmp_path / "model.safetensors").write_bytes(b"\x10\0\0\0\0\0\0\0 no header here")
    with pytest.raises(ModelError, match=r"model\.safetensors: cannot be read"):
        parameters_by_part(tmp_path)
