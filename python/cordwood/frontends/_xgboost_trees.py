"""XGBoost's trees as one ``tree_ensemble``.

A row is cast to float32. A numeric node sends ``x < split_condition`` to the left, NaN where
``default_left`` says. A category node truncates the value to a code and sends members of its set
to the **right**; anything else goes left, also a negative value and one from 2**24 up, where
float32 no longer holds every whole number. Weights of dart are applied as ``Booster.predict``
does: the leaf times the weight is rounded to float32, then added. A leaf that is a vector adds to
all outputs (``multi_strategy="multi_output_tree"``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from cordwood import ir
from cordwood.errors import UnsupportedModelError
from cordwood.frontends._xgboost_json import fail, floats, member, number

if TYPE_CHECKING:
    from cordwood.frontends._xgboost_file import Document

__all__ = ["read_trees"]

CATEGORY_LIMIT = 1 << 24
"""First code that XGBoost treats as no category."""

WHERE = "the trees"


def read_trees(
    document: Document,
    n_trees: int,
    base_value: np.ndarray,
    *,
    accepts_infinity: bool,
    missing_value: float | None = None,
) -> ir.TreeEnsemble:
    """Flatten the first `n_trees` trees of a document.

    Parameters
    ----------
    document : Document
        The model.
    n_trees : int
        Trees that take part in a prediction.
    base_value : ndarray of float32, shape (n_outputs,)
        Margin that the sum starts from.
    accepts_infinity : bool
        Whether the predicting call takes infinite rows.
    missing_value : float, optional
        What counts as missing besides NaN; a number that float32 holds.

    Returns
    -------
    TreeEnsemble
        The trees, from "rows" to "margin", deleted nodes left out; ``leaf_id`` is XGBoost's own
        node number.

    Raises
    ------
    SourceFileError
        An array is missing, has the wrong length or holds an impossible entry.
    UnsupportedModelError
        A tree is deeper than a Graph may be.
    """
    trees = document.trees[:n_trees]
    size = np.array([_node_count(tree, position) for position, tree in enumerate(trees)], np.int64)
    start = np.concatenate(([0], np.cumsum(size)))
    left = _gather(trees, "left_children", size, np.int32)
    right = _gather(trees, "right_children", size, np.int32)
    reached = _reach(left, right, start)

    leaf = left == -1
    inner, ends = reached & ~leaf, reached & leaf
    value = _gather(trees, "split_conditions", size, np.float32)
    feature = _gather(trees, "split_indices", size, np.int32)
    default_left = _gather(trees, "default_left", size, np.int32) != 0
    _refuse(inner & ((feature < 0) | (feature >= document.n_features)), "split_indices",
            feature, start, f"a feature from 0 to {document.n_features - 1}")  # fmt: skip
    category_set, set_start, set_members = _category_sets(trees, size, start, inner)
    numeric = inner & (category_set == -1)
    _refuse(numeric & np.isnan(value), "split_conditions", value, start, "a number, not NaN")
    width = _leaf_width(trees, document)
    if width == 1:
        _refuse(ends & ~np.isfinite(value), "split_conditions", value, start, "a finite leaf value")
        leaf_values = value[ends].reshape(-1, 1)
    else:
        leaf_values = _leaf_vectors(trees, start, right, ends, width)
    if document.booster == "dart":
        leaf_values += np.float32(0.0)  # XGBoost adds the leaf to 0.0 first, so -0.0 becomes 0.0
    tree = np.repeat(np.arange(len(trees)), size)
    local = (np.arange(start[-1]) - start[tree]).astype(np.int32)
    leaf_row = np.full(len(left), -1, np.int32)
    leaf_row[ends] = np.arange(len(leaf_values), dtype=np.int32)
    right = np.where(leaf, np.int32(-1), right)  # at a leaf that is a vector, the vector's row
    left, right, start = _close_ranks(left, right, start, tree, reached)
    return ir.TreeEnsemble(
        source="rows",
        target="margin",
        n_features=document.n_features,
        n_outputs=document.n_outputs,
        input_type="float32",
        comparison="lt",
        category_rule="floor" if len(set_start) > 1 else "none",
        category_members="right",
        accumulate_type="float32",
        missing_value=missing_value,
        accepts_nan=True,
        accepts_infinity=accepts_infinity,
        base_value=base_value,
        tree_start=start,
        tree_output=document.tree_output[:n_trees],
        tree_weight=document.tree_weight[:n_trees],
        left=left,
        right=right,
        feature=np.where(leaf, np.int32(-1), feature)[reached],
        threshold=np.where(numeric, value, np.float32(0.0))[reached].astype(np.float64),
        category_set=category_set[reached],
        missing_left=(default_left & inner)[reached],
        zero_missing=np.zeros(len(left), np.bool_),
        leaf_row=leaf_row[reached],
        leaf_id=np.where(leaf, local, np.int32(-1))[reached],
        leaf_values=leaf_values,
        set_start=set_start,
        set_members=set_members,
        category_start=np.zeros(document.n_features + 1, np.int64),
        category_values=np.zeros(0),
    )


def _node_count(tree: dict[str, Any], position: int) -> int:
    place = f"{WHERE}[{position}].tree_param"
    count = number(member(tree, "tree_param", dict, f"{WHERE}[{position}]"), "num_nodes", place)
    if not 1 <= count < 2**31:
        fail(f"{place}.num_nodes", count, "a number from 1 to 2147483647")
    return count


def _leaf_width(trees: list[dict[str, Any]], document: Document) -> int:
    """Return how many numbers a leaf holds: 1, or one for each output."""
    width = 1
    for position, tree in enumerate(trees):
        place = f"{WHERE}[{position}].tree_param"
        own = max(1, number(tree["tree_param"], "size_leaf_vector", place, 0))
        width = own if position == 0 else width
        if own != width or own not in (1, document.n_outputs):
            expected = f"{width} as in the first tree, which is 1 or {document.n_outputs} outputs"
            fail(f"{place}.size_leaf_vector", own, expected)
        if own > 1 and document.tree_output[position] != 0:
            fail(f"the output of tree {position}", int(document.tree_output[position]),
                 "0, because its leaves are vectors of all outputs")  # fmt: skip
    return width


def _leaf_vectors(
    trees: list[dict[str, Any]], start: np.ndarray, right: np.ndarray, ends: np.ndarray, width: int
) -> np.ndarray:
    """Return the vector of each leaf that rows can reach, tree after tree.

    Since 3.1 they stand apart and a leaf's ``right_children`` is its row; before, every node has
    one in ``base_weights``.
    """
    vectors = []
    for position, tree in enumerate(trees):
        apart = "leaf_weights" in tree
        name = "leaf_weights" if apart else "base_weights"
        place = f"{WHERE}[{position}].{name}"
        numbers = floats(_as_array(tree, name, position), place)
        here = slice(start[position], start[position + 1])
        node = np.flatnonzero(ends[here])
        row = right[here][node] if apart else node
        if len(numbers) % width or np.any((row < 0) | (row >= len(numbers) // width)):
            fail(f"the length of {place}", len(numbers),
                 f"{width} for each of at least {int(row.max()) + 1} rows")  # fmt: skip
        vectors.append(numbers.reshape(-1, width)[row])
    return np.concatenate(vectors)


def _gather(trees: list[dict[str, Any]], name: str, size: np.ndarray, dtype: Any) -> np.ndarray:
    """Join the arrays `name` of all trees; `size` gives the length of each."""
    parts = [_as_array(tree, name, position) for position, tree in enumerate(trees)]
    for position, (part, count) in enumerate(zip(parts, size, strict=True)):
        if len(part) != count:
            fail(f"the length of {WHERE}[{position}].{name}", len(part), f"num_nodes = {count}")
    return _join(parts, name, dtype)


def _as_array(tree: dict[str, Any], name: str, position: int) -> np.ndarray:
    """Return a member that is a list of numbers (JSON) or a typed array (UBJSON)."""
    given = tree.get(name)
    if isinstance(given, list):
        try:
            given = np.array(given) if given else np.zeros(0, np.int8)
        except (ValueError, OverflowError):
            given = None  # lists within the list
    if not isinstance(given, np.ndarray) or given.ndim != 1 or given.dtype.kind not in "iufb":
        fail(f"{WHERE}[{position}].{name}", tree.get(name), "an array of numbers")
    return given


def _join(parts: list[np.ndarray], name: str, dtype: Any) -> np.ndarray:
    joined = np.concatenate(parts) if parts else np.zeros(0, np.int8)
    with np.errstate(over="ignore", invalid="ignore"):
        cast = joined.astype(dtype)
    if cast.dtype.kind == "i" and not np.array_equal(cast, joined):
        first = int(np.argmax(cast != joined))
        fail(f"an entry of {name}", joined[first].item(), f"a whole number in {cast.dtype.name}")
    return cast


def _refuse(
    bad: np.ndarray, name: str, values: np.ndarray, start: np.ndarray, expected: str
) -> None:
    """Fail at the first true entry of `bad`, by tree and node."""
    if not bad.any():
        return
    node = int(np.argmax(bad))
    tree = int(np.searchsorted(start, node, side="right")) - 1
    fail(f"{WHERE}[{tree}].{name}[{node - start[tree]}]", values[node].item(), expected)


def _reach(left: np.ndarray, right: np.ndarray, start: np.ndarray) -> np.ndarray:
    """Mark the nodes that a row can come to, level by level; pruning leaves deleted ones behind."""
    size = np.diff(start)
    reached = np.zeros(len(left), np.bool_)
    node, tree, met = start[:-1], np.arange(len(size)), 0
    for _ in range(ir.MAX_DEPTH + 1):
        met += len(node)
        reached[node] = True
        if met > len(left):
            break
        inner = left[node] != -1
        node, tree = node[inner], tree[inner]
        if len(node) == 0:
            break
        child = left[node].astype(np.int64)
        # XGBoost finds the right child as left + 1, whatever right_children says.
        bad = (child < 1) | (child + 1 >= size[tree]) | (right[node] != child + 1)
        if bad.any():
            at = int(np.argmax(bad))
            fail(f"{WHERE}[{tree[at]}], children of node {node[at] - start[tree[at]]}",
                 (int(child[at]), int(right[node[at]])),
                 f"two neighbours from 1 to {size[tree[at]] - 1}")  # fmt: skip
        node = np.concatenate((start[tree] + child, start[tree] + child + 1))
        tree = np.concatenate((tree, tree))
    else:
        message = (
            f"tree {tree[0]} is deeper than {ir.MAX_DEPTH} levels, expected at most {ir.MAX_DEPTH}"
        )
        raise UnsupportedModelError(message)
    if met != np.count_nonzero(reached):
        fail(WHERE, "a graph in which a node has two parents", "trees")
    return reached


def _close_ranks(
    left: np.ndarray, right: np.ndarray, start: np.ndarray, tree: np.ndarray, reached: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Renumber children after the unreached nodes are gone."""
    if reached.all():
        return left, right, start
    before = np.concatenate(([0], np.cumsum(reached)))
    leaf = left == -1
    moved = []
    for child in (left, right):
        target = before[np.where(leaf, 0, start[tree] + child)] - before[start[tree]]
        moved.append(np.where(leaf, -1, target).astype(np.int32)[reached])
    return moved[0], moved[1], before[start]


