"""A small hub on loopback for tests: what huggingface_hub asks of data sets and models, with commits, large files and a
token; it is written to by commits, too."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

from tests.stores.buckets import serving

LARGE = 20_000
"""Files beyond so many bytes lie in another place, to which the hub sends whoever reads them."""


class Hub:
    """Data sets and models by their names, each with its commits: the files of each by their paths.

    `refusals` are answered one after the other to what would write: a status, and the headers beside it; None lets that
    request through. `before_commit` is called when a commit comes, before it is looked at; `lost` commits are made, and
    nobody is told.
    """

    def __init__(self) -> None:
        self.commits: dict[str, list[dict[str, bytes]]] = {}
        self.messages: list[str] = []
        self.private: dict[str, bool] = {}
        self.kinds: dict[str, str] = {}
        self.requests: list[str] = []
        self.token: str | None = None
        self.failures = 0
        self.refusals: list[tuple[int, dict[str, str]] | None] = []
        self.before_commit: Callable[[], None] = lambda: None
        self.lost = 0
        self.large: dict[str, bytes] = {}

    def commit(self, name: str, **files: bytes | None) -> None:
        """A commit to the data set: these files are written, those of None deleted."""
        commits = self.commits.setdefault(name, [])
        found = {**(commits[-1] if commits else {}), **files}
        commits.append({path: content for path, content in found.items() if content is not None})

    def at(self, name: str, revision: str) -> int | None:
        """The number of the commit that the revision means."""
        numbers = range(len(self.commits[name]))
        if not numbers:
            return None
        known = {sha(number): number for number in numbers} | {f"v{number}": number for number in numbers}
        return numbers[-1] if revision == "main" else known.get(revision)


def sha(number: int) -> str:
    return hashlib.sha1(str(number).encode()).hexdigest()


@contextmanager
def hub_server(hub: Hub) -> Iterator[str]:
    """The address of the hub."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            hub.requests.append(f"{self.command} {self.path} {self.headers.get('Range', '')}".strip())
            path = unquote(urlsplit(self.path).path)
            if hub.failures:
                hub.failures -= 1
                self.answer(503, b"")
                return
            if path.startswith("/large/"):
                assert "Authorization" not in self.headers
                self.file(
                    next(c for n in hub.commits.values() for f in n for c in f.values() if digest(c) == path[7:]), {}
                )
                return
            if hub.token is not None and self.headers.get("Authorization") != f"Bearer {hub.token}":
                self.answer(401, b"", {"X-Error-Code": "RepoNotFound"})
                return
            parts = path.strip("/").split("/")
            api = parts[0] == "api"
            parts = parts[1:] if api else parts
            if not api and parts[0] != "datasets":
                parts = ["models", *parts]
            if api and len(parts) == 3:
                parts = [*parts, "revision", "main"]
            if len(parts) < 5:  # the library asks for more than data sets
                self.answer(404, b"")
                return
            name, kind, revision, rest = "/".join(parts[1:3]), parts[3], parts[4], "/".join(parts[5:])
            if name not in hub.commits:
                self.answer(404, b"", {"X-Error-Code": "RepoNotFound"})
                return
            number = hub.at(name, revision)
            if number is None:
                self.answer(404, b"", {"X-Error-Code": "RevisionNotFound"})
                return
            files = hub.commits[name][number]
            if kind == "revision":
                siblings = [{"rfilename": path} for path in files]
                self.json({"id": name, "sha": sha(number), "siblings": siblings, "tags": [], "private": False})
            elif kind == "tree":
                self.tree(files, rest, recursive="recursive=true" in self.path.lower())
            elif rest not in files:
                self.answer(404, b"", {"X-Error-Code": "EntryNotFound"})
            else:
                self.resolve(files[rest], sha(number))

        do_HEAD = do_GET  # noqa: N815

        def do_POST(self) -> None:
            hub.requests.append(f"{self.command} {self.path}")
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            if hub.token is not None and self.headers.get("Authorization") != f"Bearer {hub.token}":
                self.answer(401, b"")
                return
            if hub.refusals and (refusal := hub.refusals.pop(0)) is not None:
                self.answer(refusal[0], b"", refusal[1])
                return
            path = unquote(urlsplit(self.path).path)
            if path == "/api/validate-yaml":
                self.json({"errors": [], "warnings": []})
            elif path == "/api/repos/create":
                self.create(json.loads(body))
            elif path.endswith(".git/info/lfs/objects/batch"):
                self.batch(json.loads(body))
            else:
                _, _, owner, name, kind, _ = path.strip("/").split("/")
                if f"{owner}/{name}" not in hub.commits:
                    self.answer(404, b"", {"X-Error-Code": "RepoNotFound"})
                elif kind == "preupload":
                    self.preupload(f"{owner}/{name}", json.loads(body))
                else:
                    self.commit(f"{owner}/{name}", [json.loads(line) for line in body.splitlines()])

        def do_PUT(self) -> None:
            hub.requests.append(f"{self.command} {self.path}")
            content = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            assert "Authorization" not in self.headers
            assert digest(content) == self.path.rpartition("/")[2]
            hub.large[digest(content)] = content
            self.answer(200, b"")

        def create(self, asked: dict[str, str]) -> None:
            name = f"{asked.get('organization') or 'me'}/{asked['name']}"
            url = f"http://{self.headers['Host']}/{'datasets/' if asked.get('type') == 'dataset' else ''}{name}"
            if name in hub.commits:
                self.answer(409, json.dumps({"url": url}).encode())
                return
            hub.commits[name] = [{".gitattributes": b""}]
            hub.private[name] = asked.get("visibility") == "private"
            hub.kinds[name] = asked.get("type", "model")
            self.json({"url": url})

        def preupload(self, name: str, asked: dict[str, list[dict[str, object]]]) -> None:
            there = hub.commits[name][-1]
            files = [
                {
                    "path": file["path"],
                    "uploadMode": "lfs" if int(str(file["size"])) > LARGE else "regular",
                    "shouldIgnore": False,
                    "oid": blob(there[str(file["path"])]) if file["path"] in there else None,
                }
                for file in asked["files"]
            ]
            self.json({"files": files})

        def batch(self, asked: dict[str, list[dict[str, object]]]) -> None:
            place = self.headers["Host"].replace("127.0.0.1", "localhost")
            objects = [
                {**file, "actions": {"upload": {"href": f"http://{place}/large/{file['oid']}"}}}
                for file in asked["objects"]
            ]
            self.json({"transfer": "basic", "objects": objects})

        def commit(self, name: str, lines: list[dict[str, dict[str, str]]]) -> None:
            hub.before_commit()
            head = sha(len(hub.commits[name]) - 1)
            parent = lines[0]["value"].get("parentCommit")
            if parent not in (None, head):
                self.answer(412, b"{}")
                return
            changes: dict[str, bytes | None] = {}
            for line in lines[1:]:
                value = line["value"]
                if line["key"] == "deletedFile":
                    if value["path"] not in hub.commits[name][-1]:
                        self.answer(404, b"", {"X-Error-Code": "EntryNotFound"})
                        return
                    changes[value["path"]] = None
                elif line["key"] == "file":
                    changes[value["path"]] = base64.b64decode(value["content"])
                else:
                    changes[value["path"]] = hub.large[value["oid"]]
            hub.commit(name, **changes)
            hub.messages.append(lines[0]["value"]["summary"])
            if hub.lost:
                hub.lost -= 1
                self.answer(503, b"")
                return
            oid = sha(len(hub.commits[name]) - 1)
            self.json({"commitUrl": f"http://{self.headers['Host']}/{name}/commit/{oid}", "commitOid": oid})

        def tree(self, files: dict[str, bytes], folder: str, *, recursive: bool) -> None:
            inside = {path: content for path, content in files.items() if not folder or path.startswith(f"{folder}/")}
            if not inside:
                self.answer(404, b"", {"X-Error-Code": "EntryNotFound"})
                return
            depth = folder.count("/") + 1 if folder else 0
            found = []
            for path, content in inside.items():
                above = path.split("/")[:-1]
                for level in range(depth, len(above)):
                    entry = {"type": "directory", "path": "/".join(above[: level + 1]), "oid": "0" * 40, "size": 0}
                    if entry not in found and (recursive or level == depth):
                        found.append(entry)
                if recursive or len(above) == depth:
                    lfs = {"oid": digest(content), "size": len(content), "pointerSize": 127}
                    large = {"lfs": lfs} if len(content) > LARGE else {}
                    found.append({"type": "file", "path": path, "size": len(content), "oid": blob(content), **large})
            self.json(found)

        def resolve(self, content: bytes, commit: str) -> None:
            headers = {"X-Repo-Commit": commit, "ETag": f'"{blob(content)}"'}
            if len(content) <= LARGE:
                self.file(content, headers)
                return
            headers |= {"X-Linked-Etag": f'"{digest(content)}"', "X-Linked-Size": str(len(content))}
            # Another host, to which the token is not sent.
            place = self.headers["Host"].replace("127.0.0.1", "localhost")
            self.answer(302, b"", {**headers, "Location": f"http://{place}/large/{digest(content)}"})

        def file(self, content: bytes, headers: dict[str, str]) -> None:
            asked = self.headers.get("Range")
            if asked is None:
                self.answer(200, content, headers)
                return
            begin, _, end = asked.removeprefix("bytes=").partition("-")
            self.answer(206, content[int(begin) : int(end) + 1], headers)

        def json(self, document: object) -> None:
            self.answer(200, json.dumps(document).encode(), {"Content-Type": "application/json"})

        def answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with serving(ThreadingHTTPServer(("127.0.0.1", 0), Handler)) as address:
        yield address


def blob(content: bytes) -> str:
    """As Git knows a file."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
