"""Where options get their values: configuration files, presets, precedence, names, and what is wrong with them."""

from __future__ import annotations

from pathlib import Path

import pytest

from scorer.cli.fit import fit
from scorer.cli.options import with_preset
from scorer.cli.score import score
from scorer.config import PRESETS, FitConfig, settings_of
from scorer.errors import ConfigError, InputMissing


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch):
    import os

    for name in os.environ:
        if name.startswith("SCORER_"):
            monkeypatch.delenv(name)


@pytest.fixture
def settings(tmp_path):
    """`settings(text)`: a file with that text."""

    def make(text: str, name: str = "settings.json"):
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return str(path)

    return make


def value(name: str, *arguments: str, command=score):
    context = command.make_context("it", ["in", *(["out"] if command is score else []), *arguments])
    return context.params[name]


def test_a_flag_beats_the_environment_beats_the_file_beats_the_default(settings, monkeypatch):
    path = settings('{"max_length": 11, "precision": "bf16"}')
    assert value("max_length") is None
    assert value("max_length", "--config", path) == 11
    assert value("max_length", "--config", path, "--max-length", "33") == 33
    monkeypatch.setenv("SCORER_MAX_LENGTH", "22")
    assert value("max_length", "--config", path) == 22
    assert value("max_length", "--max-length", "33", "--config", path) == 33
    assert value("precision", "--config", path) == "bf16"


def test_a_variable_holds_one_value_a_line(monkeypatch):
    monkeypatch.setenv("SCORER_TEXT_COLUMN", "review text, in full")
    assert value("text_column") == ("review text, in full",)
    monkeypatch.setenv("SCORER_TEXT_COLUMN", "title\nreview text\n")
    assert value("text_column") == ("title", "review text")
    assert value("text_column", "--text-column", "body") == ("body",)


def test_json_and_toml_say_the_same(settings):
    json_path = settings('{"text_columns": ["a", "b"], "reuse": false, "cache": "x/y", "limit": 5, "prefix": "é_"}')
    toml_path = settings(
        'text_columns = ["a", "b"]\nreuse = false\ncache = "x/y"\nlimit = 5\nprefix = "é_"\n', "s.toml"
    )
    for name in ("text_column", "reuse", "cache", "limit", "prefix"):
        assert value(name, "--config", json_path) == value(name, "--config", toml_path) != value(name)


def test_the_names_of_the_usual_trainer_script(settings):
    path = settings(
        '{"model_name": "m", "max_length": 64, "train_batch_size": 8, "num_train_epochs": 2, "lr": 2e-5, '
        '"lr_scheduler_type": "cosine", "warmup_ratio": 0.2, "gradient_accumulation_steps": 4, "bf16": true, '
        '"fp16": false, "early_stopping_patience": null}'
    )
    expected = {
        "base_model": "m",
        "max_length": 64,
        "batch_size": 8,
        "epochs": 2.0,
        "learning_rate": 2e-5,
        "schedule": "cosine",
        "warmup": 0.2,
        "gradient_accumulation": 4,
        "precision": "bf16",
        "patience": None,
    }
    for name, wanted in expected.items():
        assert value(name, "--config", path, command=fit) == wanted, name


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ('{"max_lenght": 5}', "unknown key 'max_lenght'; did you mean 'max_length'"),
        ('{"zzz": 5}', "unknown key 'zzz'; known keys: .*batch_tokens, .*window_rows"),
        ('{"source": "x"}', "unknown key 'source'"),
        ('{"config": "x"}', "unknown key 'config'"),
        ('{"debug": true}', "unknown key 'debug'"),
        ('{"max_length": "many"}', "max_length: .*not a valid integer"),
        ('{"max_length": 2}', "max_length: 2 is not in the range"),
        ('{"max_length": 3.5}', "max_length: "),
        ('{"max_length": true}', "max_length: a text or a number is expected"),
        ('{"max_length": [5]}', "max_length: one value is expected, not list"),
        ('{"max_length": {"a": 1}}', "max_length: one value is expected, not dict"),
        ('{"text_column": [["a"]]}', "text_column: a text or a number"),
        ('{"text_column": [{"a": 1}]}', "text_column: a text or a number"),
        ('{"precision": "fp8"}', "precision: 'fp8' is not one of"),
        ('{"precision": "fp32", "bf16": true}', "'bf16' sets precision a second time"),
        ('{"text_column": "a", "text_columns": "b"}', "sets text_column a second time"),
        ('{"force": "perhaps"}', "force: "),
        ('{"limit": 0}', "limit: "),
        ('{"model": true}', "model: a text or a number is expected"),
        ("[]", "an object with settings is expected, not list"),
        ("{", "not valid JSON"),
        ("", "not valid JSON"),
    ],
)
def test_what_is_wrong_is_named(settings, text, match):
    path = settings(text)
    with pytest.raises(ConfigError, match=match) as raised:
        value("max_length", "--config", path)
    assert str(raised.value).startswith(f"{path}: ")


