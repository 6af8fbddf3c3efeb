"""The native runtime answers every drawn Graph as the oracle does, whatever the rows look like."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import cordwood
import oracle
from cordwood.ir import Graph, Link, Role
from drawn import Shape, make_graph, make_rows
from strategies import graphs_and_rows

if TYPE_CHECKING:
    import numpy.typing as npt

    Array = npt.NDArray[Any]

LINKED = (Role.RESPONSE, Role.PROBABILITY)
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


def check_links(found: Array, expected: Array) -> None:
    """Compare within the two units in the last place that links are bound to."""
    assert (found.dtype, found.shape) == (expected.dtype, expected.shape)
    same = (found == expected) | (np.isnan(found) & np.isnan(expected))
    with np.errstate(invalid="ignore", over="ignore"):
        unit = np.spacing(np.abs(expected))
        near = np.abs(found - expected) <= 2 * unit
    assert (same | near).all()


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
    for value in graph.values:
        if value.role in LINKED:
            answer = model._run(rows, value.role.name.lower())
            made = next((op for op in graph.operators if op.target == value.name), None)
            expected = oracle.run(graph, X, value.role)
            if isinstance(made, Link) and made.complement:
                np.testing.assert_array_equal(answer[:, 0], 1 - answer[:, 1])
                answer, expected = answer[:, 1], expected[:, 1]
            check_links(answer, expected)


def _decided(graph: Graph, model: cordwood.Model, X: Array) -> Array:
    """Decide in NumPy on what the model itself makes of the rows."""
    last = graph.operators[-1]
    source = graph.value(last.source)
    return oracle.decide(last, model._run(X, source.role.name.lower()))


@pytest.mark.parametrize("head", ["binary", "binary_cut", "multiclass", "forest"])
@pytest.mark.parametrize("accumulate", ["float32", "float64"])
def test_labels_follow_from_the_values(head: str, accumulate: str) -> None:
    n_outputs = 1 if head.startswith("binary") else 4
    shape = Shape(
        seed=3, head=head, accumulate_type=accumulate, n_outputs=n_outputs, n_trees=8,
        vector_leaves=head == "forest", aggregate="average" if head == "forest" else "sum",
    )  # fmt: skip
    graph = make_graph(shape)
    assert graph.by_role(Role.LABEL) is not None
    model = cordwood.compress(graph)
    X = make_rows(graph.trees, 200, "float64", 5)
    indices = model._run(X, "label")[:, 0]
    np.testing.assert_array_equal(indices, _decided(graph, model, X))
    assert graph.classes is not None
    np.testing.assert_array_equal(model.predict(X), graph.classes[indices])


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