def _category_sets(
    trees: list[dict[str, Any]], size: np.ndarray, start: np.ndarray, inner: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the set of each node, where each set starts, and the members of all."""
    category_set = np.full(len(inner), -1, np.int32)
    # Absent before 1.3, which knew no categories.
    keyed = [(t, tree) for t, tree in enumerate(trees) if len(tree.get("categories_nodes", ()))]
    if not keyed:
        return category_set, np.zeros(1, np.int64), np.zeros(0, np.int32)
    nodes, begins, counts, members, offset = [], [], [], [], 0
    for position, tree in keyed:
        node, begin, count, codes = (
            _join([_as_array(tree, name, position)], f"{WHERE}[{position}].{name}", np.int64)
            for name in (
                "categories_nodes", "categories_segments", "categories_sizes", "categories",
            )
        )  # fmt: skip
        split_type = _gather([tree], "split_type", size[[position]], np.int32)
        place = f"{WHERE}[{position}].categories"
        if not np.array_equal(np.flatnonzero(split_type), node):
            fail(f"{place}_nodes", node.tolist(), "the nodes whose split_type is 1, ascending")
        if len(begin) != len(node) or len(count) != len(node):
            fail(f"{place}_segments and _sizes", (len(begin), len(count)), f"{len(node)} entries")
        if np.any((begin < 0) | (count < 0) | (begin > len(codes) - count)):
            fail(f"{place}_segments and _sizes", begin.tolist(), f"parts of {len(codes)} codes")
        nodes.append(start[position] + node)
        begins.append(offset + begin)
        counts.append(count)
        members.append(codes)
        offset += len(codes)
    node, begin, count = map(np.concatenate, (nodes, begins, counts))
    used = inner[node]  # a pruned category node keeps its set
    node, begin, count = node[used], begin[used], count[used]
    total = int(count.sum())
    if total > 2**31:
        fail("the size of all category sets", total, "at most 2147483648")
    owner = np.repeat(np.arange(len(node)), count)
    within = np.arange(total) - np.repeat(np.cumsum(count) - count, count)
    code = np.concatenate(members)[begin[owner] + within]
    if np.any(code < 0):
        fail("an entry of categories", int(code.min()), "a category code of at least 0")
    valid = code < CATEGORY_LIMIT
    key = np.unique(owner[valid] << 32 | code[valid])
    category_set[node] = np.arange(len(node), dtype=np.int32)
    set_start = np.searchsorted(key, np.arange(len(node) + 1, dtype=np.int64) << 32)
    return category_set, set_start.astype(np.int64), (key & 0xFFFFFFFF).astype(np.int32)
