"""The door of ops.pack_trees: flat arrays of trees as people hold them, made one tree_ensemble.

What trees are is judged by ``cordwood.ir_checks_trees``; here arrays get its types.
"""

from __future__ import annotations

import contextlib
import operator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from cordwood._ops_checks import MATRIX
from cordwood._ops_tree_numbers import (
    base_values,
    flags,
    leaf_rows,
    read_array,
    thresholds,
    weights,
    whole_numbers,
)
from cordwood.errors import GraphError, InputError, InputTypeError
from cordwood.ir import TreeEnsemble
from cordwood.ir_checks_entries import NodesError, check_starts, node_place
from cordwood.ir_checks_trees import are_weighted_finite, check_choice
from cordwood.ir_trees import Comparison, FloatName

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import ArrayLike, NDArray

ROWS, TREES = "rows", "trees"
"""Names of the values that the trees read and write."""

Sum = Literal["sum", "average"]

_LEAF = -1
_MOST_FEATURES = 2**24
"""The Graph holds 8 bytes for each column, tested or not: one stray number is not to take them."""
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
    lefts = whole_numbers(left, "left", None)
    n_nodes = len(lefts)
    if n_nodes == 0:
        message = "left has no entry; expected at least one tree, of at least one node"
        raise InputError(message)
    start = np.array([0, n_nodes], np.int64)
    if tree_start is not None:
        start = whole_numbers(tree_start, "tree_start", None, np.int64)
        with _as_input_error():
            check_starts("tree_start", start, n_nodes, strict=True)
    leaf = lefts == _LEAF
    n_trees = len(start) - 1
    leaf_values = leaf_rows(_value(value, n_nodes), leaf, start)
    bases = read_array(base, "base")
    outputs, n_outputs = _outputs(tree_output, leaf_values.shape[1], n_trees, bases)
    features = whole_numbers(feature, "feature", n_nodes, unread=leaf)
    n_columns = _n_columns(n_features, features, leaf, start)
    tree_weights = weights(tree_weight, n_trees)
    _check_weighted(leaf_values, leaf, start, tree_weights, rules.accumulate_type)
    in_tree = np.arange(n_nodes, dtype=np.int64) - np.repeat(start[:-1], np.diff(start))
    with _as_input_error(_HOW_NODES_LIE if tree_start is not None else _ONE_TREE + _HOW_NODES_LIE):
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
            base_value=base_values(bases, n_outputs, rules.accumulate_type),
            tree_start=start,
            tree_output=outputs,
            tree_weight=tree_weights,
            left=lefts,
            right=whole_numbers(right, "right", n_nodes),
            feature=features,
            threshold=thresholds(threshold, leaf, start),
            category_set=np.full(n_nodes, -1, np.int32),
            missing_left=flags(missing_left, leaf),
            zero_missing=np.zeros(n_nodes, np.bool_),
            leaf_row=np.where(leaf, np.cumsum(leaf) - 1, -1).astype(np.int32),
            leaf_id=np.where(leaf, in_tree, -1).astype(np.int32),
            leaf_values=leaf_values,
            set_start=np.zeros(1, np.int64),
            set_members=np.zeros(0, np.int32),
            category_start=np.zeros(n_columns + 1, np.int64),
            category_values=np.zeros(0),
        )


_ONE_TREE = "; without tree_start all nodes are one tree, pass it where there are several"
_HOW_NODES_LIE = (
    "; the nodes of a tree lie side by side, its root first, and left and right count from that "
    "root, -1 both at a leaf"
)


@contextlib.contextmanager
def _as_input_error(how_nodes_lie: str = "") -> Iterator[None]:
    """Turn what the Graph's rules say into an error of the caller's arrays."""
    try:
        yield
    except GraphError as error:
        advice = how_nodes_lie if isinstance(error, NodesError) else ""
        message = f"{error}{advice}"
        raise InputError(message) from error


