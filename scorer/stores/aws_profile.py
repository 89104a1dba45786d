"""What `~/.aws/credentials` and `~/.aws/config` say of a profile, which obstore does not read: its key, region and
endpoint.

Each of the three is looked for on its own, and what the environment says goes before. A key comes whole from one place:
a session token belongs to the key that stands beside it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from scorer.errors import UsageError

# Names in the files, and what obstore calls them.
_KEY: Final = {
    "aws_access_key_id": "access_key_id",
    "aws_secret_access_key": "secret_access_key",
    "aws_session_token": "session_token",
}
_KEY_VARIABLES: Final = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
_REGION_VARIABLES: Final = ("AWS_REGION", "AWS_DEFAULT_REGION")
_ENDPOINT_VARIABLES: Final = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT")
VARIABLES: Final = (
    *(*_KEY_VARIABLES, *_REGION_VARIABLES, *_ENDPOINT_VARIABLES),
    *("AWS_PROFILE", "AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE", "HOME"),
)
"""The variables that all this depends on."""


def of_profile() -> dict[str, str]:
    """What the profile adds to the environment, by obstore's names. UsageError for a file that cannot be read."""
    credentials, config = _said("AWS_SHARED_CREDENTIALS_FILE", "credentials"), _said("AWS_CONFIG_FILE", "config")
    found: dict[str, str] = {}
    if not _variable(_KEY_VARIABLES):
        place = next((said for said in (credentials, config) if "aws_access_key_id" in said), {})
        found |= {ours: place[theirs] for theirs, ours in _KEY.items() if theirs in place}
    both = {**config, **credentials}
    if "region" in both and not _variable(_REGION_VARIABLES):
        found["region"] = both["region"]
    if "endpoint_url" in both and not _variable(_ENDPOINT_VARIABLES):
        found["endpoint"] = both["endpoint_url"]
    return found


def endpoint() -> str:
    """Where S3 is; empty for Amazon's own."""
    return _variable(_ENDPOINT_VARIABLES) or of_profile().get("endpoint", "")


def _variable(names: tuple[str, ...]) -> str:
    """What the first of the variables `names` says that says anything."""
    return next(filter(None, map(os.environ.get, names)), "")


def _said(variable: str, name: str) -> Mapping[str, str]:
    """What the file that `variable` names, or that is called `name`, says of the profile."""
    import configparser

    path = os.environ.get(variable) or str(Path(os.environ.get("HOME", "/nowhere"), ".aws", name))
    profile = os.environ.get("AWS_PROFILE") or "default"
    file = configparser.RawConfigParser()
    try:
        file.read(path, encoding="utf-8")
    except (configparser.Error, OSError, UnicodeError) as error:
        reason = str(error).partition("\n")[0]
        raise UsageError(f"{path}: cannot be read as a file of AWS profiles ({reason}); mend it") from error
    sections = [section for section in (f"profile {profile}", profile) if file.has_section(section)]
    return {key: value for section in sections for key, value in file.items(section)}
