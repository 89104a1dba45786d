"""Tokenization in processes of their own, for a machine with many cores beside a GPU.

The interpreter's lock is then free for whoever feeds the GPU: what a tokenizer returns is made into arrays elsewhere. A
process gets some thousands of texts at a time, in turns, and gives arrays back. It ends when its input ends, so none is
left behind, however this process ends.
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import threading
import weakref
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from scorer.classifier.long_text import LongText
from scorer.classifier.sequences import EncodedInputs
from scorer.classifier.tokenization import TextEncoder
from scorer.classifier.tokenizer_copies import described, restored

# So many texts go to a process at once; for fewer in all, the processes are not asked.
_TEXTS_AT_ONCE = 4_096
# Cores that read, feed the GPU and write; and the fewest others for which processes are worth their start.
_OWN_CORES, _FEWEST = 3, 4
_COMMAND = """
import pickle, sys
sys.path[:] = pickle.load(sys.stdin.buffer)
from scorer.classifier.token_processes import serve
serve(sys.stdin.buffer, sys.stdout.buffer)
"""


def process_count(cores: float, *, gpus: int) -> int:
    """How many processes tokenize for one of so many `gpus` on a machine whose `cores` they share; 0: threads do."""
    count = int(min(cores, 1024)) // max(gpus, 1) - _OWN_CORES
    return count if count >= _FEWEST else 0


class ProcessEncoder:
    """What `encoder` does, in `count` processes, each with one thread.

    `options` are the arguments that `encoder` was made with, besides the tokenizer. Where a process ends before its
    time, `encoder` does the work from then on. Several threads may call this; while one has the processes, others do
    without.
    """

    def __init__(self, encoder: TextEncoder, *, count: int, options: dict[str, Any]) -> None:
        self._encoder = encoder
        self._turn = threading.Lock()
        made = pickle.dumps((described(encoder.tokenizer), options))
        self._children = [_start(made) for _ in range(count)]
        self._close = weakref.finalize(self, _end, self._children)

    @property
    def long_text(self) -> LongText:
        return self._encoder.long_text

    def __call__(self, texts: Sequence[str], pairs: Sequence[str] | None = None) -> EncodedInputs:
        """As `TextEncoder`."""
        if len(texts) <= _TEXTS_AT_ONCE or not self._turn.acquire(blocking=False):
            return self._encoder(texts, pairs)
        try:
            if self._children:
                return EncodedInputs.concatenate(self._divided(texts, pairs))
        except (OSError, EOFError, pickle.UnpicklingError):
            # One was ended from outside, by the system when memory was short: `encoder` does it.
            pass
        finally:
            self._turn.release()
        return self._encoder(texts, pairs)

    def close(self) -> None:
        """End the processes."""
        _end(self._children)

    def _divided(self, texts: Sequence[str], pairs: Sequence[str] | None) -> list[EncodedInputs]:
        """The inputs of parts of the texts, in order. An error that a process met is raised when all have answered.
        Whatever else breaks this off, Ctrl-C above all, ends the processes: what they still answer would be taken for
        the next texts."""
        try:
            parts, failed = self._answers(texts, pairs)
        except BaseException:
            self.close()
            raise
        if failed is not None:
            raise failed
        return parts

    def _answers(
        self, texts: Sequence[str], pairs: Sequence[str] | None
    ) -> tuple[list[EncodedInputs], BaseException | None]:
        """The inputs of parts of the texts, and an error that a process met. Each process has one part at a time: it
        reads all of that before it writes, so nobody waits for the other to read."""
        parts: list[EncodedInputs] = []
        waiting: list[subprocess.Popen[bytes]] = []
        failed: BaseException | None = None
        starts = range(0, len(texts), _TEXTS_AT_ONCE)
        for number, start in enumerate(starts):
            child = self._children[number % len(self._children)]
            if child in waiting:
                failed = _received(waiting.pop(0), parts) or failed
            rows = slice(start, start + _TEXTS_AT_ONCE)
            _send(child, (texts[rows], None if pairs is None else pairs[rows]))
            waiting.append(child)
        for child in waiting:
            failed = _received(child, parts) or failed
        return parts, failed


def serve(source: Any, target: Any) -> None:
    """Be such a process: texts come from `source`, and their inputs, or an error, go to `target`."""
    description, options = pickle.load(source)
    encoder = TextEncoder(restored(description), **options)
    while True:
        try:
            texts, pairs = pickle.load(source)
        except EOFError:
            return
        try:
            answer: Any = encoder(texts, pairs)
        except Exception as error:  # noqa: BLE001 (raised again where the texts came from)
            answer = error
        pickle.dump(answer, target, protocol=pickle.HIGHEST_PROTOCOL)
        target.flush()


def _start(made: bytes) -> subprocess.Popen[bytes]:
    """A process that tokenizes. Not one of multiprocessing: that would run again what the user runs."""
    one_thread = os.environ | {"TOKENIZERS_PARALLELISM": "false", "RAYON_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    child = subprocess.Popen(
        [sys.executable, "-c", _COMMAND],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=one_thread,
        start_new_session=True,  # a signal at the terminal is for whoever waits for the rows
    )
    assert child.stdin is not None
    child.stdin.write(pickle.dumps(sys.path) + made)
    child.stdin.flush()
    return child


def _send(child: subprocess.Popen[bytes], texts: tuple[Sequence[str], Sequence[str] | None]) -> None:
    assert child.stdin is not None
    pickle.dump(texts, child.stdin, protocol=pickle.HIGHEST_PROTOCOL)
    child.stdin.flush()


def _received(child: subprocess.Popen[bytes], parts: list[EncodedInputs]) -> BaseException | None:
    """Add what `child` found to the `parts`, or give the error that it met."""
    assert child.stdout is not None
    answer = pickle.load(child.stdout)
    if isinstance(answer, BaseException):
        return answer
    parts.append(answer)
    return None


def _end(children: list[subprocess.Popen[bytes]]) -> None:
    # Nobody asks them any more, also where this is broken off.
    ended = children.copy()
    children.clear()
    for child in ended:
        for pipe in (child.stdin, child.stdout):
            # It may have ended before it read all.
            with suppress(OSError):
                if pipe is not None:
                    pipe.close()
    for child in ended:
        child.kill()
        child.wait()
