"""What calls of products share: arrays that come in, the ending, and what is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypeVar

import numpy as np

from cordwood import _core
from cordwood._ops_checks import MATRIX, as_real
from cordwood.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

Number = TypeVar("Number", bound=np.generic)

Activation = Literal[
    "relu",
    "relu6",
    "gelu",
    "gelu_tanh",
    "silu",
    "sigmoid",
    "tanh",
    "softplus",
    "mish",
    "selu",
    "hard_sigmoid",
    "hard_swish",
]

# Kinds by their numbers in docs/graph.md; the two hard ones clip x / 6 + 1/2.
_ACTIVATIONS = {
    None: None,
    "relu": _core.Cut(0.0, np.inf),
    "relu6": _core.Cut(0.0, 6.0),
    "gelu": _core.Cut.function(6),
    "gelu_tanh": _core.Cut.function(7),
    "silu": _core.Cut.function(8),
    "sigmoid": _core.Cut.function(9),
    "tanh": _core.Cut.function(10),
    "softplus": _core.Cut.function(11),
    "mish": _core.Cut.function(12),
    "selu": _core.Cut.function(4),
    "hard_sigmoid": _core.Cut.function(13, 1 / 6, 0.5),
    "hard_swish": _core.Cut.function(14, 1 / 6, 0.5),
}


def as_floats(values: ArrayLike, name: str) -> NDArray[np.float32]:
    """Give real numbers as float32, without a copy where they are that already."""
    if type(values) is np.ndarray and values.dtype == np.float32:
        return values
    array = as_real(values, name)
    with np.errstate(over="ignore"):
        return array.astype(np.float32, copy=False)


def as_rows(x: ArrayLike) -> tuple[NDArray[np.float32], tuple[int, ...]]:
    """Activations as a matrix of rows, and the dimensions that stood before the last."""
    rows = as_floats(x, "x")
    return (rows, rows.shape[:-1]) if rows.ndim == MATRIX else as_matrix(rows)


def as_matrix(rows: NDArray[Number]) -> tuple[NDArray[Number], tuple[int, ...]]:
    """Rows of all leading dimensions in one, and those dimensions."""
    lead = rows.shape[:-1]
    if rows.ndim != MATRIX:
        if rows.ndim == 0:
            message = "x has no dimension; expected the last one to be the inputs"
            raise InputError(message)
        rows = rows.reshape(-1, rows.shape[-1])
    return rows, lead


def as_residual(residual: ArrayLike, n_columns: int) -> NDArray[np.float32]:
    """Give the residual as a matrix of rows."""
    rows = as_floats(residual, "residual")
    flat = rows.ndim == MATRIX or rows.shape[-1:] != (n_columns,)
    return rows if flat else rows.reshape(-1, n_columns)


def cut_of(activation: str | None) -> _core.Cut | None:
    """Limits that an activation cuts answers to, or its function."""
    is_name = activation is None or isinstance(activation, str)
    if not is_name or activation not in _ACTIVATIONS:
        names = ", ".join(repr(name) for name in _ACTIVATIONS)
        message = f"activation is {activation!r}; expected one of {names}"
        raise InputError(message)
    return _ACTIVATIONS[activation]


def check_out(out: Any, shape: tuple[int, ...], dtype: str = "float32") -> NDArray[Any]:
    """Give `out` as a matrix of rows, or raise where it cannot take an answer of `shape`."""
    flat: NDArray[Any] = check_form(out, shape, dtype).reshape(-1, shape[-1])
    return flat


def check_form(out: Any, shape: tuple[int, ...], dtype: Any) -> NDArray[Any]:
    """Give `out` as it is, or raise where it cannot take an answer of `shape`."""
    fits = isinstance(out, np.ndarray) and out.dtype == dtype and out.shape == shape
    if not fits or not out.flags.carray:
        kind = _kind(out) if isinstance(out, np.ndarray) else type(out).__name__
        message = f"out is {kind}; expected a writable C-ordered {dtype} array of shape {shape}"
        raise InputError(message)
    array: NDArray[Any] = out
    return array


def _kind(out: NDArray[Any]) -> str:
    """Say what an array is, with what keeps kernels from writing to it."""
    faults = {
        "read-only": not out.flags.writeable,
        f"not in C order (its strides are {out.strides})": not out.flags.c_contiguous,
        "not aligned to its elements": not out.flags.aligned,
    }
    return ", ".join(
        [f"{out.dtype} {out.shape}", *(name for name, is_so in faults.items() if is_so)]
    )
