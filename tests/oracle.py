"""What a Graph means, in NumPy: slow, plain, and the referee between a source and every kernel.

Rows descend one node at a time and leaves are added one at a time, so that each line can be checked
by eye against ``cordwood.ir`` and ``docs/graph.md``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from cordwood.ir import Decide, Graph, Link, Role, TreeEnsemble

if TYPE_CHECKING:
    import numpy.typing as npt

    Array = npt.NDArray[Any]


def cast_rows(op: TreeEnsemble, X: Array) -> Array:
    """Cast rows of any numeric type to the ensemble's input type, as its source does."""
    with np.errstate(over="ignore"):
        if X.dtype.kind in "iub" and op.integer_cast == "float32":
            X = X.astype(np.float32)
        return X.astype(op.input_type)


def refused(op: TreeEnsemble, X: Array) -> tuple[int, int] | None:
    """Return row and feature of the first value that the source does not take, or None."""
    x = cast_rows(op, X)
    bad = np.zeros(x.shape, bool)
    if not op.accepts_nan:
        bad |= np.isnan(x)
    if not op.accepts_infinity:
        bad |= np.isinf(x)
    if not bad.any():
        return None
    row, feature = np.argwhere(bad)[0]
    return int(row), int(feature)


def leaves(op: TreeEnsemble, X: Array) -> Array:
    """Return the leaf node that each row reaches, counted over all trees; (n_rows, n_trees)."""
    x = cast_rows(op, X).astype(np.float64)
    reached = np.full((len(x), op.n_trees), -1, np.int64)
    for tree, start in enumerate(op.tree_start[:-1]):
        waiting = [(int(start), np.arange(len(x)))]
        while waiting:
            node, rows = waiting.pop()
            if op.left[node] == -1:
                reached[rows, tree] = node
                continue
            left = goes_left(op, node, x[rows, op.feature[node]])
            if left.any():
                waiting.append((int(start + op.left[node]), rows[left]))
            if not left.all():
                waiting.append((int(start + op.right[node]), rows[~left]))
    return reached


def goes_left(op: TreeEnsemble, node: int, x: Array) -> Array:
    """Tell which of the values `x` (cast already, held in float64) the node sends to the left."""
    if op.category_set[node] != -1:
        member, missing = _membership(op, node, x)
        left = member if op.category_members == "left" else ~member
    else:
        x = np.where(np.abs(x) <= op.zero_band, 0.0, x)
        missing = np.isnan(x)
        if op.zero_missing[node]:
            missing |= x == 0.0
        left = x <= op.threshold[node] if op.comparison == "le" else x < op.threshold[node]
    return np.where(missing, op.missing_left[node], left)


def _membership(op: TreeEnsemble, node: int, x: Array) -> tuple[Array, Array]:
    """Return which values are in the node's category set, and which are missing."""
    chosen = op.category_set[node]
    codes = op.set_members[op.set_start[chosen] : op.set_start[chosen + 1]]
    if op.category_rule == "exact":
        feature = op.feature[node]
        first, last = op.category_start[feature], op.category_start[feature + 1]
        listed = op.category_values[first:last]
        return np.isin(x, listed[codes]), ~np.isin(x, listed)
    code = np.floor(x) if op.category_rule == "floor" else np.trunc(x)
    return (code >= 0) & (code < 2.0**31) & np.isin(code, codes), np.isnan(x)


def apply(graph: Graph, X: Array) -> Array:
    """Return the source's leaf numbers; int32, (n_rows, n_trees)."""
    op = graph.trees
    return op.leaf_id[leaves(op, X)]


def predict_margin(graph: Graph, X: Array) -> Array:
    """Return the sum or average of the leaves, in the accumulate type; (n_rows, n_outputs)."""
    op = graph.trees
    reached = leaves(op, X)
    total = np.tile(op.base_value, (len(reached), 1))
    for tree in range(op.n_trees):
        leaf = op.leaf_values[op.leaf_row[reached[:, tree]]].astype(np.float64)
        value = (leaf * op.tree_weight[tree]).astype(op.accumulate_type)
        if op.leaf_width == 1:
            total[:, op.tree_output[tree]] += value[:, 0]
        else:
            total += value
    if op.aggregate == "average":
        total /= np.dtype(op.accumulate_type).type(op.divisor)
    return total


def exact_link(op: Link, margin: Array) -> Array:
    """Return the link of a margin in extended precision, before it is rounded; same shape.

    ``np.longdouble`` has 64 bits of significand on x86: eleven more than the result that is
    compared with it.
    """
    x = margin.astype(np.longdouble)
    with np.errstate(over="ignore", under="ignore"):
        if op.kind == "sigmoid":
            return 1 / (1 + np.exp(-np.longdouble(op.scale) * x))
        if op.kind == "exp":
            return np.exp(x)
        if op.kind == "softmax":
            raised = np.exp(x - x.max(axis=1, keepdims=True))
            return raised / raised.sum(axis=1, keepdims=True)
    return x


def link(op: Link, margin: Array) -> Array:
    """Return the exact link, rounded once to the margin's type, with its complement if asked."""
    with np.errstate(over="ignore", under="ignore"):
        output = exact_link(op, margin).astype(margin.dtype)
    if op.complement:
        output = np.concatenate((1 - output, output), axis=1)
    return output


def decide(op: Decide, value: Array) -> Array:
    """Return the class index of each row; int64, (n_rows,)."""
    if op.rule == "argmax":
        return np.argmax(value, axis=1)
    cut = value.dtype.type(op.cut)
    chosen = value[:, -1] > cut if op.rule == "greater" else value[:, -1] >= cut
    return chosen.astype(np.int64)


def run(graph: Graph, X: Array, role: Role) -> Array:
    """Run the operators of a Graph in order and return the value that plays `role`."""
    wanted = graph.by_role(role)
    assert wanted is not None, f"this Graph has no value with the role {role.name}"
    results: dict[str, Array] = {}
    for op in graph.operators:
        if isinstance(op, TreeEnsemble):
            results[op.target] = predict_margin(graph, X)
        elif isinstance(op, Link):
            results[op.target] = link(op, results[op.source])
        elif isinstance(op, Decide):
            results[op.target] = decide(op, results[op.source])
        if op.target == wanted.name:
            break
    return results[wanted.name]
