"""Arrays on their way to the device; what a GPU does with them stands in `test_cuda.py`."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from scorer.classifier.forward.memory import to_device


@pytest.mark.parametrize(
    "array",
    [
        np.arange(12).reshape(3, 4),
        (np.arange(2, 5) < np.array([2, 4])[:, None])[:, None, None, :],
        np.zeros((0, 3), np.int64),
    ],
    ids=["ids", "mask", "nothing"],
)
def test_a_cpu_takes_an_array_as_it_is(array):
    tensor = to_device(array, torch.device("cpu"))
    np.testing.assert_array_equal(tensor.numpy(), array)
    assert tensor.numpy().dtype == array.dtype
    assert array.size == 0 or np.shares_memory(tensor.numpy(), array), "a copy would cost time and gain nothing"
