"""Writing files whole or not at all."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from cordwood.errors import FileAccessError

__all__ = ["write_atomically"]


def write_atomically(path: str | os.PathLike[str], data: bytes) -> None:
    """Write `data` to a temporary file beside `path`, flush it to the disk, rename it.

    Parameters
    ----------
    path : str or path-like
        Where to; an existing file is replaced in one step and keeps its permissions.
    data : bytes
        The whole content.

    Raises
    ------
    FileAccessError
        It cannot be written. An existing file keeps its content; nothing is left beside it.
    """
    # A link stays a link: the file that it points to is replaced.
    target = Path(path).resolve()
    temporary = target.with_name(f".{target.name}.{os.getpid()}.{os.urandom(4).hex()}")
    try:
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
        with os.fdopen(handle, "wb") as file:
            if target.exists():
                temporary.chmod(target.stat().st_mode & 0o777)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(target)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink()
        message = f"cannot write {str(path)!r}: {error.strerror or error}"
        raise FileAccessError(message) from error
