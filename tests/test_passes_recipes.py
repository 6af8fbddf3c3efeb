"""Lossy recipes from end to end: sources in, bounds kept, losses told, the rest refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from sklearn import ensemble
from sklearn.datasets import make_classification, make_regression

import cordwood as cw
from cordwood.cli import main
from cordwood.errors import InputError, ModelDiffersError, UnsupportedModelError
from cordwood.recipe import Recipe
from drawn import Shape, make_graph

if TYPE_CHECKING:
    from pathlib import Path

LOSSY = ("trees-small", "trees-tiny")
ROWS, LABELS = make_classification(3000, 10, n_informative=6, n_classes=3, random_state=0)
_, TARGET = make_regression(3000, 10, random_state=0)


def _lightgbm() -> Any:
    import lightgbm

    return lightgbm.LGBMClassifier(n_estimators=20, verbose=-1).fit(ROWS[:1500], LABELS[:1500])


def _xgboost() -> Any:
    import xgboost

    model = xgboost.XGBRegressor(n_estimators=40, max_depth=5)
    return model.fit(ROWS[:1500], TARGET[:1500])


def _sklearn(name: str, target: Any, **settings: Any) -> Any:
    kind = getattr(ensemble, name)
    return kind(random_state=0, **settings).fit(ROWS[:1500], target[:1500])


SOURCES = {
    "lightgbm": _lightgbm,
    "xgboost": _xgboost,
    "forest": lambda: _sklearn("RandomForestClassifier", LABELS, n_estimators=10, max_depth=8),
    "far-forest": lambda: _sklearn(
        "RandomForestRegressor", TARGET + 1e5, n_estimators=10, max_depth=8
    ),
    "hist": lambda: _sklearn("HistGradientBoostingClassifier", LABELS % 2, max_iter=20),
    "isolation": lambda: ensemble.IsolationForest(n_estimators=20, random_state=0).fit(ROWS[:1500]),
}


@pytest.fixture(scope="module", params=SOURCES)
def source(request: pytest.FixtureRequest) -> Any:
    return SOURCES[request.param]()


@pytest.mark.parametrize("recipe", LOSSY)
def test_held_out_rows_stay_within_the_bound(source: Any, recipe: str) -> None:
    exact, lossy = cw.compress(source), cw.compress(source, recipe, calibration=ROWS[:1000])
    loss = lossy.metadata["recipe"]["loss"]
    allowed = loss["margin_bound"] + loss["summation_bound"]
    margins = [model._run(ROWS, "margin").astype(np.float64) for model in (exact, lossy)]
    error = np.abs(margins[0] - margins[1])
    assert error.max() <= allowed
    assert allowed < np.ptp(margins[0])
    seen = error[:1000]
    assert seen.max() <= loss["margin_error"] <= seen.max() * (1 + 1e-4)
    assert seen.mean() <= loss["margin_error_mean"] <= seen.mean() * (1 + 1e-4)
    assert loss["rows"] == 1000
    assert "margin" in lossy.summary()


@pytest.mark.parametrize("recipe", LOSSY)
def test_verify_holds_a_lossy_model_against_its_bound(source: Any, recipe: str) -> None:
    lossy = cw.compress(source, recipe, calibration=ROWS[:1000])
    report = cw.verify(source, lossy, ROWS[1500:2000], probes=500)
    report.raise_if_different()
    assert report.passed
    assert not report.identical
    assert recipe in str(report)


def test_verify_finds_a_loss_beyond_the_bound() -> None:
    from cordwood import frontends
    from cordwood.pack import pack
    from cordwood.passes.round_leaves import round_leaves

    source = SOURCES["xgboost"]()
    coarse, _ = round_leaves(frontends.read(source), 8)
    told = {"margin_bound": 1e-6, "summation_bound": 1e-6}
    model = cw.load(pack(coarse, Recipe("trees-small"), told))
    report = cw.verify(source, model, ROWS[1500:1600], probes=100)
    assert not report.passed
    with pytest.raises(ModelDiffersError):
        report.raise_if_different()


def test_recipes_are_smaller_and_smaller(source: Any) -> None:
    sizes = [cw.compress(source, name).nbytes for name in ("lossless", *LOSSY)]
    assert sizes[2] < sizes[0]
    assert sizes[2] < sizes[1]


def test_the_same_source_gives_the_same_bytes() -> None:
    source = SOURCES["lightgbm"]()
    for recipe in LOSSY:
        packed = [cw.compress(source, recipe, calibration=ROWS).to_bytes() for _ in range(2)]
        assert packed[0] == packed[1]


def test_tiny_offers_no_leaf_numbers() -> None:
    model = cw.compress(SOURCES["xgboost"](), "trees-tiny")
    assert "apply" not in model.methods
    assert set(model.metadata["recipe"]["loss"]) == {
        "margin_bound",
        "summation_bound",
        "bytes_saved",
    }


def test_leaves_that_are_short_already_stay() -> None:
    source = _sklearn("RandomForestClassifier", LABELS % 2, n_estimators=10)
    exact, small = cw.compress(source), cw.compress(source, "trees-small", calibration=ROWS)
    loss = small.metadata["recipe"]["loss"]
    assert loss["margin_bound"] == loss["margin_error"] == loss["bytes_saved"] == 0
    assert exact.predict_proba(ROWS).tobytes() == small.predict_proba(ROWS).tobytes()


def test_lossless_refuses_calibration_rows() -> None:
    with pytest.raises(InputError, match="needs no calibration"):
        cw.compress(SOURCES["xgboost"](), calibration=ROWS)


def test_calibration_has_rows() -> None:
    with pytest.raises(InputError, match="calibration has no rows"):
        cw.compress(SOURCES["xgboost"](), "trees-tiny", calibration=ROWS[:0])


@pytest.mark.parametrize("recipe", LOSSY)
@pytest.mark.parametrize(
    ("settings", "reason"),
    [({"linear": True}, "linear"), ({"aggregate": "weighted_median"}, "weighted median")],
)
def test_other_leaves_are_refused(recipe: str, settings: dict[str, Any], reason: str) -> None:
    with pytest.raises(UnsupportedModelError, match=reason):
        cw.compress(make_graph(Shape(**settings)), recipe)


def test_embeddings_are_refused() -> None:
    source = ensemble.RandomTreesEmbedding(5, random_state=0).fit(ROWS)
    with pytest.raises(UnsupportedModelError, match="numbers of leaves"):
        cw.compress(source, "trees-small")


def test_the_command_line_takes_recipe_and_rows(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, rows, packed = (str(tmp_path / name) for name in ("m.ubj", "x.npy", "m.cord"))
    SOURCES["xgboost"]().save_model(source)
    np.save(rows, ROWS[:500])
    told = ["--recipe", "trees-tiny", "--calibration", rows]
    assert main(["compress", source, "-o", packed, *told]) == 0
    assert "trees-tiny" in capsys.readouterr().out
    assert cw.load(packed).metadata["recipe"]["loss"]["rows"] == 500
    assert main(["verify", source, packed, "--data", rows]) == 0
    assert "not equal" in capsys.readouterr().out
