"""Every rule of a Graph is enforced, and each refusal says what was given and what was expected."""

from __future__ import annotations

import re
from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given

from cordwood import ir
from cordwood.errors import GraphError
from cordwood.ir import Decide, Graph, Link, Opcode, Role, TreeEnsemble, Value
from drawn import Shape, make_ensemble, make_graph
from strategies import graphs

# Two trees over two features. Tree 0 asks for a category, then a number; tree 1 is one leaf.
#
#        0  {1, 5} of feature 1          5  leaf 10.0
#       / \
#   1 leaf  2  feature 0 <= 0.5
#          / \
#    3 leaf   4 leaf
PARTS: dict[str, Any] = {
    "source": "rows",
    "target": "margin",
    "n_features": 2,
    "n_outputs": 1,
    "input_type": "float32",
    "comparison": "le",
    "category_rule": "truncate",
    "accumulate_type": "float64",
    "accepts_nan": True,
    "accepts_infinity": True,
    "base_value": np.array([0.5]),
    "tree_start": np.array([0, 5, 6], np.int64),
    "tree_output": np.array([0, 0], np.int32),
    "tree_weight": np.array([1.0, 1.0]),
    "left": np.array([1, -1, 3, -1, -1, -1], np.int32),
    "right": np.array([2, -1, 4, -1, -1, -1], np.int32),
    "feature": np.array([1, -1, 0, -1, -1, -1], np.int32),
    "threshold": np.array([0.0, 0.0, 0.5, 0.0, 0.0, 0.0]),
    "category_set": np.array([0, -1, -1, -1, -1, -1], np.int32),
    "missing_left": np.array([True, False, True, False, False, False]),
    "zero_missing": np.array([False, False, True, False, False, False]),
    "leaf_row": np.array([-1, 0, -1, 1, 2, 3], np.int32),
    "leaf_id": np.array([-1, 1, -1, 3, 4, 0], np.int32),
    "leaf_values": np.array([[1.0], [2.0], [3.0], [10.0]]),
    "set_start": np.array([0, 2], np.int64),
    "set_members": np.array([1, 5], np.int32),
    "category_start": np.array([0, 0, 0], np.int64),
    "category_values": np.zeros(0),
}


def broken(name: str, index: int | None = None, value: Any = None, **more: Any) -> dict[str, Any]:
    """Return PARTS with one entry, or one whole argument, replaced."""
    if index is None:
        return {**PARTS, name: value, **more}
    array = PARTS[name].copy()
    array[index] = value
    return {**PARTS, name: array, **more}


