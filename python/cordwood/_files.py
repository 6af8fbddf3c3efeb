"""Reading files, and writing them whole or not at all."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, Any

from cordwood.errors import FileAccessError, InputTypeError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["as_path", "read_bytes", "write_atomically"]

# A name with a NUL is a ValueError, a loop of links a RuntimeError before Python 3.13.
_FAILURES = (OSError, ValueError, RuntimeError)


def as_path(path: Any) -> Path:
    """Return a path given as str, bytes or path-like.

    Raises
    ------
    InputTypeError
        It is none of these.
    """
    from pathlib import Path  # a fifth of the time that importing cordwood takes

    try:
        return Path(os.fsdecode(path))
    except TypeError as error:
        message = f"path is a {type(path).__name__}, expected a str or a path-like object"
        raise InputTypeError(message) from error


def read_bytes(path: Any) -> bytes:
    """Return a file's content.

    Raises
    ------
    FileAccessError
        It cannot be read.
    InputTypeError
        `path` is no path.
    """
    source = as_path(path)
    try:
        return source.read_bytes()
    except _FAILURES as error:
        raise FileAccessError(_describe("read", source, error)) from error


def write_atomically(path: Any, data: bytes) -> None:
    """Write `data` to a temporary file beside `path`, flush it to the disk, rename it.

    Parameters
    ----------
    path : str or path-like
        Where to; an existing file is replaced in one step and keeps its permissions. A pipe or a
        device, such as ``/dev/null``, is written into.
    data : bytes
        The whole content.

    Raises
    ------
    FileAccessError
        It cannot be written. An existing file keeps its content; nothing is left beside it.
    InputTypeError
        `path` is no path.
    """
    target = as_path(path)
    try:
        # A rename would put a file in the place of a device, for everyone on the machine.
        if target.exists() and not target.is_file():
            target.write_bytes(data)
        else:
            # A link stays a link: the file that it points to is replaced.
            _replace(target.resolve(), data)
    except _FAILURES as error:
        raise FileAccessError(_describe("write", target, error)) from error


def _replace(target: Path, data: bytes) -> None:
    temporary = target.with_name(f".cordwood.{os.getpid()}.{os.urandom(4).hex()}")
    try:
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
        with os.fdopen(handle, "wb") as file:
            if target.exists():
                temporary.chmod(target.stat().st_mode & 0o777)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(target)
    except OSError:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise


def _describe(verb: str, path: Path, error: Exception) -> str:
    return f"cannot {verb} {str(path)!r}: {getattr(error, 'strerror', None) or error}"
