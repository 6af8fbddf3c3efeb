"""Folding keeps the source's rule for every value that the input type can hold."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import oracle
from cordwood.passes.fold_thresholds import exact_cuts, fold_thresholds
from strategies import graphs, graphs_and_rows

if TYPE_CHECKING:
    from cordwood.ir import Graph

BAND = float(np.float32(1e-35))
TYPES = ("float32", "float64")
EXTREMES = (
    *(0.0, -0.0, 5e-324, -5e-324, 2.0**-149, 2.0**-150, -(2.0**-149), 2.2250738585072014e-308),
    *(3.4028234663852886e38, 3.4028235677973366e38, -3.4028235677973366e38, 1e300, -1e300),
    *(1.7976931348623157e308, np.inf, -np.inf, BAND, -BAND, BAND / 2, 0.1, 16777217.0),
)
thresholds = st.one_of(
    st.sampled_from(EXTREMES),
    st.floats(allow_nan=False),
    st.floats(allow_nan=False, width=32),
    st.floats(-3 * BAND, 3 * BAND),
)


def _around(centres: list[float], dtype: np.dtype) -> np.ndarray:
    """Return the centres in `dtype`, their negatives, and both neighbours of each."""
    with np.errstate(all="ignore"):
        x = np.array([*centres, *(-c for c in centres)]).astype(dtype)
        low, high = dtype.type(-np.inf), dtype.type(np.inf)
        return np.concatenate((x, np.nextafter(x, low), np.nextafter(x, high)))


def _source_rule(x: float, threshold: float, comparison: str, zero_band: float) -> bool:
    """Apply the rule of `TreeEnsemble` to one value, in Python's own floats."""
    if abs(x) <= zero_band:
        x = 0.0
    return x <= threshold if comparison == "le" else x < threshold


@pytest.mark.parametrize("input_type", TYPES)
@pytest.mark.parametrize("comparison", ["le", "lt"])
@given(
    threshold=thresholds,
    zero_band=st.sampled_from((0.0, BAND, 0.25, 1e-320)),
    more=st.lists(st.floats(allow_nan=False), max_size=8),
)
@example(threshold=-np.inf, zero_band=0.0, more=[])
@example(threshold=np.inf, zero_band=BAND, more=[])
@example(threshold=BAND, zero_band=BAND, more=[])
@example(threshold=-BAND, zero_band=BAND, more=[])
def test_cut_is_the_source_rule(
    comparison: str, input_type: str, threshold: float, zero_band: float, more: list[float]
) -> None:
    dtype = np.dtype(input_type)
    cut, never = exact_cuts(
        np.array([threshold]), comparison=comparison, input_type=input_type, zero_band=zero_band
    )
    assert cut.dtype == dtype
    assert not (cut[0] == 0 and np.signbit(cut[0]))
    rows = _around([threshold, zero_band, 0.0, np.inf, float(cut[0]), *more], dtype)
    for x in rows.tolist():
        left = not never[0] and x <= float(cut[0])
        assert left == _source_rule(x, threshold, comparison, zero_band), x


def test_only_less_than_minus_infinity_sends_nothing_left() -> None:
    at = np.array(EXTREMES)
    for comparison in ("le", "lt"):
        for input_type in TYPES:
            _, never = exact_cuts(at, comparison=comparison, input_type=input_type)
            expected = (at == -np.inf) & (comparison == "lt")
            np.testing.assert_array_equal(never, expected)


def test_cuts_of_known_thresholds() -> None:
    assert exact_cuts(np.array([0.1]), comparison="le", input_type="float32")[0][0] == np.float32(
        0.099999994
    )
    assert exact_cuts(np.array([1.0]), comparison="lt", input_type="float64")[0][0] == 1 - 2**-53
    assert exact_cuts(np.array([1e300]), comparison="le", input_type="float32")[0][0] == np.float32(
        3.4028235e38
    )


@given(graph_and_rows=graphs_and_rows(infinite_cuts=True))
def test_folded_graph_answers_the_same(graph_and_rows: tuple[Graph, np.ndarray]) -> None:
    graph, rows = graph_and_rows
    folded, loss = fold_thresholds(graph)
    assert loss.lossless
    assert folded.trees.comparison == "le"
    np.testing.assert_array_equal(oracle.apply(folded, rows), oracle.apply(graph, rows))
    assert _bits(oracle.predict_margin(folded, rows)) == _bits(oracle.predict_margin(graph, rows))


@given(graph=graphs(infinite_cuts=True))
def test_folding_twice_changes_nothing_more(graph: Graph) -> None:
    once, _ = fold_thresholds(graph)
    twice, _ = fold_thresholds(once)
    for field in dataclasses.fields(once.trees):
        first, second = getattr(once.trees, field.name), getattr(twice.trees, field.name)
        np.testing.assert_array_equal(first, second, err_msg=field.name)


def _bits(array: np.ndarray) -> bytes:
    return array.tobytes()
