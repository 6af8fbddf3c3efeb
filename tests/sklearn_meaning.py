"""What the Graphs of scikit-learn models mean, in NumPy: every value of a Graph, by its role."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import numpy as np

import oracle
from cordwood.ir import Decide, Graph, Link, Role, TreeEnsemble

if TYPE_CHECKING:
    from cordwood._typing import AnyArray


def evaluate(graph: Graph, X: AnyArray) -> dict[Role, AnyArray]:
    """Run the operators of a Graph in order and return each value that has a role."""
    results: dict[str, AnyArray] = {}
    for op in graph.operators:
        if isinstance(op, TreeEnsemble):
            results[op.target] = total(op, X, results.get(op.start or ""))
        elif isinstance(op, Link):
            results[op.target] = link(op, results[op.source])
        elif isinstance(op, Decide):
            results[op.target] = decide(op, results[op.source])
    return {
        value.role: results[value.name]
        for value in graph.values
        if value.role not in (Role.NONE, Role.ROWS)
    }


def total(op: TreeEnsemble, X: AnyArray, start: AnyArray | None) -> AnyArray:
    """Return what an ensemble of plain leaves adds up to; (n_rows, n_outputs)."""
    reached = oracle.leaves(op, X)
    values = op.leaf_values[op.leaf_row[reached]]  # (n_rows, n_trees, leaf_width)
    if op.aggregate == "weighted_median":
        plain = values[:, :, 0]
        order = np.argsort(plain, axis=1, kind="stable")
        running = np.cumsum(op.tree_weight[order], axis=1)
        chosen = (running >= 0.5 * running[:, -1:]).argmax(axis=1)
        return np.take_along_axis(plain, np.take_along_axis(order, chosen[:, None], 1), 1)
    out = np.tile(op.base_value, (len(X), 1)) if start is None else start.copy()
    for tree in range(op.n_trees):
        leaf = values[:, tree] * op.tree_weight[tree]
        if op.leaf_width == 1:
            out[:, op.tree_output[tree]] += leaf[:, 0]
        else:
            out += leaf
    return out / op.divisor if op.aggregate == "average" else out


def link(op: Link, x: AnyArray) -> AnyArray:
    """Return a link in extended precision, rounded once."""
    z = x.astype(np.longdouble)
    scale = np.longdouble(op.scale)
    with np.errstate(over="ignore", under="ignore"):
        if op.kind == "negative_exp2":
            out = -np.exp2(-z)
        elif op.kind == "shift":
            out = x - op.offset
        elif op.kind == "sigmoid_pair":
            out = 1 / (1 + np.exp(scale * np.concatenate((z, -z), axis=1)))
        elif op.kind == "softmax":
            raised = np.exp(scale * (z - z.max(axis=1, keepdims=True)))
            out = raised / raised.sum(axis=1, keepdims=True)
        elif op.kind == "logit":
            p = np.clip(x, op.offset, 1 - op.offset).astype(np.longdouble)
            logs = np.log(p)
            if x.shape[1] > 2:
                out = logs - logs.mean(axis=1, keepdims=True)
            else:
                out = scale * (logs[:, -1:] - np.log1p(-p[:, -1:]))
        else:
            return oracle.link(op, x)
    return out.astype(np.float64)


def decide(op: Decide, x: AnyArray) -> AnyArray:
    """Return class indices; (n_rows,), or a column for each group."""
    if not op.groups:
        return oracle.decide(op, x)
    ends = np.cumsum((0, *op.groups))
    parts = [np.argmax(x[:, a:b], axis=1) for a, b in itertools.pairwise(ends)]
    return np.stack(parts, axis=1)