TREE_FAULTS = {
    # attributes
    "input_type": (broken("input_type", value="float16"), "input_type is 'float16'"),
    "comparison": (broken("comparison", value="<="), "comparison is '<=', expected one of 'le'"),
    "category_rule": (broken("category_rule", value="round"), "category_rule is 'round'"),
    "aggregate": (broken("aggregate", value="vote"), "aggregate is 'vote'"),
    "no features": (broken("n_features", value=0), "n_features is 0, expected"),
    "no outputs": (broken("n_outputs", value=0), "n_outputs is 0, expected"),
    "outputs no int": (broken("n_outputs", value=1.0), "n_outputs is 1.0, expected an int"),
    "band": (broken("zero_band", value=-1.0), "zero_band is -1.0"),
    "band nan": (broken("zero_band", value=float("nan")), "zero_band is nan"),
    "divided sum": (broken("divisor", value=2.0), "divisor is 2.0, expected 1.0"),
    "divisor": (broken("divisor", value=0.0, aggregate="average"), "divisor is 0.0, expected a"),
    # arrays
    "list": (broken("left", value=[0]), "left is a list, expected a numpy array"),
    "dtype": (broken("left", value=PARTS["left"].astype(np.int64)), "left has dtype int64"),
    "byte order": (broken("threshold", value=PARTS["threshold"].astype(">f8")), "dtype >f8"),
    "base dtype": (broken("base_value", value=np.float32([0.5])), "base_value has dtype float32"),
    "rank": (broken("leaf_values", value=np.zeros(4)), "leaf_values has 1 axes, expected 2"),
    "order": (broken("feature", value=np.zeros(12, np.int32)[::2]), "feature has 1 axes"),
    "length": (broken("feature", value=np.zeros(5, np.int32)), "feature has 5 entries, expected"),
    "weights": (broken("tree_weight", value=np.ones(3)), "tree_weight has 3 entries, expected"),
    "width": (broken("leaf_values", value=np.zeros((4, 2))), "leaf_values has 2 columns"),
    # values
    "base": (broken("base_value", 0, np.inf), "base_value[0] is inf, expected a finite"),
    "weight": (broken("tree_weight", 1, np.nan), "tree_weight[1] is nan"),
    "leaf": (broken("leaf_values", 2, np.nan), "leaf_values[2] is [nan]"),
    "output": (broken("tree_output", 1, 1), "tree_output[1] is 1, expected 0 to 0"),
    "overflow": (
        broken("leaf_values", 3, 1e308, tree_weight=np.array([1.0, 10.0])),
        "leaf_row[5] is 3, expected a row that times its tree's weight is finite",
    ),
    # category sets
    "set ends": (broken("set_start", 1, 3), "set_start runs from 0 to 3, expected 0 to 2"),
    "set negative": (broken("set_members", 0, -1), "set_members[0] is -1"),
    "set order": (broken("set_members", 1, 1), "set_members[1] is 1, expected more than"),
    "values unused": (
        broken("category_values", value=np.zeros(1), category_start=np.array([0, 1, 1])),
        "category_values has 1 entries, expected none",
    ),
    "values twice": (
        broken(
            "category_values",
            value=np.array([2.0, 0.0, -0.0]),
            category_start=np.array([0, 1, 3]),
            category_rule="exact",
        ),
        "category_values[2] is -0.0, expected a value not listed before",
    ),
    "code unlisted": (
        broken(
            "category_values",
            value=np.arange(5.0),
            category_start=np.array([0, 0, 5]),
            category_rule="exact",
        ),
        "node 0 tests feature 1 for code 5, expected codes below 5",
    ),
    # structure
    "tree start": (broken("tree_start", 0, 1), "tree_start runs from 1 to 6, expected 0 to 6"),
    "empty tree": (broken("tree_start", 1, 0), "tree_start[1] is 0, expected more than"),
    "half leaf": (broken("right", 3, 4), "right[3] is 4, expected -1 exactly where"),
    "child is root": (broken("left", 0, 0), "left[0] is 0, expected a node of its tree"),
    "other tree": (broken("right", 2, 5), "right[2] is 5, expected a node of its tree"),
    "two parents": (broken("right", 2, 3), "node 3 is the child of 2 nodes, expected 1"),
    # inner nodes and leaves
    "feature high": (broken("feature", 2, 2), "feature[2] is 2, expected 0 to 1"),
    "feature leaf": (broken("feature", 3, 0), "feature[3] is 0"),
    "threshold nan": (broken("threshold", 2, np.nan), "threshold[2] is nan"),
    "threshold of set": (broken("threshold", 0, 1.0), "threshold[0] is 1.0"),
    "set high": (broken("category_set", 0, 1), "category_set[0] is 1, expected 0 to 0"),
    "set at leaf": (broken("category_set", 1, 0), "category_set[1] is 0"),
    "set, no rule": (broken("category_rule", value="none"), "-1 because category_rule is 'none'"),
    "missing leaf": (broken("missing_left", 1, value=True), "missing_left[1] is True"),
    "zero of set": (broken("zero_missing", 0, value=True), "zero_missing[0] is True"),
    "row high": (broken("leaf_row", 5, 4), "leaf_row[5] is 4, expected 0 to 3"),
    "row inner": (broken("leaf_row", 0, 0), "leaf_row[0] is 0"),
    "id negative": (broken("leaf_id", 1, -1), "leaf_id[1] is -1"),
    "id inner": (broken("leaf_id", 0, 7), "leaf_id[0] is 7"),
    "id twice": (broken("leaf_id", 4, 1), "leaf_id[4] is 1, expected a number no other leaf"),
}


@pytest.mark.parametrize("fault", TREE_FAULTS)
def test_tree_fault_is_named(fault: str) -> None:
    parts, message = TREE_FAULTS[fault]
    with pytest.raises(GraphError, match=re.escape(message)):
        TreeEnsemble(**parts)


def test_parts_are_sound_and_leaf_ids_may_repeat_between_trees() -> None:
    op = TreeEnsemble(**broken("leaf_id", 5, 1))
    assert (op.n_trees, op.n_nodes, op.leaf_width) == (2, 6, 1)


def test_cycle_off_the_root_is_found() -> None:
    # Nodes 1 and 2 are each other's child: one parent each, yet the root never meets them.
    left = np.array([-1, 2, 1, -1, -1], np.int32)
    right = np.array([-1, 3, 4, -1, -1], np.int32)
    with pytest.raises(GraphError, match="node 1 lies on a cycle"):
        TreeEnsemble(**_numeric(left, right))


