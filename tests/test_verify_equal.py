"""Verification passes on every supported family, and its report says what was compared."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import cordwood as cw
from cordwood import frontends
from cordwood.errors import InputError, InputTypeError
from verify_models import MAKERS, rows, trained, training_rows


@pytest.mark.parametrize("name", MAKERS)
def test_every_family_is_proved_equal(name: str) -> None:
    source = trained(name)
    X = training_rows(name)
    report = cw.verify(source, cw.compress(source), X)
    report.raise_if_different()
    trees = frontends.read(source).trees
    assert report.structure.regions == int((trees.left < 0).sum())
    assert report.structure.nodes == trees.n_nodes
    assert report.sampled_nodes == report.inner_nodes == int((trees.left >= 0).sum())
    # A split at infinity sends NaN alone to the right, which an ancestor may have sent elsewhere.
    out_of_reach = int(np.isinf(trees.threshold).sum())
    assert report.inner_nodes - out_of_reach <= report.probed_nodes <= report.inner_nodes
    assert report.probed_nodes > 0
    assert report.probes is not None
    assert report.probes.margins > 1000
    assert report.probes.leaves > 1000
    assert report.rows is not None
    assert report.rows.rows == len(X)
    assert report.rows.leaves == X.shape[0] * trees.n_trees
    assert report.rows.margins == X.shape[0] * trees.n_outputs
    assert report.probes.link_error <= report.probes.link_bound


@pytest.mark.parametrize("name", ["forest_classifier", "hist_three", "xgboost", "lightgbm"])
def test_the_source_is_left_as_it_was(name: str) -> None:
    source = trained(name)
    X = training_rows(name)
    model = cw.compress(source)
    threads = getattr(source, "n_jobs", None)
    before = cw.compress(source).to_bytes()
    cw.verify(source, model, X)
    assert getattr(source, "n_jobs", None) == threads
    assert cw.compress(source).to_bytes() == before


def test_report_prints_on_one_screen_and_is_json() -> None:
    source = trained("forest_classifier")
    report = cw.verify(source, cw.compress(source), rows("missing"))
    text = str(report)
    assert "routing proved identical, " in text
    assert f"{report.structure.regions:,} regions in 4 trees" in text
    assert f"all {report.inner_nodes:,} inner nodes" in text
    assert len(text.splitlines()) < 15
    assert max(map(len, text.splitlines())) <= 110
    facts = json.loads(json.dumps(report.to_dict()))
    assert facts["identical"] is True
    assert facts["structure"]["regions"] == report.structure.regions
    assert facts["probes"]["rows"] == report.probes.rows
    again = cw.verify(source, cw.compress(source), rows("missing"))
    assert again == report, "the same seed gives the same report"


def test_large_models_are_probed_by_a_stated_sample() -> None:
    source = trained("forest_regressor")
    report = cw.verify(source, cw.compress(source), probes=100, seed=7)
    assert report.identical
    assert 0 < report.sampled_nodes < report.inner_nodes
    assert f"{report.sampled_nodes:,} (seed 7) of {report.inner_nodes:,}" in str(report)
    other = cw.verify(source, cw.compress(source), probes=0)
    assert other.probes is None
    assert other.identical


@pytest.mark.parametrize(("name", "suffix"), [("xgboost", "json"), ("xgboost", "ubj"),
                                              ("lightgbm", "txt")])  # fmt: skip
def test_model_files_ask_the_library(name: str, suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"model.{suffix}"
    trained(name).save_model(str(path))
    packed = tmp_path / "model.cord"
    cw.compress(path).save(packed)
    report = cw.verify(path, packed, rows("mixed"))
    report.raise_if_different()
    assert report.note is None
    assert report.probes is not None


@pytest.mark.parametrize(("name", "suffix"), [("xgboost", "json"), ("lightgbm", "txt")])
def test_without_the_library_the_structure_is_proved(
    name: str, suffix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / f"model.{suffix}"
    trained(name).save_model(str(path))
    monkeypatch.setitem(sys.modules, name, None)
    report = cw.verify(path, cw.compress(path), rows("mixed"))
    assert report.identical
    assert report.structure.regions > 0
    assert report.probes is None
    assert report.rows is None
    assert f"{name} is not installed" in str(report)


def test_a_frame_counts_as_its_numbers() -> None:
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    from sklearn.ensemble import RandomForestRegressor

    X = pandas.DataFrame(rows(), columns=list("abcde"))
    source = RandomForestRegressor(3, random_state=0).fit(X, X["a"] + X["b"])
    report = cw.verify(source, cw.compress(source), X)
    report.raise_if_different()
    assert report.rows is not None
    assert report.rows.rows == len(X)


def test_rows_that_both_sides_refuse_are_an_input_error() -> None:
    source = trained("boosting_binary")
    X = rows().copy()
    X[2, 1] = np.nan
    with pytest.raises(InputError, match="row 2, feature 1 is NaN"):
        cw.verify(source, cw.compress(source), X)


def test_many_categories_leave_every_node_its_turn() -> None:
    import xgboost

    rng = np.random.default_rng(0)
    X = rng.integers(0, 700, (900, 2)).astype(float)
    data = xgboost.DMatrix(X, X[:, 0] % 7, feature_types=["c", "c"], enable_categorical=True)
    params = {"max_cat_to_onehot": 1, "max_depth": 5, "nthread": 1}
    source = xgboost.train(params, data, 5)
    report = cw.verify(source, cw.compress(source), X, probes=4000)
    report.raise_if_different()
    assert report.sampled_nodes == report.inner_nodes > 50


def test_models_of_one_leaf() -> None:
    from sklearn.ensemble import RandomForestRegressor

    source = RandomForestRegressor(2, random_state=0).fit(rows(), np.ones(len(rows())))
    report = cw.verify(source, cw.compress(source), rows())
    report.raise_if_different()
    assert report.inner_nodes == 0
    assert report.structure.regions == 2


def test_arguments_that_cannot_be_used() -> None:
    source: Any = trained("forest_classifier")
    model = cw.compress(source)
    with pytest.raises(InputError, match="probes is -1"):
        cw.verify(source, model, probes=-1)
    with pytest.raises(InputTypeError, match=r"model is a bytes, expected a cordwood\.Model"):
        cw.verify(source, model.to_bytes())
    with pytest.raises(InputError, match="2 features, the model expects 5"):
        cw.verify(source, model, rows()[:, :2])
