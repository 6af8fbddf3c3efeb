"""Ways in which a model can be subtly wrong: each changes a Graph in one place."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from cordwood.ir import Decide, Graph, Link, TreeEnsemble

Change = Callable[[TreeEnsemble, int], dict[str, Any]]


def changed(graph: Graph, **fields: Any) -> Graph:
    """Return the Graph with other fields in its ensemble, of several in the last one."""
    operators = tuple(
        dataclasses.replace(op, **fields) if op is graph.trees else op for op in graph.operators
    )
    return dataclasses.replace(graph, operators=operators)


def _set(array: np.ndarray, place: Any, value: Any) -> np.ndarray:
    copy = array.copy()
    copy[place] = value
    return copy


def threshold_up(trees: TreeEnsemble, node: int) -> dict[str, Any]:
    """Move a threshold past the next number of the input type that it lets left."""
    dtype = np.dtype(trees.input_type).type
    with np.errstate(over="ignore", under="ignore"):
        step = np.nextafter(dtype(trees.threshold[node]), dtype(np.inf))
        step = step if step > trees.threshold[node] else np.nextafter(step, dtype(np.inf))
    return {"threshold": _set(trees.threshold, node, float(step))}


def threshold_down(trees: TreeEnsemble, node: int) -> dict[str, Any]:
    dtype = np.dtype(trees.input_type).type
    with np.errstate(over="ignore", under="ignore"):
        step = np.nextafter(dtype(trees.threshold[node]), dtype(-np.inf))
        step = step if step < trees.threshold[node] else np.nextafter(step, dtype(-np.inf))
        # A threshold between two numbers of the input type must pass the lower one.
        step = np.nextafter(step, dtype(-np.inf)) if trees.comparison == "le" else step
    return {"threshold": _set(trees.threshold, node, float(step))}


def missing_route(trees: TreeEnsemble, node: int) -> dict[str, Any]:
    return {"missing_left": _set(trees.missing_left, node, not trees.missing_left[node])}


def zero_missing(trees: TreeEnsemble, node: int) -> dict[str, Any]:
    return {"zero_missing": _set(trees.zero_missing, node, not trees.zero_missing[node])}


def other_feature(trees: TreeEnsemble, node: int) -> dict[str, Any]:
    numeric = np.unique(trees.feature[(trees.left >= 0) & (trees.category_set < 0)])
    others = numeric[numeric != trees.feature[node]]
    return {"feature": _set(trees.feature, node, others[0])}


def children(trees: TreeEnsemble, node: int) -> dict[str, Any]:
    return {
        "left": _set(trees.left, node, trees.right[node]),
        "right": _set(trees.right, node, trees.left[node]),
    }


def _with_set(trees: TreeEnsemble, node: int, edit: Callable[[set[int]], Any]) -> dict[str, Any]:
    """Give a node a set of its own, edited."""
    chosen = trees.category_set[node]
    members = set(trees.set_members[trees.set_start[chosen] : trees.set_start[chosen + 1]].tolist())
    edit(members)
    codes = np.array(sorted(members), np.int32)
    return {
        "category_set": _set(trees.category_set, node, len(trees.set_start) - 1),
        "set_members": np.concatenate((trees.set_members, codes)),
        "set_start": np.append(trees.set_start, len(trees.set_members) + len(codes)),
    }


def category_dropped(trees: TreeEnsemble, node: int) -> dict[str, Any]:
    return _with_set(trees, node, lambda members: members.remove(max(members)))


def category_added(trees: TreeEnsemble, node: int) -> dict[str, Any]:
    top = int(np.diff(trees.category_start)[trees.feature[node]])
    codes = range(top) if trees.category_rule == "exact" else range(60)
    return _with_set(
        trees, node, lambda members: members.add(next(c for c in codes if c not in members))
    )


def _leaf(trees: TreeEnsemble, node: int) -> int:
    """Return a leaf of the same tree."""
    end = int(trees.tree_start[np.searchsorted(trees.tree_start, node, side="right")])
    return node + int(np.argmax(trees.left[node:end] < 0))


def leaf_value(trees: TreeEnsemble, node: int) -> dict[str, Any]:
    """Change the last bit of what a leaf adds, by as small a change of the leaf as that takes."""
    leaf = _leaf(trees, node)
    row = trees.leaf_row[leaf]
    tree = np.searchsorted(trees.tree_start, leaf, side="right") - 1

    def added(value: Any) -> Any:
        return (np.float64(value) * trees.tree_weight[tree]).astype(trees.accumulate_type)

    old = trees.leaf_values[row, -1]
    new = old
    while added(new) == added(old):
        new = np.nextafter(new, old.dtype.type(np.inf))
    return {"leaf_values": _set(trees.leaf_values, (row, -1), new)}


def leaf_far_off(trees: TreeEnsemble, node: int) -> dict[str, Any]:
    row = trees.leaf_row[_leaf(trees, node)]
    return {"leaf_values": _set(trees.leaf_values, row, trees.leaf_values[row] + 1)}


def leaf_number(trees: TreeEnsemble, node: int) -> dict[str, Any]:
    leaf = _leaf(trees, node)
    return {"leaf_id": _set(trees.leaf_id, leaf, trees.leaf_id.max() + 1)}


NUMERIC: dict[str, tuple[Change, str]] = {
    "threshold_up": (threshold_up, "threshold"),
    "threshold_down": (threshold_down, "threshold"),
    "other_feature": (other_feature, "feature"),
    "children": (children, ""),
}
"""Changes at numeric nodes, and what the proof of structure calls the first difference."""

MISSING: dict[str, tuple[Change, str]] = {"missing_route": (missing_route, "missing route")}
ZERO: dict[str, tuple[Change, str]] = {"zero_missing": (zero_missing, "zero as missing")}
CATEGORY: dict[str, tuple[Change, str]] = {
    "category_dropped": (category_dropped, "category set"),
    "category_added": (category_added, "category set"),
    "children": (children, ""),
}
LEAF: dict[str, tuple[Change, str]] = {
    "leaf_value": (leaf_value, "leaf value"),
    "leaf_number": (leaf_number, "leaf number"),
}


def head_changes(graph: Graph, *, by_one_bit: bool) -> dict[str, Graph]:
    """Return the Graph changed outside its nodes, by what the proof of structure calls it.

    The base value is changed by its last bit, or by so much that a rounded sum shows it.
    """
    trees = graph.trees
    weight = trees.tree_weight * np.where(np.arange(trees.n_trees) == trees.n_trees - 1, 0.5, 1.0)
    base = trees.base_value.copy()
    base[-1] = np.nextafter(base[-1], base.dtype.type(np.inf)) if by_one_bit else base[-1] + 1
    changes = {
        "base value": changed(graph, base_value=base),
        "leaf value": changed(graph, tree_weight=weight),
        "accepts_nan": changed(graph, accepts_nan=not trees.accepts_nan),
        "accepts_infinity": changed(graph, accepts_infinity=not trees.accepts_infinity),
        "methods": dataclasses.replace(
            graph, methods=("apply",) if graph.methods == ("predict",) else graph.methods[:1]
        ),
        "feature names": dataclasses.replace(
            graph, feature_names=tuple(f"other {i}" for i in range(trees.n_features))
        ),
    }
    if graph.classes is not None:
        changes["classes"] = dataclasses.replace(graph, classes=graph.classes[::-1].copy())
    if trees.n_outputs > 1 and trees.leaf_width == 1:
        output = np.roll(trees.tree_output, 1)
        changes["output of each tree"] = changed(graph, tree_output=output)
    if trees.aggregate == "average":
        changes["divisor"] = changed(graph, divisor=trees.divisor + 1)
    other = _other_links(graph)
    if other != graph.operators:
        changes["links and decisions"] = dataclasses.replace(graph, operators=other)
    return changes


def _other_links(graph: Graph) -> tuple[Any, ...]:
    operators = list(graph.operators)
    for place, operator in enumerate(operators):
        if isinstance(operator, Link) and operator.kind == "sigmoid":
            operators[place] = dataclasses.replace(operator, scale=operator.scale * 2)
            return tuple(operators)
        if isinstance(operator, Decide) and operator.rule != "argmax":
            operators[place] = dataclasses.replace(operator, cut=operator.cut + 0.25)
            return tuple(operators)
    return tuple(operators)
