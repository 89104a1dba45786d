"""Many clients at once: each gets the answer to its own text, and those who only sit there harm nobody.

What is measured is printed, for it is what this is run for; the limits are loose enough for a machine that has other
work. `python jobs/bench/serve_speed.py` measures the same with a real model.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics

import pytest

import scorer
import serve_speed
from harness.http_load import Client, ServerProcess, load
from tests.models import sentences

CONNECTIONS = 10_000
IDLE_SOCKETS = 1_000

pytestmark = [pytest.mark.slow, pytest.mark.stopwatch]


@pytest.fixture(scope="module")
def serving(tiny_model, forked):
    with ServerProcess("-m", tiny_model("bert"), "--precision", "fp32", command=forked) as server:
        yield server


def texts_of(count: int) -> list[str]:
    """So many different texts of mixed lengths."""
    return [f"{number} {text}" for number, text in enumerate(sentences(count, longest=60))]


async def all_at_once(port: int, bodies: list[bytes]) -> list[tuple[int, bytes]]:
    """A connection for each of `bodies`; all are open before the first one asks."""
    clients: list[Client] = []
    for start in range(0, len(bodies), 500):  # more at a time than listen() keeps would be tried again after a second
        clients += await asyncio.gather(*(Client.connect(port) for _ in bodies[start : start + 500]))
    found = await asyncio.gather(*(client.ask(body) for client, body in zip(clients, bodies, strict=True)))
    await asyncio.gather(*(client.close() for client in clients))
    return found


def test_ten_thousand_requests_at_once_each_get_their_own_row(serving, tiny_model):
    texts = texts_of(CONNECTIONS)
    expected = scorer.load(tiny_model("bert"), precision="fp32").score_texts(texts)
    found = asyncio.run(all_at_once(serving.port, [json.dumps({"text": text}).encode() for text in texts]))
    assert {status for status, _ in found} == {200}
    for (_, body), row in zip(found, expected, strict=True):
        answer = json.loads(body)
        assert (answer["score"], answer["score_status"]) == (row["score"], row["score_status"])
        assert answer["confidence"] == pytest.approx(row["confidence"], abs=1e-5)


async def with_idle_sockets(port: int, bodies: list[bytes]) -> list[float]:
    """Seconds of each of `bodies`, one after the other, beside many sockets on which nothing or too little comes."""
    begun = [b"", b"POST /predict HT", b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: 999\r\n\r\n{"]
    idle = []
    for number in range(IDLE_SOCKETS):
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(begun[number % len(begun)])
        idle.append(writer)
    client = await Client.connect(port)
    seconds = []
    for body in bodies:
        start = asyncio.get_running_loop().time()
        assert (await client.ask(body))[0] == 200
        seconds.append(asyncio.get_running_loop().time() - start)
    await client.close()
    for writer in idle:
        writer.close()
    return seconds


def test_a_thousand_open_sockets_harm_nobody(serving):
    bodies = [json.dumps({"text": text}).encode() for text in texts_of(600)]
    shares = []
    for _ in range(3):
        alone = statistics.median(load(serving.port, bodies, clients=1).latencies)
        beside = statistics.median(asyncio.run(with_idle_sockets(serving.port, bodies)))
        shares.append(beside / alone)
    print(f"one text beside {IDLE_SOCKETS} open sockets: {min(shares):.2f} to {max(shares):.2f} of the time without")  # noqa: T201
    assert min(shares) < 1.25


def test_clients_with_many_texts_get_all_of_them(serving, tiny_model):
    """Large requests and small ones in one queue, as many clients as there are."""
    texts = texts_of(20_000)
    sizes = [1, 500, 3, 40, 1, 100]
    bodies, start, number = [], 0, 0
    while start < len(texts):
        size = sizes[number % len(sizes)]
        bodies.append(json.dumps({"texts": texts[start : start + size]}).encode())
        start, number = start + size, number + 1
    found = load(serving.port, bodies, clients=64)
    answers = [row for reply in found.replies for row in json.loads(reply)["predictions"]]
    expected = scorer.load(tiny_model("bert"), precision="fp32").score_texts(texts)
    assert [row["score"] for row in answers] == [row["score"] for row in expected]


def test_the_server_beside_a_file_and_beside_predict(real_model, capsys):
    """By CPU time under load, since the clock of a busy machine says little; a request with few texts costs more."""
    options = argparse.Namespace(precision="auto", clients=64, rounds=2)
    settings = ("-m", real_model, "--max-length", 256)
    shares = serve_speed.throughput(texts_of(1_024), real_model, settings, options)
    told = {name: statistics.median(cpu for _, cpu in found) for name, found in shares.items()}
    predict, served = serve_speed.idle(texts_of(120), settings)
    # The quicker quarter: what else the machine does makes single texts slow now and then.
    idle = statistics.quantiles(served, n=4)[0] / statistics.quantiles(predict, n=4)[0]
    with capsys.disabled():
        print(f"shares of the file's speed by CPU time: {told}; idle, of a warm predict's time: {idle:.2f}")  # noqa: T201
    assert told["64 clients, 16 a request"] > 0.85
    assert told["64 clients, 1 a request"] > 0.6
    assert idle < 1.2
