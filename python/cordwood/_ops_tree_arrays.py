"""The door of ops.pack_trees: flat arrays of trees as people hold them, made one tree_ensemble.

What trees are is judged by ``cordwood.ir_checks_trees``; here arrays get its types.
"""

from __future__ import annotations

import contextlib
import operator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from cordwood._ops_checks import MATRIX, as_real, check_vector
from cordwood.errors import GraphError, InputError, InputTypeError
from cordwood.ir import TreeEnsemble
from cordwood.ir_checks_entries import check_starts, node_place
from cordwood.ir_checks_trees import check_choice
from cordwood.ir_trees import Comparison, FloatName

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import ArrayLike, NDArray

ROWS, TREES = "rows", "trees"
"""Names of the values that the trees read and write."""

Sum = Literal["sum", "average"]

_LEAF = -1
_INT32 = np.iinfo(np.int32)
_DOUBLE_BYTES = 8
_SHAPES = "(n_nodes,) or (n_nodes, n_outputs)"


@dataclass(frozen=True, kw_only=True)
class TreeRules:
    """How trees compare and add; :func:`cordwood.ops.pack_trees` says what the words mean.

    Attributes
    ----------
    comparison, input_type, accumulate_type, aggregate : str
        As there.
    """

    comparison: Comparison
    input_type: FloatName
    accumulate_type: FloatName
    aggregate: Sum

    def check(self) -> None:
        """Raise InputError where a word is none of those."""
        choices: dict[str, Any] = {
            "comparison": Comparison,
            "input_type": FloatName,
            "accumulate_type": FloatName,
            "aggregate": Sum,
        }
        with _as_input_error():
            for name, choice in choices.items():
                check_choice(name, getattr(self, name), choice)


def read_trees(  # noqa: PLR0913 - what trees are made of, each by its name
    feature: ArrayLike,
    threshold: ArrayLike,
    left: ArrayLike,
    right: ArrayLike,
    value: ArrayLike,
    *,
    n_features: int | None,
    tree_start: ArrayLike | None,
    tree_output: ArrayLike | None,
    tree_weight: ArrayLike | None,
    missing_left: ArrayLike | None,
    base: ArrayLike,
    rules: TreeRules,
) -> TreeEnsemble:
    """Return the tree_ensemble that arrays mean; :func:`cordwood.ops.pack_trees` explains them.

    Raises
    ------
    InputTypeError
        An array holds no numbers, or no whole numbers where those are needed.
    InputError
        An array has the wrong shape, or the nodes form no trees; with tree and node.
    """
    rules.check()
    lefts = _whole_numbers(left, "left", None)
    n_nodes = len(lefts)
    if n_nodes == 0:
        message = "left has no entry; expected at least one tree, of at least one node"
        raise InputError(message)
    start = np.array([0, n_nodes], np.int64)
    if tree_start is not None:
        start = _whole_numbers(tree_start, "tree_start", None, np.int64)
        with _as_input_error():
            check_starts("tree_start", start, n_nodes, strict=True)
    leaf = lefts == _LEAF
    n_trees = len(start) - 1
    leaf_values = _leaf_values(value, leaf, start)
    outputs, n_outputs = _outputs(tree_output, leaf_values.shape[1], n_trees, base)
    features = np.where(leaf, -1, _whole_numbers(feature, "feature", n_nodes)).astype(np.int32)
    node = np.arange(n_nodes, dtype=np.int64)
    weights = (
        np.ones(n_trees) if tree_weight is None else _sized(tree_weight, "tree_weight", n_trees)
    )
    in_tree = node - np.repeat(start[:-1], np.diff(start))
    n_columns = _n_columns(n_features, features)
    with _as_input_error(_HOW_TREES_LIE):
        return TreeEnsemble(
            source=ROWS,
            target=TREES,
            n_features=n_columns,
            n_outputs=n_outputs,
            input_type=rules.input_type,
            comparison=rules.comparison,
            accumulate_type=rules.accumulate_type,
            aggregate=rules.aggregate,
            divisor=float(n_trees) if rules.aggregate == "average" else 1.0,
            accepts_nan=missing_left is not None,
            accepts_infinity=True,
            base_value=_base(base, n_outputs, rules.accumulate_type),
            tree_start=start,
            tree_output=outputs,
            tree_weight=weights,
            left=lefts,
            right=_whole_numbers(right, "right", n_nodes),
            feature=features,
            threshold=np.where(leaf, 0.0, _thresholds(threshold, n_nodes)),
            category_set=np.full(n_nodes, -1, np.int32),
            missing_left=_flags(missing_left, n_nodes) & ~leaf,
            zero_missing=np.zeros(n_nodes, np.bool_),
            leaf_row=np.where(leaf, np.cumsum(leaf) - 1, -1).astype(np.int32),
            leaf_id=np.where(leaf, in_tree, -1).astype(np.int32),
            leaf_values=leaf_values,
            set_start=np.zeros(1, np.int64),
            set_members=np.zeros(0, np.int32),
            category_start=np.zeros(n_columns + 1, np.int64),
            category_values=np.zeros(0),
        )


_HOW_TREES_LIE = (
    "; the nodes of a tree lie side by side, its root first, and left and right count from that "
    "root, -1 both at a leaf"
)


@contextlib.contextmanager
def _as_input_error(advice: str = "") -> Iterator[None]:
    """Turn what the Graph's rules say into an error of the caller's arrays."""
    try:
        yield
    except GraphError as error:
        message = f"{error}{advice}"
        raise InputError(message) from error


