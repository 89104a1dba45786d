"""What tests of the server share: one server with a tiny model, at work for a whole file of tests."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.serving.served import Served


@pytest.fixture(scope="module")
def server(tiny_model) -> Iterator[Served]:
    """A server of one model, called `stars`."""
    from tests.serving.served import Served

    with Served(f"stars={tiny_model('bert')}") as served:
        yield served
