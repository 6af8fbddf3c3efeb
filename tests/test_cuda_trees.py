"""Kernels for CUDA on the emulator: every model of trees answers with the bits of the CPU."""

from __future__ import annotations

import dataclasses
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

import cordwood
from cordwood import _core
from cordwood.errors import CordwoodError, InputError
from cordwood.ir import TreeEnsemble
from cuda_pairs import answer, check, pair
from drawn import LIGHTGBM_ZERO, Shape, make_graph, make_rows
from drawn_heads import HEADS, ONE_OUTPUT
from emulated_cuda import DEVICE, Emulator
from strategies import graphs_and_rows, shapes

ORDERS = ("ascending", "descending", "shuffled:5")

pytestmark = pytest.mark.usefixtures("emulator")


# ---- drawn ensembles -----------------------------------------------------------------------------


@given(graphs_and_rows())
def test_few_rows_of_drawn_ensembles(drawn: tuple[Any, np.ndarray]) -> None:
    graph, X = drawn
    check(*pair(graph), X)


@given(shapes(accepts_nan=True, accepts_infinity=True), st.sampled_from((513, 700, 1025)))
def test_tiles_of_drawn_ensembles(shape: Shape, n_rows: int) -> None:
    graph = make_graph(shape)
    check(*pair(graph), make_rows(graph.trees, n_rows, seed=shape.seed))


@pytest.mark.parametrize("accumulate", ["float32", "float64"])
@pytest.mark.parametrize("head", HEADS)
def test_links_and_decides(head: str, accumulate: str) -> None:
    votes = head in ("forest", "groups")
    one = head in ONE_OUTPUT
    shape = Shape(
        seed=3, head=head, accumulate_type=accumulate, n_trees=4, vector_leaves=votes,
        n_outputs=1 if one else 4, aggregate="average" if votes else "sum",
    )  # fmt: skip
    graph = make_graph(shape)
    check(*pair(graph), make_rows(graph.trees, 530, seed=5))


@pytest.mark.parametrize("max_leaves", [20, 300])
@pytest.mark.parametrize(
    "changes",
    [
        {"start": "trees", "n_outputs": 2},
        {"start": "shift", "n_outputs": 3},
        {"start": "logit"},
        {"linear": True, "n_outputs": 2, "zero_band": LIGHTGBM_ZERO},
        {"linear": True, "zero_band": 0.5},  # its ends are zero, too
        {"linear": True, "input_type": "float32", "accumulate_type": "float32"},
        {"aggregate": "weighted_median", "weighted": True},
        {"missing_value": 0.5, "category_rule": "floor"},
        {"missing_value": 0.1},  # which float32 does not have
        {"vector_leaves": True, "n_outputs": 3, "aggregate": "average"},
        {"many_cuts": True, "zero_missing": True},
    ],
    ids="-".join,
)
def test_kinds_of_ensembles(changes: dict[str, Any], max_leaves: int) -> None:
    graph = make_graph(Shape(seed=2, n_trees=9, max_leaves=max_leaves, **changes))
    here, there = pair(graph)
    X = make_rows(graph.trees, 1300, seed=3)
    check(here, there, X)
    check(here, there, X[:40])


def test_a_batch_of_several_passes() -> None:
    """The emulated build takes 256 KiB of leaves and bins at a time: 5000 rows are some passes."""
    for changes in ({}, {"aggregate": "weighted_median"}, {"accepts_nan": False}, {"linear": True}):
        graph = make_graph(Shape(seed=6, n_trees=30, max_leaves=6, n_features=4, **changes))
        here, there = pair(graph)
        X = make_rows(graph.trees, 5000, seed=2)
        check(here, there, X)
        if changes.get("accepts_nan") is False:
            X[4321, 2] = np.nan
            X[4400, 0] = np.nan
            check(here, there, X)
            assert "row 4321, feature 2" in answer(there, X, "margin")


@pytest.mark.parametrize("n_rows", [5, 300, 1300])
def test_sums_of_negative_zeros_keep_their_sign(n_rows: int) -> None:
    """Nothing else is added, not even zero."""
    graph = make_graph(Shape(seed=2))
    zeros = dataclasses.replace(
        graph.trees,
        leaf_values=np.full_like(graph.trees.leaf_values, -0.0),
        base_value=np.full_like(graph.trees.base_value, -0.0),
    )
    operators = tuple(zeros if op is graph.trees else op for op in graph.operators)
    here, there = pair(dataclasses.replace(graph, operators=operators))
    X = make_rows(graph.trees, n_rows, seed=1)
    assert np.signbit(here.predict(X)).all()
    check(here, there, X)


# ---- rows ----------------------------------------------------------------------------------------

DTYPES = ("bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64")


