"""Whether what a command reads is there, and whether what it writes may be written, before any work is done.

Every command asks here. Decides and refuses; writes nothing.
"""

from __future__ import annotations

import glob
import os
import shutil
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path

from scorer.errors import InputMissing, NotPermitted, OutputRefused, StorageError, UsageError, from_os_error
from scorer.stores.hub import HubDataset
from scorer.stores.hub_repository import Repository
from scorer.stores.location import STREAM, Location, open_descriptor
from scorer.stores.object_path import ObjectPath, is_object, matches, path_of
from scorer.stores.workspace import workplace


@dataclass(frozen=True)
class Inputs:
    """What a command reads, and so must not write: `data` are paths, folders, patterns or -, as they were named;
    `models` directories or names of the hub; `files` what the data were found to consist of, as far as that is known.
    None among them is an input that was not asked for.
    """

    data: Sequence[str | Path | None]
    models: Sequence[str | Path | None] = ()
    files: Sequence[Path] = ()

    @property
    def paths(self) -> list[Path]:
        """The files and folders of data that are there."""
        # Of objects it is not asked: what is named and not there is met when it is read.
        return [path for path in (*self.named, *self.files) if isinstance(path, ObjectPath) or path.exists()]

    @property
    def named(self) -> list[Path]:
        """The data as they were named, without streams."""
        return [path_of(said) for said in self.data if said is not None and str(said) != STREAM]

    @property
    def directories(self) -> list[Path]:
        """The model directories that are on this machine, their links followed."""
        named = [Path(name) for name in self.models if name is not None and not is_object(name)]
        return [path.resolve() for path in named if path.is_dir()]


def require(*named: str | Path | None) -> None:
    """InputMissing unless each of the inputs that were `named` is there; what a pattern matches is seen later."""
    for said in named:
        if said is None or Location.of_input(said).is_stream:
            continue
        if not glob.has_magic(str(said)) and not path_of(said).exists():
            raise InputMissing(f"{said}: no such file or folder")


def check_files(
    outputs: Mapping[str, Path | None], inputs: Inputs, *, force: bool, besides: Sequence[Path | Location] = ()
) -> None:
    """Refuse the files that `outputs` has for flags, where they cannot or should not be written.

    As `check_file` does; UsageError also for a standard stream, and for a file that has two flags or is one of what the
    command writes `besides`.
    """
    named = [place.path if isinstance(place, Location) else place for place in besides if not _is_stream(place)]
    taken = {path.resolve() for path in named}
    for flag, path in outputs.items():
        if path is None:
            continue
        if Location.of_output(path).is_stream:
            raise UsageError(f"{flag} {path}: a file is needed; standard output has the summary or the rows")
        if path.resolve() in taken:
            raise UsageError(f"{path}: is named twice, for two outputs; name another file")
        check_file(path, inputs, force=force)
        taken.add(path.resolve())


def check_file(target: Path | Location, inputs: Inputs, *, force: bool) -> None:
    """Refuse a `target` that cannot or should not be written as a file; any stream can.

    UsageError when it is one of the inputs, would be among them the next time, or lies in a model directory that is
    read; OutputRefused when it is a folder, a fifo or another special file, a link to a file or to nothing, or a URL,
    when its folder is missing, or when it exists and `force` is not set; NotPermitted when its folder cannot be written
    to.
    """
    if isinstance(target, Location):
        if target.is_stream:
            return
        if target.scheme == "object":
            _check_object(target, inputs, force=force)
            return
        target = target.path
    try:
        refuse_inputs(target, inputs, replaced=True)
        _refuse_own_input(target, inputs)
        if target.is_symlink() and not target.exists():
            raise OutputRefused(f"{target}: a symlink to nothing; remove it or name another output")
        if target.is_dir():
            raise OutputRefused(f"{target}: a folder, where a file is to be written; name a file in it")
        if target.exists():
            _check_replaceable(target, force=force)
        parent = target.parent.resolve()
        refuse_url(target)
        if not parent.is_dir():
            raise OutputRefused(f"{target}: its folder does not exist; create {parent} first")
    except OSError as error:
        raise from_os_error(error) from error
    if not os.access(parent, os.W_OK | os.X_OK):
        raise NotPermitted(f"{target}: no permission to write into {parent}")


