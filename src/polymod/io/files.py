"""Writing a file so that it is there whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from ..errors import DataError


@contextmanager
def atomic_write(path: str | os.PathLike[str], mode: str = "wb") -> Iterator[IO[Any]]:
    """Open a file that takes the place of `path` when the `with` block ends well.

    The data goes to a temporary file in the same folder, is forced to the disk, and is renamed over `path`.
    If the block raises, `path` is as it was and the temporary file is gone. A symbolic link stays one: its
    target is replaced.

    Args:
        path: the file to write; its folder must exist.
        mode: "wb" for bytes or "w" for text (UTF-8, with line ends as written).

    Raises:
        DataError: the file can't be created, finished or renamed in that folder. What the block itself raises
            passes through.
        ValueError: another mode.
    """
    if mode not in ("wb", "w"):
        raise ValueError(f"atomic_write takes mode 'wb' or 'w', not {mode!r}")
    target = Path(os.path.realpath(path))
    if target.is_dir():
        raise DataError(f"can't write {path}: it is a folder; give the name of a file in it")
    temporary = target.with_name(f".{target.name[:100]}.{os.urandom(6).hex()}.tmp")
    encoding, newline = (None, None) if mode == "wb" else ("utf-8", "")
    try:
        file: IO[Any] = open(temporary, f"x{mode[1:]}", encoding=encoding, newline=newline)  # noqa: SIM115
    except FileNotFoundError:
        raise DataError(f"can't write {path}: there is no folder {target.parent}; create it first") from None
    except OSError as error:
        raise DataError(f"can't write {path}: {error.strerror} (in folder {target.parent})") from error
    try:
        with file:
            yield file
            try:
                file.flush()
                os.fsync(file.fileno())
            except OSError as error:
                raise DataError(f"can't write {path}: {error.strerror}") from error
        try:
            os.replace(temporary, target)
        except OSError as error:
            raise DataError(f"can't write {path}: {error.strerror}") from error
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary)
        raise
    _sync_folder(target.parent)


def _sync_folder(folder: Path) -> None:
    """Force the new name itself to the disk, where the system lets a folder be opened."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
