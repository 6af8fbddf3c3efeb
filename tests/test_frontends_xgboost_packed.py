"""Packed XGBoost models answer as the library and as the stored files of its versions do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xgboost as xgb
from hypothesis import given, settings
from hypothesis import strategies as st

import cordwood as cw
import test_frontends_xgboost_drawn as drawn
import test_frontends_xgboost_versions as versions
from cordwood.errors import InputError
from cordwood.frontends.xgboost import read

FILES = [
    path
    for path in versions.FILES
    if (path.parent.name, path.stem) not in versions.REFUSED
    and path.parent.name not in versions.BASE_LAST
]
RNG = np.random.default_rng(11)
X = RNG.normal(size=(200, 4)).astype(np.float32)
Y = np.sin(X[:, 0]) + (X[:, 1] > 0.1) - 0.3 * X[:, 2]
X[RNG.random(X.shape) < 0.1] = np.nan
HOW: dict[str, Any] = {"n_estimators": 6, "max_depth": 3, "n_jobs": 1}


def shaped(ours: Any, theirs: Any) -> Any:
    """Return an answer in the shape of the library's, which it must fill."""
    assert ours.size == theirs.size
    return ours.reshape(theirs.shape)


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_stored_files_answer_as_their_version_did(path: Path) -> None:
    _, rows, given = versions.graph_and_answers(path)
    model = cw.compress(path)
    margin = model.predict(rows, output_margin=True)
    assert shaped(margin, given["margin"]).tobytes() == given["margin"].tobytes()
    if "leaves" in given:
        assert np.array_equal(model.apply(rows), given["leaves"])
    answer = given.get("answer", given["margin"])
    ours = shaped(model.predict(rows), answer)
    assert np.all(np.abs(ours - answer) <= 4 * np.spacing(np.abs(answer)))


@given(drawn.settings_of(), st.sampled_from(drawn.ROW_TYPES), st.integers(0, 1000))
@settings(max_examples=25)
def test_drawn_boosters(chosen: dict[str, Any], dtype: str, seed: int) -> None:
    booster = drawn.train(chosen)
    graph, model = read(booster), cw.compress(booster)
    rows = drawn.rows_for(graph, dtype, seed)
    data = xgb.DMatrix(rows, nthread=1)
    if not graph.trees.is_linear:
        leaves = booster.predict(data, pred_leaf=True, validate_features=False)
        assert np.array_equal(shaped(model.apply(rows), leaves), leaves)
    margin = booster.predict(data, output_margin=True, validate_features=False)
    ours = model.predict(rows, output_margin=True)
    assert shaped(ours, margin).tobytes() == margin.tobytes()


def test_iterations_are_chosen_as_the_library_chooses() -> None:
    y = np.digitize(Y, [0.0, 0.7])
    model = xgb.XGBClassifier(**HOW, num_parallel_tree=2, subsample=0.7).fit(X, y)
    booster = model.get_booster()
    for source in (model, booster):
        packed = cw.compress(source)
        for begin, end in ((0, 1), (2, 5), (3, 0), (0, 6)):
            part = {"iteration_range": (begin, end)}
            rows = X if source is model else xgb.DMatrix(X)
            margin = source.predict(rows, output_margin=True, **part)
            ours = packed.predict(X, output_margin=True, **part)
            assert shaped(ours, margin).tobytes() == margin.tobytes(), part
            if begin == 0:  # the library gives leaves of no other range
                leaves = booster.predict(xgb.DMatrix(X), pred_leaf=True, **part)
                assert np.array_equal(shaped(packed.apply(X, **part), leaves), leaves), part


def test_a_booster_of_dart_and_vectors_takes_iterations() -> None:
    dart = {"booster": "dart", "rate_drop": 0.5}
    vectors = {"multi_strategy": "multi_output_tree"}
    for params, target in ((dart, Y), (vectors, np.stack([Y, -Y], axis=1))):
        booster = xgb.train({"max_depth": 3, "nthread": 1, **params}, xgb.DMatrix(X, target), 6)
        packed = cw.compress(booster)
        part = {"iteration_range": (1, 4)}
        margin = booster.predict(xgb.DMatrix(X), output_margin=True, **part)
        ours = packed.predict(X, output_margin=True, **part)
        assert shaped(ours, margin).tobytes() == margin.tobytes()


