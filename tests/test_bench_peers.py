"""Peers: who answers as the source does, who is refused, and what a benchmark reports."""

from __future__ import annotations

import builtins
import dataclasses
import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier

import cordwood as cw
from cordwood.bench import machine, peers
from cordwood.bench.peers import Task, Tolerance, agreement
from cordwood.bench.report import amount, duration, render, times
from cordwood.bench.run import fresh, library_of, run
from cordwood.errors import InputError, MissingDependencyError

LOOSE = Tolerance(0.1, 0.25, "")


@pytest.fixture(scope="module")
def rows() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(600, 5))


@pytest.fixture(scope="module")
def labels(rows: np.ndarray) -> np.ndarray:
    return (rows[:, 0] + rows[:, 1] * rows[:, 2] > 0).astype(int)


@pytest.fixture(scope="module")
def forest(rows: np.ndarray, labels: np.ndarray) -> RandomForestClassifier:
    return RandomForestClassifier(10, max_depth=5, random_state=0).fit(rows, labels)


def _xgboost(rows: np.ndarray, labels: np.ndarray) -> Any:
    import xgboost

    parameters = {"objective": "binary:logistic", "nthread": 1}
    return xgboost.train(parameters, xgboost.DMatrix(rows, labels), 10)


def _lightgbm(rows: np.ndarray, labels: np.ndarray) -> Any:
    import lightgbm

    return lightgbm.train(
        {"objective": "binary", "verbose": -1, "num_threads": 1}, lightgbm.Dataset(rows, labels), 10
    )


def _wrapper(rows: np.ndarray, labels: np.ndarray) -> Any:
    import xgboost

    return xgboost.XGBClassifier(n_estimators=10, n_jobs=1).fit(rows, labels)


def _early(rows: np.ndarray, labels: np.ndarray) -> Any:
    import xgboost

    wrapper = xgboost.XGBClassifier(n_estimators=200, early_stopping_rounds=2, n_jobs=1)
    wrapper.fit(rows[:400], labels[:400], eval_set=[(rows[400:], labels[400:])], verbose=False)
    assert wrapper.best_iteration < len(wrapper.get_booster().get_dump()) - 1
    return wrapper


def _regressor(rows: np.ndarray, labels: np.ndarray) -> Any:
    import lightgbm

    return lightgbm.LGBMRegressor(n_estimators=10, n_jobs=1, verbose=-1).fit(rows, labels)


def _three_classes(rows: np.ndarray, labels: np.ndarray) -> Any:
    import xgboost

    return xgboost.XGBClassifier(n_estimators=5, n_jobs=1).fit(rows, labels + (rows[:, 3] > 0))


def _packed(source: Any) -> cw.Model:
    return cw.load(cw.compress(source).to_bytes(), threads=1)


# ---- answers -------------------------------------------------------------------------------------


def test_agreement_counts_rows() -> None:
    found = agreement(np.array([1.0, 2.0, 3.0, np.nan]), np.array([1.0, 2.0, 4.0, np.nan]), LOOSE)
    assert (found.rows, found.rows_equal, found.rows_off, found.holds) == (4, 3, 1, True)
    assert found.largest == pytest.approx(1 / 3)
    strict = dataclasses.replace(LOOSE, rows_off=0.2)
    assert not agreement(np.array([3.0]), np.array([4.0]), strict).holds


def test_agreement_compares_the_second_of_two_columns() -> None:
    both = np.array([[0.25, 0.75], [0.5, 0.5]])
    exact = Tolerance(0.0, 0.0, "")
    assert agreement(both, both[:, 1], exact).rows_equal == 2
    assert agreement(both[:, 1], both, exact).holds
    assert not agreement(both[:, 0], both, exact).holds


@pytest.mark.parametrize("given", [np.zeros((2, 3)), np.zeros(3), np.array([np.nan, 0.0])])
def test_agreement_fails_on_other_shapes_and_stray_nan(given: np.ndarray) -> None:
    found = agreement(np.zeros(2), given, LOOSE)
    assert not found.holds
    assert found.largest is None


