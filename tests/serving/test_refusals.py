"""What is refused, how it is said, and that nobody else is harmed: limits, tokens, broken bodies, clients that go."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from types import SimpleNamespace
from weakref import WeakKeyDictionary

import pytest

from scorer.serving import server as server_process
from tests.serving.served import Served

SECRET = "zyzzyva"  # in every text, and in nothing that the server says

TENSORS = {"inputs": [{"name": "text", "datatype": "BYTES", "shape": [1], "data": ["a"]}]}

BEARER = b"Authorization: Bearer s3cret\r\n"


@pytest.fixture(scope="module")
def strict(tiny_model, tmp_path_factory):
    """A server with low limits and a token."""
    token = tmp_path_factory.mktemp("token") / "token"
    token.write_text("s3cret\n")
    limits = {"max_body": 4000, "max_texts": 5, "max_characters": 100, "queue": 8, "body_seconds": 0.5}
    with Served(tiny_model("bert"), token=token, **limits) as served:
        yield served


def ask(served, path, document, **headers):
    return served.post(path, document, Authorization="Bearer s3cret", **headers)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON in UTF-8 (line 1, column 2)"),
        (b'{"text": "\xff"}', "not JSON"),
        ('{"text": "good"}'.encode("utf-16"), "not JSON in UTF-8"),
        ('{"text": "good"}'.encode("utf-32-le"), "not JSON in UTF-8"),
        (b"[" * 100_000, "not JSON"),
        (b'{"text": ' + b"9" * 5000 + b"}", "not JSON"),
        (b'["a"]', "the body is a list; an object is expected"),
        (b"{}", "give either text, a string, or texts"),
        (b'{"text": "a", "texts": ["b"]}', "give either"),
        (b'{"text": "a", "text": "b"}', "a key stands twice"),
        (b'{"text": 5}', "text: a number, where a string is expected"),
        (b'{"text": ["a"]}', "text: a list, where a string is expected"),
        (b'{"texts": "a"}', "texts: a string, where a list of strings is expected"),
        (b'{"texts": ["a", {}]}', "texts[1]: an object, where a string is expected"),
        (b'{"texts": ["a", "b\\ud800"]}', "texts[1]: half of a surrogate pair at character 1"),
        (b'{"text": "a", "top_k": 9}', "--top-k 9: this model has 5 labels"),
        (b'{"text": "a", "top_k": 0}', "top_k: 0; 1 is the least"),
        (b'{"text": "a", "top_k": true}', "top_k: true or false, where a whole number is expected"),
        (b'{"text": "a", "expected": 1}', "expected: a number, where true or false is expected"),
        (b'{"text": "a", "model": 1}', "model: a number"),
        (b'{"text": "a", "pairs": ["b"]}', "pairs: beside text it is pair"),
        (b'{"texts": ["a"], "pairs": ["b", "c"]}', "1 texts and 2 second ones"),
        (b'{"txt": "a"}', "unknown key 'txt'; did you mean 'text'?"),
        (b'{"a long and secret zyzzyva of a key that is the text": 1}', "unknown key (a name of 51 characters)"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(server, body, said):
    reply = server.ask("POST", "/predict", body)
    assert reply.status == 422
    assert said in reply.document["error"]
    assert SECRET not in reply.document["error"]


@pytest.mark.parametrize(
    ("path", "document", "said"),
    [
        ("/v1/classify", {}, "input: a string or a list of strings"),
        ("/v1/classify", {"input": [1, 2, 3]}, "input[0]: a number"),
        ("/v1/classify", {"input": "a", "softmax": False}, "softmax: only the value that is usual"),
        ("/v1/classify", {"input": "a", "truncate_prompt_tokens": 5}, "truncate_prompt_tokens"),
        ("/v2/models/stars/infer", {}, "inputs: a list of tensors"),
        ("/v2/models/stars/infer", {"inputs": [{"name": "x"}]}, "a tensor called text is expected"),
        ("/v2/models/stars/infer", {"inputs": [{"name": ["text"]}]}, "a tensor called text is expected"),
        ("/v2/models/stars/infer", {"inputs": [{"name": "text", "datatype": "FP32"}]}, "its datatype must be BYTES"),
        (
            "/v2/models/stars/infer",
            {"inputs": [{"name": "text", "datatype": "BYTES", "shape": [2], "data": ["a"]}]},
            "a shape of 2 and 1 strings",
        ),
        (
            "/v2/models/stars/infer",
            {"inputs": [{"name": "text", "datatype": "BYTES", "parameters": {"binary_data_size": 5}}]},
            "tensors in binary are not read",
        ),
        ("/v2/models/stars/infer", {"inputs": [{"name": "text", "parameters": 5}]}, "parameters: an object"),
        (
            "/v2/models/stars/infer",
            {"inputs": [{"name": "text", "datatype": "BYTES", "shape": [9**99] * 99, "data": []}]},
            "shape",
        ),
        (
            "/v2/models/stars/infer",
            {"inputs": [{"name": "text", "datatype": "BYTES", "shape": [10**4000] * 2, "data": []}]},
            "shape must be a list",
        ),
        ("/v2/models/stars/infer", TENSORS | {"outputs": [{"name": "scores"}]}, "1 that this model does not have"),
        ("/v2/models/stars/infer", TENSORS | {"outputs": [{"name": 5}]}, "outputs: each needs a name"),
        (
            "/v2/models/stars/infer",
            TENSORS | {"outputs": [{"name": "score"}, {"name": "probabilities"}, {"name": "probabilities"}]},
            "outputs: a name stands twice",
        ),
        ("/v2/models/stars/infer", TENSORS | {"id": "a\ud800"}, "id: half of a surrogate pair at character 1"),
        ("/v2/models/stars/infer", TENSORS | {"id": 5}, "id: a number, where a string is expected"),
        ("/v1/classify", {"input": "a", "model": "\ud800"}, "model: half of a surrogate pair"),
        ("/predict", {"\ud800": "a"}, "unknown key '\\ud800'"),
    ],
)
def test_each_form_says_it_as_its_clients_expect(server, path, document, said):
    reply = server.post(path, document)
    assert reply.status == 422
    error = reply.document["error"]
    assert said in (error["message"] if path == "/v1/classify" else error)
    assert "this is a bug" not in server.said.getvalue()


def test_paths_that_are_none(server):
    assert server.get("/nothing").status == 404
    assert server.get("/predict").status == 405
    assert server.post("/predict/", {"text": "a"}).status == 404
    assert server.post("/health", {}).status == 405
    assert server.post("/v1/classify", {"model": "nix", "input": "a"}).document["error"]["type"] == "NotFoundError"
    assert server.get("/v2/models/nix").document == {"error": "no such model; there are stars"}
    assert server.get("/v2/models/stars/versions/7").status == 404
    assert server.ask("POST", "/predict", b"x", {"Content-Encoding": "gzip"}).status == 415


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ({"texts": ["a"] * 6}, "texts: 6 texts; a request may have 5"),
        ({"texts": ["a", "b" * 101]}, "texts[1]: 101 characters; a text may have 100"),
        ({"texts": ["b" * 5000]}, "bytes; a request may have 4000"),
    ],
)
def test_what_is_too_large(strict, document, said):
    reply = ask(strict, "/predict", document)
    assert reply.status == 413
    assert said in reply.document["error"]


def test_a_huge_body_is_refused_while_it_arrives(strict):
    """One that says its size at once, and one that does not: the client sees why, though it is still sending."""
    for head in (b"Content-Length: 100000000\r\n", b"Transfer-Encoding: chunked\r\n"):
        with strict.connect() as connection:
            connection.sendall(
                b"POST /predict HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer s3cret\r\n" + head + b"\r\n"
            )
            for _ in range(20):
                connection.sendall(b"2710\r\n" + b"x" * 10_000 + b"\r\n")
            assert connection.recv(4096).startswith(b"HTTP/1.1 413 ")
    assert ask(strict, "/predict", {"text": "fine"}).status == 200


def test_a_body_that_does_not_come(strict):
    with strict.connect() as connection:
        connection.sendall(b"POST /predict HTTP/1.1\r\nHost: x\r\n" + BEARER + b'Content-Length: 100\r\n\r\n{"te')
        assert ask(strict, "/predict", {"text": "fine"}).status == 200
        assert connection.recv(4096).startswith(b"HTTP/1.1 408 ")


def test_a_connection_on_which_nothing_comes_is_closed(strict):
    with strict.connect() as silent, strict.connect() as half:
        half.sendall(b"POST /predict HT")
        begun = time.monotonic()
        assert silent.recv(100) == b""
        assert half.recv(100) == b""
        assert time.monotonic() - begun < 10


@pytest.mark.parametrize(
    "headers",
    [
        *(
            {"Authorization": brought}
            for brought in ("Bearer wrong", "Basic s3cret", "Bearer", "Bearer s3cret2", "s3cret")
        ),
        {"X-Token": "s3cret"},
        {},
    ],
)
def test_without_the_token_nobody_is_told_anything(strict, headers):
    for path in ("/info", "/metrics", "/v2", "/nothing"):
        assert strict.get(path, **headers).status == 401
    reply = strict.post("/predict", {"text": "a"}, **headers)
    assert (reply.status, reply.headers["www-authenticate"]) == (401, "Bearer")
    assert strict.get("/health", **headers).status == strict.get("/ready", **headers).status == 200


def test_when_too_many_texts_wait_the_rest_is_told_to_try_later(tiny_model):
    with Served(tiny_model("bert"), queue=4, max_texts=1000) as served:
        whole = served.post("/predict", {"texts": ["a"] * 900})
        assert (whole.status, len(whole.document["predictions"])) == (200, 900)
        bodies = [json.dumps({"texts": ["long " * 400] * 100}).encode()] * 12
        connections = []
        for body in bodies:
            connections.append(served.connect())
            head = b"POST /predict HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body)
            connections[-1].sendall(head + body)
        replies = [read_all(connection) for connection in connections]
    codes = [reply.split(b" ", 2)[1] for reply in replies]
    assert set(codes) == {b"200", b"429"}
    assert all(b"retry-after: 1" in reply.lower() for reply, code in zip(replies, codes, strict=True) if code == b"429")
    assert all(
        reply.count(b"score_status") == 100 for reply, code in zip(replies, codes, strict=True) if code == b"200"
    )


def read_all(connection: socket.socket) -> bytes:
    with connection:
        return b"".join(iter(lambda: connection.recv(1 << 16), b""))


def test_clients_that_go_away_harm_nobody(server):
    body = json.dumps({"texts": ["long " * 400] * 500}).encode()
    for _ in range(5):
        with server.connect() as connection:
            connection.sendall(b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
            time.sleep(0.05)
    assert server.post("/predict", {"text": "a good room"}).document["score_status"] == "ok"
    end = time.monotonic() + 20
    while server.get("/info").document["models"][0]["waiting"]:
        assert time.monotonic() < end, "texts of clients that are gone still wait"
        time.sleep(0.05)
    assert b'scorer_requests_total{code="499",route="/predict"}' in server.get("/metrics").body


def test_many_open_sockets_leave_room_for_others(server):
    sockets = [server.connect() for _ in range(100)]
    assert server.post("/predict", {"text": "a good room"}).status == 200
    for one in sockets:
        one.close()


def test_connections_beyond_what_the_process_can_have_are_told_to_come_again(tiny_model, monkeypatch):
    monkeypatch.setattr(server_process, "most_connections", lambda: 4)
    with Served(tiny_model("bert")) as served:
        kept = [served.connect() for _ in range(4)]
        for one in kept:
            one.sendall(b"POST /predict HT")
        time.sleep(0.2)
        with served.connect() as beyond:
            assert read_all(beyond).startswith(b"HTTP/1.1 503 ")
        for one in kept:
            one.close()
        time.sleep(0.2)
        assert served.post("/predict", {"text": "a good room"}).status == 200


def test_nothing_of_a_text_is_said(server):
    server.post("/predict", {"text": f"{SECRET} room"})
    server.get(f"/predict?text={SECRET}")
    server.ask("POST", "/predict", f'{{"text": "{SECRET}'.encode())
    server.post("/predict", {"text": f"{SECRET}\ud800"})
    assert SECRET not in server.said.getvalue()
    assert SECRET.encode() not in server.get("/metrics").body


class _Connection:
    """As uvicorn has them."""

    def __init__(self) -> None:
        self.transport = self
        self.cycle: _Request | None = None
        self.unread = 0
        self.closed = self.aborted = False

    def get_write_buffer_size(self) -> int:
        return self.unread

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.aborted = True


class _Request:
    response_complete = True


def looked_at(connection: _Connection, seconds: range, each: Callable[[int], None] = lambda _: None) -> None:
    """The server looks at the connection once in each of so many `seconds`."""
    server = object.__new__(server_process._Server)
    server.server_state = SimpleNamespace(connections={connection})
    server._desk = SimpleNamespace(config=SimpleNamespace(body_seconds=30))
    server._silent_since, server._unread = WeakKeyDictionary(), WeakKeyDictionary()
    for second in seconds:
        each(second)
        server._close_silent(float(second))


def test_a_connection_on_which_requests_come_now_and_then_stays_open():
    connection = _Connection()

    def ask(second: int) -> None:
        if second % 20 == 0:  # answered before anybody looks
            connection.cycle = _Request()

    looked_at(connection, range(1000), ask)
    assert not connection.closed
    looked_at(connection, range(200))
    assert connection.closed


def test_whoever_does_not_read_the_answer_is_left():
    connection = _Connection()
    connection.cycle, connection.unread = _Request(), 1000

    def read(second: int) -> None:
        if second < 300:
            connection.unread -= 1

    looked_at(connection, range(300), read)
    assert (connection.closed, connection.aborted) == (True, False)
    looked_at(connection, range(300, 600), read)
    assert connection.aborted


def test_whoever_asks_on_and_reads_no_answer_is_left(tiny_model, monkeypatch):
    """Requests one behind the other, whose answers are more than what lies between a client and a server can hold."""
    monkeypatch.setattr(server_process, "_KEEP_ALIVE_SECONDS", 0.5)
    with Served(tiny_model("bert"), body_seconds=0.5) as served, served.connect() as connection:
        asked = (40 << 20) // len(served.get("/docs").body)
        connection.sendall(b"GET /docs HTTP/1.1\r\nHost: x\r\n\r\n" * asked)
        time.sleep(4)
        read = bytearray()
        with suppress(ConnectionResetError):
            while chunk := connection.recv(1 << 20):
                read += chunk
        assert 0 < read.count(b"HTTP/1.1 200 ") < asked


def test_whoever_reads_slowly_gets_all_answers():
    connection = _Connection()
    connection.cycle, connection.unread = _Request(), 1000
    connection.cycle.response_complete = False

    def read(second: int) -> None:
        connection.unread -= second % 100 == 0

    looked_at(connection, range(1000), read)
    assert not connection.aborted
    looked_at(connection, range(200))
    assert connection.aborted


def test_a_request_that_takes_long_is_waited_for():
    connection = _Connection()
    connection.cycle = _Request()
    connection.cycle.response_complete = False
    looked_at(connection, range(1000))
    assert (connection.closed, connection.aborted) == (False, False)


def test_how_many_texts_wait_is_told(strict):
    assert b'scorer_waiting_texts{model="' in ask_for_metrics(strict)


def ask_for_metrics(served) -> bytes:
    return served.get("/metrics", Authorization="Bearer s3cret").body
