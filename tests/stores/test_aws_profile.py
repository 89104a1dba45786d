"""What the environment and the files of AWS say together: each fact from the one that goes before."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from scorer.errors import UsageError
from scorer.stores.aws_profile import VARIABLES, endpoint, of_profile
from scorer.stores.object_path import ObjectPath
from tests.stores.buckets import Bucket

CREDENTIALS = "[mine]\naws_access_key_id = ours\naws_secret_access_key = %secret\naws_session_token = token\n"
CONFIG = "[profile mine]\nregion = eu-west-1\nendpoint_url = http://there\n"
KEY = {"access_key_id": "ours", "secret_access_key": "%secret", "session_token": "token"}
PLACE = {"region": "eu-west-1", "endpoint": "http://there"}
OF_ENVIRONMENT = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret"}

Say = Callable[..., dict[str, str]]


@pytest.fixture
def say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Say:
    """What is found where the files and the variables say so."""

    def found(credentials: str = CREDENTIALS, config: str = CONFIG, **variables: str) -> dict[str, str]:
        for name in VARIABLES:
            monkeypatch.delenv(name, raising=False)
        (tmp_path / ".aws").mkdir(exist_ok=True)
        (tmp_path / ".aws" / "credentials").write_text(credentials)
        (tmp_path / ".aws" / "config").write_text(config)
        for name, value in {"HOME": str(tmp_path), "AWS_PROFILE": "mine", **variables}.items():
            monkeypatch.setenv(name, value)
        return of_profile()

    return found


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, KEY | PLACE),
        ({"AWS_PROFILE": "other"}, {}),
        (OF_ENVIRONMENT, PLACE),
        ({"AWS_ACCESS_KEY_ID": "key"}, PLACE),
        ({"AWS_REGION": "us-1"}, KEY | {"endpoint": "http://there"}),
        ({"AWS_DEFAULT_REGION": "us-1"}, KEY | {"endpoint": "http://there"}),
        ({"AWS_ENDPOINT_URL": "http://here"}, KEY | {"region": "eu-west-1"}),
        ({"AWS_ENDPOINT_URL_S3": "http://here"}, KEY | {"region": "eu-west-1"}),
        ({"AWS_ENDPOINT": "http://here"}, KEY | {"region": "eu-west-1"}),
        ({**OF_ENVIRONMENT, "AWS_REGION": "us-1", "AWS_ENDPOINT_URL": "http://here"}, {}),
        ({"AWS_ACCESS_KEY_ID": "", "AWS_REGION": "", "AWS_ENDPOINT_URL": ""}, KEY | PLACE),
    ],
)
def test_key_region_and_endpoint_are_found_one_by_one(
    say: Say, variables: dict[str, str], expected: dict[str, str]
) -> None:
    assert say(**variables) == expected
    said = [value for name, value in variables.items() if name.startswith("AWS_ENDPOINT")]
    assert endpoint() == (next(filter(None, said), "") or expected.get("endpoint", ""))


def test_without_a_profile_the_default_counts_beside_a_key_of_the_environment(say: Say) -> None:
    config = "[default]\nregion = eu-west-1\nendpoint_url = http://there\naws_session_token = token\n"
    assert say(config=config, AWS_PROFILE="", **OF_ENVIRONMENT) == PLACE


def test_a_key_comes_whole_from_one_file(say: Say) -> None:
    config = "[profile mine]\naws_access_key_id = other\naws_secret_access_key = one\naws_session_token = its\n"
    bare = {"access_key_id": "ours", "secret_access_key": "x"}
    assert say("[mine]\naws_access_key_id = ours\naws_secret_access_key = x\n", config) == bare
    alone = {"access_key_id": "other", "secret_access_key": "one", "session_token": "its"}
    assert say("[default]\n", config) == alone
    assert say("[mine]\naws_session_token = stray\n", "") == {}


def test_a_file_that_is_no_file_of_profiles_is_named_without_its_lines(say: Say) -> None:
    with pytest.raises(UsageError, match=r"config: cannot be read as a file of AWS profiles") as caught:
        say(config="aws_secret_access_key = hunter2\n")
    assert "hunter2" not in str(caught.value)


def test_keys_come_from_the_files_of_aws_too(bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bucket.put("key", b"content")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name)
    (tmp_path / "credentials").write_text(
        "[default]\n[mine]\naws_access_key_id = key\naws_secret_access_key = %secret\n"
    )
    (tmp_path / "config").write_text(f"[profile mine]\nregion = eu-west-1\nendpoint_url = {bucket.endpoint}\n")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_PROFILE", "mine")
    assert ObjectPath.of(f"{bucket.url}/key").read_bytes() == b"content"


def test_the_environment_adds_a_key_to_a_profile(
    bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket.put("key", b"content")
    for name in ("AWS_REGION", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name)
    (tmp_path / "config").write_text(f"[default]\nregion = eu-west-1\nendpoint_url = {bucket.endpoint}\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    assert ObjectPath.of(f"{bucket.url}/key").read_bytes() == b"content"
