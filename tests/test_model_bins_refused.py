"""Bins of another model, damaged ones, models that take none: a sentence each, never a crash."""

from __future__ import annotations

import lightgbm as lgb
import numpy as np
import pytest
from sklearn.ensemble import (
    GradientBoostingRegressor,
    RandomForestClassifier,
)
from sklearn.tree import DecisionTreeRegressor

import cordwood
from bin_sources import HOLES, LABEL, N_ROWS, SOURCES, VALUE, X, bits, inputs
from cordwood.errors import BinnedRowsError, UnsupportedMethodError


def test_bins_of_another_model_are_refused() -> None:
    model = cordwood.compress(SOURCES["small forest"]())
    other = cordwood.compress(RandomForestClassifier(9, max_depth=4, random_state=1).fit(X, LABEL))
    large = cordwood.compress(SOURCES["large trees"]())
    for stranger in (other, large):
        for method in ("predict", "predict_proba", "apply"):
            with pytest.raises(
                BinnedRowsError, match=r"another model's.*expected .*; bin the rows"
            ):
                getattr(model, method)(stranger.bin(X))
    assert issubclass(BinnedRowsError, ValueError)


def test_a_model_with_the_same_columns_takes_them() -> None:
    source = SOURCES["small forest"]()
    exact, small = cordwood.compress(source), cordwood.compress(source, "trees-small")
    assert exact.to_bytes() != small.to_bytes()
    assert bits(small.predict_proba(exact.bin(X))) == bits(small.predict_proba(X))


def test_models_whose_answers_need_values_are_refused() -> None:
    linear = lgb.train(
        {"linear_tree": True, "verbose": -1, "num_threads": 1}, lgb.Dataset(X, VALUE), 3
    )
    with pytest.raises(UnsupportedMethodError, match="leaves are linear in the values"):
        cordwood.compress(linear).bin(X)
    start = GradientBoostingRegressor(n_estimators=3, init=DecisionTreeRegressor(max_depth=2))
    with pytest.raises(UnsupportedMethodError, match="adds up 2 ensembles of trees"):
        cordwood.compress(start.fit(X, VALUE)).bin(X)


def bytes_of(kind: str) -> tuple[cordwood.Model, bytearray]:
    model = cordwood.compress(SOURCES[kind]())
    return model, bytearray(model.bin(HOLES).to_bytes())


@pytest.mark.parametrize("kind", ["lightgbm", "large lightgbm"])
def test_damaged_bytes_are_refused(kind: str) -> None:
    _, whole = bytes_of(kind)
    changed = {
        "a header of 40": whole[:39],
        "they begin with": b"cordbean" + whole[8:],
        "bins of 3 bytes": whole[:10] + b"\3" + whole[11:],
        "version 2": whole[:8] + b"\2" + whole[9:],
        f"{len(whole) - 1} bytes, expected {len(whole)}": whole[:-1],
        f"{len(whole) + 1} bytes, expected {len(whole)}": whole + b"\0",
        "for 18446744073709551615 rows": whole[:16] + b"\xff" * 8 + whole[24:],
    }
    for message, data in changed.items():
        with pytest.raises(BinnedRowsError, match=message):
            cordwood.BinnedRows.from_bytes(bytes(data))
    with pytest.raises(BinnedRowsError):
        cordwood.BinnedRows.from_bytes(b"")


@pytest.mark.parametrize("kind", ["lightgbm", "large lightgbm", "histogram"])
def test_bins_that_no_column_has_are_refused(kind: str) -> None:
    model = cordwood.compress(SOURCES[kind]())
    rows = inputs(model)
    made = model.bin(rows)
    highest = model._calls._binned[1]._highest
    two_bytes = made.dtype == np.uint16
    for column in range(made.n_columns):
        bins = made._rows.copy()
        bins[N_ROWS - 1, column] = highest[column]
        bins[0, column] = 0xFFFF if two_bytes else 0
        allowed = cordwood.BinnedRows.from_bytes(_with_bins(made, bins))
        model.predict(allowed)
        if not two_bytes and highest[column] == 255:
            continue
        bins[N_ROWS - 1, column] = highest[column] + 1
        hostile = cordwood.BinnedRows.from_bytes(_with_bins(made, bins))
        for rows_given in (hostile, hostile[:10]):
            with pytest.raises(
                BinnedRowsError,
                match=f"bins of column {column} go up to .*, expected at most {highest[column]}",
            ):
                model.predict(rows_given)


def _with_bins(made: cordwood.BinnedRows, bins: np.ndarray) -> bytes:
    order = bins.T if bins.dtype == np.uint8 else bins
    return made.to_bytes()[:40] + np.ascontiguousarray(order).tobytes()


def test_a_model_of_other_shape_under_the_same_digest_is_refused() -> None:
    """The digest is no proof: shape and bins are checked besides."""
    model, data = bytes_of("lightgbm")
    _, other = bytes_of("large lightgbm")
    forged = bytes(other[:24] + data[24:40] + other[40:])
    with pytest.raises(BinnedRowsError, match="another model's"):
        model.predict(cordwood.BinnedRows.from_bytes(forged))


def test_bytes_that_change_later_change_nothing() -> None:
    model, data = bytes_of("lightgbm")
    bins = cordwood.BinnedRows.from_bytes(data)
    expected = bits(model.predict(bins))
    data[40:] = b"\xff" * (len(data) - 40)
    assert bits(model.predict(bins)) == expected


def test_trees_of_a_leaf_each_have_no_columns() -> None:
    model = cordwood.compress(DecisionTreeRegressor(max_depth=3).fit(X, np.ones(N_ROWS)))
    bins = cordwood.BinnedRows.from_bytes(model.bin(X).to_bytes())
    assert (bins.n_rows, bins.n_columns, bins.nbytes) == (N_ROWS, 0, 0)
    for n in (1, 70, N_ROWS):
        assert bits(model.predict(bins[:n])) == bits(model.predict(X[:n]))