# ---- peers ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "train",
    [_xgboost, _lightgbm, _wrapper, _early, _regressor, _three_classes],
    ids=lambda f: f.__name__,
)
def test_peers_of_boosters_answer_as_the_source(
    train: Callable[..., Any], rows: np.ndarray, labels: np.ndarray
) -> None:
    source = train(rows, labels)
    result = run(
        _packed(source),
        rows,
        source=source,
        peers=("onnxruntime", "treelite"),
        batches=(8,),
        budget_s=0.0,
    )
    assert result.refused == {}
    assert set(result.agreements) == {"cordwood", "onnxruntime", "treelite"}
    assert {line.name for line in result.batches[0].lines} == {
        "cordwood",
        library_of(source),
        "onnxruntime",
        "treelite",
    }


def test_peers_of_a_forest(forest: RandomForestClassifier, rows: np.ndarray) -> None:
    result = run(
        _packed(forest),
        rows,
        source=forest,
        peers=("onnxruntime", "treelite", "sklearn", "xgboost", "lightgbm"),
        batches=(1, 700),
        budget_s=0.0,
    )
    assert result.passed
    assert result.agreements["cordwood"].rows_equal == len(rows)
    assert set(result.refused) == {"xgboost", "lightgbm"}
    assert "runs only its own" in result.refused["xgboost"]
    assert [(batch.rows, batch.blocks) for batch in result.batches] == [(1, 600), (700, 1)]
    assert result.batches[0].line("cordwood").ratio.median == 1.0
    assert forest.n_jobs is None  # the caller's estimator is left alone


def test_a_forest_trained_on_a_frame_is_timed_on_plain_rows(
    rows: np.ndarray, labels: np.ndarray
) -> None:
    import pandas

    frame = pandas.DataFrame(rows, columns=list("abcde"))
    source = RandomForestClassifier(3, random_state=0).fit(frame, labels)
    result = run(_packed(source), rows, source=source, batches=(1,), budget_s=0.0)
    assert result.passed
    assert list(source.feature_names_in_) == list("abcde")


def test_a_peer_that_cannot_take_the_model_says_why(rows: np.ndarray, labels: np.ndarray) -> None:
    codes = np.abs(rows * 3).astype(int).astype(float)
    source = HistGradientBoostingClassifier(max_iter=3, categorical_features=[0]).fit(codes, labels)
    result = run(
        _packed(source),
        codes,
        source=source,
        peers=("onnxruntime",),
        batches=(1,),
        budget_s=0.0,
    )
    assert result.refused["onnxruntime"].startswith("conversion fails with ")
    assert "\n" not in result.refused["onnxruntime"]