def _numeric(left: Any, right: Any) -> dict[str, Any]:
    """Return the parts of one numeric tree with these children."""
    n = len(left)
    leaf = left == -1
    return {
        **PARTS,
        "tree_start": np.array([0, n], np.int64),
        "tree_output": np.zeros(1, np.int32),
        "tree_weight": np.ones(1),
        "left": left,
        "right": right,
        "feature": np.where(leaf, -1, 0).astype(np.int32),
        "threshold": np.zeros(n),
        "category_set": np.full(n, -1, np.int32),
        "missing_left": np.zeros(n, bool),
        "zero_missing": np.zeros(n, bool),
        "leaf_row": np.where(leaf, 0, -1).astype(np.int32),
        "leaf_id": np.where(leaf, np.arange(n), -1).astype(np.int32),
    }


def _spine(depth: int) -> dict[str, Any]:
    """Return a tree whose right children form one path of `depth` edges."""
    left = np.full(2 * depth + 1, -1, np.int32)
    right = left.copy()
    inner = np.arange(0, 2 * depth, 2)
    left[inner], right[inner] = inner + 1, inner + 2
    return _numeric(left, right)


def test_depth_is_bounded() -> None:
    assert TreeEnsemble(**_spine(ir.MAX_DEPTH)).n_nodes == 2 * ir.MAX_DEPTH + 1
    with pytest.raises(GraphError, match="tree 0 is deeper than 4096"):
        TreeEnsemble(**_spine(ir.MAX_DEPTH + 1))


def test_arrays_are_read_only_views() -> None:
    given_left = PARTS["left"].copy()
    op = TreeEnsemble(**{**PARTS, "left": given_left})
    with pytest.raises(ValueError, match="read-only"):
        op.left[0] = 2
    assert np.shares_memory(op.left, given_left)
    assert given_left.flags.writeable
    names = {rule.name for rule in _tree_arrays()}
    assert names == {f.name for f in fields(TreeEnsemble) if str(f.type).endswith("Array")}


def _tree_arrays() -> Any:
    from cordwood.ir_checks_trees import TREE_ARRAYS

    return TREE_ARRAYS


GRAPH = make_graph(Shape(head="binary"))
ROWS, MARGIN, RESPONSE, LABEL = GRAPH.values
TREES, LINK, DECIDE = GRAPH.operators

GRAPH_FAULTS: dict[str, tuple[dict[str, Any], str]] = {
    "name twice": ({"values": (ROWS, MARGIN, MARGIN)}, "2 values are named 'margin'"),
    "role twice": (
        {"values": (ROWS, MARGIN, replace(RESPONSE, role=Role.MARGIN), LABEL)},
        "2 values have the role MARGIN",
    ),
    "no rows": ({"values": (replace(ROWS, role=Role.NONE), MARGIN)}, "no value has the role ROWS"),
    "rows shape": ({"values": (replace(ROWS, shape=(4, 3)),)}, "have shape (4, 3), expected"),
    "other batch": (
        {"values": (ROWS, replace(MARGIN, shape=("rows", 1)), RESPONSE, LABEL)},
        "value 'margin' has shape ('rows', 1), expected the batch symbol",
    ),
    "order": ({"operators": (LINK, TREES, DECIDE)}, "operator 0 (link) reads 'margin'"),
    "made twice": ({"operators": (TREES, TREES)}, "operator 1 (tree_ensemble) writes 'margin'"),
    "not made": ({"operators": (TREES, LINK)}, "value 'label' is the target of no operator"),
    "input type": (
        {"values": (replace(ROWS, dtype="float32"), MARGIN, RESPONSE, LABEL)},
        "value 'rows' is float32 ('batch', 3), expected float64 ('batch', 3)",
    ),
    "margin type": (
        {"values": (ROWS, replace(MARGIN, dtype="float32"), RESPONSE, LABEL)},
        "value 'margin' is float32 ('batch', 1), expected float64 ('batch', 1)",
    ),
    "link shape": (
        {"values": (ROWS, MARGIN, replace(RESPONSE, shape=("batch", 1)), LABEL)},
        "value 'response' is float64 ('batch', 1), expected float64 ('batch', 2)",
    ),
    "label type": (
        {"values": (ROWS, MARGIN, RESPONSE, replace(LABEL, dtype="int32"))},
        "value 'label' is int32 ('batch',), expected int64 ('batch',)",
    ),
    "link kind": ({"operators": (TREES, replace(LINK, kind="tanh"), DECIDE)}, "kind is 'tanh'"),
    "link scale": ({"operators": (TREES, replace(LINK, scale=0.0), DECIDE)}, "scale is 0.0"),
    "exp scale": (
        {"operators": (TREES, replace(LINK, kind="exp", scale=2.0), DECIDE)},
        "scale is 2.0, expected 1.0 because the kind is 'exp'",
    ),
    "softmax complement": (
        {"operators": (TREES, replace(LINK, kind="softmax"), DECIDE)},
        "link.complement is set for a softmax of 1 columns",
    ),
    "rule": ({"operators": (TREES, LINK, replace(DECIDE, rule="max"))}, "rule is 'max'"),
    "argmax cut": ({"operators": (TREES, LINK, replace(DECIDE, cut=0.5))}, "cut is 0.5"),
    "names": ({"feature_names": ("a", "b")}, "feature_names has 2 entries, expected 3"),
    "name type": ({"feature_names": ("a", "b", 3)}, "feature_names[2] is 3, expected a str"),
    "class count": ({"classes": np.arange(3)}, "classes hold [3] labels, expected [2]"),
    "class type": ({"classes": np.array([1j, 2j])}, "classes hold complex128"),
    "class mix": ({"classes": np.array([1, "a"], object)}, "classes hold object"),
    "big labels": ({"classes": np.array([1, 2], np.uint64)}, "classes hold uint64"),
    "methods order": ({"methods": ("predict_proba", "predict")}, "methods is ('predict_proba'"),
    "methods none": ({"methods": ()}, "methods is (), expected some of"),
    "method": ({"methods": ("apply", "predict")}, "methods is ('apply', 'predict')"),
}


