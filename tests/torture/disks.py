"""File systems that are too small or read-only, made for one test.

Owns mounting, which needs root. Does not know what is written to them.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def small_disk(folder: Path, kib: int) -> Iterator[Path]:
    """A tmpfs of `kib` KiB mounted on `folder`, which is made for it."""
    folder.mkdir(exist_ok=True)
    mount("-t", "tmpfs", "-o", f"size={kib}k", "tmpfs", str(folder))
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def grow(folder: Path, kib: int) -> None:
    """Give the disk on `folder` `kib` KiB."""
    mount("-o", f"remount,size={kib}k", str(folder))


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """Make `folder` read-only, for root too, by a bind mount onto itself."""
    mount("--bind", str(folder), str(folder))
    try:
        mount("-o", "remount,bind,ro", str(folder))
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def mount(*arguments: str) -> None:
    """Mount, or skip the test with the reason."""
    if os.geteuid() != 0:
        pytest.skip("only root may mount a disk of a given size")
    done = subprocess.run(["mount", *arguments], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"no mounting here: {done.stderr.strip()}")
