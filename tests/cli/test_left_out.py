"""What a process is to do without is missing for whoever imports it, and there for whoever asks whether it is."""

from __future__ import annotations

import subprocess
import sys

CODE = """
import importlib.util, sys
from scorer.cli.left_out import leave_out
leave_out("colorsys")
leave_out("no_library_at_all")
try:
    import colorsys
except ModuleNotFoundError as error:
    assert error.name == "colorsys", error
else:
    raise AssertionError("it was imported")
assert "colorsys" not in sys.modules
assert importlib.util.find_spec("colorsys") is not None
assert importlib.util.find_spec("no_library_at_all") is None
import wave
"""


def test_a_library_that_is_left_out():
    assert subprocess.run([sys.executable, "-c", CODE], check=True).returncode == 0


def test_pyarrow_does_without_pandas():
    code = (
        "import sys; from scorer.cli.left_out import leave_out; leave_out('pandas')\n"
        "import pyarrow as pa\n"
        "for _ in range(2): assert pa.array(['a', None]).to_pylist() == ['a', None]\n"
        "assert pa.table({'a': [1]}).column('a').cast(pa.string()).to_pylist() == ['1']\n"
        "assert 'pandas' not in sys.modules"
    )
    assert subprocess.run([sys.executable, "-c", code], check=True).returncode == 0