@pytest.mark.parametrize("fault", GRAPH_FAULTS)
def test_graph_fault_is_named(fault: str) -> None:
    change, message = GRAPH_FAULTS[fault]
    with pytest.raises(GraphError, match=re.escape(message)):
        replace(GRAPH, **change)


def test_decide_cut_must_be_exact_in_the_type_it_compares() -> None:
    graph = make_graph(Shape(head="binary_cut", accumulate_type="float32"))
    trees, link, decide = graph.operators
    with pytest.raises(GraphError, match=r"decide.cut is 0.1, expected .* own type, float32"):
        replace(graph, operators=(trees, link, replace(decide, cut=0.1)))


def test_methods_need_a_value_to_answer_from() -> None:
    regression = make_graph(Shape(head="regression"))
    with pytest.raises(GraphError, match="'predict_proba' has no value to answer from"):
        replace(regression, methods=("predict", "predict_proba"))
    with pytest.raises(GraphError, match="expected a value with the role LABEL"):
        replace(regression, classes=np.arange(2))


@pytest.mark.parametrize(
    ("labels", "dtype"),
    [
        (["a", "bc"], "<U2"),
        (np.array(["a", "bc"], object), "<U2"),
        (np.array([1, 2], np.int32), "int64"),
        (np.array([1, 2], np.uint8), "int64"),
        (np.array([0.5, 1.5], np.float32), "float64"),
        ([False, True], "bool"),
    ],
)
def test_classes_are_normalised(labels: Any, dtype: str) -> None:
    graph = replace(GRAPH, classes=labels)
    assert graph.classes is not None
    assert graph.classes.dtype == dtype
    assert graph.classes.tolist() == list(labels)
    assert not graph.classes.flags.writeable


def test_graph_lookups() -> None:
    assert GRAPH.value("margin") is MARGIN
    assert GRAPH.by_role(Role.LABEL) is LABEL
    assert GRAPH.by_role(Role.RESPONSE) is None
    assert GRAPH.trees is TREES
    rows = Value("rows", "float64", ("batch", 2), Role.ROWS)
    out = Value("out", "float64", ("batch", 2), Role.RESPONSE)
    link = Link(source="rows", target="out", kind="exp")
    plain = Graph(values=(rows, out), operators=(link,))
    with pytest.raises(GraphError, match="holds no tree_ensemble"):
        _ = plain.trees
    with pytest.raises(GraphError, match="'apply' is listed, expected a tree_ensemble"):
        replace(plain, methods=("predict", "apply"))


@given(graphs())
def test_every_drawn_graph_is_sound(graph: Graph) -> None:
    assert {op.opcode for op in graph.operators} <= set(Opcode)


def test_wide_shape_needs_more_than_a_byte_of_ranks() -> None:
    op = make_ensemble(Shape(many_cuts=True, category_rule="floor", n_trees=2))
    cuts = op.threshold[(op.feature == 0) & (op.category_set == -1)]
    assert len(np.unique(cuts)) > 255


def test_decide_needs_few_columns_for_a_cut() -> None:
    graph = make_graph(Shape(head="multiclass", n_outputs=3))
    trees, link, _ = graph.operators
    decide = Decide(source="response", target="label", rule="greater", cut=0.5)
    with pytest.raises(GraphError, match="a decide by 'greater' reads 3 columns"):
        replace(graph, operators=(trees, link, decide))
