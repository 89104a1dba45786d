"""The command line as a fork of one process that has imported everything: a start takes milliseconds, not ten seconds.

`ForkServer` starts that process; its `command` stands for `python -m scorer` where a test starts a process. What it
starts is a small client, which gives its standard streams, folder and environment to the server, passes signals on, and
ends as the fork ends; a fork whose client is killed is killed. `tests.torture.launcher` does the same for tests that
hurt many runs; this one is for any test with pipes.

    python -m tests.forks SOCKET                    the server
    python tests/forks.py SOCKET ARGUMENT ...       a client
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import tempfile
from contextlib import suppress

MODULES = (
    "scorer.cli.main",
    "scorer.engines.score_job",
    "scorer.scoring.shards",
    "scorer.classifier.classifier",
    "transformers.models.bert.modeling_bert",
)
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_MOST = 1 << 20


def client(path: str, arguments: list[str]) -> None:
    """Run `scorer` with `arguments` in a fork of the server at `path`, and end as it ends."""
    if not all(map(_is_open, (0, 1, 2))):  # a stream that is closed cannot be given away
        os.execv(sys.executable, [sys.executable, "-m", "scorer", *arguments])
    server = socket.socket(socket.AF_UNIX)
    server.connect(path)
    folder = os.getcwd()  # noqa: PTH109  a client imports next to nothing
    request = {"arguments": arguments, "folder": folder, "environment": dict(os.environ)}
    data = json.dumps(request).encode()
    socket.send_fds(server, [len(data).to_bytes(4, "big")], [0, 1, 2])
    server.sendall(data)
    answers = server.makefile("r")
    pid = int(answers.readline())
    for number in _SIGNALS:
        signal.signal(number, lambda received, _: os.kill(pid, received))
    # What the fork reads and writes is its own: else a reader that waits for the end of our output would wait for us.
    for handle in (0, 1, 2):
        os.close(handle)
    code = int(answers.readline() or -signal.SIGKILL)
    if code < 0:
        signal.signal(-code, signal.SIG_DFL) if -code != signal.SIGKILL else None
        os.kill(os.getpid(), -code)
    os._exit(code)


def _is_open(handle: int) -> bool:
    try:
        os.fstat(handle)
    except OSError:
        return False
    return True


class _Server:
    """The forking side, in one thread."""

    def __init__(self, path: str) -> None:
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(path)
        self._listener.listen(64)
        self._clients: dict[int, socket.socket] = {}
        # A child that ends writes a byte here, by the handler of SIGCHLD.
        self._ended, ended = os.pipe()
        os.set_blocking(self._ended, False)
        os.set_blocking(ended, False)
        signal.set_wakeup_fd(ended)
        signal.signal(signal.SIGCHLD, lambda *_: None)

    def serve(self) -> None:
        import gc
        import importlib
        import select

        for name in MODULES:
            importlib.import_module(name)
        gc.collect()
        gc.freeze()
        print("ready", flush=True)  # noqa: T201  whoever started it waits for that
        while True:
            ready, _, _ = select.select([0, self._listener, self._ended, *self._clients.values()], [], [])
            if 0 in ready:  # the end of the tests
                return
            if self._ended in ready:
                os.read(self._ended, _MOST)
                self._reap()
            for pid, connection in list(self._clients.items()):
                if connection in ready:  # a client says nothing more, so it is gone
                    os.kill(pid, signal.SIGKILL)
                    del self._clients[pid]
                    connection.close()
            if self._listener in ready:
                self._fork(self._listener.accept()[0])

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            connection = self._clients.pop(pid, None)
            if connection is not None:
                with suppress(BrokenPipeError):
                    connection.sendall(f"{os.waitstatus_to_exitcode(status)}\n".encode())
                connection.close()

    def _fork(self, connection: socket.socket) -> None:
        size, handles, _, _ = socket.recv_fds(connection, 4, 3)
        length, data = int.from_bytes(size, "big"), b""
        while len(data) < length:
            data += connection.recv(length - len(data))
        pid = os.fork()
        if pid == 0:
            self._become(handles, **json.loads(data))
        for handle in handles:
            os.close(handle)
        connection.sendall(f"{pid}\n".encode())
        self._clients[pid] = connection

    def _become(self, handles: list[int], *, arguments: list[str], folder: str, environment: dict[str, str]) -> None:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for number, handle in enumerate(handles):
            os.dup2(handle, number)
        os.closerange(3, 256)
        os.environ.clear()
        os.environ.update(environment)
        tempfile.tempdir = None  # a library has asked for the folder of TMPDIR when it was imported
        os.chdir(folder)
        sys.argv = ["scorer", *arguments]
        from scorer.cli.main import run

        try:
            run()
        except SystemExit as ended:
            code = ended.code if isinstance(ended.code, int) else 1
            for stream in (sys.stdout, sys.stderr):
                if stream is not None and not stream.closed:
                    stream.flush()
            os._exit(code)
        os._exit(0)


class ForkServer:
    """The server, with its socket in `folder`; `command` starts a run of `scorer` in it."""

    def __init__(self, folder: str, *, root: str) -> None:
        import subprocess

        path = f"{folder}/forks"
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("SCORER_")}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.forks", path],
            cwd=root,
            env=inherited | {"HF_HUB_OFFLINE": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self.command = [sys.executable, "-S", f"{root}/tests/forks.py", path]
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == b"ready\n", "the server has died; what it printed says why"

    def close(self) -> None:
        self._process.communicate(timeout=60)


if __name__ == "__main__":
    if __spec__ is not None:
        _Server(sys.argv[1]).serve()
    else:
        client(sys.argv[1], sys.argv[2:])
