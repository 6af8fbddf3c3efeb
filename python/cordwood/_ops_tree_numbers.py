"""The numbers of ops.pack_trees: arrays as a tree_ensemble holds them, or refused by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from cordwood._ops_checks import as_real, check_vector
from cordwood.errors import InputError, InputTypeError
from cordwood.ir_checks_entries import node_place

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from cordwood.ir_trees import FloatName

_INT32 = np.iinfo(np.int32)
_DOUBLE_BYTES = 8
_EXACT = "a number that float64 holds exactly"


def read_array(values: ArrayLike, name: str) -> NDArray[Any]:
    """Return an array of real numbers that float64 or an integer type holds."""
    try:
        array = as_real(values, name)
    except ValueError as error:  # nested sequences of unequal length
        message = f"{name} makes no array: {error}"
        raise InputError(message) from error
    if array.dtype.itemsize > _DOUBLE_BYTES:
        message = f"{name} has dtype {array.dtype}; expected float64 or narrower"
        raise InputTypeError(message)
    return array


def whole_numbers(
    values: ArrayLike,
    name: str,
    n_nodes: int | None,
    dtype: Any = np.int32,
    *,
    unread: NDArray[np.bool_] | None = None,
) -> NDArray[Any]:
    """Return whole numbers, none beyond int32 but for those that are `unread`, which are -1."""
    array = _entries(values, name, n_nodes)
    if array.dtype.kind not in "iu" and array.size > 0:
        message = f"{name} has dtype {array.dtype}; expected integers"
        raise InputTypeError(message)
    beyond = (array < _INT32.min) | (array > _INT32.max)
    if unread is not None:
        beyond &= ~unread
    if beyond.any():
        entry = int(np.argmax(beyond))
        message = f"{name}[{entry}] is {array[entry]}; expected a number that int32 holds"
        raise InputError(message)
    numbers = np.ascontiguousarray(array, dtype)
    return numbers if unread is None else np.where(unread, dtype(-1), numbers)


def thresholds(
    values: ArrayLike, leaf: NDArray[np.bool_], start: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return what nodes compare with: no NaN, zero at a leaf."""
    array = _entries(values, "threshold", len(leaf))
    numbers = np.where(leaf, 0.0, array.astype(np.float64))
    for bad, expected in (
        (np.isnan(numbers), "a number where a node compares"),
        (~leaf & ~_are_exact(array), _EXACT),
    ):
        if bad.any():
            node = int(np.argmax(bad))
            message = f"threshold[{node}] is {array[node]}, expected {expected} "
            raise InputError(message + f"({node_place(start, node)})")
    return numbers


def flags(values: ArrayLike | None, leaf: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return which nodes send NaN to the left: none at a leaf, where scikit-learn sets nothing."""
    if values is None:
        return np.zeros(len(leaf), np.bool_)
    array = _entries(values, "missing_left", len(leaf))
    if array.dtype.kind not in "biu":
        message = f"missing_left has dtype {array.dtype}; expected bool, or integers 0 and 1"
        raise InputTypeError(message)
    other = ~leaf & (array != 0) & (array != 1)
    if other.any():
        entry = int(np.argmax(other))
        message = f"missing_left[{entry}] is {array[entry]}; expected 0 or 1"
        raise InputError(message)
    left: NDArray[np.bool_] = ~leaf & (array != 0)
    return left


def leaf_rows(
    array: NDArray[Any], leaf: NDArray[np.bool_], start: NDArray[np.int64]
) -> NDArray[Any]:
    """Return what leaves hold, a row of finite numbers for each, in float32 or float64."""
    held = array.reshape(len(leaf), -1)[leaf]
    exact = array.dtype if array.dtype in (np.float32, np.float64) else np.float64
    rows = np.ascontiguousarray(held, exact)
    for good, expected in (
        (np.isfinite(rows), "finite numbers"),
        (_are_exact(held), "numbers that float64 holds exactly"),
    ):
        if not good.all():
            node = int(np.flatnonzero(leaf)[np.argmin(good.all(axis=1))])
            message = f"value[{node}] is {array[node]}, a leaf ({node_place(start, node)}); "
            raise InputError(message + f"expected {expected}")
    return rows


def weights(values: ArrayLike | None, n_trees: int) -> NDArray[np.float64]:
    """Return the factor of each tree, in memory of its own."""
    if values is None:
        return np.ones(n_trees)
    array = read_array(values, "tree_weight")
    numbers: NDArray[np.float64] = check_vector(array, "tree_weight", n_trees).copy()
    _check_exact(array, "tree_weight")
    return numbers


def base_values(array: NDArray[Any], n_outputs: int, dtype: FloatName) -> NDArray[Any]:
    """Return what each output starts from: one number for all, or one for each."""
    if array.shape not in ((), (n_outputs,)):
        message = f"base has shape {array.shape}; expected ({n_outputs},) or one number"
        raise InputError(message)
    with np.errstate(over="ignore"):
        numbers = array.astype(dtype)
    good = np.isfinite(numbers)
    if not good.all():
        entry = int(np.argmin(good))
        wanted = (
            f"a number that {dtype} holds" if np.isfinite(array.flat[entry]) else "a finite number"
        )
        message = f"{_named('base', array, entry)}; expected {wanted}"
        raise InputError(message)
    _check_exact(array, "base")
    return np.full(n_outputs, numbers)


def _check_exact(array: NDArray[Any], name: str) -> None:
    good = _are_exact(array)
    if not good.all():
        message = f"{_named(name, array, int(np.argmin(good)))}; expected {_EXACT}"
        raise InputError(message)


def _named(name: str, array: NDArray[Any], entry: int) -> str:
    """Say what stands at an entry, or what a lone number is."""
    place = f"{name}[{entry}]" if array.ndim else name
    return f"{place} is {array.flat[entry]}"


def _are_exact(array: NDArray[Any]) -> NDArray[np.bool_]:
    """Tell which numbers float64 holds: of integers of 8 bytes not all beyond 2**53."""
    if array.dtype.kind not in "iu" or array.dtype.itemsize < _DOUBLE_BYTES:
        return np.ones(array.shape, np.bool_)
    numbers = array.astype(np.float64)
    inside = numbers < float(np.iinfo(array.dtype).max)  # that rounds up, to one too many
    back = np.where(inside, numbers, 0.0).astype(array.dtype)
    exact: NDArray[np.bool_] = inside & (back == array)
    return exact


def _entries(values: ArrayLike, name: str, n_nodes: int | None) -> NDArray[Any]:
    """Return an array of one axis, with an entry for each node where their number is known."""
    array = read_array(values, name)
    if array.ndim != 1 or n_nodes not in (None, len(array)):
        expected = "one axis" if n_nodes is None else f"({n_nodes},), an entry for each of left's"
        message = f"{name} has shape {array.shape}; expected {expected}"
        raise InputError(message)
    return array
