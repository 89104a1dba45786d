"""`scorer serve` as a process: how it starts, what signals do, and how it ends."""

from __future__ import annotations

import http.client
import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

import pytest

ROOT = Path(__file__).parents[2]
PATIENCE = 60


class Process:
    def __init__(self, command: list[str], folder: Path, *arguments: str | Path) -> None:
        self.process = subprocess.Popen(
            [*command, "serve", "--port", "0", *map(str, arguments)],
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
        )
        assert self.process.stderr is not None
        line = self.process.stderr.readline()
        assert line.startswith("serving at http://127.0.0.1:"), line + self.process.stderr.read()
        self.port = int(line.rpartition(":")[2])

    def ask(self, document: object) -> tuple[int, object]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        connection.request("POST", "/predict", json.dumps(document))
        reply = connection.getresponse()
        found = reply.status, json.loads(reply.read())
        connection.close()
        return found

    def waiting(self) -> int:
        """How many texts have no answer yet."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        connection.request("GET", "/info")
        found: int = json.loads(connection.getresponse().read())["models"][0]["waiting"]
        connection.close()
        return found

    def end(self) -> tuple[int, str, str]:
        out, err = self.process.communicate(timeout=PATIENCE)
        return self.process.returncode, out, err


@pytest.fixture
def start(tmp_path, forked):
    started: list[Process] = []

    @contextmanager
    def begin(*arguments: str | Path) -> Iterator[Process]:
        started.append(Process(forked, tmp_path, *arguments))
        yield started[-1]

    yield begin
    for one in started:
        if one.process.poll() is None:
            one.process.kill()
            one.process.communicate()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_lets_the_server_answer_what_has_arrived_and_end(start, tiny_model, number):
    answers: list[tuple[int, object]] = []
    with start("-m", tiny_model("bert")) as server:
        asked = {"texts": ["a long room " * 200] * 400}
        clients = [Thread(target=lambda: answers.append(server.ask(asked))) for _ in range(4)]
        for client in clients:
            client.start()
        idle = socket.create_connection(("127.0.0.1", server.port))
        time.sleep(0.3)
        server.process.send_signal(number)
        for client in clients:
            client.join(PATIENCE)
        code, out, err = server.end()
        idle.close()
    assert code == 0, err
    assert [status for status, _ in answers] == [200] * 4
    assert all(len(document["predictions"]) == 400 for _, document in answers)
    summary = json.loads(out)
    assert summary["requests"] == {"200": 4}
    assert sum(summary["texts"].values()) == 1600
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", server.port))


def test_what_is_not_answered_in_time_is_told_by_the_exit_code(start, tiny_model):
    with start(
        "-m", tiny_model("bert"), "--drain-seconds", "0.2", "--queue", "200000", "--max-texts", "100000"
    ) as server:
        body = json.dumps({"texts": ["a good room " * 20] * 30_000}).encode()
        with socket.create_connection(("127.0.0.1", server.port)) as client:
            client.sendall(b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
            while not server.waiting():
                time.sleep(0.02)
            server.process.send_signal(signal.SIGTERM)
            code, _, err = server.end()
    assert code in (143, -signal.SIGTERM)
    assert "1 requests were not answered in --drain-seconds" in err


def test_a_second_signal_ends_it_at_once(start, tiny_model):
    with start("-m", tiny_model("bert")) as server, socket.create_connection(("127.0.0.1", server.port)) as client:
        client.sendall(b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
        time.sleep(0.2)
        server.process.send_signal(signal.SIGTERM)
        time.sleep(0.5)
        assert server.process.poll() is None
        server.process.send_signal(signal.SIGTERM)
        code, _, _ = server.end()
    assert code in (143, -signal.SIGTERM)


def test_what_cannot_be_served_is_said_in_one_line(run_scorer, tiny_model, tmp_path):
    model = tiny_model("bert")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = run_scorer("serve", "-m", model, "--port", port)
        assert (done.returncode, done.stdout) == (75, "")
        assert f"127.0.0.1:{port}: in use already" in done.stderr
    (tmp_path / "empty").write_text(" \n")
    for arguments, code, said in [
        (("-m", "./missing"), 78, "./missing: no such model directory"),
        (("-m", model, "--token", "none"), 66, "--token none: no such file"),
        (("-m", model, "--token", "empty"), 78, "--token empty: one word is expected"),
        (("-m", model, "--port", "70000"), 2, "--port 70000: 65535 is the most"),
        (("-m", model, "--host", "no.such.invalid", "--port", "0"), 2, "--host no.such.invalid: no such address"),
        (("-m", model, "--host", "192.0.2.1", "--port", "0"), 2, "not an address of this machine"),
        (("-m", model, "-m", model, "--port", "0"), 2, "two models are called"),
        (("-m", model, "--top-k", "9", "--port", "0"), 2, "--top-k 9: this model has 5 labels"),
    ]:
        done = run_scorer("serve", *arguments)
        assert done.returncode == code, done.stderr
        assert said in done.stderr
        assert done.stderr.count("\n") == 1


def test_a_missing_extra_names_how_to_install_it(tmp_path):
    """In an interpreter in which starlette cannot be found."""
    program = (
        "import sys; sys.modules['starlette'] = None; sys.argv = ['scorer', 'serve'];"
        "from scorer.cli.main import run; run()"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 78
    assert "pip install 'scorer[serve]'" in done.stderr
