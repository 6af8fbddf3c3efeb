"""The rules of a tree_ensemble's arrays; every failure names the array and the entry.

All checks are whole-array NumPy, so that forests of millions of nodes take about a second.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn, get_args

import numpy as np

from cordwood import ir_trees
from cordwood.errors import GraphError
from cordwood.ir_checks_entries import NodesError, check_starts, expect, expect_node, node_place
from cordwood.ir_trees import MAX_DEPTH

if TYPE_CHECKING:
    from cordwood._typing import AnyArray, BoolArray, Int64Array
    from cordwood.ir_trees import TreeEnsemble

__all__ = ["are_weighted_finite", "check_choice", "check_tree_ensemble", "freeze_arrays"]


class ArrayRule(NamedTuple):
    """Element type and length of one array of a tree_ensemble."""

    name: str
    dtype: str
    length: str


TREE_ARRAYS = (
    ArrayRule("base_value", "accumulate_type", "n_outputs"),
    ArrayRule("tree_start", "int64", "n_trees + 1"),
    ArrayRule("tree_output", "int32", "n_trees"),
    ArrayRule("tree_weight", "float64", "n_trees"),
    ArrayRule("left", "int32", "n_nodes"),
    ArrayRule("right", "int32", "n_nodes"),
    ArrayRule("feature", "int32", "n_nodes"),
    ArrayRule("threshold", "float64", "n_nodes"),
    ArrayRule("category_set", "int32", "n_nodes"),
    ArrayRule("missing_left", "bool", "n_nodes"),
    ArrayRule("zero_missing", "bool", "n_nodes"),
    ArrayRule("leaf_row", "int32", "n_nodes"),
    ArrayRule("leaf_id", "int32", "n_nodes"),
    ArrayRule("leaf_values", "float", "any"),
    ArrayRule("set_start", "int64", "any"),
    ArrayRule("set_members", "int32", "any"),
    ArrayRule("category_start", "int64", "n_features + 1"),
    ArrayRule("category_values", "float64", "any"),
)

LINEAR_ARRAYS = (
    ArrayRule("linear_start", "int64", "n_leaf_rows + 1"),
    ArrayRule("linear_feature", "int32", "n_terms"),
    ArrayRule("linear_coefficient", "float64", "n_terms"),
    ArrayRule("linear_constant", "float64", "n_leaf_rows"),
)
"""Given all together or not at all."""


def freeze_arrays(op: TreeEnsemble) -> None:
    """Replace the arrays of `op` by read-only views, so that a checked Graph stays true."""
    for rule in _rules(op):
        view = getattr(op, rule.name).view()
        view.setflags(write=False)
        object.__setattr__(op, rule.name, view)


def _rules(op: TreeEnsemble) -> tuple[ArrayRule, ...]:
    """Return the rules of the arrays that `op` has."""
    return TREE_ARRAYS + LINEAR_ARRAYS if op.is_linear else TREE_ARRAYS


def check_tree_ensemble(op: TreeEnsemble) -> None:
    """Check every rule of a tree_ensemble.

    Parameters
    ----------
    op : TreeEnsemble
        The operator; nothing about it is assumed.

    Raises
    ------
    GraphError
        A rule is broken; the message names the array, the entry, what it holds and what was
        expected.
    """
    _check_attributes(op)
    _check_arrays(op)
    _check_values(op)
    _check_sets(op)
    leaf = _check_shape(op)
    _check_inner(op, ~leaf)
    _check_leaves(op, leaf)
    _check_linear(op)


def _fail(message: str) -> NoReturn:
    raise GraphError(message)


def _check_attributes(op: TreeEnsemble) -> None:
    choices = {
        "input_type": ir_trees.FloatName,
        "integer_cast": ir_trees.IntegerCast,
        "comparison": ir_trees.Comparison,
        "category_rule": ir_trees.CategoryRule,
        "category_members": ir_trees.Side,
        "accumulate_type": ir_trees.FloatName,
        "aggregate": ir_trees.Aggregate,
    }
    for name, choice in choices.items():
        check_choice(f"tree_ensemble.{name}", getattr(op, name), choice)
    for name in ("n_features", "n_outputs"):
        number = getattr(op, name)
        if not isinstance(number, int) or not 1 <= number < 2**31:
            _fail(f"{name} is {number!r}, expected an int from 1 to {2**31 - 1}")
    if not (np.isfinite(op.zero_band) and op.zero_band >= 0):
        _fail(f"zero_band is {op.zero_band!r}, expected a finite number of at least 0")
    if op.aggregate != "average" and op.divisor != 1.0:
        _fail(f"divisor is {op.divisor!r}, expected 1.0 because the aggregate is {op.aggregate!r}")
    if not (np.isfinite(op.divisor) and op.divisor > 0):
        _fail(f"divisor is {op.divisor!r}, expected a finite number above 0")
    missing = op.missing_value
    if missing is not None and not (np.isfinite(missing) and _holds(op.input_type, missing)):
        _fail(f"missing_value is {missing!r}, expected None or a finite {op.input_type}")
    if op.aggregate == "weighted_median" and (op.n_outputs != 1 or op.is_linear):
        _fail(f"a weighted median has {op.n_outputs} outputs and linear leaves is {op.is_linear}, "
              f"expected one output and plain leaves")  # fmt: skip
    given = [getattr(op, rule.name) is not None for rule in LINEAR_ARRAYS]
    if any(given) != all(given):
        names = ", ".join(rule.name for rule in LINEAR_ARRAYS)
        _fail(f"{sum(given)} of {names} are given, expected all of them or none")


def _holds(dtype: str, number: float) -> bool:
    """Tell whether a float type holds `number` exactly."""
    with np.errstate(over="ignore"):
        return float(np.dtype(dtype).type(number)) == number


def check_choice(name: str, given: object, choice: Any) -> None:
    """Fail unless `given` is one of the values of the ``Literal`` `choice`."""
    if given not in get_args(choice):
        _fail(f"{name} is {given!r}, expected one of {', '.join(map(repr, get_args(choice)))}")


def _check_arrays(op: TreeEnsemble) -> None:
    """Check kind, element type, rank and length of every array."""
    for rule in _rules(op):
        array = getattr(op, rule.name)
        if not isinstance(array, np.ndarray):
            _fail(f"{rule.name} is a {type(array).__name__}, expected a numpy array")
        dtype = op.accumulate_type if rule.dtype == "accumulate_type" else rule.dtype
        allowed = ("float32", "float64") if dtype == "float" else (dtype,)
        if array.dtype.name not in allowed or not array.dtype.isnative:
            _fail(f"{rule.name} has dtype {array.dtype}, expected {' or '.join(allowed)}")
        rank = 2 if rule.name == "leaf_values" else 1
        if array.ndim != rank or not array.flags.c_contiguous:
            _fail(f"{rule.name} has {array.ndim} axes, expected {rank} in C order")
    if len(op.tree_start) == 0 or op.n_nodes >= 2**31:
        _fail(f"tree_start has {len(op.tree_start)} entries for {op.n_nodes} nodes, expected "
              f"n_trees + 1 entries and fewer than 2**31 nodes")  # fmt: skip
    lengths = {
        "n_outputs": op.n_outputs,
        "n_trees": op.n_trees,
        "n_trees + 1": op.n_trees + 1,
        "n_nodes": op.n_nodes,
        "n_features + 1": op.n_features + 1,
        "n_leaf_rows": len(op.leaf_values),
        "n_leaf_rows + 1": len(op.leaf_values) + 1,
        "n_terms": 0 if op.linear_feature is None else len(op.linear_feature),
    }
    for rule in _rules(op):
        given = len(getattr(op, rule.name))
        if rule.length in lengths and given != lengths[rule.length]:
            _fail(f"{rule.name} has {given} entries, expected {rule.length} = "
                  f"{lengths[rule.length]}")  # fmt: skip
    if op.leaf_width not in (1, op.n_outputs):
        _fail(f"leaf_values has {op.leaf_width} columns, expected 1 or n_outputs = {op.n_outputs}")


def _check_values(op: TreeEnsemble) -> None:
    """Check that numbers are finite, also after weighting, and that trees name their outputs."""
    expect(np.isfinite(op.base_value), "base_value", op.base_value, "a finite number")
    expect(np.isfinite(op.tree_weight), "tree_weight", op.tree_weight, "a finite number")
    if op.start is not None or op.aggregate == "weighted_median":
        expected = "0 where the sum has a start and for a weighted median"
        expect(op.base_value == 0, "base_value", op.base_value, expected)
    if op.aggregate == "weighted_median":
        expect(op.tree_weight > 0, "tree_weight", op.tree_weight, "above 0 for a weighted median")
    finite = np.isfinite(op.leaf_values).all(axis=1)
    expect(finite, "leaf_values", op.leaf_values, "finite numbers")
    outputs = op.n_outputs if op.leaf_width == 1 else 1
    good = (op.tree_output >= 0) & (op.tree_output < outputs)
    expect(good, "tree_output", op.tree_output, f"0 to {outputs - 1}")


def _check_sets(op: TreeEnsemble) -> None:
    """Check category sets and category values."""
    check_starts("set_start", op.set_start, len(op.set_members), strict=False)
    good = op.set_members >= 0
    expect(good, "set_members", op.set_members, "a code of at least 0")
    rises = np.empty(len(op.set_members), bool)
    rises[1:] = np.diff(op.set_members.astype(np.int64)) > 0
    rises[op.set_start[:-1][np.diff(op.set_start) > 0]] = True
    expect(rises, "set_members", op.set_members, "more than the member before it in its set")

    values = op.category_values
    check_starts("category_start", op.category_start, len(values), strict=False)
    if op.category_rule != "exact" and len(values):
        _fail(f"category_values has {len(values)} entries, expected none because category_rule is "
              f"{op.category_rule!r}")  # fmt: skip
    expect(~np.isnan(values), "category_values", values, "a number, not NaN")
    if len(values) == 0:
        return
    owner = np.repeat(np.arange(op.n_features), np.diff(op.category_start))
    order = np.lexsort((values, owner))
    same = (values[order][1:] == values[order][:-1]) & (owner[order][1:] == owner[order][:-1])
    expect(~same, "category_values", values, "a value not listed before", order[1:])


def _check_shape(op: TreeEnsemble) -> BoolArray:
    """Check that the nodes of each tree form one tree under its root; return which are leaves."""
    check_starts("tree_start", op.tree_start, op.n_nodes, strict=True)
    leaf: BoolArray = op.left == -1
    expected = "-1 exactly where left is -1"
    expect_node((op.right == -1) == leaf, op, "right", expected, error=NodesError)
    inner = np.flatnonzero(~leaf)
    size = np.repeat(np.diff(op.tree_start), np.diff(op.tree_start))[inner]
    start = np.repeat(op.tree_start[:-1], np.diff(op.tree_start))[inner]
    parents = np.zeros(op.n_nodes, np.int64)
    for name, child in (("left", op.left), ("right", op.right)):
        good = (child[inner] >= 1) & (child[inner] < size)
        expected = "a node of its tree other than the root, or -1"
        expect_node(good, op, name, expected, inner, NodesError)
        parents += np.bincount(start + child[inner], minlength=op.n_nodes)
    wanted = np.ones(op.n_nodes, np.int64)
    wanted[op.tree_start[:-1]] = 0
    if not np.array_equal(parents, wanted):
        node = int(np.argmax(parents != wanted))
        message = (
            f"node {node} is the child of {parents[node]} nodes, expected {wanted[node]} "
            f"({node_place(op.tree_start, node)})"
        )
        raise NodesError(message)
    _check_depth(op)
    return leaf


def _check_depth(op: TreeEnsemble) -> None:
    """Walk all trees level by level: a node that is never met hangs on a cycle."""
    node = start = op.tree_start[:-1]
    met = np.zeros(op.n_nodes, bool)
    for _ in range(MAX_DEPTH + 1):
        if len(node) == 0:
            break
        met[node] = True
        inner = op.left[node] != -1
        node, start = node[inner], start[inner]
        node = np.concatenate((start + op.left[node], start + op.right[node]))
        start = np.concatenate((start, start))
    if len(node):
        tree = int(np.searchsorted(op.tree_start, node[0], side="right")) - 1
        _fail(f"tree {tree} is deeper than {MAX_DEPTH} levels, expected at most {MAX_DEPTH}")
    if not met.all():
        lost = int(np.argmin(met))
        message = (
            f"node {lost} lies on a cycle, expected a path from its tree's root "
            f"({node_place(op.tree_start, lost)})"
        )
        raise NodesError(message)


def _check_inner(op: TreeEnsemble, inner: BoolArray) -> None:
    """Check what inner nodes test, and that leaves carry no trace of a test."""
    good = np.where(inner, (op.feature >= 0) & (op.feature < op.n_features), op.feature == -1)
    expected = f"0 to {op.n_features - 1} at an inner node and -1 at a leaf"
    expect_node(good, op, "feature", expected)

    category = op.category_set != -1
    n_sets = len(op.set_start) - 1 if op.category_rule != "none" else 0
    good = ~category | (inner & (op.category_set >= 0) & (op.category_set < n_sets))
    expected = f"0 to {n_sets - 1} at a category node and -1 elsewhere"
    if op.category_rule == "none":
        expected = "-1 because category_rule is 'none'"
    expect_node(good, op, "category_set", expected)
    if op.category_rule == "exact":
        _check_members_listed(op, np.flatnonzero(category))

    numeric = inner & ~category
    good = np.where(numeric, ~np.isnan(op.threshold), op.threshold == 0.0)
    expect_node(good, op, "threshold", "a number at a numeric node and 0.0 elsewhere")
    expect_node(~op.missing_left | inner, op, "missing_left", "False at a leaf")
    expected = "False except at a numeric node"
    expect_node(~op.zero_missing | numeric, op, "zero_missing", expected)


def _check_members_listed(op: TreeEnsemble, nodes: Int64Array) -> None:
    """Check that the codes in each category node's set are positions in its feature's list."""
    sets = op.category_set[nodes]
    filled = np.diff(op.set_start)[sets] > 0
    nodes, sets = nodes[filled], sets[filled]
    highest = op.set_members[op.set_start[sets + 1] - 1]
    listed = np.diff(op.category_start)[op.feature[nodes]]
    if np.any(highest >= listed):
        at = int(np.argmax(highest >= listed))
        _fail(f"node {nodes[at]} tests feature {op.feature[nodes[at]]} for code {highest[at]}, "
              f"expected codes below {listed[at]}, the number of its category_values")  # fmt: skip


def _check_leaves(op: TreeEnsemble, leaf: BoolArray) -> None:
    """Check the leaf rows, the weighted leaf values and the numbers that ``apply`` returns."""
    rows = len(op.leaf_values)
    good = np.where(leaf, (op.leaf_row >= 0) & (op.leaf_row < rows), op.leaf_row == -1)
    expect_node(good, op, "leaf_row", f"0 to {rows - 1} at a leaf and -1 at an inner node")
    good = np.where(leaf, op.leaf_id >= 0, op.leaf_id == -1)
    expect_node(good, op, "leaf_id", "at least 0 at a leaf and -1 at an inner node")

    nodes = np.flatnonzero(leaf)
    tree = np.repeat(np.arange(op.n_trees, dtype=np.int64), np.diff(op.tree_start))[nodes]
    key = tree << 32 | op.leaf_id[nodes]
    if np.any(np.diff(key) <= 0):
        order = np.argsort(key, kind="stable")
        same = np.diff(key[order]) == 0
        expect_node(~same, op, "leaf_id", "a number no other leaf of its tree has",
                nodes[order[1:]])  # fmt: skip

    good = are_weighted_finite(
        op.leaf_values, op.leaf_row[nodes], op.tree_weight[tree], op.accumulate_type
    )
    expected = f"a row that times its tree's weight is finite in {op.accumulate_type}"
    expect_node(good, op, "leaf_row", expected, nodes)


def are_weighted_finite(
    leaf_values: AnyArray, leaf_row: AnyArray, weight: AnyArray, dtype: str
) -> BoolArray:
    """Tell for each leaf whether its row times its weight is finite in `dtype`.

    Parameters
    ----------
    leaf_values : ndarray of shape (n_rows, width)
        Finite numbers.
    leaf_row : ndarray of int, shape (n_leaves,)
        Row of each leaf.
    weight : ndarray of float64, shape (n_leaves,)
        Weight of its tree.
    dtype : {"float32", "float64"}
        What the product is rounded to.
    """
    # The largest product bounds all of them.
    most = float(np.abs(leaf_values).max(initial=0.0))
    if most * float(np.abs(weight).max(initial=0.0)) <= float(np.finfo(dtype).max):
        return np.ones(len(leaf_row), np.bool_)
    heaviest = np.abs(leaf_values).max(axis=1).astype(np.float64)[leaf_row]
    with np.errstate(over="ignore"):
        finite: BoolArray = np.isfinite((heaviest * weight).astype(dtype))
    return finite


def _check_linear(op: TreeEnsemble) -> None:
    """Check the terms of linear leaves."""
    if op.linear_start is None:
        return
    feature, coefficient, constant = op.linear_feature, op.linear_coefficient, op.linear_constant
    assert feature is not None
    assert coefficient is not None
    assert constant is not None
    check_starts("linear_start", op.linear_start, len(feature), strict=False)
    good = (feature >= 0) & (feature < op.n_features)
    expect(good, "linear_feature", feature, f"0 to {op.n_features - 1}")
    expect(np.isfinite(coefficient), "linear_coefficient", coefficient, "a finite number")
    expect(np.isfinite(constant), "linear_constant", constant, "a finite number")
    expect(op.tree_weight == 1.0, "tree_weight", op.tree_weight, "1.0 with linear leaves")
    if op.leaf_width != 1:
        _fail(f"leaf_values has {op.leaf_width} columns, expected 1 with linear leaves")
