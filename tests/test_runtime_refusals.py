"""A refused value is named by its row in the caller's batch, however the batch was cut up."""

from __future__ import annotations

import functools

import numpy as np
import pytest

import cordwood
from drawn import Shape, make_graph

SIZES = (1, 600, 20_000, 200_000)
LEAVES = {"slice": 30, "walk": 1000}


@functools.cache
def _packed(engine: str, accepts_nan: bool) -> bytes:
    graph = make_graph(
        Shape(
            seed=7, n_features=3, n_trees=20, max_leaves=LEAVES[engine], input_type="float32",
            accepts_nan=accepts_nan, accepts_infinity=not accepts_nan,
        )
    )  # fmt: skip
    return cordwood.compress(graph).to_bytes()


@pytest.mark.parametrize("engine", LEAVES)
@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("n_rows", SIZES)
@pytest.mark.parametrize("value", [np.nan, -np.inf, 1e300], ids=str)
def test_the_row_of_the_batch_is_named(
    value: float, n_rows: int, threads: int, engine: str
) -> None:
    model = cordwood.load(_packed(engine, not np.isnan(value)), threads=threads)
    if engine == "walk" or cordwood.active_isa() != "scalar":
        assert model._native.engine == engine
    said = "is NaN" if np.isnan(value) else "is infinite or too large"
    rows = np.zeros((n_rows, 3))
    for row in sorted({0, n_rows // 3, n_rows - 1}, reverse=True):
        # The rows named before stay bad, in an earlier feature: the first row of all is named.
        rows[row + 1 :, 0] = rows[row + 1 :, 1]
        rows[row, 1] = value
        for target in ("margin", "leaves"):
            with pytest.raises(cordwood.InputError, match=rf"row {row}, feature 1 {said}"):
                model._run(rows, target)
        part = rows[row // 2 :]
        with pytest.raises(cordwood.InputError, match=rf"row {row - row // 2}, feature 1 {said}"):
            model.predict(part)
