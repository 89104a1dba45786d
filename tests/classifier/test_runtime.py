"""What is set for the whole process."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import torch

from scorer.classifier.runtime import bound_kernel_caches, use_kernels_without_plans

VARIABLES = ("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "LRU_CACHE_CAPACITY")


@pytest.fixture
def _planned_kernels():
    before = torch.backends.cuda.cudnn_sdp_enabled()
    torch.backends.cuda.enable_cudnn_sdp(True)
    yield
    torch.backends.cuda.enable_cudnn_sdp(before)


@pytest.mark.usefixtures("_planned_kernels")
def test_attention_on_a_gpu_needs_no_plans():
    use_kernels_without_plans(torch.device("cpu"))
    assert torch.backends.cuda.cudnn_sdp_enabled()
    use_kernels_without_plans(torch.device("cuda", 0))
    assert not torch.backends.cuda.cudnn_sdp_enabled()


def test_kernel_caches_are_bounded_unless_somebody_bounded_them(monkeypatch):
    monkeypatch.setenv(VARIABLES[0], "7")
    monkeypatch.delenv(VARIABLES[1], raising=False)
    bound_kernel_caches()
    assert [os.environ[name] for name in VARIABLES] == ["7", "32"]


def test_a_call_in_a_process_of_its_own_leaves_its_threads_as_they_were():
    """From the first operation of the process on, when torch has not settled any thread's number yet."""
    tell = (
        "import threading, torch\n"
        "def tell():\n"
        "    print(torch.get_num_threads())\n"
        "thread = threading.Thread(target=tell)\n"
        "thread.start(); thread.join()\n"
        "tell()\n"
    )
    call = (
        "import torch\n"
        "from scorer.classifier.workers import Workers\n"
        "assert set(Workers(2, torch.device('cpu')).map(lambda _: torch.get_num_threads(), range(4))) == {1}\n"
    )
    without, after = (
        subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
        for script in (tell, call + tell)
    )
    assert after == without
