"""A store on loopback for tests: moto's S3 in a thread of this process, and a client beside ours to look into it.

The environment is what a user's would be: nothing of scorer is told where the store is.
"""

from __future__ import annotations

import io
import logging
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, HTTPServer, ThreadingHTTPServer
from pathlib import Path
from typing import Any

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

    def objects(self, prefix: str = "") -> list[str]:
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
    moto = pytest.importorskip("moto.server", reason="moto and flask are not installed: pip install 'scorer[dev]'")
    from werkzeug.serving import make_server

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    app = _OneChangeAtATime(moto.DomainDispatcherApplication(moto.create_backend_app))
    with serving(make_server("127.0.0.1", 0, app, threaded=True)) as address:
        yield address


@contextmanager
def serving(server: HTTPServer) -> Iterator[str]:
    """The address of a `server` that answers in a thread of its own until the block ends."""
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def rclone_server(folder: Path) -> Iterator[str]:
    """The address of another S3: rclone's, over a folder of this machine."""
    program = shutil.which("rclone", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    if program is None:
        pytest.skip("rclone is not installed: pip install 'scorer[dev]'")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    command = [
        program,
        "serve",
        "s3",
        "--auth-key",
        "key,secret",
        "--addr",
        address,
        "--config",
        "/dev/null",
        str(folder),
    ]
    server = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        for _ in range(200):
            with suppress(OSError), socket.create_connection(("127.0.0.1", int(address.partition(":")[2])), 1):
                break
            time.sleep(0.05)
        yield f"http://{address}"
    finally:
        server.kill()
        server.wait()


@contextmanager
def refusing_server() -> Iterator[str]:
    """The address of a store that refuses every request, as one does that does not know the key."""

    class Refusing(BaseHTTPRequestHandler):
        def refuse(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            body = b"<Error><Code>InvalidAccessKeyId</Code><Message>no such key</Message></Error>"
            self.send_response(403)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        do_GET = do_PUT = do_HEAD = do_DELETE = do_POST = refuse  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    with serving(ThreadingHTTPServer(("127.0.0.1", 0), Refusing)) as address:
        yield address


class _OneChangeAtATime:
    """moto looks whether an object is there and then puts one: between the two another request must not come."""

    def __init__(self, app: Any) -> None:
        self._app = app
        self._lock = threading.Lock()

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        if environ["REQUEST_METHOD"] in ("GET", "HEAD"):
            return self._app(environ, start_response)
        # A body that arrives slowly keeps nobody else waiting.
        environ["wsgi.input"] = io.BytesIO(environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0)))
        with self._lock:
            return self._app(environ, start_response)