def test_sparse_matrices_leave_out_what_is_missing() -> None:
    sparse = pytest.importorskip("scipy.sparse")
    dense = np.where(RNG.random(X.shape) < 0.4, 0.0, np.nan_to_num(X))
    rows = sparse.csr_matrix(dense)
    for booster in ("gbtree", "gblinear"):
        model = xgb.XGBRegressor(booster=booster, n_estimators=5, n_jobs=1).fit(rows, Y)
        packed = cw.compress(model)
        for given_rows in (rows, rows.tocsc()):
            assert packed.predict(given_rows).tobytes() == model.predict(given_rows).tobytes()


def test_frames_of_labels() -> None:
    pd = pytest.importorskip("pandas")
    labels = np.array(["teal", "blue", "red"])
    code = RNG.integers(-1, 3, 200)
    frame = pd.DataFrame({"size": X[:, 0], "colour": pd.Categorical.from_codes(code, labels)})
    model = xgb.XGBRegressor(**HOW, enable_categorical=True).fit(frame, Y + code)
    packed = cw.compress(model)
    other = frame.assign(colour=frame["colour"].cat.reorder_categories(["red", "teal", "blue"]))
    for rows in (frame, other):
        assert packed.predict(rows).tobytes() == model.predict(rows).tobytes()
    unseen = frame[:3].assign(colour=pd.Categorical(["teal", "mauve", None]))
    with pytest.raises(InputError, match="'mauve'"):
        packed.predict(unseen)


def test_several_labels_and_a_missing_value() -> None:
    labels = np.stack([Y > 0, Y > 0.8], axis=1).astype(int)
    rows = np.where(np.isnan(X), np.float32(-999), X)
    model = xgb.XGBClassifier(**HOW, missing=-999).fit(rows, labels)
    packed = cw.compress(model)
    assert np.array_equal(packed.predict(rows), model.predict(rows))
    theirs = model.predict_proba(rows)
    assert np.all(np.abs(packed.predict_proba(rows) - theirs) <= 4 * np.spacing(theirs))
    assert np.array_equal(cw.load(packed.to_bytes()).predict(X), packed.predict(rows))


def test_early_stopping_cuts_what_a_wrapper_offers() -> None:
    model = xgb.XGBRegressor(n_estimators=30, early_stopping_rounds=2, n_jobs=1)
    model.fit(X, Y, eval_set=[(X[:50], -Y[:50])], verbose=False)
    kept = model.best_iteration + 1
    assert kept < model.get_booster().num_boosted_rounds()
    packed = cw.compress(model)
    assert packed.predict(X).tobytes() == model.predict(X).tobytes()
    with pytest.raises(InputError, match="iteration"):
        packed.predict(X, iteration_range=(0, kept + 1))
    whole = cw.compress(model.get_booster())
    every = model.predict(X, iteration_range=(0, kept + 1))
    assert whole.predict(X, iteration_range=(0, kept + 1)).tobytes() == every.tobytes()


@pytest.mark.parametrize("objective", ["binary:hinge", "count:poisson", "binary:logitraw"])
def test_classifiers_of_any_objective(objective: str) -> None:
    model = xgb.XGBClassifier(**HOW, objective=objective).fit(X, Y > 0.4)
    packed = cw.compress(model)
    assert np.array_equal(packed.predict(X), model.predict(X))
    ours, theirs = packed.predict_proba(X), model.predict_proba(X)
    assert np.all(np.abs(ours - theirs) <= 4 * np.maximum(np.spacing(np.abs(theirs)), 1.2e-7))


SOURCES: dict[str, tuple[type, dict[str, Any], Any]] = {
    "linear": (xgb.XGBRegressor, {"booster": "gblinear"}, Y),
    "vectors": (xgb.XGBRegressor, {"multi_strategy": "multi_output_tree"}, np.stack([Y, -Y], 1)),
    "hinge": (xgb.XGBClassifier, {"objective": "binary:hinge"}, Y > 0.4),
    "missing": (xgb.XGBClassifier, {"missing": 0.5}, np.digitize(Y, [0.0, 0.7])),
    "several labels": (xgb.XGBClassifier, {}, np.stack([Y > 0, Y > 0.8], axis=1).astype(int)),
    "ranker": (xgb.XGBRanker, {}, np.digitize(Y, [0.0, 0.7])),
    "dart": (xgb.XGBRegressor, {"booster": "dart", "rate_drop": 0.5}, Y),
}


@pytest.mark.parametrize("kind", SOURCES)
def test_verify_agrees(kind: str) -> None:
    maker, params, target = SOURCES[kind]
    how = {"group": [50] * 4} if kind == "ranker" else {}
    source = maker(n_estimators=4, n_jobs=1, **params).fit(X, target, **how)
    for each in (source, source.get_booster()):
        cw.verify(each, cw.compress(each), X).raise_if_different()
