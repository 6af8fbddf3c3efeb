"""Peers of the extra ``peers``: tested where they are installed, and what needs none of them."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier

import cordwood as cw
from cordwood.bench.peers import CannotTakeModelError, Prepared, Task, lleaves_peer
from cordwood.bench.peers.peer import EXACT, MAX_INNER_NODES, converting, refuse_large
from cordwood.bench.result import Result
from cordwood.bench.run import run

# What other libraries say about themselves is theirs.
pytestmark = pytest.mark.filterwarnings("default")

TASK = Task(None, "lightgbm", "predict", 5, 10, "float64", 1)


@pytest.fixture(scope="module")
def rows() -> np.ndarray:
    """Numbers that float32 holds, so that peers in float32 route as the source does."""
    drawn = np.random.default_rng(0).normal(size=(600, 5))
    return drawn.astype(np.float32).astype(np.float64)


@pytest.fixture(scope="module")
def labels(rows: np.ndarray) -> np.ndarray:
    return (rows[:, 0] + rows[:, 1] * rows[:, 2] > 0).astype(int)


@pytest.fixture(scope="module")
def lightgbm_source(rows: np.ndarray, labels: np.ndarray) -> Any:
    import lightgbm

    parameters = {"objective": "binary", "verbose": -1, "num_threads": 1, "num_leaves": 7}
    return lightgbm.train(parameters, lightgbm.Dataset(rows, labels), 8)


@pytest.fixture(scope="module")
def xgboost_source(rows: np.ndarray, labels: np.ndarray) -> Any:
    import xgboost

    parameters = {"objective": "binary:logistic", "nthread": 1}
    return xgboost.train(parameters, xgboost.DMatrix(rows, labels), 8)


def _race(source: Any, rows: np.ndarray, peer: str, cache: Path | None = None) -> Result:
    model = cw.load(cw.compress(source).to_bytes(), threads=1)
    given = {"batches": (8,), "budget_s": 0.0, "cache": cache}
    return run(model, rows, source=source, peers=(peer,), **given)


# ---- those that may not be installed -------------------------------------------------------------


@pytest.mark.parametrize("peer", ["lleaves", "lleaves32"])
def test_lleaves_compiles_once(
    peer: str, lightgbm_source: Any, rows: np.ndarray, tmp_path: Path
) -> None:
    pytest.importorskip("lleaves", reason="the extra `peers` is not installed")
    result = _race(lightgbm_source, rows, peer, tmp_path / "kept")
    assert result.refused == {}
    assert result.agreements[peer].rows == 600
    (kept,) = (tmp_path / "kept").iterdir()
    made = kept.stat().st_mtime_ns
    assert _race(lightgbm_source, rows, peer, tmp_path / "kept").refused == {}
    assert kept.stat().st_mtime_ns == made


def test_lleaves_takes_no_others(xgboost_source: Any, rows: np.ndarray) -> None:
    pytest.importorskip("lleaves", reason="the extra `peers` is not installed")
    reason = _race(xgboost_source, rows, "lleaves").refused["lleaves"]
    assert reason == "the model is xgboost's, and lleaves compiles only LightGBM's"


@pytest.mark.parametrize("peer", ["daal4py", "nvforest"])
@pytest.mark.parametrize("library", ["lightgbm", "xgboost"])
def test_converters_answer_as_the_source(
    peer: str, library: str, rows: np.ndarray, request: pytest.FixtureRequest
) -> None:
    pytest.importorskip(peer, reason="the extra `peers` is not installed")
    result = _race(request.getfixturevalue(f"{library}_source"), rows, peer)
    assert result.refused == {}
    assert {line.name for line in result.batches[0].lines} == {"cordwood", library, peer}


def test_nvforest_takes_forests_and_categories(rows: np.ndarray, labels: np.ndarray) -> None:
    pytest.importorskip("nvforest", reason="the extra `peers` is not installed")
    forest = RandomForestClassifier(5, random_state=0).fit(rows, labels)
    assert _race(forest, rows, "nvforest").refused == {}
    codes = np.floor(np.abs(rows * 3))
    boosted = HistGradientBoostingClassifier(max_iter=3, categorical_features=[0])
    assert _race(boosted.fit(codes, labels), codes, "nvforest").refused == {}


def test_daal4py_refuses_categories(rows: np.ndarray, labels: np.ndarray) -> None:
    pytest.importorskip("daal4py", reason="the extra `peers` is not installed")
    codes = np.floor(np.abs(rows * 3))
    source = HistGradientBoostingClassifier(max_iter=3, categorical_features=[0])
    reason = _race(source.fit(codes, labels), codes, "daal4py").refused["daal4py"]
    assert reason.startswith("conversion fails with ")


# ---- what needs none of them ---------------------------------------------------------------------


def test_a_compilation_has_a_time_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lleaves_peer, "COMPILE_SECONDS", 0.001)
    with pytest.raises(CannotTakeModelError, match=r"not done after 0\.001 s"):
        lleaves_peer._compile(tmp_path / "model.txt", tmp_path / "code.o", "float64")
    assert list(tmp_path.iterdir()) == []


def test_a_failed_compilation_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lleaves_peer, "_COMPILE", "raise RuntimeError('no such leaf')")
    with pytest.raises(CannotTakeModelError, match="fails: RuntimeError: no such leaf"):
        lleaves_peer._compile(tmp_path / "model.txt", tmp_path / "code.o", "float64")


def test_large_models_are_not_walked_in_python() -> None:
    refuse_large(dataclasses.replace(TASK, n_inner=MAX_INNER_NODES))
    with pytest.raises(CannotTakeModelError, match="500,001 inner nodes takes minutes"):
        refuse_large(dataclasses.replace(TASK, n_inner=MAX_INNER_NODES + 1))


def test_a_failed_conversion_is_a_reason() -> None:
    with pytest.raises(CannotTakeModelError, match="fails with KeyError: 'leaf'"), converting():
        {}["leaf"]
    with pytest.raises(CannotTakeModelError, match=r"inner nodes takes minutes"), converting():
        refuse_large(dataclasses.replace(TASK, n_inner=MAX_INNER_NODES + 1))
    # A part that is not installed is no property of the model.
    with pytest.raises(ModuleNotFoundError), converting():
        raise ModuleNotFoundError(name="converter")


def test_rows_are_held_before_the_clock(rows: np.ndarray) -> None:
    plain = Prepared("plain", "1", np.asarray, "float64", EXACT)
    assert plain.held(rows) is rows
    listed = dataclasses.replace(plain, row_type="float32", holder=list)
    held = listed.held(rows)
    assert isinstance(held, list)
    assert held[0].dtype == np.float32


def test_no_peer_is_imported_by_the_room() -> None:
    import subprocess

    check = (
        "import sys\n"
        "from cordwood.bench.peers import catboost_peer, daal4py_peer, lleaves32_peer\n"
        "from cordwood.bench.peers import nvforest_peer\n"
        "heavy = {'catboost', 'daal4py', 'lleaves', 'llvmlite', 'nvforest', 'treelite'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", check], check=True)
