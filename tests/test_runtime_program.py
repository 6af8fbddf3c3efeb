"""The native runtime answers every drawn Graph as the oracle does, whatever the rows look like."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import cordwood
import oracle
from cordwood.ir import Decide, Graph, Link, TreeEnsemble
from drawn import LIGHTGBM_ZERO, Shape, make_graph, make_rows
from drawn_heads import HEADS, ONE_OUTPUT
from strategies import graphs_and_rows

if TYPE_CHECKING:
    import numpy.typing as npt

    Array = npt.NDArray[Any]

EXACT_LINKS = ("identity", "signed_square", "shift", "step")
LAYOUTS = ("c", "fortran", "strided", "reversed", "read-only")


def laid_out(X: Array, layout: str) -> Array:
    """Return equal rows in another memory layout."""
    if layout == "fortran":
        return np.asfortranarray(X)
    if layout == "strided":
        wide = np.zeros((2 * X.shape[0], 3 * X.shape[1]), X.dtype)
        wide[::2, ::3] = X
        return wide[::2, ::3]
    if layout == "reversed":
        return np.ascontiguousarray(X[::-1, ::-1])[::-1, ::-1]
    X = np.array(X, order="C")
    X.flags.writeable = layout != "read-only"
    return X


def _refusal(graph: Graph, X: Array) -> str | None:
    bad = oracle.refused(graph.trees, X)
    return None if bad is None else f"row {bad[0]}, feature {bad[1]}"


def check_link(op: Link, found: Array, expected: Array) -> None:
    """Compare within the units in the last place that docs/graph.md binds the link to."""
    assert (found.dtype, found.shape) == (expected.dtype, expected.shape)
    if op.kind in EXACT_LINKS:
        np.testing.assert_array_equal(found, expected)
        return
    units = 4 if op.kind == "softmax" and op.scale != 1.0 else 2
    same = (found == expected) | (np.isnan(found) & np.isnan(expected))
    with np.errstate(invalid="ignore", over="ignore"):
        near = np.abs(found - expected) <= units * np.spacing(np.abs(expected))
    assert (same | near).all()


def _answer(model: cordwood.Model, graph: Graph, name: str, X: Array) -> Array:
    """Return what the model itself makes of the rows for the value `name`."""
    target = "margin" if name == graph.trees.target else graph.value(name).role.name.lower()
    return model._run(X, target)


def check_after_trees(graph: Graph, model: cordwood.Model, X: Array) -> None:
    """Hold each link and decide against the oracle's on what the model itself gives it."""
    after = graph.operators[graph.operators.index(graph.trees) + 1 :]
    for op in after:
        source = _answer(model, graph, op.source, X)
        answer = _answer(model, graph, op.target, X)
        if isinstance(op, Decide):
            expected = oracle.decide(op, source).reshape(answer.shape)
            np.testing.assert_array_equal(answer, expected)
            continue
        assert isinstance(op, Link)
        expected = oracle.link(op, source)
        if op.complement:
            np.testing.assert_array_equal(answer[:, 0], 1 - answer[:, 1])
            answer, expected = answer[:, 1], expected[:, 1]
        check_link(op, answer, expected)


@given(graphs_and_rows(), st.sampled_from(LAYOUTS))
def test_every_target_equals_the_oracle(drawn: tuple[Graph, Array], layout: str) -> None:
    graph, X = drawn
    model = cordwood.compress(graph)
    rows = laid_out(X, layout)
    refusal = _refusal(graph, X)
    if refusal is not None:
        for target in ("margin", "leaves"):
            with pytest.raises(cordwood.InputError, match=refusal):
                model._run(rows, target)
        return
    np.testing.assert_array_equal(model._run(rows, "leaves"), oracle.apply(graph, X))
    margin = oracle.predict_margin(graph, X)
    found = model._run(rows, "margin")
    assert found.dtype == margin.dtype
    assert found.tobytes() == margin.tobytes()
    check_after_trees(graph, model, rows)


@pytest.mark.parametrize("head", [head for head in HEADS if head != "embedding"])
@pytest.mark.parametrize("accumulate", ["float32", "float64"])
def test_what_follows_the_trees(head: str, accumulate: str) -> None:
    votes = head in ("forest", "groups")
    for seed in (3, 4):
        shape = Shape(
            seed=seed, head=head, accumulate_type=accumulate, n_trees=8, vector_leaves=votes,
            n_outputs=1 if head in ONE_OUTPUT else 4, aggregate="average" if votes else "sum",
        )  # fmt: skip
        graph = make_graph(shape)
        model = cordwood.compress(graph)
        X = make_rows(graph.trees, 200, "float64", 5)
        check_after_trees(graph, model, X)
        if isinstance(graph.classes, np.ndarray):
            indices = model._run(X, "label")[:, 0]
            np.testing.assert_array_equal(model.predict(X), graph.classes[indices])


