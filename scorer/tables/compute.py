"""The functions of pyarrow.compute, which is imported when the first of them is called.

That import takes as long as that of all else of Arrow. A job that is finished already calls none of them.
"""

from __future__ import annotations

import importlib
from typing import Any


def __getattr__(name: str) -> Any:
    return getattr(importlib.import_module("pyarrow.compute"), name)
