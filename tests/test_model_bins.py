"""Rows that are binned once: the answers of the rows themselves, by every method."""

from __future__ import annotations

import gc
import os
import pickle
import subprocess
import sys
import weakref
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
)

import cordwood
import drawn
from bin_sources import FRAME, HOLES, LABEL, LENGTHS, N_ROWS, SOURCES, X, bits, inputs, part
from cordwood.errors import InputError, InputTypeError


@pytest.fixture(scope="module", params=SOURCES)
def model(request: pytest.FixtureRequest) -> cordwood.Model:
    return cordwood.compress(SOURCES[request.param]())


# ---- the same bits -------------------------------------------------------------------------------


def test_every_method_answers_bins_as_rows(model: cordwood.Model) -> None:
    rows = inputs(model)
    bins = model.bin(rows)
    assert len(bins) == bins.n_rows == N_ROWS
    for method in model.methods:
        answer = getattr(model, method)
        whole = answer(rows)
        found = answer(bins)
        assert type(found) is type(whole)
        assert bits(found) == bits(whole), method
        for n in LENGTHS:
            first = 3 if n < N_ROWS else 0
            expected = answer(part(rows, first, first + n))
            assert bits(answer(bins[first : first + n])) == bits(expected), (method, n)


def test_threads_change_no_bit(model: cordwood.Model) -> None:
    rows = np.tile(inputs(model), (60, 1)) if isinstance(inputs(model), np.ndarray) else None
    rows = pd.concat([FRAME] * 60, ignore_index=True) if rows is None else rows
    found = {}
    for threads in (1, 2):
        again = cordwood.Model(model.to_bytes(), threads=threads)
        bins = again.bin(rows)
        found[threads] = (bins.to_bytes(), *(bits(getattr(again, m)(bins)) for m in model.methods))
    assert found[1] == found[2]


def test_pickled_bins_of_a_pickled_model(model: cordwood.Model) -> None:
    rows = inputs(model)
    bins = pickle.loads(pickle.dumps(model.bin(rows)[5:700]))
    copy = pickle.loads(pickle.dumps(model))
    for method in model.methods:
        expected = bits(getattr(model, method)(part(rows, 5, 700)))
        assert bits(getattr(copy, method)(bins)) == expected
        assert bits(getattr(copy, method)(bins[60:61])) == bits(
            getattr(model, method)(part(rows, 65, 66))
        )


_ANSWER = """
import pickle, sys
from pathlib import Path
import cordwood
for path in sorted(Path(sys.argv[1]).glob("*.cord"), key=lambda path: path.stem):
    model = cordwood.load(path, threads=1)
    bins = pickle.loads(path.with_suffix(".bins").read_bytes())
    for n in LENGTHS:
        for target in ("margin", "leaves"):
            sys.stdout.buffer.write(model._run(bins[:n], target).tobytes())
"""


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, bytes]:
    """Return a folder of models with bins of their own, and what they answer here."""
    folder = tmp_path_factory.mktemp("bins")
    answers = []
    for name in sorted(SOURCES):
        model = cordwood.compress(SOURCES[name]())
        rows = inputs(model)
        model.save(folder / f"{name}.cord")
        (folder / f"{name}.bins").write_bytes(pickle.dumps(model.bin(rows)))
        answers += [
            model._run(part(rows, 0, n), target).tobytes()
            for n in LENGTHS
            for target in ("margin", "leaves")
        ]
    return folder, b"".join(answers)


