"""A file of this machine with nothing but numbers of one type, one behind the other: written once, then mapped."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, BinaryIO, Self

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class NumberFile:
    """The file `path` of numbers of type `kind`, made anew; in a `with` block numbers can be put behind each other.

    What the operating system refuses is an OSError.
    """

    def __init__(self, path: Path, kind: type[np.generic]) -> None:
        self._path, self._kind = path, kind
        self.size = 0

    def __enter__(self) -> Self:
        self._stream: BinaryIO = self._path.open("wb")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stream.close()

    def append(self, numbers: NDArray[Any]) -> None:
        """Put `numbers` (n,), of this type, behind the others."""
        assert numbers.dtype == self._kind, "numbers of another type; this is a bug"
        self._stream.write(numbers.tobytes())
        self.size += len(numbers)

    def all(self) -> NDArray[Any]:
        """All numbers, once the block has ended; only those are read that are looked at."""
        import numpy as np  # whoever only looks at places needs none

        return np.memmap(self._path, self._kind, mode="r") if self.size else np.zeros(0, self._kind)
