"""A store on loopback for tests: moto's S3 in a thread of this process, and a client beside ours to look into it.

The environment is what a user's would be: nothing of scorer is told where the store is.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import pytest

ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "key",
    "AWS_SECRET_ACCESS_KEY": "secret",
    "AWS_REGION": "us-east-1",
    "AWS_TIMEOUT": "5",
    "AWS_CONFIG_FILE": "/nowhere",
    "AWS_SHARED_CREDENTIALS_FILE": "/nowhere",
}


class Bucket:
    """A bucket of the server at `endpoint`, seen by boto3: what others see of what we write."""

    def __init__(self, name: str, endpoint: str) -> None:
        import boto3

        self.name = name
        self.url = f"s3://{name}"
        self.endpoint = endpoint
        self.client = boto3.client(
            "s3",
            endpoint_url=endpoint,
            region_name="us-east-1",
            aws_access_key_id="key",
            aws_secret_access_key="secret",
        )
        self.client.create_bucket(Bucket=name)

    @property
    def environment(self) -> Mapping[str, str]:
        """What a process needs that works with it."""
        return ENVIRONMENT | {"AWS_ENDPOINT_URL": self.endpoint}

    def keys(self, prefix: str = "") -> list[str]:
        found = self.client.list_objects_v2(Bucket=self.name, Prefix=prefix)
        return [one["Key"] for one in found.get("Contents", ())]

    def get(self, key: str) -> bytes:
        return self.client.get_object(Bucket=self.name, Key=key)["Body"].read()

    def put(self, key: str, content: bytes) -> None:
        self.client.put_object(Bucket=self.name, Key=key, Body=content)

    def delete(self, key: str) -> None:
        self.client.delete_object(Bucket=self.name, Key=key)

    def unfinished(self) -> int:
        """How many uploads were begun and neither completed nor aborted."""
        return len(self.client.list_multipart_uploads(Bucket=self.name).get("Uploads", ()))


@contextmanager
def moto_server() -> Iterator[str]:
    """The address of a fresh S3."""
    server = pytest.importorskip("moto.server", reason="moto and flask are not installed: pip install 'scorer[dev]'")
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    running = server.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    running.start()
    host, port = running.get_host_and_port()
    try:
        yield f"http://{host}:{port}"
    finally:
        running.stop()
