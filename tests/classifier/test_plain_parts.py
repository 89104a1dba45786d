"""Model directories read without transformers: the same as through it, or not at all."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoTokenizer

from scorer.classifier.directory import open_model
from scorer.classifier.forward.bert_family import BertFamily
from scorer.classifier.forward.bert_weights import weight_shapes
from scorer.classifier.forward.linear import DeviceDtype
from scorer.classifier.forward.packed import PackedForward
from scorer.classifier.forward.relative import distance_rows
from scorer.classifier.labels import LabelSet
from scorer.classifier.loading import load
from scorer.classifier.metadata import ModelMetadata
from scorer.classifier.plain_parts import plain_parts
from scorer.classifier.plain_tokenizer import is_whole
from scorer.classifier.tokenization import TextEncoder
from scorer.errors import ModelError
from tests.models import FIVE_STARS, sentences

CPU = torch.device("cpu")
FAMILY = ("bert", "distilbert", "roberta", "xlm-roberta", "electra", "deberta-v2")
# Whose tokenizer is seen to be in tokenizer.json, whoever wrote the directory.
SEEN = ("bert", "distilbert", "electra")
ODD = ["", " ", "\u0000a\ufffd", "[CLS] [MASK] [SEP]", "Ａｂ é 服务很好", "x" * 400, "<s> </s> <mask>"]
TEXTS = [*sentences(40, seed=5), *ODD]


def made_otherwise():
    raise AssertionError("transformers was asked")


def plain(path: Path):
    return plain_parts(open_model(str(path)), made_otherwise)


@pytest.fixture
def copied(tiny_model, tmp_path):
    """`copied(architecture, fitted=True)`: a directory of our own, with a scorer.json as a fit writes it."""

    def copy(architecture: str = "bert", *, fitted: bool = False) -> Path:
        path = tmp_path / architecture
        shutil.copytree(tiny_model(architecture), path)
        if fitted:
            tokenizer = AutoTokenizer.from_pretrained(path)
            # What a call set before is saved, too.
            tokenizer.backend_tokenizer.no_truncation()
            tokenizer.backend_tokenizer.no_padding()
            tokenizer.save_pretrained(path)
            assert is_whole(path, AutoTokenizer.from_pretrained(path).backend_tokenizer)
            metadata("token_type_ids" in tokenizer.model_input_names).write(path)
        return path

    return copy


def metadata(token_types: bool | None) -> ModelMetadata:
    return ModelMetadata(
        base_model="b",
        text_columns=("text",),
        label_column="l",
        labels=LabelSet.from_values([int(name) for name in FIVE_STARS]),
        max_length=100,
        token_types=token_types,
    )


def edit(path: Path, change) -> None:
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))


def encoded(loaded, *columns):
    encoder = TextEncoder(
        loaded.tokenizer,
        max_length=loaded.max_length,
        token_types=loaded.token_types,
        truncation_side=loaded.truncation_side,
        why_no_pairs=loaded.why_no_pairs,
    )
    return encoder(*columns).sequences


def assert_alike(path: Path) -> None:
    """Loaded from plain files or by transformers, a model has the same tokens and, to the last bit, logits."""
    directory = open_model(str(path))
    ours, theirs = load(directory), load(directory, plain=False)
    names = ("labels", "decision", "max_length", "shapes", "pad_id", "token_types", "truncation_side", "why_no_pairs")
    assert [getattr(ours, name) for name in names] == [getattr(theirs, name) for name in names]
    assert ours.config.problem_type == theirs.config.problem_type
    for columns in ([TEXTS], [TEXTS, TEXTS[::-1]]):
        if theirs.why_no_pairs is not None and len(columns) == 2:
            continue
        batch, expected = encoded(ours, *columns), encoded(theirs, *columns)
        for name in ("ids", "offsets", "first", "truncated"):
            np.testing.assert_array_equal(getattr(batch, name), getattr(expected, name))
        logits = [
            PackedForward(BertFamily.of(loaded.config, loaded.weights), DeviceDtype(CPU, torch.float32))(batch)
            for loaded in (ours, theirs)
        ]
        np.testing.assert_array_equal(*logits)


@pytest.mark.parametrize("architecture", FAMILY)
def test_what_a_fit_wrote_is_read_as_it_is(copied, architecture):
    path = copied(architecture, fitted=True)
    assert plain(path) is not None
    assert_alike(path)


@pytest.mark.parametrize("architecture", SEEN)
def test_files_that_say_all_are_read_as_they_are(tiny_model, architecture):
    assert plain(tiny_model(architecture)) is not None
    assert_alike(tiny_model(architecture))


@pytest.mark.parametrize("architecture", ["albert", "modernbert", "roberta", "xlm-roberta", "deberta-v2"])
def test_others_are_left_to_transformers(tiny_model, architecture):
    assert plain(tiny_model(architecture)) is None


@pytest.mark.parametrize("architecture", FAMILY)
def test_the_weights_are_those_that_the_file_holds(copied, architecture):
    path = copied(architecture, fitted=True)
    shapes = weight_shapes(load(open_model(str(path)), plain=False).config)
    assert {name: tuple(weight.shape) for name, weight in load_file(path / "model.safetensors").items()} == shapes


@pytest.mark.parametrize("architecture", FAMILY)
def test_an_entry_that_is_missing_is_never_made_up(copied, architecture):
    """Without any one of them the directory is left to transformers, but for those that mean nothing here."""
    path = copied(architecture, fitted=True)
    document = json.loads((path / "config.json").read_text())
    known = ModelMetadata.read(path).token_types

    def write(names) -> None:
        (path / "config.json").write_text(json.dumps({name: document[name] for name in names}))
        metadata(known).write(path)

    without = {}
    for name in document:
        write(document.keys() - {name})
        without[name] = plain(path) is not None
    write(name for name, needless in without.items() if not needless)
    assert plain(path) is not None
    assert_alike(path)
    assert {"model_type", "vocab_size", "pad_token_id", "id2label"} <= {name for name in document if not without[name]}


CHANGES = {
    "another normalizer": ("tokenizer.json", lambda d: d["normalizer"].update(lowercase=False)),
    "another pre-tokenizer": ("tokenizer.json", lambda d: d.update(pre_tokenizer={"type": "Whitespace"})),
    "another prefix": ("tokenizer.json", lambda d: d["model"].update(continuing_subword_prefix="@@")),
    "other special tokens": ("tokenizer.json", lambda d: d["post_processor"]["single"].pop()),
    "an added token": (
        "tokenizer.json",
        lambda d: d["added_tokens"].append({**d["added_tokens"][0], "id": 9, "content": "good"}),
    ),
    "no tokenizer": ("tokenizer.json", lambda d: d.clear()),
    "an option": ("tokenizer_config.json", lambda d: d.update(do_lower_case=False)),
    "an option that is not known": ("tokenizer_config.json", lambda d: d.update(split_special_tokens=True)),
    "another class": ("tokenizer_config.json", lambda d: d.update(tokenizer_class="RobertaTokenizer")),
    "no class": ("tokenizer_config.json", lambda d: d.pop("tokenizer_class")),
    "a list": ("tokenizer_config.json", lambda d: d.update(tokenizer_class=["BertTokenizer"])),
    "a decoder": ("config.json", lambda d: d.update(is_decoder=True)),
    "another activation": ("config.json", lambda d: d.update(hidden_act="silu")),
    "relative positions": ("config.json", lambda d: d.update(position_embedding_type="relative_key")),
    "another number of labels": ("config.json", lambda d: d.update(num_labels=7)),
    "more layers than there are": ("config.json", lambda d: d.update(num_hidden_layers=3)),
    "another width": ("config.json", lambda d: d.update(intermediate_size=32)),
    "no number": ("config.json", lambda d: d.update(vocab_size="many")),
    "no padding": ("config.json", lambda d: d.update(pad_token_id=None)),
}


@pytest.mark.parametrize("change", CHANGES)
def test_whatever_is_not_plain_is_left_to_transformers(copied, change):
    path = copied()
    name, edited = CHANGES[change]
    edit(path / name, edited)
    assert plain(path) is None


@pytest.mark.parametrize("name", ["tokenizer.json", "tokenizer_config.json", "model.safetensors"])
def test_files_that_are_torn_or_missing_are_left_to_transformers(copied, name):
    path = copied()
    data = (path / name).read_bytes()
    (path / name).write_bytes(data[: len(data) // 2])
    if name.endswith(".safetensors"):
        assert plain(path) is None
    (path / name).unlink()
    if not name.endswith(".safetensors"):
        assert plain(path) is None


def test_a_weight_that_is_not_finite_is_told(copied):
    path = copied()
    weights = load_file(path / "model.safetensors")
    weights["classifier.bias"][2] = float("nan")
    save_file(weights, path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match=r"classifier\.bias holds non-finite weights"):
        plain(path)


def test_a_tokenizer_that_transformers_makes_otherwise_is_not_whole(copied):
    path = copied()
    edit(path / "tokenizer.json", lambda document: document["normalizer"].update(lowercase=False))
    assert not is_whole(path, AutoTokenizer.from_pretrained(path).backend_tokenizer)


@pytest.mark.parametrize(("buckets", "farthest", "rows"), [(32, 128, 64), (256, 512, 512), (-1, 24, 48), (16, 300, 32)])
def test_distances_have_the_rows_that_transformers_gives_them(buckets, farthest, rows):
    from transformers.models.deberta_v2.modeling_deberta_v2 import build_relative_position

    for length in (1, 2, 15, 16, 17, 130, 512):
        places = torch.empty(length, 1)
        table = build_relative_position(places, places, bucket_size=buckets, max_position=farthest)[0]
        found = distance_rows(length, buckets=buckets, farthest=farthest, rows=rows)
        for one, other in ((0, length - 1), (length - 1, 0), (length // 2, 0)):
            expected = int((table[one, other] + rows // 2).clamp(0, rows - 1))
            assert int(found[one - other + length - 1]) == expected


def test_scoring_and_predicting_import_no_transformers(tiny_model, tmp_path):
    (tmp_path / "in.csv").write_text("text\ngood room\nbad soup\n")
    code = (
        "import atexit, runpy, sys\n"
        "names = lambda: sorted({name.split('.')[0] for name, module in sys.modules.items() if module is not None})\n"
        "atexit.register(lambda: print(*names(), file=sys.stderr))\n"
        "runpy.run_module('scorer', run_name='__main__', alter_sys=True)\n"
    )
    model = str(tiny_model("bert"))
    for arguments in (["score", "in.csv", "out.csv", "-m", model], ["predict", "good room", "-m", model]):
        done = subprocess.run(
            [sys.executable, "-c", code, *arguments], cwd=tmp_path, capture_output=True, text=True, check=True
        )
        loaded = set(done.stderr.splitlines()[-1].split())
        assert "torch" in loaded
        assert not loaded & {"transformers", "huggingface_hub", "polars", "datasets", "sklearn", "pandas"}
