"""Inputs for a net: drawn from the shapes that it declares, or read from a file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from cordwood.errors import FileAccessError, InputError, InputTypeError, SourceFileError

if TYPE_CHECKING:
    from cordwood._model_net import Net, Port

__all__ = ["as_array", "draw_inputs", "read_arrays"]

SEQUENCE = 16
"""Size of an axis that varies and about which nothing is said."""

TRUTHS = 2
"""Drawn integers are below it: an index that every table has, and a mask's two values."""


def as_array(given: Any, place: str, dtype: np.dtype[Any]) -> np.ndarray:
    """Return an array of what a caller gives for an input.

    Parameters
    ----------
    given : array-like or tensor
        Of any type that `dtype` can hold in kind.
    place : str
        What errors call it.
    dtype : numpy.dtype
        Of the input.

    Raises
    ------
    InputTypeError
        It is no array of numbers, or of a kind that would lose what it says.
    """
    if hasattr(given, "detach"):  # a torch tensor that still belongs to a gradient
        given = given.detach()
    try:
        array = np.asarray(given)
    except (TypeError, ValueError) as error:
        message = f"{place} is no array of {dtype}: {error}"
        raise InputTypeError(message) from error
    if not np.can_cast(array.dtype, dtype, "same_kind"):
        message = (
            f"{place} has dtype {array.dtype}, expected {dtype}; convert it with astype where that"
            " loses nothing that matters"
        )
        raise InputTypeError(message)
    return array


def draw_inputs(
    net: Net, batch: int, sequence: int = SEQUENCE, *, generator: np.random.Generator
) -> dict[str, np.ndarray]:
    """Draw inputs that fit a net.

    Parameters
    ----------
    net : Net
        Whose inputs say their types and shapes.
    batch : int
        Size of axis 0 where it varies.
    sequence : int
        Size of every other axis that varies, or its maximum where that is less.
    generator : Generator
        Where numbers come from.

    Returns
    -------
    dict of str to ndarray
        By name: normal numbers for floats, 0 and 1 for integers and bools.
    """
    return {port.name: _draw(port, batch, sequence, generator) for port in net.inputs}


def _draw(port: Port, batch: int, sequence: int, generator: np.random.Generator) -> np.ndarray:
    shape = []
    for axis, (size, most) in enumerate(zip(port.shape, port.most, strict=True)):
        wanted = batch if axis == 0 else sequence
        shape.append(size if size is not None else min(wanted, most or wanted))
    if port.dtype.kind == "f":
        return generator.normal(size=shape).astype(port.dtype)
    return generator.integers(0, TRUTHS, shape).astype(port.dtype)


def read_arrays(path: str) -> dict[str, np.ndarray]:
    """Read the arrays of an ``.npz`` file by name.

    Raises
    ------
    FileAccessError
        It cannot be read.
    SourceFileError
        It holds anything but plain arrays by name.
    """
    try:
        held: Any = np.load(path, allow_pickle=False)
        if not hasattr(held, "files"):
            message = f"{path!r} holds one array, expected an .npz of arrays by name"
            raise SourceFileError(message)
        with held:
            arrays = dict(held)
    except OSError as error:
        message = f"cannot read {path!r}: {error.strerror or error}"
        raise FileAccessError(message) from error
    except (ValueError, EOFError) as error:
        if isinstance(error, SourceFileError):
            raise
        message = f"{path!r} is no .npz of plain arrays: {error}"
        raise SourceFileError(message) from error
    if not arrays:
        message = f"{path!r} holds no arrays"
        raise InputError(message)
    return arrays