def check_folder(target: Path, inputs: Inputs, *, replaced: bool) -> None:
    """Refuse a `target` that cannot be a folder of ours: as `refuse_inputs` does, and OutputRefused for a device or any
    other file, or a URL. One that is not `replaced` may hold inputs."""
    try:
        refuse_url(target)
        if Location.of_output(target).is_stream:
            raise UsageError(f"{target}: a stream, where a folder is to be written; name a folder")
        refuse_inputs(target, inputs, replaced=replaced)
        if target.exists() and not target.is_dir():
            raise OutputRefused(f"{target}: a file, where a folder is to be written; name another")
    except OSError as error:
        raise from_os_error(error) from error


def check_parts_folder(where: Location, inputs: Inputs) -> None:
    """Refuse what cannot be a folder of parts: as `check_folder` does, and UsageError where its parts would be among
    the inputs the next time, or the inputs lie in it."""
    target = where.path
    if where.scheme == "object":
        _check_object(where, inputs, force=True, folder=True)
        return
    check_folder(target, inputs, replaced=True)
    try:
        _refuse_own_input(target, inputs)
        if target.is_symlink() and not target.exists():
            raise OutputRefused(f"{target}: a symlink to nothing; remove it or name another output")
    except OSError as error:
        raise from_os_error(error) from error
    parent = target if target.is_dir() else target.parent
    if parent.is_dir() and not os.access(parent, os.W_OK | os.X_OK):
        raise NotPermitted(f"{target}: no permission to write into {parent}")


def refuse_inputs(target: Path, inputs: Inputs, *, replaced: bool) -> None:
    """UsageError when `target` is an input, however it is named, or lies in a model directory, or would be `replaced`
    and is the folder of one."""
    resolved, stands = target.resolve(), _stands(target)
    for source in inputs.paths:
        if (stands and target.samefile(source)) or resolved == source.resolve():
            raise UsageError(f"{target}: is the input itself; name another output")
        if replaced and target.is_dir() and source.resolve().is_relative_to(resolved):
            raise UsageError(f"{target}: is the folder of the input {source}; name an output elsewhere")
    for directory in inputs.directories:
        if resolved.is_relative_to(directory):
            raise UsageError(f"{target}: lies inside the model {directory}; name an output outside of it")
        if replaced and target.is_dir() and directory.is_relative_to(resolved):
            raise UsageError(f"{target}: is the folder of the model {directory}; name an output elsewhere")
        if stands and any(target.samefile(file) for file in directory.iterdir() if file.is_file()):
            raise UsageError(f"{target}: is a file of the model {directory}; name another output")


def _is_stream(place: Path | Location) -> bool:
    return isinstance(place, Location) and place.is_stream


def refuse_url(target: Path) -> None:
    """OutputRefused for `scheme://...`, unless there is such a folder here: only the rows that are scored may go there,
    for which `Location` stands."""
    if Location.of_output(target).scheme == "object":
        raise OutputRefused(
            f"{path_of(target)}: outputs are local, but for rows that are scored; name a path on this machine and copy "
            "it there afterwards"
        )


