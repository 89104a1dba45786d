"""Generated documents and bytes at every path: each is answered, none is a bug of ours, and the server goes on."""

from __future__ import annotations

import http.client
import json
import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

PATHS = ("/predict", "/models/stars/predict", "/v1/classify", "/v2/models/stars/infer")
KEYS = ("text", "texts", "pair", "pairs", "model", "top_k", "probabilities", "input", "inputs", "outputs", "id")
KEYS += ("name", "datatype", "shape", "data", "parameters", "binary_data", "softmax", "stars")
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.just(10**4000)
    | st.floats()
    | st.text(st.characters(), max_size=8)  # halves of surrogate pairs, too
    | st.sampled_from([*KEYS, "BYTES"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(path=st.sampled_from(PATHS), document=st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=4))
def test_generated_documents(server, path, document):
    reply = server.ask("POST", path, json.dumps(document).encode())
    assert reply.status in (200, 404, 413, 422), (reply.status, reply.body)
    assert isinstance(reply.document, dict)


def test_generated_bytes(server):
    """What is no HTTP at all, or breaks off, is refused or closed; the next one is answered."""
    draw = random.Random(3)
    good = b'POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: 13\r\n\r\n{"text": "a"}'
    for _ in range(40):
        data = bytearray(good)
        for _ in range(draw.randint(1, 6)):
            data[draw.randrange(len(data))] = draw.randrange(256)
        with server.connect() as connection:
            connection.settimeout(0.1)
            connection.sendall(bytes(data[: draw.randint(1, len(data))]))
            try:
                found = connection.recv(4096)
            except TimeoutError:
                continue
            assert found[:8] in (b"", b"HTTP/1.1")
            assert b" 500 " not in found.partition(b"\r\n")[0]
    assert server.post("/predict", {"text": "a good room"}).status == 200


@pytest.mark.parametrize("count", [2, 50])
def test_requests_one_behind_the_other_on_one_connection(server, count):
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    for number in range(count):
        body = json.dumps({"text": "a"} if number % 3 else {"txt": "a"})
        connection.request("POST", "/predict", body)
        reply = connection.getresponse()
        reply.read()
        assert reply.status == (200 if number % 3 else 422)
    connection.close()
