"""What belongs to the whole process, and its one owner: torch's threads, this machine's cores, kernels that are kept.

Several classifiers may be in memory, and several threads may call them at once. None of them changes what another one
relies on: whatever is set here for the process is set once, or it is lent and given back. (Signals are the command's:
`scorer.runs.signals` holds them.)
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock, Thread

import torch

# oneDNN's own cache holds what the batches in flight use again in every layer; torch's, one a thread, need hold little.
_KEPT_KERNELS = {"ONEDNN_PRIMITIVE_CACHE_CAPACITY": "128", "LRU_CACHE_CAPACITY": "32"}
_default_threads = Lock()


def bound_kernel_caches() -> None:
    """Keep few of the kernels that the CPU library generates for each shape; before the first forward pass.

    Nearly every batch has a shape of its own. By default two times 1,024 kernels are kept for a use that hardly comes:
    several hundred MiB, which grow with the file. Who has set the variables keeps their values.
    """
    for name, kept in _KEPT_KERNELS.items():
        os.environ.setdefault(name, kept)


def use_kernels_without_plans(device: torch.device) -> None:
    """Compute attention on a GPU with kernels that take any shape at once, in scoring as in training.

    Newer versions of torch prefer cuDNN's kernels. Those need a plan for every shape and thread, and a plan takes
    longer than the batch. With a mask they gave gradients that were no numbers at some lengths (pytorch#196678).
    """
    if device.type == "cuda":
        torch.backends.cuda.enable_cudnn_sdp(False)


def compute_alone() -> None:
    """From now on the calling thread does all of torch's work on the CPU itself; other threads keep their setting.

    torch keeps one number for each thread, and one that new threads begin with. Setting a thread's own sets the other
    one, too, so a short-lived thread puts that back.
    """
    with _default_threads:
        # A thread takes the common number over when it first asks for its own. After this it does not do so again.
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        restorer = Thread(target=torch.set_num_threads, args=(threads,), name="scorer-threads")
        restorer.start()
        restorer.join()


class Cores:
    """The cores that this process may use, which one holder at a time may have its threads kept on.

    A thread that moves to another core finds none of its weights in that core's cache. But two threads that are kept on
    the same core wait for each other while another core may be idle.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._holder: object | None = None
        self._calls = 0

    @contextmanager
    def lent_to(self, holder: object) -> Iterator[bool]:
        """Whether `holder` has the cores in this block. It has them unless another one does; several blocks of the
        same holder share them."""
        with self._lock:
            if self._holder is None:
                self._holder = holder
            lent = self._holder is holder
            self._calls += lent
        try:
            yield lent
        finally:
            with self._lock:
                self._calls -= lent
                if lent and not self._calls:
                    self._holder = None


CORES = Cores()
