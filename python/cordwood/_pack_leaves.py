"""The leaves of an ensemble as tensors: shared where equal, integers where they are, or linear."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from cordwood import _progress
from cordwood._pack_tensors import Tensor, bit_length, field_bits, smallest_unsigned

if TYPE_CHECKING:
    from cordwood.ir import TreeEnsemble

__all__ = ["LeafTensors", "leaf_tensors"]

_NOT_LINEAR = (None, None, None, None)


class LeafTensors(NamedTuple):
    """What a file holds of the leaves."""

    values: Tensor
    row: Tensor | None = None
    """Row of each leaf; None where each has its own."""
    weight: Tensor | None = None
    """Weights that the format keeps apart from the leaves."""
    linear: tuple[Tensor | None, ...] = _NOT_LINEAR
    """Counts, features, coefficients and constants of linear leaves."""


def leaf_tensors(trees: TreeEnsemble, tree: np.ndarray, leaves: np.ndarray) -> LeafTensors:
    """Pack the leaves of an ensemble.

    Parameters
    ----------
    trees : TreeEnsemble
        Any.
    tree : ndarray of intp, shape (n_leaves,)
        Tree of each leaf.
    leaves : ndarray of intp, shape (n_leaves,)
        Its leaves, in the order that the file keeps.
    """
    _progress.reached(0.85, "sharing leaves")
    row = trees.leaf_row[leaves]
    if trees.is_linear:
        values = trees.leaf_values[row].astype(trees.accumulate_type)
        return LeafTensors(Tensor.of(values), linear=_linear(trees, row))
    if trees.aggregate == "weighted_median":
        plain = trees.leaf_values[row].astype(trees.accumulate_type)
        return _shared(plain)._replace(weight=Tensor.of(trees.tree_weight))
    integers = _integers(trees, row)
    if integers is not None:
        return LeafTensors(Tensor.of(integers), weight=Tensor.of(trees.tree_weight))
    values = trees.leaf_values[row].astype(np.float64) * trees.tree_weight[tree, np.newaxis]
    return _shared(np.ascontiguousarray(values, dtype=trees.accumulate_type))


def _integers(trees: TreeEnsemble, row: np.ndarray) -> np.ndarray | None:
    """Return the leaves as int8 or int16 where they are such numbers and trees have weights.

    A leaf of ``-0.0`` is no integer: its sign can show in a sum.
    """
    weight, values = trees.tree_weight, trees.leaf_values
    if (weight == 1.0).all() or not (weight > 0.0).all():
        return None
    if (values != np.rint(values)).any() or (np.signbit(values) & (values == 0.0)).any():
        return None
    low, high = float(values.min(initial=0.0)), float(values.max(initial=0.0))
    for dtype in (np.int8, np.int16):
        if np.iinfo(dtype).min <= low and high <= np.iinfo(dtype).max:
            integers: np.ndarray = values[row].astype(dtype)
            return integers
    return None


def _linear(trees: TreeEnsemble, row: np.ndarray) -> tuple[Tensor, ...]:
    """Lay the terms of linear leaves out leaf after leaf."""
    start, feature = trees.linear_start, trees.linear_feature
    coefficient, constant = trees.linear_coefficient, trees.linear_constant
    assert start is not None
    assert feature is not None
    assert coefficient is not None
    assert constant is not None
    count = np.diff(start)[row]
    before = np.cumsum(count) - count
    term = np.arange(count.sum()) + np.repeat(start[row] - before, count)
    return (
        Tensor.of(smallest_unsigned(count)),
        Tensor.of(smallest_unsigned(feature[term])),
        Tensor.of(coefficient[term]),
        Tensor.of(constant[row]),
    )


def _shared(values: np.ndarray) -> LeafTensors:
    """Share equal rows where that is shorter.

    Rows are equal when their bits are: ``+0.0`` and ``-0.0`` are two values.
    """
    listed = Tensor.of(values)
    table, row = _distinct_rows(values)
    if len(table) == len(values):
        return LeafTensors(listed)
    shared = Tensor.of(table)
    index = Tensor.of_bits(field_bits([(row, bit_length(len(table)))]))
    if len(shared.encoded[1]) + len(index.encoded[1]) < len(listed.encoded[1]):
        return LeafTensors(shared, row=index)
    return LeafTensors(listed)


def _distinct_rows(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows that differ in any bit, and each row's index among them."""
    width = values.shape[1] * values.itemsize
    if not values.size:
        return values, np.zeros(len(values), dtype=np.intp)
    bits = values.view(f"u{width}" if width in (4, 8) else f"V{width}").reshape(-1)
    _, first, row = np.unique(bits, return_index=True, return_inverse=True)
    return values[first], row