@pytest.mark.parametrize(("name", "text"), [("s.json", '{"limit": 5}'), ("s.toml", "limit = 5")])
def test_a_file_from_windows(tmp_path, name, text):
    (tmp_path / name).write_bytes(b"\xef\xbb\xbf" + text.encode() + b"\r\n")
    assert value("limit", "--config", str(tmp_path / name)) == 5


def test_toml_that_is_none(settings):
    with pytest.raises(ConfigError, match="not valid TOML"):
        value("max_length", "--config", settings("a = ", "s.toml"))


def test_values_that_are_nested_too_deeply(settings):
    for name in ("s.json", "s.toml"):
        path = settings(("limit = " if name == "s.toml" else "") + "[" * 100_000, name)
        with pytest.raises(ConfigError, match="not valid"):
            value("limit", "--config", path)


def test_bytes_that_are_no_text(tmp_path):
    for name in ("s.json", "s.toml"):
        (tmp_path / name).write_bytes(b"\xff\xfe\x00")
        with pytest.raises(ConfigError, match="not valid"):
            value("max_length", "--config", str(tmp_path / name))


def test_a_file_that_is_not_there_and_a_folder(tmp_path):
    with pytest.raises(InputMissing, match="no such configuration file"):
        value("max_length", "--config", str(tmp_path / "absent.json"))
    with pytest.raises(ConfigError, match="cannot be read"):
        value("max_length", "--config", str(tmp_path))


def fitted_as(*arguments: str) -> dict[str, object]:
    """The settings of a fit after its preset."""
    context = fit.make_context("fit", ["train.csv", *arguments])
    return with_preset(context, {name: value for name, value in context.params.items() if name != "train"})


def test_a_preset_is_beneath_everything_but_the_default(settings, monkeypatch):
    path = settings('{"max_length": 40, "preset": "quick"}')
    plain = fitted_as()
    assert plain == fitted_as("--preset", "default")
    assert (plain["epochs"], plain["max_length"]) != (1.0, 64), "presets that change nothing show nothing"
    for name, values in PRESETS.items():
        assert fitted_as("--preset", name) == {**plain, "preset": name, **values}
    assert fitted_as("--preset", "quick", "--epochs", "3")["epochs"] == 3.0, "the default, but said aloud"
    found = fitted_as("--config", path)
    assert (found["epochs"], found["max_length"]) == (1.0, 40)
    found = fitted_as("--config", path, "--preset", "best")
    assert (found["seeds"], found["epochs"], found["max_length"]) == (3, plain["epochs"], 40)
    monkeypatch.setenv("SCORER_EPOCHS", "7")
    assert fitted_as("--preset", "quick")["epochs"] == 7.0
    monkeypatch.setenv("SCORER_PRESET", "quick")
    found = fitted_as()
    assert (found["epochs"], found["max_length"]) == (7.0, 64)


def test_a_share_to_hold_out_is_none_unless_it_is_given(settings):
    path = settings("valid_fraction = 0.1\n", "s.toml")
    assert value("valid_fraction", command=fit) is None
    assert value("valid_fraction", "--config", path, command=fit) == 0.1
    assert FitConfig(train=Path("train.csv")).held_out == 0.1
    assert FitConfig(train=Path("train.csv"), valid_fraction=0.3).held_out == 0.3


def test_presets_are_settings_with_values_that_are_allowed():
    for name, values in PRESETS.items():
        assert set(values) <= {field.name for field, _, _ in settings_of(FitConfig)}
        FitConfig(train=Path("train.csv"), preset=name, **values)


def test_help_says_what_a_preset_means():
    option = next(part for part in fit.params if part.name == "preset")
    for values in PRESETS.values():
        for name, value in values.items():
            assert f"--{name.replace('_', '-')} {value}" in option.help