def _value(values: ArrayLike, n_nodes: int) -> NDArray[Any]:
    """Return what nodes answer, a number or a row for each."""
    array = read_array(values, "value")
    if array.ndim not in (1, MATRIX) or len(array) != n_nodes or 0 in array.shape:
        hint = ""
        if array.ndim > MATRIX:
            takes = "[:, 0, 0] for a regressor, [:, 0, :] for the fractions of a classifier"
            if array.shape[1] > 1:
                takes = "[:, :, 0] for a regressor, [:, i, :] for the fractions of output i"
            hint = f"; of scikit-learn's tree_.value take {takes}"
        message = f"value has shape {array.shape}; expected {_SHAPES} with {n_nodes} nodes{hint}"
        raise InputError(message)
    return array


def _outputs(
    tree_output: ArrayLike | None, leaf_width: int, n_trees: int, bases: NDArray[Any]
) -> tuple[NDArray[np.int32], int]:
    """Return the output of each tree, and how many outputs there are."""
    if tree_output is None:
        return np.zeros(n_trees, np.int32), leaf_width
    outputs = whole_numbers(tree_output, "tree_output", None)
    if len(outputs) != n_trees:
        message = f"tree_output has {len(outputs)} entries; expected {n_trees}, one for each tree"
        raise InputError(message)
    if leaf_width > 1:
        message = (
            f"tree_output is given and leaves hold {leaf_width} values; expected value of shape "
            "(n_nodes,) where each tree adds to an output of its own"
        )
        raise InputError(message)
    listed = bases.size if bases.ndim == 1 else 0
    limit = listed or n_trees
    bad = (outputs < 0) | (outputs >= limit)
    if bad.any():
        tree = int(np.argmax(bad))
        reason = (
            f"base lists {listed} outputs"
            if listed
            else "each needs a tree, unless base lists them"
        )
        message = f"tree_output[{tree}] is {outputs[tree]}, expected 0 to {limit - 1}: {reason}"
        raise InputError(message)
    return outputs, listed or int(outputs.max()) + 1


def _n_columns(
    n_features: int | None,
    features: NDArray[np.int32],
    leaf: NDArray[np.bool_],
    start: NDArray[np.int64],
) -> int:
    """Return how many columns rows have: as told, or as many as the trees ask for."""
    told = None if n_features is None else _count(n_features)
    limit = told or _MOST_FEATURES
    bad = ~leaf & ((features < 0) | (features >= limit))
    if bad.any():
        node = int(np.argmax(bad))
        reason = "" if told is None else f" as n_features is {told}"
        message = (
            f"feature[{node}] is {features[node]}, expected 0 to {limit - 1}{reason} "
            f"({node_place(start, node)})"
        )
        raise InputError(message)
    return told or max(1, int(features.max()) + 1)


def _count(n_features: Any) -> int:
    """Return a number of columns that somebody told."""
    count: int | None = None
    if not isinstance(n_features, bool | np.bool_):
        with contextlib.suppress(TypeError):
            count = operator.index(n_features)
    if count is None:
        message = f"n_features is {n_features!r}; expected a whole number"
        raise InputTypeError(message)
    if not 1 <= count <= _MOST_FEATURES:
        message = f"n_features is {count}; expected a number from 1 to {_MOST_FEATURES}"
        raise InputError(message)
    return count


def _check_weighted(
    leaf_values: NDArray[Any],
    leaf: NDArray[np.bool_],
    start: NDArray[np.int64],
    tree_weights: NDArray[np.float64],
    dtype: FloatName,
) -> None:
    """Raise where a leaf is beyond the type of the sums, its tree's weight applied."""
    weight = np.repeat(tree_weights, np.diff(start))[leaf]
    good = are_weighted_finite(leaf_values, np.arange(len(weight)), weight, dtype)
    if good.all():
        return
    at = int(np.argmin(good))
    node = int(np.flatnonzero(leaf)[at])
    given = leaf_values[at] if leaf_values.shape[1] > 1 else leaf_values[at, 0]
    message = (
        f"value[{node}] is {given}, a leaf ({node_place(start, node)}), and the weight of its tree "
        f"{weight[at]}; expected a product that {dtype}, the accumulate_type, holds"
    )
    raise InputError(message)
