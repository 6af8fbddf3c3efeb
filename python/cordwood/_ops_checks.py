"""The door of ops: arrays judged once, before any method sees them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from cordwood._device_rows import is_on_device
from cordwood._host_tensors import as_host_array
from cordwood.errors import InputError, InputTypeError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

MATRIX = 2
"""Dimensions of a matrix: outputs and inputs."""
_DOUBLE_BYTES = 8
_SINGLE_BYTES = 4


def check_axis(axis: int) -> None:
    """Raise unless outputs may lie on `axis`."""
    if axis not in (0, 1):
        message = f"axis is {axis}; outputs are on axis 0, or on axis 1 as in x @ w"
        raise InputError(message)


def check_on_host(values: Any, name: str) -> None:
    """Raise for an array of a CUDA device, where most functions do not run."""
    if is_on_device(values):
        message = (
            f"{name} lies in a CUDA device's memory; of ops only prune_mask, quantize with method "
            "'rtn' or 'mse', dequantize and tree_predict run there. Copy it to the host"
        )
        raise InputTypeError(message)


def as_real(values: ArrayLike, name: str) -> NDArray[Any]:
    """Return an array of real numbers; raise for all else."""
    check_on_host(values, name)
    array = as_host_array(values, f"{name} is")
    if array.dtype.kind not in "fiub":
        message = f"{name} has dtype {array.dtype}; expected real numbers"
        raise InputTypeError(message)
    return array


def check_matrix(values: ArrayLike, name: str, shape: str) -> NDArray[Any]:
    """Return a matrix of float32 or float64 that kernels can read; float16 and integers widen."""
    try:
        array = as_real(values, name)
    except ValueError as error:
        message = f"{name} makes no array: {error}; expected {shape}"
        raise InputError(message) from error
    if array.dtype.itemsize > _DOUBLE_BYTES:
        message = f"{name} has dtype {array.dtype}; expected float16, float32, float64 or integers"
        raise InputTypeError(message)
    if array.ndim != MATRIX or 0 in array.shape:
        message = f"{name} has shape {array.shape}; expected {shape}, neither of them 0"
        raise InputError(message)
    is_half = array.dtype.itemsize < _SINGLE_BYTES
    wanted = np.float32 if is_half else array.dtype.newbyteorder("=")
    if array.dtype.kind != "f":
        wanted = np.float64
    return np.require(array, wanted, "A")


def check_weights(w: ArrayLike) -> NDArray[np.float32]:
    """Return finite weights in float32, outputs first, C order."""
    array = check_matrix(w, "w", "two dimensions, (n_outputs, n_inputs)")
    with np.errstate(over="ignore"):
        array = np.ascontiguousarray(array, dtype=np.float32)
    check_finite(array, "w")
    return array


def check_inputs(inputs: ArrayLike, n_inputs: int) -> NDArray[Any]:
    """Return rows that a layer has seen, finite, in float32 or float64."""
    array = check_matrix(inputs, "inputs", f"rows of a layer's inputs, (n_rows, {n_inputs})")
    if array.shape[1] != n_inputs:
        message = f"inputs has shape {array.shape}; w has {n_inputs} inputs: (n_rows, {n_inputs})"
        raise InputError(message)
    check_finite(array, "inputs")
    return array


def check_vector(values: ArrayLike, name: str, size: int) -> NDArray[np.float64]:
    """Return `size` finite numbers in float64."""
    array = np.asarray(values, dtype=np.float64)
    if array.shape != (size,):
        message = f"{name} has shape {array.shape}; expected ({size},)"
        raise InputError(message)
    if not np.isfinite(array).all():
        place = int(np.flatnonzero(~np.isfinite(array))[0])
        message = f"{name} holds {array[place]} at {place}; expected finite numbers"
        raise InputError(message)
    return array


def check_share(value: float, name: str) -> float:
    """Raise unless `value` lies from 0 to 1."""
    if not 0.0 <= value <= 1.0:
        message = f"{name} is {value}; expected a number from 0 to 1"
        raise InputError(message)
    return float(value)


def check_positive(value: float, name: str) -> float:
    """Raise unless `value` is finite and above 0."""
    if not 0.0 < value < np.inf:
        message = f"{name} is {value}; expected a finite number above 0"
        raise InputError(message)
    return float(value)


def check_finite(array: NDArray[Any], name: str) -> None:
    """Raise, with its place, at the first value of a matrix that is NaN or infinite."""
    finite = np.isfinite(array)
    if not finite.all():
        row, column = (int(place) for place in np.argwhere(~finite)[0])
        message = (
            f"{name} holds {array[row, column]} at row {row}, column {column}; it must be finite"
        )
        raise InputError(message)