def _array(values: ArrayLike, name: str) -> NDArray[Any]:
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


def _entries(values: ArrayLike, name: str, n_nodes: int | None) -> NDArray[Any]:
    """Return an array of one axis, with an entry for each node where their number is known."""
    array = _array(values, name)
    if array.ndim != 1 or n_nodes not in (None, len(array)):
        expected = "one axis" if n_nodes is None else f"({n_nodes},), an entry for each of left's"
        message = f"{name} has shape {array.shape}; expected {expected}"
        raise InputError(message)
    return array


def _whole_numbers(
    values: ArrayLike, name: str, n_nodes: int | None, dtype: Any = np.int32
) -> NDArray[Any]:
    """Return an array of whole numbers, none beyond int32."""
    array = _entries(values, name, n_nodes)
    if array.dtype.kind not in "iu" and array.size > 0:
        message = f"{name} has dtype {array.dtype}; expected integers"
        raise InputTypeError(message)
    beyond = (array < _INT32.min) | (array > _INT32.max)
    if beyond.any():
        entry = int(np.argmax(beyond))
        message = f"{name}[{entry}] is {array[entry]}; expected a number that int32 holds"
        raise InputError(message)
    return np.ascontiguousarray(array, dtype)


def _thresholds(values: ArrayLike, n_nodes: int) -> NDArray[np.float64]:
    return _entries(values, "threshold", n_nodes).astype(np.float64)


def _flags(values: ArrayLike | None, n_nodes: int) -> NDArray[np.bool_]:
    """Return which nodes send NaN to the left; scikit-learn holds zeros and ones."""
    if values is None:
        return np.zeros(n_nodes, np.bool_)
    array = _entries(values, "missing_left", n_nodes)
    if array.dtype.kind not in "biu":
        message = f"missing_left has dtype {array.dtype}; expected bool, or integers 0 and 1"
        raise InputTypeError(message)
    other = (array != 0) & (array != 1)
    if other.any():
        entry = int(np.argmax(other))
        message = f"missing_left[{entry}] is {array[entry]}; expected 0 or 1"
        raise InputError(message)
    return array.astype(np.bool_)


def _leaf_values(
    values: ArrayLike, leaf: NDArray[np.bool_], start: NDArray[np.int64]
) -> NDArray[Any]:
    """Return what leaves hold, a row for each, in float32 or float64."""
    array = _array(values, "value")
    if array.ndim not in (1, MATRIX) or len(array) != len(leaf) or 0 in array.shape:
        hint = ""
        if array.ndim > MATRIX:
            hint = (
                "; of scikit-learn's tree_.value take [:, :, 0] for a regressor, [:, 0, :] for "
                "the fractions of a classifier"
            )
        message = f"value has shape {array.shape}; expected {_SHAPES} with {len(leaf)} nodes{hint}"
        raise InputError(message)
    exact = array.dtype if array.dtype in (np.float32, np.float64) else np.float64
    rows = np.ascontiguousarray(array.reshape(len(leaf), -1)[leaf], exact)
    finite = np.isfinite(rows).all(axis=1)
    if not finite.all():
        at = int(np.argmin(finite))
        node = int(np.flatnonzero(leaf)[at])
        message = f"value[{node}] is {array[node]}, a leaf ({node_place(start, node)}); "
        raise InputError(message + "expected finite numbers")
    return rows


def _outputs(
    tree_output: ArrayLike | None, leaf_width: int, n_trees: int, base: ArrayLike
) -> tuple[NDArray[np.int32], int]:
    """Return the output of each tree, and how many outputs there are."""
    if tree_output is None:
        return np.zeros(n_trees, np.int32), leaf_width
    outputs = _whole_numbers(tree_output, "tree_output", None)
    if len(outputs) != n_trees:
        message = f"tree_output has {len(outputs)} entries; expected {n_trees}, one for each tree"
        raise InputError(message)
    if leaf_width > 1:
        message = (
            f"tree_output is given and leaves hold {leaf_width} values; expected value of shape "
            "(n_nodes,) where each tree adds to an output of its own"
        )
        raise InputError(message)
    listed = np.size(base) if np.ndim(base) == 1 else 0
    return outputs, listed or int(max(outputs.max(), 0)) + 1


def _base(base: ArrayLike, n_outputs: int, dtype: FloatName) -> NDArray[Any]:
    """Return what each output starts from."""
    if np.ndim(base) == 0:
        base = np.full(n_outputs, base)
    with np.errstate(over="ignore"):  # the Graph's rules refuse an infinity
        return _sized(base, "base", n_outputs).astype(dtype)


def _sized(values: ArrayLike, name: str, size: int) -> NDArray[np.float64]:
    """Return `size` finite numbers in memory of their own."""
    numbers: NDArray[np.float64] = check_vector(_array(values, name), name, size).copy()
    return numbers


def _n_columns(n_features: int | None, features: NDArray[np.int32]) -> int:
    """Return how many columns rows have: as told, or as many as the trees ask for."""
    if n_features is None:
        return max(1, int(features.max()) + 1)
    try:
        count = operator.index(n_features)
    except TypeError as error:
        message = f"n_features is {n_features!r}; expected a whole number"
        raise InputTypeError(message) from error
    if not 1 <= count <= _INT32.max:
        message = f"n_features is {count}; expected a number from 1 to {_INT32.max}"
        raise InputError(message)
    return count