@pytest.mark.parametrize("integer_cast", ["direct", "float32"])
@pytest.mark.parametrize("input_type", ["float32", "float64"])
@pytest.mark.parametrize("dtype", [*DTYPES, "float16", "float32", "float64"])
def test_types_of_rows(dtype: str, input_type: str, integer_cast: str) -> None:
    shape = Shape(seed=5, input_type=input_type, integer_cast=integer_cast, missing_value=0.5)
    graph = make_graph(shape)
    here, there = pair(graph)
    kind = "float32" if dtype == "float16" else dtype
    with np.errstate(over="ignore"):
        X = make_rows(graph.trees, 520, kind, 1).astype(dtype)
    check(here, there, X)
    check(here, there, X[:9])


def test_strides_of_rows() -> None:
    graph = make_graph(Shape(seed=5, n_features=5))
    here, there = pair(graph)
    X = make_rows(graph.trees, 2100, seed=1)
    wide = np.tile(X, 3)
    for rows in (
        np.asfortranarray(X), X[::-1], X[::2], X[:, ::-1][:, ::-1], np.asfortranarray(X)[::-3],
        wide[:, 5:10], wide[:, ::3], np.broadcast_to(X[:1], X.shape), X[:600].astype(">f8"),
        np.asfortranarray(X[:1024]), here.bin(X[:1024]),
    ):  # fmt: skip
        check(here, there, rows)


def test_sparse_rows_come_in_blocks() -> None:
    """Blocks have 512 rows of so many features; a refusal counts from the first of all."""
    graph = make_graph(Shape(seed=1, n_features=1000, n_trees=40, accepts_nan=False))
    here, there = pair(dataclasses.replace(graph, sparse="zero"))
    X = sparse.random(700, 1000, density=0.02, format="csr", random_state=0)
    check(here, there, X)
    X = X.tolil()
    X[650, 7] = np.nan
    check(here, there, X)
    assert "row 650, feature 7 " in answer(there, X, "margin")


@pytest.mark.parametrize("n_rows", [40, 700])
@pytest.mark.parametrize("input_type", ["float32", "float64"])
def test_refused_values_are_named(input_type: str, n_rows: int) -> None:
    shape = Shape(seed=1, input_type=input_type, accepts_nan=False, accepts_infinity=False)
    graph = make_graph(shape)
    here, there = pair(graph)
    X = make_rows(graph.trees, n_rows, seed=1)
    for places in ([(39, 2)], [(30, 1), (30, 2)], [(7, 0), (3, 2)], [(n_rows - 1, 1)], [(0, 0)]):
        for value in (np.nan, np.inf, -np.inf, 1e39):
            rows = X.copy()
            for place in places:
                rows[place] = value
            check(here, there, rows)
        rows[places[0]] = np.nan  # beside an infinity
        check(here, there, rows)


@pytest.mark.parametrize("order", ["C", "F"])
def test_each_of_many_features_is_judged(order: Any) -> None:
    graph = make_graph(Shape(seed=1, n_features=70, accepts_nan=False))
    here, there = pair(graph)
    for feature in (0, 31, 32, 63, 64, 69):
        X = np.zeros((40, 70), order=order)
        X[33, feature] = X[39, 0] = np.nan
        check(here, there, X)
        assert f"row 33, feature {feature} " in answer(there, X, "margin")


def test_only_what_is_refused_is() -> None:
    X = np.zeros((520, 3))
    X[3, 1], X[2, 2] = np.nan, np.inf
    for nan in (False, True):
        graph = make_graph(Shape(accepts_nan=nan, accepts_infinity=not nan))
        check(*pair(graph), X)


def test_trees_that_a_target_does_not_need_judge_nothing() -> None:
    """The first trees refuse NaN, the last do not: leaves do not ask the first."""
    graph = make_graph(Shape(start="trees"))
    first, last = graph.operators
    assert isinstance(first, TreeEnsemble)
    X = np.full((520, 3), np.nan)
    for refusing, accepting in ((first, last), (last, first)):
        changed = {id(refusing): dataclasses.replace(refusing, accepts_nan=False)}
        operators = tuple(changed.get(id(op), op) for op in (first, last))
        here, there = pair(dataclasses.replace(graph, operators=operators))
        check(here, there, X)
        assert isinstance(answer(here, X, "leaves"), str) == (refusing is last)
        assert isinstance(answer(here, X, "margin"), str)
        assert accepting is not refusing


def test_what_one_ensemble_refuses_the_next_does_not_forgive() -> None:
    """Both refuse infinity, and there is none; the first refuses NaN, too."""
    graph = make_graph(Shape(start="trees", accepts_infinity=False))
    first, last = graph.operators
    assert isinstance(first, TreeEnsemble)
    operators = (dataclasses.replace(first, accepts_nan=False), last)
    here, there = pair(dataclasses.replace(graph, operators=operators))
    X = np.zeros((40, 3))
    X[17, 1] = np.nan
    check(here, there, X)
    assert "row 17, feature 1" in answer(there, X, "margin")


