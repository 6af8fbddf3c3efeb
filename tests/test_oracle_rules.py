"""The oracle against cases worked by hand, and against laws that hold whatever the Graph."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given

import oracle
from cordwood.ir import Decide, Graph, Link, TreeEnsemble
from drawn import LIGHTGBM_ZERO, MANY_CUTS, Shape, make_ensemble, make_graph, make_rows
from strategies import graphs_and_rows

NAN, INF = float("nan"), float("inf")
LISTED = np.array([2.0, -1.5, 7.0])


def stump(**changes: Any) -> TreeEnsemble:
    """Return one split on the only feature: leaf 1 to the left, leaf 2 to the right."""
    numeric = changes.get("category_rule", "none") == "none"
    parts: dict[str, Any] = {
        "source": "rows",
        "target": "margin",
        "n_features": 1,
        "n_outputs": 1,
        "input_type": "float64",
        "comparison": "le",
        "accumulate_type": "float64",
        "accepts_nan": True,
        "accepts_infinity": True,
        "base_value": np.zeros(1),
        "tree_start": np.array([0, 3], np.int64),
        "tree_output": np.zeros(1, np.int32),
        "tree_weight": np.ones(1),
        "left": np.array([1, -1, -1], np.int32),
        "right": np.array([2, -1, -1], np.int32),
        "feature": np.array([0, -1, -1], np.int32),
        "threshold": np.array([changes.pop("cut", 0.0), 0.0, 0.0]),
        "category_set": np.array([-1 if numeric else 0, -1, -1], np.int32),
        "missing_left": np.array([changes.pop("nan_left", False), False, False]),
        "zero_missing": np.array([changes.pop("zero_missing", False), False, False]),
        "leaf_row": np.array([-1, 0, 1], np.int32),
        "leaf_id": np.array([-1, 1, 2], np.int32),
        "leaf_values": np.array([[1.0], [2.0]]),
        "set_start": np.array([0, 2], np.int64),
        "set_members": np.array([0, 2], np.int32),
        "category_start": np.array([0, 0], np.int64),
        "category_values": np.zeros(0),
    }
    return TreeEnsemble(**(parts | changes))


def sides(op: TreeEnsemble, *values: float, dtype: str = "float64") -> str:
    """Return where each value goes, as a string of l and r."""
    rows = np.array(values).astype(dtype).reshape(-1, 1)
    return "".join("-lr"[node] for node in oracle.leaves(op, rows)[:, 0])


@pytest.mark.parametrize(
    ("changes", "values", "expected"),
    [
        # The comparison, on the threshold and beside it.
        ({"cut": 0.5}, (np.nextafter(0.5, 0), 0.5, np.nextafter(0.5, 1), INF, -INF), "llrrl"),
        ({"cut": 0.5, "comparison": "lt"}, (np.nextafter(0.5, 0), 0.5, INF, -INF), "lrrl"),
        ({"cut": 0.0, "comparison": "lt"}, (0.0, -0.0, -5e-324), "rrl"),
        ({"cut": -0.0}, (0.0, -0.0, 5e-324), "llr"),
        ({"cut": INF}, (INF, 1.0), "ll"),
        ({"cut": -INF}, (-INF, -1e308), "lr"),
        # The cast comes first: 0.1 rounds up in float32, past its own float64 threshold.
        ({"cut": 0.1, "input_type": "float32"}, (0.1, 0.1 - 1e-12), "rr"),
        ({"cut": 0.1}, (0.1, 0.1 - 1e-12), "ll"),
        ({"cut": 3e38, "input_type": "float32"}, (1e39, -1e39), "rl"),
        # Missing values.
        ({"cut": 5.0}, (NAN, 9.0), "rr"),
        ({"cut": 5.0, "nan_left": True}, (NAN, 9.0), "lr"),
        ({"cut": -1.0, "nan_left": True, "zero_missing": True}, (0.0, -0.0, 5e-324), "llr"),
        # The zero band: its border counts as zero.
        ({"cut": -1e-36, "zero_band": LIGHTGBM_ZERO}, (-LIGHTGBM_ZERO, -1.1e-35), "rl"),
        ({"cut": 1e-36, "zero_band": LIGHTGBM_ZERO}, (LIGHTGBM_ZERO, 1.1e-35), "lr"),
        # Category sets {0, 2}.
        ({"category_rule": "floor"}, (0.0, 0.9, 1.0, 2.9, 3.0, -0.5, -0.0), "llrlrrl"),
        ({"category_rule": "truncate"}, (0.0, 0.9, 1.0, 2.9, 3.0, -0.5, -1.0), "llrlrlr"),
        ({"category_rule": "truncate"}, (2.0**31, 2.0**32, 2.0**32 + 2, INF, -INF, NAN), "rrrrrr"),
        ({"category_rule": "floor", "category_members": "right"}, (0.0, 1.0, -1.0, NAN), "rllr"),
        ({"category_rule": "floor", "nan_left": True}, (NAN, 1.0), "lr"),
    ],
)
def test_split_by_hand(changes: dict[str, Any], values: tuple[float, ...], expected: str) -> None:
    assert sides(stump(**changes), *values) == expected


def test_listed_categories_by_hand() -> None:
    more = {"category_start": np.array([0, 3], np.int64), "category_values": LISTED}
    # Codes 0 and 2 stand for 2.0 and 7.0; what is not listed goes the way of NaN.
    for nan_left, expected in ((False, "llrrrr"), (True, "llrlll")):
        op = stump(category_rule="exact", nan_left=nan_left, **more)
        assert sides(op, 2.0, 7.0, -1.5, 2.5, INF, NAN) == expected


def test_integers_reach_float64_the_way_the_source_goes() -> None:
    op = stump(cut=16777216.0)
    assert sides(op, 16777217, dtype="int64") == "r"
    assert sides(replace(op, integer_cast="float32"), 16777217, dtype="int64") == "l"
    assert sides(replace(op, integer_cast="float32"), 16777217.0) == "r"


def test_leaves_add_one_by_one_in_the_accumulate_type() -> None:
    shape = Shape(n_trees=3, max_leaves=1, accumulate_type="float32", leaf_type="float32")
    op = make_ensemble(shape)
    leaf_values = np.float32([[2.0**-24], [2.0**-24], [1.0]])
    op = replace(op, leaf_values=leaf_values, base_value=np.float32([1.0]))
    graph = replace(make_graph(shape), operators=(op,))
    margin = oracle.predict_margin(graph, np.zeros((1, 3)))
    # Each small leaf is lost in rounding to even; added first to each other they would survive.
    assert margin.item() == 2.0
    weighted = replace(op, tree_weight=np.array([1.0, 1.0, 0.1]))
    margin = oracle.predict_margin(replace(graph, operators=(weighted,)), np.zeros((1, 3)))
    assert margin.item() == np.float32(1.0) + np.float32(0.1)


def test_average_divides_the_finished_sum() -> None:
    shape = Shape(n_trees=3, max_leaves=1, aggregate="average", head="forest", n_outputs=2,
                  vector_leaves=True)  # fmt: skip
    op = make_ensemble(shape)
    op = replace(op, leaf_values=np.array([[0.1, 1], [0.2, 1], [0.7, 1]]), base_value=np.zeros(2))
    graph = replace(make_graph(shape), operators=(op, make_graph(shape).operators[1]))
    margin = oracle.predict_margin(graph, np.zeros((1, 3)))
    assert margin.tolist() == [[((0.1 + 0.2) + 0.7) / 3.0, 1.0]]


def test_a_missing_value_is_nan_after_the_cast() -> None:
    op = stump(cut=5.0, missing_value=0.25, input_type="float32")
    assert sides(op, 0.25, 0.25 + 1e-12, 0.5) == "rrl"
    assert sides(replace(op, missing_left=np.array([True, False, False])), 0.25, 9.0) == "lr"
    assert oracle.refused(replace(op, accepts_nan=False), np.array([[0.5], [0.25]])) == (1, 0)


def linear_stump(**changes: Any) -> TreeEnsemble:
    """Return a stump whose left leaf is 3 + 2 x - 2 x and whose right one is the constant 7."""
    parts: dict[str, Any] = {
        "linear_start": np.array([0, 2, 2], np.int64),
        "linear_feature": np.zeros(2, np.int32),
        "linear_coefficient": np.array([2.0, -2.0]),
        "linear_constant": np.array([3.0, 7.0]),
    }
    return stump(nan_left=True, **(parts | changes))


def test_linear_leaves_by_hand() -> None:
    rows = np.array([[-1.0], [NAN], [1.0], [-1e17], [-INF]])
    answers = oracle.aggregate(linear_stump(), rows, None)[:, 0]
    # NaN takes the plain value, and so does nothing else: infinity less infinity stays NaN.
    assert answers[:4].tolist() == [3.0, 1.0, 7.0, 0.0]
    assert np.isnan(answers[4])
    banded = linear_stump(zero_band=1.0, linear_coefficient=np.array([2.0, 5.0]), cut=-0.5)
    assert oracle.aggregate(banded, np.array([[-1.0], [-1.5]]), None)[:, 0].tolist() == [7.0, -7.5]


def test_a_sum_starts_from_what_it_is_given() -> None:
    op = stump(start="before", base_value=np.zeros(1))
    start = np.array([[10.0], [20.0]])
    assert oracle.aggregate(op, np.array([[-1.0], [1.0]]), start)[:, 0].tolist() == [11.0, 22.0]
    assert start[:, 0].tolist() == [10.0, 20.0], "what is given stays as it is"


def test_weighted_median_by_hand() -> None:
    shape = Shape(n_trees=4, max_leaves=1, aggregate="weighted_median")
    op = replace(make_ensemble(shape), leaf_values=np.array([[5.0], [1.0], [3.0], [1.0]]))
    for weight, median in (
        ([1.0, 1.0, 1.0, 1.0], 1.0),  # exactly half the weight is enough
        ([1.0, 0.5, 1.0, 1.0], 3.0),
        ([9.0, 1.0, 1.0, 1.0], 5.0),
    ):
        weighted = replace(op, tree_weight=np.array(weight))
        assert oracle.aggregate(weighted, np.zeros((1, 3)), None).item() == median


def test_further_links_by_hand() -> None:
    x = np.array([[-2.0], [0.0], [3.0]])
    answers = {
        "softplus": [0.1269280110429725, 0.6931471805599453, 3.048587351573742],
        "signed_square": [-4.0, 0.0, 9.0],
        "negative_exp2": [-4.0, -1.0, -0.125],
        "step": [0.0, 0.0, 1.0],
    }
    for kind, answer in answers.items():
        assert oracle.link(Link(source="m", target="p", kind=kind), x)[:, 0].tolist() == answer
    shift = Link(source="m", target="p", kind="shift", offset=0.5)
    assert oracle.link(shift, x)[:, 0].tolist() == [-2.5, -0.5, 2.5]
    pair = Link(source="m", target="p", kind="sigmoid_pair", scale=2.0)
    assert oracle.link(pair, np.zeros((1, 1))).tolist() == [[0.5, 0.5]]
    assert oracle.link(pair, np.array([[0.5]]))[0, 1] == 0.7310585786300049
    logit = Link(source="m", target="p", kind="logit", scale=0.5, offset=0.25)
    assert oracle.link(logit, np.array([[0.5], [0.0]]))[:, 0].tolist() == [0, -0.5 * np.log(3)]
    assert oracle.link(logit, np.array([[0.9, 0.5]])).tolist() == [[0.0]]
    thirds = oracle.link(logit, np.array([[0.25, 0.5, 0.25]]))
    assert thirds[0] == pytest.approx([-np.log(2) / 3, 2 * np.log(2) / 3, -np.log(2) / 3])


def test_links_by_hand() -> None:
    margin = np.array([[0.0], [800.0], [-800.0]])
    sigmoid = Link(source="m", target="p", kind="sigmoid", complement=True)
    assert oracle.link(sigmoid, margin)[:2].tolist() == [[0.5, 0.5], [0.0, 1.0]]
    assert 0 <= oracle.link(sigmoid, margin)[2, 1] < 1e-300
    exp = Link(source="m", target="p", kind="exp")
    assert oracle.link(exp, margin).tolist() == [[1.0], [INF], [0.0]]
    softmax = Link(source="m", target="p", kind="softmax")
    assert oracle.link(softmax, np.array([[5.0, 5.0], [900.0, 0.0]])).tolist() == [
        [0.5, 0.5],
        [1.0, 0.0],
    ]
    scaled = Link(source="m", target="p", kind="sigmoid", scale=2.0)
    one = np.array([[1.0]])
    assert oracle.link(scaled, one).item() == pytest.approx(0.8807970779778823, rel=1e-16)


def test_decide_by_hand() -> None:
    columns = np.array([[0.5, 0.5], [0.2, 0.8]])
    assert oracle.decide(Decide(source="p", target="l", rule="argmax"), columns).tolist() == [0, 1]
    greater = Decide(source="p", target="l", rule="greater", cut=0.5)
    assert oracle.decide(greater, columns).tolist() == [0, 1]
    assert oracle.decide(replace(greater, rule="greater_equal"), columns).tolist() == [1, 1]


def test_decide_by_output() -> None:
    columns = np.array([[0.5, 0.5, 0.2, 0.1], [0.2, 0.8, NAN, 0.9]])
    each = Decide(source="p", target="l", rule="each_greater", cut=0.2)
    assert oracle.decide(each, columns).tolist() == [[1, 1, 0, 0], [0, 1, 0, 1]]
    groups = Decide(source="p", target="l", rule="argmax", groups=(1, 3))
    assert oracle.decide(groups, columns).tolist() == [[0, 0], [0, 1]]


def test_refused_values_are_judged_after_the_cast() -> None:
    op = stump(input_type="float32", accepts_infinity=False, accepts_nan=False)
    assert oracle.refused(op, np.array([[1.0], [1e39]])) == (1, 0)
    assert oracle.refused(op, np.array([[1.0], [NAN]])) == (1, 0)
    assert oracle.refused(op, np.array([[1.0], [3e38]])) is None
    assert oracle.refused(replace(op, input_type="float64"), np.array([[1e39]])) is None


@given(graphs_and_rows())
def test_each_row_answers_for_itself(drawn: tuple[Graph, np.ndarray]) -> None:
    graph, X = drawn
    whole = oracle.predict_margin(graph, X)
    assert oracle.refused(graph.trees, X) is None
    assert oracle.apply(graph, X).dtype == np.int32
    assert whole.dtype == graph.trees.accumulate_type
    single = [oracle.predict_margin(graph, row[None])[0] for row in X[::-1]]
    assert np.array_equal(whole[::-1], np.array(single).reshape(whole.shape))


@given(graphs_and_rows())
def test_every_value_has_its_declared_type_and_shape(drawn: tuple[Graph, np.ndarray]) -> None:
    graph, X = drawn
    for value in graph.values[1:]:
        result = oracle.run(graph, X, value.role)
        assert result.dtype == value.dtype
        assert result.shape == (len(X), *value.shape[1:])


def test_rows_sit_on_the_borders() -> None:
    op = make_ensemble(Shape(input_type="float32", category_rule="floor", many_cuts=True))
    X = make_rows(op, 4000)
    cuts = np.unique(op.threshold[(op.feature == 0) & (op.category_set == -1)])
    assert 255 < len(cuts) < MANY_CUTS + 20
    on = [np.isin(X, side).any() for side in (cuts, np.nextafter(cuts, 9), np.float32(cuts))]
    assert all(on)
    assert np.isnan(X).any()
    assert np.isinf(X).any()
    assert (X == 0).any()
    reached = oracle.leaves(op, X)
    assert len(np.unique(reached[:, 0])) > 255, "rows must spread over the leaves"