def test_a_peer_that_answers_wrongly_is_not_timed(
    forest: RandomForestClassifier, rows: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    from cordwood.bench.peers import treelite_peer

    right = treelite_peer.prepare

    def wrong(task: Task) -> peers.Prepared:
        peer = right(task)
        return dataclasses.replace(peer, call=lambda block: peer.call(block) + 0.5)

    monkeypatch.setattr(treelite_peer, "prepare", wrong)
    result = run(
        _packed(forest), rows, source=forest, peers=("treelite",), batches=(1,), budget_s=0.0
    )
    assert result.refused["treelite"].startswith("600 of 600 answers differ by more than 1e-05")
    assert result.refused["treelite"].endswith("it is not timed")
    assert [line.name for line in result.batches[0].lines] == ["cordwood", "sklearn"]


def test_answers_of_another_shape_are_named(rows: np.ndarray, labels: np.ndarray) -> None:
    import xgboost

    # Labels for XGBoost; treelite gives the scores of the classes.
    parameters = {"objective": "multi:softmax", "num_class": 3, "nthread": 1}
    source = xgboost.train(parameters, xgboost.DMatrix(rows, labels + (rows[:, 3] > 0)), 3)
    result = run(
        _packed(source), rows, source=source, peers=("treelite",), batches=(1,), budget_s=0.0
    )
    assert result.refused["treelite"].startswith("answers of another shape")
    json.dumps(result.to_dict(), allow_nan=False)


def test_our_own_wrong_answer_fails_the_run(
    forest: RandomForestClassifier, rows: np.ndarray, labels: np.ndarray
) -> None:
    other = RandomForestClassifier(10, max_depth=5, random_state=1).fit(rows, labels)
    result = run(_packed(other), rows, source=forest, batches=(1,), budget_s=0.0)
    assert not result.passed
    assert "its times mean nothing" in render(result)


def test_without_a_source_only_cordwood_runs(
    forest: RandomForestClassifier, rows: np.ndarray
) -> None:
    result = run(_packed(forest), rows, peers=("cordwood",), batches=(4,), budget_s=0.0)
    assert [line.name for line in result.batches[0].lines] == ["cordwood"]
    with pytest.raises(InputError, match="treelite need the source model"):
        run(_packed(forest), rows, peers=("treelite",))


def test_unknown_names_are_refused(forest: RandomForestClassifier, rows: np.ndarray) -> None:
    with pytest.raises(InputError, match="unknown peer 'm2cgen'; known are sklearn, "):
        run(_packed(forest), rows, source=forest, peers=("m2cgen",))
    with pytest.raises(InputError, match="the source is a dict"):
        library_of({})


@pytest.mark.parametrize(
    ("peer", "module", "package"),
    [
        ("treelite", "treelite", "treelite"),
        ("lleaves", "lleaves", "lleaves"),
        ("lleaves32", "lleaves", "lleaves"),
        ("daal4py", "daal4py", "scikit-learn-intelex"),
        ("nvforest", "nvforest", "nvforest-cu13"),
        ("catboost", "catboost", "catboost"),
    ],
)
def test_a_missing_peer_names_its_package(
    peer: str,
    module: str,
    package: str,
    forest: RandomForestClassifier,
    rows: np.ndarray,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = builtins.__import__

    def without_module(name: str, *args: Any, **kwargs: Any) -> Any:
        if name.partition(".")[0] == module:
            raise ModuleNotFoundError(name=name)
        return found(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without_module)
    with pytest.raises(MissingDependencyError, match=f"pip install {package}$") as caught:
        run(_packed(forest), rows, source=forest, peers=(peer,), batches=(1,))
    monkeypatch.setattr(peers, "find_spec", lambda _: None)
    assert peers.absent([peer]) == {peer: str(caught.value)}


def test_an_installed_peer_is_not_absent() -> None:
    assert peers.absent(["treelite", "sklearn", "xgboost", "lightgbm"]) == {}


# ---- report --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (times(3.214), "3.21x"),
        (times(75.24), "75.2x"),
        (times(1234.4), "1,234x"),
        (duration(2.914e-6), "2.91 us"),
        (duration(0.01339), "13.4 ms"),
        (duration(1.884), "1.88 s"),
        (amount(812), "812 B"),
        (amount(13_440), "13.4 kB"),
        (amount(491e6), "491 MB"),
    ],
)
def test_numbers_have_three_figures(text: str, expected: str) -> None:
    assert text == expected


def test_report_and_json(forest: RandomForestClassifier, rows: np.ndarray, tmp_path: Path) -> None:
    model = _packed(forest)
    model.save(tmp_path / "m.cord")
    cold = fresh(tmp_path / "m.cord", 5, repeats=1)
    result = run(model, rows, source=forest, batches=(1, 32), budget_s=0.0, cold=cold)
    text = render(result)
    assert "new process to first answer" in text
    assert f"{model.nbytes:,} bytes" in text
    facts = json.loads(json.dumps(result.to_dict()))
    assert [batch["rows"] for batch in facts["batches"]] == [1, 32]
    assert facts["batches"][0]["lines"][1]["ratio"]["median"] > 1.0
    assert facts["fresh"]["cordwood"]["step_s"]["load"]["median"] > 0.0


def test_machine_names_versions_and_no_host() -> None:
    import platform

    described = machine.describe(["sklearn", "no_such_module"])
    assert set(described.versions) == {"python", "cordwood", "numpy", "sklearn"}
    assert described.isa in cw.available_isas()
    assert described.cores >= 1
    assert platform.node() not in described.line(2)
    assert described.line(2).count("2 threads") == 1


def test_cold_start_of_a_pickled_wrapper(
    rows: np.ndarray, labels: np.ndarray, tmp_path: Path
) -> None:
    source = _wrapper(rows, labels)
    cw.compress(source).save(tmp_path / "m.cord")
    (tmp_path / "m.pkl").write_bytes(pickle.dumps(source))
    cold = fresh(
        tmp_path / "m.cord", 5, library="xgboost", source_path=tmp_path / "m.pkl", repeats=1
    )
    assert set(cold) == {"cordwood", "xgboost"}
    assert list(cold["xgboost"].step_s) == ["numpy", "library", "load", "first answer"]
    # Whoever imports XGBoost to answer one row waits for it.
    assert cold["cordwood"].total_s.median < cold["xgboost"].total_s.median