@pytest.mark.parametrize("isa", cordwood.available_isas())
def test_bins_serve_every_instruction_set(isa: str, stored: tuple[Path, bytes]) -> None:
    folder, here = stored
    run = subprocess.run(
        [sys.executable, "-c", _ANSWER.replace("LENGTHS", repr(LENGTHS)), str(folder)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "CORDWOOD_ISA": isa},
        capture_output=True, check=False, timeout=300,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr.decode()
    assert run.stdout == here


# ---- ranges and stages ---------------------------------------------------------------------------


def test_ranges_of_iterations(model: cordwood.Model) -> None:
    if model._iterations.trees == 0:
        pytest.skip("nobody chooses among the trees of this kind")
    rows = inputs(model)
    bins = model.bin(rows)
    for method in set(model.methods) - {"transform", "score_samples"}:
        answer = getattr(model, method)
        for span in ((0, 1), (2, 5), (4, 4), (3, 0)):
            expected = bits(answer(rows, iteration_range=span))
            assert bits(answer(bins, iteration_range=span)) == expected, (method, span)
    raw = bits(model.predict(rows, num_iteration=3, raw_score=True))
    assert bits(model.predict(bins, num_iteration=3, raw_score=True)) == raw


@pytest.mark.parametrize("large", [False, True])
def test_stages(large: bool) -> None:
    source = (
        HistGradientBoostingRegressor(max_iter=6, max_leaf_nodes=600, min_samples_leaf=1)
        if large
        else HistGradientBoostingClassifier(max_iter=6, random_state=0)
    )
    noise = np.random.default_rng(0).normal(size=N_ROWS)
    model = cordwood.compress(source.fit(HOLES, noise if large else LABEL))
    bins = model.bin(HOLES)
    assert bins.dtype == (np.uint16 if large else np.uint8)
    for method in ("predict", "predict_proba", "decision_function"):
        if method not in model.methods:
            continue
        staged = getattr(model, f"staged_{method}")
        for n in (1, 9, N_ROWS):
            expected = list(map(bits, staged(HOLES[:n])))
            assert list(map(bits, staged(bins[:n]))) == expected
            assert len(expected) == 6


# ---- every kind of rows --------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", "i1", "u2", "i4", "i8", "?"])
def test_rows_of_every_type(dtype: str) -> None:
    graph = drawn.make_graph(drawn.Shape(seed=8, n_features=3, max_leaves=12, n_trees=5))
    model = cordwood.compress(graph)
    numbers = np.random.default_rng(0).integers(0, 100, (77, 3)).astype(dtype)
    for rows in (numbers, np.asfortranarray(numbers), numbers[::-2], numbers.tolist()):
        assert bits(model.predict(model.bin(rows))) == bits(model.predict(rows))


def test_sparse_rows_are_binned_block_by_block() -> None:
    model = cordwood.compress(SOURCES["xgboost"]())
    wide = sparse.random(3000, 6, 0.4, "csr", random_state=0)
    assert bits(model.predict_proba(model.bin(wide))) == bits(model.predict_proba(wide))
    many = sparse.random(200_000, 6, 0.1, "csr", random_state=1)
    assert bits(model.predict(model.bin(many))) == bits(model.predict(many))


def test_refused_rows_are_refused_when_they_are_binned() -> None:
    model = cordwood.compress(SOURCES["small forest"]())
    bad = X.copy()
    bad[777, 2] = np.inf
    with pytest.raises(InputError, match="row 777, feature 2 is infinite"):
        model.bin(bad)
    with pytest.raises(InputError, match="rows have 5 features, the model expects 6"):
        model.bin(X[:, :5])
    with pytest.raises(InputTypeError, match="binned already"):
        model.bin(model.bin(X))


# ---- the object ----------------------------------------------------------------------------------


def test_facts_and_views() -> None:
    model = cordwood.compress(SOURCES["small forest"]())
    bins = model.bin(X)
    assert bins.dtype == np.uint8
    assert bins.nbytes == N_ROWS * bins.n_columns
    told = f"1,100 rows, {bins.n_columns} columns of uint8, {bins.nbytes:,} bytes"
    assert repr(bins) == f"<cordwood.BinnedRows {told}>"
    view = bins[100:200]
    assert len(view) == 100
    assert np.shares_memory(view._rows, bins._rows)
    assert not view._rows.flags.writeable
    assert bits(model.predict(bins[200:100:-3])) == bits(model.predict(X[200:100:-3]))
    with pytest.raises(
        InputTypeError, match=r"indexed by 3, expected a slice, such as bins\[a:b\]"
    ):
        bins[3]
    with pytest.raises(InputTypeError, match=r"made by a model: model.bin\(X\)"):
        cordwood.BinnedRows()


def test_a_model_that_binned_is_freed() -> None:
    model = cordwood.compress(SOURCES["small forest"]())
    model.predict(model.bin(X))
    gone = weakref.ref(model._calls)
    gc.disable()
    try:
        del model
        assert gone() is None
    finally:
        gc.enable()
