"""Files of web servers: what their versions are known by, how addresses are spelt, what no address may hold."""

from __future__ import annotations

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

import scorer
from scorer.errors import DataError, InputMissing, OutputRefused, ScorerError, UsageError
from scorer.stores.fingerprints import Stamp, check_unchanged, content_hashes
from scorer.stores.location import Location
from scorer.stores.object_path import ObjectPath, path_of
from scorer.tables.source import Source
from tests.stores.buckets import serving

MAY = "Fri, 01 May 2026 10:00:00 GMT"
JUNE = "Mon, 01 Jun 2026 10:00:00 GMT"
SECRET = "hunter2"


class Site:
    """A web server: the `files` by the path that is asked for as it was sent, and the `headers` of every answer. It
    answers to `If-Match` by the rules."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.headers: dict[str, str] = {}
        self.asked: list[tuple[str, str | None]] = []
        self.address = ""

    def path(self, name: str) -> ObjectPath:
        return ObjectPath.of(f"{self.address}/{name}")

    def handler(self) -> type[BaseHTTPRequestHandler]:
        site = self

        class Handler(BaseHTTPRequestHandler):
            def answer(self) -> None:
                content, wanted = site.files.get(self.path), self.headers.get("If-Match")
                site.asked.append((self.path, wanted))
                etag = site.headers.get("ETag", "")
                if content is None:
                    self.send_response(404)
                    content = b""
                elif wanted is not None and (wanted != etag or not etag.startswith('"')):
                    self.send_response(412)
                    content = b""
                elif "Range" in self.headers:
                    begin, end = self.headers["Range"].removeprefix("bytes=").split("-")
                    whole, content = content, content[int(begin) : int(end) + 1]
                    self.send_response(206)
                    self.send_header("Content-Range", f"bytes {begin}-{end}/{len(whole)}")
                else:
                    self.send_response(200)
                for name, value in site.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                if self.command == "GET":
                    self.wfile.write(content)

            do_GET = do_HEAD = answer  # noqa: N815

            def log_message(self, *_: object) -> None:
                pass

        return Handler


@pytest.fixture
def site() -> Iterator[Site]:
    site = Site()
    with serving(ThreadingHTTPServer(("127.0.0.1", 0), site.handler())) as site.address:
        yield site


@pytest.mark.parametrize("headers", [{}, {"Last-Modified": "Thu, 01 Jan 1970 00:00:00 GMT"}])
def test_a_file_of_which_nothing_tells_a_change_is_refused(site: Site, tmp_path: Path, headers: dict[str, str]) -> None:
    site.files["/a.csv"] = b"text\ngood\n"
    site.headers = headers
    told = (
        r"/a\.csv: the server tells neither ETag nor Last-Modified, .*; fetch it \(curl -O\), or pipe it in and say -"
    )
    for work in (Stamp.of, Source.open, Path.exists, Path.read_bytes):
        with pytest.raises(DataError, match=told):
            work(site.path("a.csv"))  # type: ignore[operator]
    with pytest.raises(DataError, match=told):
        scorer.score(str(site.path("a.csv")), tmp_path / "out.csv", model=tmp_path)
    assert not site.path("b.csv").exists()


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"Last-Modified": MAY}, {"Last-Modified": JUNE}),
        ({"ETag": '"1"'}, {"ETag": '"2"'}),
        ({"ETag": 'W/"1"', "Last-Modified": MAY}, {"ETag": 'W/"2"', "Last-Modified": MAY}),
        ({"ETag": "bare"}, {"ETag": "other"}),
    ],
)
def test_versions_are_told_apart_and_never_mixed(site: Site, before: dict[str, str], after: dict[str, str]) -> None:
    content = b"text\n" + b"good\n" * 1_000_000
    site.files["/a.csv"], site.headers = content, before
    path = site.path("a.csv")
    stamp = Stamp.of(path)
    assert path.read_bytes() == content
    site.asked.clear()
    with path.open("rb", buffering=0) as stream:
        assert stream.read(10) == content[:10]
        strong = before.get("ETag", "").startswith('"')
        assert {wanted for _, wanted in site.asked[1:]} == {before["ETag"] if strong else None}
        site.files["/a.csv"], site.headers = content.replace(b"good", b"evil"), after
        stream.seek(0)
        with pytest.raises(DataError, match="changed while it was read"):
            stream.read(len(content))
    with pytest.raises(DataError, match="changed while it was read"):
        check_unchanged([stamp])
    assert content_hashes([stamp]) != content_hashes([Stamp.of(path)])


@pytest.mark.parametrize(
    "name", ["a b.csv", "café.csv", "100%.csv", "a?b#c.csv", "a+b&c=d.csv", "a%20b.csv", "日本.csv"]
)
def test_an_address_is_asked_for_as_it_is_spelt(site: Site, name: str) -> None:
    site.headers = {"Last-Modified": MAY}
    address = quote(name)
    site.files[f"/deep/{address}".replace("%2B", "+").replace("%26", "&").replace("%3D", "=")] = b"text\ngood\n"
    place = Location.of_input(f"{site.address}/deep/{address}").path
    assert place.read_bytes() == b"text\ngood\n"
    assert path_of(str(place)) == place
    assert Source.open(str(place)).read(("text",)).rows == 1
    if not set(name) & set("?#%"):  # as a browser shows it
        assert path_of(f"{site.address}/deep/{name}").read_bytes() == b"text\ngood\n"


@pytest.mark.parametrize("part", ["a%2Fb.csv", "%E9.csv", "%2e%2e/a.csv"])
def test_an_address_that_would_be_another_key_is_refused(part: str) -> None:
    with pytest.raises(UsageError, match=r"is not read; fetch it \(curl -O\) or pipe it in and say -"):
        ObjectPath.of(f"https://host.example/{part}")
    assert ObjectPath.of(f"s3://bucket/{part}").key == part


@pytest.mark.parametrize(
    ("address", "shown", "told"),
    [
        (f"https://me:{SECRET}@host.example/x.csv", "https://host.example/x.csv: a name and a password", "log in"),
        (
            f"https://me:{SECRET}@host.example//x.csv?a=1",
            "https://host.example//x.csv: a name and a password",
            "log in",
        ),
        (f"http://{SECRET}@host.example:80/x.csv", "http://host.example:80/x.csv: a name and a password", "log in"),
        (f"s3://KEY:{SECRET}@bucket/x.csv", "s3://bucket/x.csv: a name and a password", "AWS_ACCESS_KEY_ID"),
        (f"https://host.example/x.csv?X-Amz-Signature={SECRET}", "https://host.example/x.csv: a signature", "log in"),
        (f"https://host.example/x.csv?sv=1&sig={SECRET}", "https://host.example/x.csv: a signature", "log in"),
        (f"az://container/x.csv?sv=1&sig={SECRET}", "az://container/x.csv: a signature", "AZURE_STORAGE_ACCOUNT_KEY"),
        (f"https://host.example/x.csv?token={SECRET}", "https://host.example/x.csv: an address with a query", "curl"),
        (f"https://host.example//x.csv?token={SECRET}", "https://host.example//x.csv: an address with a query", "curl"),
        (f"ftp://me:{SECRET}@host.example/x.csv?a={SECRET}", "ftp://host.example/x.csv", "local or in"),
    ],
)
def test_no_message_shows_a_secret_of_an_address(address: str, shown: str, told: str, tmp_path: Path) -> None:
    for work in (Location.of_input, Location.of_output, Source.open, scorer_into(tmp_path)):
        with pytest.raises((UsageError, InputMissing, OutputRefused)) as caught:
            work(address)
        assert isinstance(caught.value, ScorerError)
        assert str(caught.value).startswith(shown)
        assert told in str(caught.value)
        assert SECRET not in str(caught.value)


def scorer_into(folder: Path) -> Any:
    return lambda address: scorer.score(address, folder / "out.csv", model=folder)