def _check_object(where: Location, inputs: Inputs, *, force: bool, folder: bool = False) -> None:
    """The same of an object, or of the `folder` of some."""
    target = where.path
    assert isinstance(target, ObjectPath)
    if isinstance(target.bucket, HubDataset):
        if not folder:
            raise UsageError(f"{target}: of the hub a folder is written, in one commit; end its name with /")
        Repository("dataset", target.bucket.written_name).check_token()
    if not target.key and not folder:
        raise OutputRefused(f"{target}: a bucket, where an object is to be written; name an object in it")
    refuse_inputs(target, inputs, replaced=True)
    _refuse_own_input(target, inputs)
    if folder and target.key and _stands(target) and target.is_file():
        raise OutputRefused(f"{target}: an object, where those of a folder are to be written; name another")
    if not folder and not force and target.is_file():
        raise OutputRefused(f"{target}: exists already; say --force to replace it")
    if isinstance(target.bucket, HubDataset):
        return  # a data set that is missing will be made
    # A missing bucket and a wrong key are told before anything is computed.
    try:
        target.bucket.has_any(target.key)
    except InputMissing as error:
        raise OutputRefused(f"{error}") from error


def _stands(target: Path) -> bool:
    """Whether anything is there; nothing is in a data set of the hub that is not there itself."""
    try:
        return target.exists()
    except InputMissing:
        return False


def check_free_space(target: Path | Location, needed_bytes: int) -> None:
    """StorageError when the file system of `target` has fewer than `needed_bytes` bytes left; of a stream
    nobody knows, and an object is made on this machine."""
    if isinstance(target, Location):
        if target.is_stream:
            return
        target = target.path
    if isinstance(target, ObjectPath):  # it is made on this machine
        folder = next(parent for parent in workplace(target).parents if parent.is_dir())
    else:
        folder = target.parent.resolve()
    try:
        free = shutil.disk_usage(folder).free
    except OSError as error:
        raise from_os_error(error) from error
    if free < needed_bytes:
        raise StorageError(
            f"{target}: about {_mib(needed_bytes)} MiB are needed and {_mib(free)} MiB are free in {folder}; "
            "free some space or name an output elsewhere"
        )


def _refuse_own_input(target: Path, inputs: Inputs) -> None:
    """UsageError when a `target` would be among the input the next time: in its folder, matched by its pattern, or in a
    folder that the pattern matches."""
    for source in inputs.named:
        if source.is_dir():
            within = target.resolve().is_relative_to(source.resolve())
        else:
            within = not source.exists() and _is_among(target.absolute(), source.absolute())
        if within:
            raise UsageError(f"{target}: would be part of the input {source}; name an output outside of it")


def _is_among(target: Path, pattern: Path) -> bool:
    """Whether `pattern` matches `target`, or a folder that it lies in; these are read where no file matches."""
    parts = target.parts
    if matches(parts, pattern.parts):
        return True
    within = any(matches(parts[:depth], pattern.parts) for depth in range(1, len(parts)))
    return within and not _matches_a_file(pattern)


def _matches_a_file(pattern: Path) -> bool:
    """Whether `pattern` matches a file that is none of Spark's, as far as it does not ask for such names."""
    named = any(part.startswith(("_", ".")) for part in pattern.parts if glob.has_magic(part))

    def is_seen(name: str) -> bool:
        return named or not name.startswith(("_", "."))

    if not isinstance(pattern, ObjectPath):
        found = map(Path, glob.iglob(str(pattern), recursive=True))  # noqa: PTH207 - as it is read
        return any(path.is_file() and is_seen(path.name) for path in found)
    fixed = takewhile(lambda part: not glob.has_magic(part), pattern.parts)
    return any(matches(path.parts, pattern.parts) and is_seen(path.name) for path in ObjectPath(*fixed).beneath())


def _check_replaceable(target: Path, *, force: bool) -> None:
    if not stat.S_ISREG(target.stat().st_mode) or open_descriptor(target) is not None:
        raise OutputRefused(f"{target}: a fifo, socket, device or open file; name a file, or write to - and pipe it")
    if target.is_symlink():
        raise OutputRefused(f"{target}: a link, which a file would replace; name {target.resolve()} or remove the link")
    if not force:
        raise OutputRefused(f"{target}: exists already; say --force to replace it")


def _mib(size: int) -> int:
    return -(-size >> 20)
