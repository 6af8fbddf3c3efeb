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
    """Cast rows of any numeric type to the ensemble's input type, NaN where a value is missing."""
    with np.errstate(over="ignore"):
        if X.dtype.kind in "iub" and op.integer_cast == "float32":
            X = X.astype(np.float32)
        x = X.astype(op.input_type)
    if op.missing_value is not None:
        x[x == op.missing_value] = np.nan
    return x


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
    """Return what the last trees aggregate, in the accumulate type; (n_rows, n_outputs)."""
    return results(graph, X)[graph.trees.target]


def aggregate(op: TreeEnsemble, X: Array, start: Array | None) -> Array:
    """Return the sum, average or median of the leaves, starting from `start` where it is given."""
    reached = op.leaf_row[leaves(op, X)]
    if op.aggregate == "weighted_median":
        return _weighted_median(op, reached)
    total = np.tile(op.base_value, (len(reached), 1)) if start is None else start.copy()
    for tree in range(op.n_trees):
        value = _linear(op, reached[:, tree], X) if op.is_linear else _plain(op, reached, tree)
        with np.errstate(invalid="ignore", over="ignore"):
            if op.leaf_width == 1:
                total[:, op.tree_output[tree]] += value[:, 0]
            else:
                total += value
    if op.aggregate == "average":
        total /= np.dtype(op.accumulate_type).type(op.divisor)
    total[np.isnan(total)] = np.nan
    return total


def _plain(op: TreeEnsemble, reached: Array, tree: int) -> Array:
    """Return the leaves of one tree times its weight; (n_rows, leaf_width)."""
    leaf = op.leaf_values[reached[:, tree]].astype(np.float64)
    return (leaf * op.tree_weight[tree]).astype(op.accumulate_type)


def _linear(op: TreeEnsemble, leaf_row: Array, X: Array) -> Array:
    """Return the linear leaves that rows reach in one tree; (n_rows, 1)."""
    assert op.linear_start is not None
    assert op.linear_feature is not None
    assert op.linear_coefficient is not None
    assert op.linear_constant is not None
    x = cast_rows(op, X).astype(np.float64)
    x[np.abs(x) <= op.zero_band] = 0.0
    total = op.linear_constant[leaf_row].astype(np.float64)
    missing = np.zeros(len(x), bool)
    first, last = op.linear_start[leaf_row], op.linear_start[leaf_row + 1]
    for place in range(int((last - first).max(initial=0))):
        rows = np.flatnonzero(first + place < last)
        term = first[rows] + place
        value = x[rows, op.linear_feature[term]]
        missing[rows] |= np.isnan(value)
        with np.errstate(invalid="ignore", over="ignore"):
            total[rows] += op.linear_coefficient[term] * value
    plain = op.leaf_values[leaf_row, 0].astype(np.float64)
    with np.errstate(over="ignore"):
        return np.where(missing, plain, total).astype(op.accumulate_type)[:, None]


def _weighted_median(op: TreeEnsemble, reached: Array) -> Array:
    """Return the first leaf of each row, in ascending order, with half the weight reached."""
    if op.n_trees == 0:
        return np.tile(op.base_value, (len(reached), 1))
    value = op.leaf_values[reached, 0].astype(op.accumulate_type)
    order = np.argsort(value, axis=1, kind="stable")
    weight = np.cumsum(op.tree_weight[order], axis=1)
    first = np.argmax(weight >= 0.5 * weight[:, -1:], axis=1)
    row = np.arange(len(value))
    return value[row, order[row, first]][:, None]


def exact_link(op: Link, margin: Array) -> Array:
    """Return the link of a margin before it is rounded, in extended precision unless it is exact.

    ``np.longdouble`` has 64 bits of significand on x86: eleven more than the result that is
    compared with it.
    """
    x, scale = margin.astype(np.longdouble), np.longdouble(op.scale)
    kinds = {
        "identity": lambda: margin,
        "sigmoid": lambda: _sigmoid(scale * x),
        "sigmoid_pair": lambda: _sigmoid(scale * np.concatenate((-x, x), axis=1)),
        "exp": lambda: np.exp(x),
        "softmax": lambda: _softmax(scale * (x - x.max(axis=1, keepdims=True))),
        "softplus": lambda: np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x))),
        "signed_square": lambda: margin * np.abs(margin),
        "negative_exp2": lambda: -np.exp2(-x),
        "shift": lambda: margin - margin.dtype.type(op.offset),
        "step": lambda: (margin > 0).astype(margin.dtype),
        "logit": lambda: _logit(op, margin),
    }
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        return kinds[op.kind]()


def _sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


def _softmax(x: Array) -> Array:
    raised = np.exp(x)
    return raised / raised.sum(axis=1, keepdims=True)


def _logit(op: Link, p: Array) -> Array:
    """Return log-odds of the last of up to two columns, or logarithms less their mean."""
    p = np.clip(p.astype(np.float64), op.offset, 1.0 - op.offset).astype(np.longdouble)
    if p.shape[1] > 2:
        log = np.log(p)
        return log - log.mean(axis=1, keepdims=True)
    last = p[:, -1:]
    near, far = 2 * np.arctanh(2 * last - 1), np.log(last) - np.log1p(-last)
    return np.longdouble(op.scale) * np.where(np.abs(last - 0.5) < 0.25, near, far)


def link(op: Link, margin: Array) -> Array:
    """Return the exact link, rounded once to the margin's type, with its complement if asked."""
    with np.errstate(over="ignore", under="ignore"):
        output = exact_link(op, margin).astype(margin.dtype)
    if op.complement:
        output = np.concatenate((1 - output, output), axis=1)
    return output


def decide(op: Decide, value: Array) -> Array:
    """Return the class index of each row; int64, (n_rows,) or (n_rows, outputs)."""
    if op.groups:
        parts = np.split(value, np.cumsum(op.groups)[:-1], axis=1)
        return np.stack([np.argmax(part, axis=1) for part in parts], axis=1)
    if op.rule == "argmax":
        return np.argmax(value, axis=1)
    cut = value.dtype.type(op.cut)
    if op.rule == "each_greater":
        return (value > cut).astype(np.int64)
    chosen = value[:, -1] > cut if op.rule == "greater" else value[:, -1] >= cut
    return chosen.astype(np.int64)


def results(graph: Graph, X: Array) -> dict[str, Array]:
    """Run all operators of a Graph in order and return every value that they make, by name."""
    made: dict[str, Array] = {}
    for op in graph.operators:
        if isinstance(op, TreeEnsemble):
            made[op.target] = aggregate(op, X, None if op.start is None else made[op.start])
        elif isinstance(op, Link):
            made[op.target] = link(op, made[op.source])
        elif isinstance(op, Decide):
            made[op.target] = decide(op, made[op.source])
    return made


def run(graph: Graph, X: Array, role: Role) -> Array:
    """Return the value that plays `role`."""
    wanted = graph.by_role(role)
    assert wanted is not None, f"this Graph has no value with the role {role.name}"
    return results(graph, X)[wanted.name]