@pytest.mark.parametrize("n_outputs", [1, 3])
@pytest.mark.parametrize("max_leaves", [20, 600])
@pytest.mark.parametrize("accumulate", ["float32", "float64"])
def test_sums_start_from_what_other_trees_and_a_logit_make(
    accumulate: str, max_leaves: int, n_outputs: int
) -> None:
    for seed in range(4):
        shape = Shape(
            seed=seed, start="logit", n_outputs=n_outputs, accumulate_type=accumulate, n_trees=9,
            max_leaves=max_leaves,
        )  # fmt: skip
        graph = make_graph(shape)
        X = make_rows(graph.trees, 700, seed=seed)
        # Without trees of its own the last ensemble answers with what it starts from.
        start = cordwood.compress(make_graph(replace(shape, n_trees=0)))._run(X, "margin")
        logit = next(op for op in graph.operators if isinstance(op, Link))
        values = oracle.results(graph, X)
        largest = np.abs(np.log(logit.offset))
        slack = 2.0**-50 * largest + 2 * np.spacing(np.abs(values["start"]))
        assert (np.abs(start - values["start"]) <= slack).all()
        model = cordwood.compress(graph)
        expected = oracle.aggregate(graph.trees, X, start)
        assert model._run(X, "margin").tobytes() == expected.tobytes()
        np.testing.assert_array_equal(model._run(X, "leaves"), oracle.apply(graph, X))


@pytest.mark.parametrize("max_leaves", [20, 600])
@pytest.mark.parametrize("kind", ["start", "linear", "median", "missing"])
def test_batches_over_blocks_and_threads(kind: str, max_leaves: int) -> None:
    changes: dict[str, dict[str, Any]] = {
        "start": {"start": "shift", "n_outputs": 3},
        "linear": {"linear": True, "n_outputs": 2, "zero_band": LIGHTGBM_ZERO},
        "median": {"aggregate": "weighted_median", "weighted": True},
        "missing": {"missing_value": 0.5, "category_rule": "floor"},
    }
    graph = make_graph(Shape(seed=2, n_trees=40, max_leaves=max_leaves, **changes[kind]))
    X = make_rows(graph.trees, 9000, seed=3)
    expected = oracle.predict_margin(graph, X)
    packed = cordwood.compress(graph).to_bytes()
    for threads in (1, 2):
        model = cordwood.load(packed, threads=threads)
        assert model._run(X, "margin").tobytes() == expected.tobytes()
        for n in (1, 2, 47, 48, 49, 513):
            assert model._run(X[:n], "margin").tobytes() == expected[:n].tobytes()


def test_a_missing_value_is_refused_where_nan_is() -> None:
    graph = make_graph(Shape(missing_value=-999.0, accepts_nan=False))
    X = np.zeros((3, 3))
    X[1, 2] = -999.0
    with pytest.raises(cordwood.InputError, match="row 1, feature 2 is NaN"):
        cordwood.compress(graph)._run(X, "margin")


def test_steps_that_no_target_needs_do_not_run() -> None:
    """The first trees refuse NaN, the last do not: leaves do not ask the first."""
    graph = make_graph(Shape(start="trees"))
    first, last = graph.operators
    assert isinstance(first, TreeEnsemble)
    graph = replace(graph, operators=(replace(first, accepts_nan=False), last))
    model = cordwood.compress(graph)
    X = np.full((2, 3), np.nan)
    np.testing.assert_array_equal(model._run(X, "leaves"), oracle.apply(graph, X))
    with pytest.raises(cordwood.InputError, match="row 0, feature 0 is NaN"):
        model._run(X, "margin")


@given(graphs_and_rows(max_rows=300, dtypes=("float64", "float32")), st.integers(1, 7))
def test_splitting_a_batch_changes_no_bit(drawn: tuple[Graph, Array], step: int) -> None:
    graph, X = drawn
    if _refusal(graph, X) is not None or len(X) == 0:
        return
    model = cordwood.compress(graph)
    whole = model._run(X, "margin")
    parts = [model._run(X[i : i + step], "margin") for i in range(0, len(X), step)]
    assert np.concatenate(parts).tobytes() == whole.tobytes()
    order = np.random.default_rng(step).permutation(len(X))
    assert model._run(X[order], "margin").tobytes() == whole[order].tobytes()


def test_targets_that_are_not_there_are_refused() -> None:
    model = cordwood.compress(make_graph(Shape(head="regression")))
    with pytest.raises(
        cordwood.UnsupportedMethodError,
        match="no target 'probability'; it has margin, response, leaves",
    ):
        model._run(np.zeros((1, model.n_features_in_)), "probability")