def test_what_is_binned_is_judged() -> None:
    graph = make_graph(Shape(seed=1, accepts_nan=False))
    here, there = pair(graph)
    X = make_rows(graph.trees, 3000, seed=1)
    assert there.bin(X).to_bytes() == here.bin(X).to_bytes()
    check(here, there, here.bin(X))
    X[2345, 2] = np.nan
    with pytest.raises(InputError, match="row 2345, feature 2 is NaN"):
        there.bin(X)
    with pytest.raises(InputError, match="rows have 2 features, the model expects 3"):
        there.bin(X[:, :2])


def test_bins_are_no_values_to_judge() -> None:
    """Some bins are the number that stands for a missing value, which the source refuses."""
    graph = make_graph(Shape(seed=1, accepts_nan=False, missing_value=1.0))
    here, there = pair(graph)
    bins = here.bin(make_rows(graph.trees, 600, seed=1))
    assert 1 in np.frombuffer(bins.to_bytes(), np.uint8)
    check(here, there, bins)


@pytest.mark.parametrize("n_rows", [0, 1, 33, 1025, 5001])
@pytest.mark.parametrize("accumulate", ["float32", "float64"])
def test_stages(accumulate: str, n_rows: int) -> None:
    """Sums of four bytes and indices of eight lie side by side, whatever the number of rows."""
    shape = Shape(seed=3, head="binary", n_trees=4, accumulate_type=accumulate, accepts_nan=False)
    graph = dataclasses.replace(make_graph(shape), trees_per_iteration=1, staged=True)
    here, there = pair(graph)
    X = make_rows(graph.trees, n_rows, seed=1)
    for method in ("staged_predict", "staged_predict_proba"):
        expected, found = list(getattr(here, method)(X)), list(getattr(there, method)(X))
        assert [part.tobytes() for part in found] == [part.tobytes() for part in expected]
    if n_rows > 1:
        X[n_rows - 1, 1] = np.nan
        with pytest.raises(InputError, match=f"row {n_rows - 1}, feature 1 is NaN"):
            list(there.staged_predict(X))


def test_the_first_stage_judges_what_it_starts_from() -> None:
    """The trees before the stages refuse NaN, those of the stages do not."""
    graph = make_graph(Shape(seed=2, start="trees", head="binary", n_trees=4))
    refusing = dataclasses.replace(graph.operators[0], accepts_nan=False)
    graph = dataclasses.replace(graph, operators=(refusing, *graph.operators[1:]))
    here, there = pair(dataclasses.replace(graph, trees_per_iteration=1, staged=True))
    X = np.zeros((40, 3))
    for model in (here, there):
        assert len(list(model.staged_predict(X))) == 4
    X[17, 1] = np.nan
    for model in (here, there):
        with pytest.raises(InputError, match="row 17, feature 1 is NaN"):
            list(model.staged_predict(X))


def test_stages_that_there_are_not() -> None:
    graph = make_graph(Shape(seed=3, head="binary", n_trees=4))
    data = cordwood.compress(dataclasses.replace(graph, trees_per_iteration=1)).to_bytes()
    staged = _core.Model(data, device=DEVICE, trees=(0, 4, 1))
    rows, margin = np.zeros((2, 3)), np.empty((2, 1))
    with pytest.raises(CordwoodError, match="stage 4 asked for, it has 4"):
        staged.run_stage(4, "margin", rows, margin, threads=1)
    with pytest.raises(CordwoodError, match="not made of the trees' sums"):
        staged.run_stage(0, "leaves", rows, margin, threads=1)


# ---- calls ---------------------------------------------------------------------------------------


def test_threads_at_once() -> None:
    graph = make_graph(Shape(seed=5, n_trees=6, n_outputs=2))
    here, there = pair(graph)
    X = make_rows(graph.trees, 900, seed=1)
    expected = here._run(X, "margin").tobytes()
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: there._run(X, "margin").tobytes(), range(12)))
    assert set(found) == {expected}


@pytest.mark.parametrize("order", ORDERS)
def test_orders_of_threads(order: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CORDWOOD_EMULATOR_ORDER", order)
    every: tuple[dict[str, Any], ...] = (
        {"max_leaves": 9, "category_rule": "floor"},
        {"max_leaves": 90, "category_rule": "floor"},
        {"max_leaves": 90},
        {"max_leaves": 400},
        {"aggregate": "weighted_median"},
    )
    for changes in every:
        shape = Shape(seed=5, n_trees=34, **changes)
        graph = make_graph(shape)
        check(*pair(graph), make_rows(graph.trees, 1030, seed=1))


def test_nothing_is_left_behind(emulator: Emulator) -> None:
    graph = make_graph(Shape(seed=5, n_trees=6))
    X = make_rows(graph.trees, 900, seed=1)
    data = cordwood.compress(graph).to_bytes()
    cordwood.load(data, device=DEVICE)._run(X, "margin")  # the thread's scratch stays
    used = emulator.used_bytes()
    for _ in range(3):
        model = cordwood.load(data, device=DEVICE)
        assert emulator.used_bytes() >= used + model._native.resident_bytes
        model._run(X, "margin")
        del model
        assert emulator.used_bytes() == used
