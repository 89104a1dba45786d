"""A folder of this machine that outside libraries open by its name, such as a model, and how it appears whole.

Who works with models names what lies in the folder; looking, opening, renaming and deleting stand here.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from scorer.errors import OutputRefused
from scorer.stores.atomic import sync_folder, write_whole
from scorer.stores.number_file import NumberFile

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class Folder:
    """The folder `path`, which need not be there yet. Names are those of what lies directly in it.

    What the operating system refuses is an OSError.
    """

    path: Path

    @classmethod
    def of(cls, said: str) -> Folder:
        """The folder that is named so."""
        return cls(Path(said))

    def __str__(self) -> str:
        return str(self.path)

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def parent(self) -> Folder:
        """What it lies in."""
        return Folder(self.path.parent)

    @property
    def resolved(self) -> str:
        """The absolute path, its links followed."""
        return str(self.path.resolve())

    @property
    def exists(self) -> bool:
        """Whether anything stands there, be it a file."""
        return self.path.exists()

    @property
    def is_folder(self) -> bool:
        return self.path.is_dir()

    @property
    def is_link(self) -> bool:
        return self.path.is_symlink()

    def names(self) -> list[str]:
        """What lies in it, sorted; nothing where there is no such folder."""
        return sorted(path.name for path in self.path.iterdir()) if self.path.is_dir() else []

    def at(self, name: str) -> str:
        """The path of `name` in it, for a library that opens it itself, and for people."""
        return str(self.path / name)

    def folder(self, name: str) -> Folder:
        """The folder `name` in it."""
        return Folder(self.path / name)

    def beside(self, name: str) -> Folder:
        """The folder `name` in the same parent."""
        return Folder(self.path.with_name(name))

    def has(self, name: str) -> bool:
        """Whether it has a file of that name."""
        return (self.path / name).is_file()

    def sight(self) -> tuple[object, ...] | None:
        """What tells whether anything in it was changed or replaced, or whether its links lead elsewhere: two are equal
        when nothing was. None while there is no such folder."""
        with suppress(OSError):
            home = self.path.resolve(strict=True)
            found = [(path.name, path.stat()) for path in sorted(home.iterdir())]
            return (str(home), *((name, s.st_size, s.st_mtime_ns, s.st_ino) for name, s in found))
        return None

    def is_beside(self, other: Folder) -> bool:
        """Whether both have one parent, links followed."""
        return self.path.parent.resolve() == other.path.parent.resolve()

    def read(self, name: str) -> str | None:
        """The text of the small file `name`, None where there is none. ValueError when it is not UTF-8."""
        try:
            return (self.path / name).read_text(encoding="utf-8")
        except FileNotFoundError:
            return None

    def write(self, name: str, content: str) -> None:
        """Write the small file `name`, in UTF-8, durably and whole."""
        write_whole(self.path / name, content)

    @contextmanager
    def written(self, name: str) -> Iterator[str]:
        """The path at which a library may write, in the block, what becomes the file `name`: durably and whole."""
        beside = self.path / f"{name}.new"
        yield str(beside)
        _sync(beside)
        beside.replace(self.path / name)

    def numbers(self, name: str, kind: type[np.generic]) -> NumberFile:
        """The file `name` of numbers of type `kind`, to be made anew."""
        return NumberFile(self.path / name, kind)

    def make_anew(self) -> None:
        """Make it, empty, in the place of an earlier one."""
        self.discard()
        self.path.mkdir()

    def delete(self, name: str) -> None:
        """Delete the file `name`, if there is one."""
        (self.path / name).unlink(missing_ok=True)

    def remove(self) -> None:
        """Delete it with everything in it."""
        shutil.rmtree(self.path)

    def discard(self) -> None:
        """The same as far as it is there and can be deleted."""
        shutil.rmtree(self.path, ignore_errors=True)

    def copy_mode(self, name: str, *, of: str) -> None:
        """Let whoever may read the file `of` read `name`."""
        shutil.copymode(self.path / of, self.path / name)

    def refuse_existing(self, *, force: bool) -> None:
        """OutputRefused where something has its name already, unless `force` may replace that."""
        if not force and self.exists:
            raise OutputRefused(f"{self}: exists already; choose another directory or replace it with --force")

    def publish(self, target: Folder, *, force: bool) -> None:
        """Let this complete folder be `target` from now on, durably; what stood there is deleted after it with `force`,
        and without it OutputRefused.

        A folder that stands there is moved aside first, since none replaces another in one step: a reader may find none
        between two renames. When the second fails the old folder is put back; a kill just there leaves it beside, as
        NAME.replaced-PID.
        """
        for path in sorted(self.path.rglob("*"), reverse=True):
            _sync(path)
        sync_folder(self.path)
        output = target.path
        aside = output.with_name(f"{output.name}.replaced-{os.getpid()}")
        replaces = output.exists()
        if replaces and not force:
            raise OutputRefused(f"{target}: appeared while this was made; remove it, or replace it with --force")
        if replaces:
            output.rename(aside)
        try:
            self.path.rename(output)
        except OSError:
            if replaces:
                aside.rename(output)
            raise
        sync_folder(output.parent)
        if replaces:
            shutil.rmtree(aside)

    def point_to(self, target: Folder) -> None:
        """Be a relative link to `target`, in one step in the place of an earlier link."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        beside = self.path.with_name(f".{self.path.name}-{os.getpid()}")
        beside.unlink(missing_ok=True)
        beside.symlink_to(os.path.relpath(target.path.resolve(), self.path.parent.resolve()))
        beside.replace(self.path)
        sync_folder(self.path.parent)


@contextmanager
def temporary_folder(prefix: str) -> Iterator[Folder]:
    """A new folder that is gone, with everything in it, when the block ends."""
    with tempfile.TemporaryDirectory(prefix=prefix) as path:
        yield Folder(Path(path))


def _sync(path: Path) -> None:
    """Bring the file or folder to the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
