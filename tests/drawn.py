"""Graphs and rows filled from a seed: the content behind ``strategies.py``, usable by itself."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from cordwood.ir import Decide, Graph, Link, Operator, Role, TreeEnsemble, Value
from drawn_heads import head, methods

if TYPE_CHECKING:
    import numpy.typing as npt

    Array = npt.NDArray[Any]

LIGHTGBM_ZERO = float(np.float32(1e-35))

SPECIAL = np.array(
    [0.0, -0.0, 1.0, -1.0, 0.5, 1e-35, -1e-35, LIGHTGBM_ZERO, -LIGHTGBM_ZERO, 5e-324, -5e-324,
     1e-45, 1.17549435e-38, 2.2250738585072014e-308, 16777216.0, 16777217.0, 2.0**31, 2.0**53,
     3.4028234663852886e38, -3.4028234663852886e38, 1e39, -1e39]
)  # fmt: skip
"""Values where casts, bands, comparisons and category rules are easily wrong."""

CODES = np.array([0, 1, 2, 3, 5, 7, 31, 32, 63, 64, 65, 130, 1000])
"""Category codes that the sets are drawn from: dense at first, then around word borders."""

LISTED = np.array([-3.0, -1.5, 0.0, 0.25, 1.0, 2.0, 4.0, 17.0, 1e6])
"""Category values that the rule ``"exact"`` lists, in code order; all exact in float32."""

MANY_CUTS = 300
"""More cuts on one feature than a byte can rank."""


@dataclass(frozen=True)
class Shape:
    """The choices behind one Graph; its content follows from them."""

    seed: int = 0
    n_features: int = 3
    n_outputs: int = 1
    n_trees: int = 3
    max_leaves: int = 8
    growth: str = "random"
    leaf_order: str = "node"
    head: str = "regression"
    input_type: str = "float64"
    accumulate_type: str = "float64"
    leaf_type: str = "float64"
    integer_cast: str = "direct"
    comparison: str = "le"
    zero_band: float = 0.0
    zero_missing: bool = False
    category_rule: str = "none"
    category_members: str = "left"
    aggregate: str = "sum"
    vector_leaves: bool = False
    weighted: bool = False
    integer_leaves: bool = False
    linear: bool = False
    start: str = "none"
    missing_value: float | None = None
    shared_leaves: bool = False
    many_cuts: bool = False
    infinite_cuts: bool = False
    accepts_nan: bool = True
    accepts_infinity: bool = True


def make_graph(shape: Shape) -> Graph:
    """Build the Graph that `shape` describes; the same shape gives the same Graph."""
    op = make_ensemble(shape)
    kind, after, classes = head(shape)
    margin = Value("margin", op.accumulate_type, ("batch", op.n_outputs), kind)
    values: list[Value] = [Value("rows", op.input_type, ("batch", op.n_features), Role.ROWS)]
    operators: list[Operator] = []
    for operator, columns in _before(shape):
        values.append(Value(operator.target, op.accumulate_type, ("batch", columns)))
        operators.append(operator)
    values.append(margin)
    operators.append(op)
    for operator, columns, role in after:
        dtype = "int64" if isinstance(operator, Decide) else op.accumulate_type
        values.append(Value(operator.target, dtype, ("batch", *columns), role))
        operators.append(operator)
    return Graph(
        values=tuple(values),
        operators=tuple(operators),
        feature_names=tuple(f"f{i}" for i in range(op.n_features)) if shape.seed % 2 else None,
        classes=classes,
        methods=methods({value.role for value in values}),
        provenance={"library": "drawn", "version": "1", "kind": shape.head},
    )


def _before(shape: Shape) -> list[tuple[Operator, int]]:
    """Return what makes the value that the sums start from, each with its columns.

    A few trees of probabilities, and what turns those into a margin.
    """
    if shape.start == "none":
        return []
    columns = shape.n_outputs
    if shape.start == "logit" and columns == 1:
        columns += shape.seed % 2
    few = replace(
        shape, seed=shape.seed + 1, n_outputs=columns, n_trees=shape.seed % 4, max_leaves=5,
        vector_leaves=True, aggregate="average", linear=False, weighted=False, many_cuts=False,
        head="regression", start="none",
    )  # fmt: skip
    first = make_ensemble(few)
    first = replace(
        first, target="first", leaf_values=np.abs(np.sin(first.leaf_values)),
        base_value=np.zeros(columns, first.accumulate_type),
    )  # fmt: skip
    if shape.start == "trees":
        return [(replace(first, target="start"), columns)]
    if shape.start == "shift":
        made = Link(source="first", target="start", kind="shift", offset=0.75)
    else:
        made = Link(source="first", target="start", kind="logit", scale=0.5, offset=2.0**-23)
    return [(first, columns), (made, shape.n_outputs)]


def make_ensemble(shape: Shape) -> TreeEnsemble:
    """Build the tree_ensemble that `shape` describes."""
    rng = np.random.default_rng(shape.seed)
    trees = [_grow(rng, shape, number) for number in range(shape.n_trees)]
    sizes = np.array([len(left) for left, _ in trees], np.int64)
    left = np.concatenate([t[0] for t in trees] or [np.zeros(0)]).astype(np.int32)
    right = np.concatenate([t[1] for t in trees] or [np.zeros(0)]).astype(np.int32)
    inner = left != -1
    leaf_id = [_number_leaves(rng, shape.leaf_order, *tree) for tree in trees] or [np.zeros(0)]
    width = shape.n_outputs if shape.vector_leaves else 1
    n_leaves = int((~inner).sum())
    n_rows = max(1, n_leaves // 4) if shape.shared_leaves else max(1, n_leaves)
    leaf_values = _leaf_values(rng, shape, (n_rows, width))
    leaf_row = np.where(inner, -1, 0)
    leaf_row[~inner] = np.arange(n_leaves) % n_rows
    weight = rng.uniform(0.1, 1.5, shape.n_trees) if shape.weighted else np.ones(shape.n_trees)
    outputs = 1 if shape.vector_leaves else shape.n_outputs
    plain = shape.start == "none" and shape.aggregate != "weighted_median"
    base_value = rng.normal(size=shape.n_outputs)
    if not plain or shape.head == "embedding":
        base_value[:] = 0.0
    tree_start = np.concatenate(([0], np.cumsum(sizes))).astype(np.int64)
    splits = _splits(rng, shape, inner, _in_order(*trees[0]) if trees else np.zeros(0, np.int64))
    if shape.growth == "oblivious" and not shape.many_cuts:
        _ask_by_level(splits, tree_start)
    return TreeEnsemble(
        source="rows",
        target="margin",
        n_features=shape.n_features,
        n_outputs=shape.n_outputs,
        input_type=shape.input_type,
        integer_cast=shape.integer_cast,
        comparison=shape.comparison,
        zero_band=shape.zero_band,
        category_rule=shape.category_rule,
        category_members=shape.category_members,
        accumulate_type=shape.accumulate_type,
        aggregate=shape.aggregate,
        divisor=float(max(1, shape.n_trees)) if shape.aggregate == "average" else 1.0,
        accepts_nan=shape.accepts_nan,
        accepts_infinity=shape.accepts_infinity,
        missing_value=shape.missing_value,
        base_value=base_value.astype(shape.accumulate_type),
        tree_start=tree_start,
        tree_output=(np.arange(shape.n_trees) % outputs).astype(np.int32),
        tree_weight=weight,
        left=left,
        right=right,
        leaf_row=leaf_row.astype(np.int32),
        leaf_id=np.concatenate(leaf_id).astype(np.int32),
        leaf_values=leaf_values.astype(shape.leaf_type),
        start=None if shape.start == "none" else "start",
        **(_linear_terms(rng, shape, n_rows) if shape.linear else {}),
        **splits,
    )


def _leaf_values(rng: np.random.Generator, shape: Shape, size: tuple[int, int]) -> Array:
    if shape.head == "embedding":
        return np.arange(size[0])[:, None]  # the leaf's column
    if shape.integer_leaves:
        return rng.integers(-150, 150, size)
    if shape.aggregate == "weighted_median":
        return rng.integers(-9, 9, size) / 4  # so that leaves are often equal
    return rng.normal(size=size) * 10.0 ** rng.uniform(-6, 1, size)


def _linear_terms(rng: np.random.Generator, shape: Shape, n_rows: int) -> dict[str, Array]:
    """Fill linear leaves of none to four terms."""
    start = np.concatenate(([0], np.cumsum(rng.integers(0, 5, n_rows))))
    return {
        "linear_start": start.astype(np.int64),
        "linear_feature": rng.integers(shape.n_features, size=start[-1]).astype(np.int32),
        "linear_coefficient": rng.normal(size=start[-1]),
        "linear_constant": rng.normal(size=n_rows),
    }


def _grow(rng: np.random.Generator, shape: Shape, number: int) -> tuple[Array, Array]:
    """Grow the children arrays of one tree, root first, other nodes in the order of growth."""
    wide = shape.many_cuts and number == 0
    n_leaves = MANY_CUTS if wide else int(rng.integers(1, shape.max_leaves + 1))
    if shape.growth == "oblivious" and not wide:
        n_leaves = 1 << (n_leaves.bit_length() - 1)  # as many as full levels have
    left, right, open_leaves = [-1], [-1], [0]
    while len(open_leaves) < n_leaves:
        any_leaf = int(rng.integers(len(open_leaves)))
        at = {"level": 0, "oblivious": 0, "skewed": -1}.get(shape.growth, any_leaf)
        node = open_leaves.pop(at)
        pair = [len(left), len(left) + 1]
        left += [-1, -1]
        right += [-1, -1]
        open_leaves += pair
        left[node], right[node] = pair if rng.random() < 0.5 else pair[::-1]
    return np.array(left), np.array(right)


def _number_leaves(rng: np.random.Generator, order: str, left: Array, right: Array) -> Array:
    """Return what ``apply`` says at each leaf of one tree, -1 elsewhere."""
    number = np.arange(len(left))
    if order in ("preorder", "level"):
        waiting, visited = [0], []
        while waiting:
            node = waiting.pop(-1 if order == "preorder" else 0)
            visited.append(node)
            if left[node] != -1:
                pair = [int(left[node]), int(right[node])]
                waiting += pair[::-1] if order == "preorder" else pair
        number[visited] = np.arange(len(left))
    elif order == "shuffled":
        number = rng.permutation(len(left) * 3)[: len(left)]
    return np.where(left == -1, number, -1)


def _in_order(left: Array, right: Array) -> Array:
    """Return the inner nodes of one tree from left to right: cuts in this order all matter."""
    visited, path, node = [], [], 0
    while path or left[node] != -1:
        while left[node] != -1:
            path.append(node)
            node = int(left[node])
        visited.append(path[-1])
        node = int(right[path.pop()])
    return np.array(visited, np.int64)


def _splits(
    rng: np.random.Generator, shape: Shape, inner: Array, first_tree: Array
) -> dict[str, Array]:
    """Fill what each inner node tests: features, thresholds, category sets and missing routes.

    With `many_cuts` the inner nodes `first_tree`, given from left to right, take ascending cuts on
    feature 0, so that rows reach every leaf between them.
    """
    n = len(inner)
    feature = np.where(inner, rng.integers(shape.n_features, size=n), -1)
    if shape.many_cuts:
        feature[: 2 * MANY_CUTS - 1] = np.where(inner[: 2 * MANY_CUTS - 1], 0, -1)
    pools = [_cut_pool(rng, shape) for _ in range(shape.n_features)]
    cut = np.array([pools[i][int(rng.integers(len(pools[i])))] for i in feature])
    kinds = rng.random(shape.n_features) < 0.6  # features whose tests are mostly on categories
    kinds[0] &= not shape.many_cuts
    category = inner & kinds[feature] & (rng.random(n) < 0.9) & (shape.category_rule != "none")
    numeric = inner & ~category
    if shape.many_cuts:
        cut[first_tree] = np.sort(rng.normal(size=len(first_tree)))

    codes = np.arange(len(LISTED)) if shape.category_rule == "exact" else CODES
    n_sets = int(rng.integers(1, 6)) if category.any() else 0
    sets = [np.sort(rng.permutation(codes)[: int(rng.integers(len(codes) + 1))])
            for _ in range(n_sets)]  # fmt: skip
    listed = len(LISTED) if shape.category_rule == "exact" else 0
    return {
        "feature": feature.astype(np.int32),
        "threshold": np.where(numeric, cut, 0.0),
        "category_set": np.where(category, rng.integers(max(1, n_sets), size=n), -1).astype(
            np.int32
        ),
        "missing_left": inner & (rng.random(n) < 0.5),
        "zero_missing": numeric & shape.zero_missing & (rng.random(n) < 0.5),
        "set_start": np.cumsum([0, *map(len, sets)]).astype(np.int64),
        "set_members": np.concatenate([*sets, np.zeros(0)]).astype(np.int32),
        "category_start": np.arange(shape.n_features + 1, dtype=np.int64) * listed,
        "category_values": np.tile(LISTED[:listed], shape.n_features),
    }


def _ask_by_level(splits: dict[str, Array], tree_start: Array) -> None:
    """Let each level ask what its first node asks; the nodes of a tree stand level by level."""
    start = np.repeat(tree_start[:-1], np.diff(tree_start))
    inside = np.arange(len(start)) - start
    first = start + 2 ** np.floor(np.log2(inside + 1)).astype(np.int64) - 1
    inner = splits["feature"] >= 0
    for name in ("feature", "threshold", "category_set", "missing_left", "zero_missing"):
        splits[name][inner] = splits[name][first[inner]]


def _cut_pool(rng: np.random.Generator, shape: Shape) -> Array:
    """Return the thresholds that nodes of one feature share."""
    special = SPECIAL[rng.integers(len(SPECIAL), size=4)]
    near = np.nextafter(special[:2], rng.choice([-np.inf, np.inf]))
    coarse = np.float64(np.float32(rng.normal(size=2)))
    pool = np.concatenate((special, near, coarse, rng.normal(size=3)))
    return np.append(pool, [np.inf, -np.inf]) if shape.infinite_cuts else pool


def make_rows(op: TreeEnsemble, n_rows: int, dtype: str = "float64", seed: int = 0) -> Array:
    """Return rows that sit on every kind of border of `op`; shape (n_rows, n_features).

    Each value is a threshold, one of its neighbours in float32 or in float64, a category seen or
    unseen, a special value, or an ordinary number. NaN and infinity appear only where the ensemble
    accepts them.
    """
    rng = np.random.default_rng(seed)
    columns = []
    for feature in range(op.n_features):
        pool = _row_pool(op, feature)
        values = np.where(
            rng.random(n_rows) < 0.8, rng.choice(pool, n_rows), rng.normal(size=n_rows)
        )
        if np.dtype(dtype).kind in "iu":
            info = np.iinfo(dtype)
            large = [info.min, info.max, info.max // 2 + 1, info.max // 2 + 3, 2**24 % info.max + 1]
            finite = np.where(np.abs(values) < 2.0**31, values, 7.0).round().astype(np.int64)
            drawn = np.clip(finite, info.min, min(info.max, 2**62)).astype(dtype)
            big = rng.choice(np.array(large, dtype), n_rows)
            columns.append(np.where(rng.random(n_rows) < 0.2, big, drawn))
        elif dtype == "bool":
            columns.append(rng.random(n_rows) < 0.5)
        else:
            columns.append(_taken(op, values, dtype))
    return np.stack(columns, axis=1)


def _row_pool(op: TreeEnsemble, feature: int) -> Array:
    """Return the values worth trying in one column, in float64."""
    cuts = np.unique(op.threshold[(op.feature == feature) & (op.category_set == -1)])
    near = np.concatenate([cuts, SPECIAL, [op.zero_band, -op.zero_band]])
    with np.errstate(over="ignore", under="ignore"):
        single = near.astype(np.float32)
        sides = [np.nextafter(single, side) for side in np.float32([-np.inf, np.inf])]
    sides += [np.nextafter(near, -np.inf), np.nextafter(near, np.inf)]
    missing = [] if op.missing_value is None else [op.missing_value] * 9
    pool = [near, single, *sides, missing, [np.nan, np.inf, -np.inf]]
    if op.category_rule != "none":
        pool += [CODES, CODES + 0.5, CODES - 0.5, LISTED, [-1.0, -0.5, 4.0, 66.0, 1001.0, 2.0**32]]
    return np.concatenate(pool).astype(np.float64)


def _taken(op: TreeEnsemble, values: Array, dtype: str) -> Array:
    """Bring values to `dtype`, with 0.25 for those that the ensemble refuses."""
    with np.errstate(over="ignore", under="ignore"):
        given = values.astype(dtype)
        cast = given.astype(op.input_type)
    if op.missing_value is not None:
        cast[cast == op.missing_value] = np.nan
    bad = (np.isnan(cast) & (not op.accepts_nan)) | (np.isinf(cast) & (not op.accepts_infinity))
    given[bad] = 0.25
    return given
