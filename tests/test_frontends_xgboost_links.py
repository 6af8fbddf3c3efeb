"""Base scores, links and labels of XGBoost's objectives, bit for bit where the library decides."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import xgboost as xgb

import oracle
from cordwood.errors import UnsupportedModelError
from cordwood.frontends import _xgboost_links as links
from cordwood.frontends.xgboost import read, read_file
from cordwood.ir import Role

if TYPE_CHECKING:
    from pathlib import Path

RNG = np.random.default_rng(0)
X = RNG.normal(size=(120, 3))
POSITIVE = np.exp(X[:, 0])


def target(objective: str) -> Any:
    """Return labels that the objective takes."""
    if objective.startswith(("binary:", "reg:logistic")):
        return (X[:, 0] > 0).astype(float)
    if objective.startswith("multi:"):
        return np.digitize(X[:, 0], [-0.5, 0.5])
    if objective.startswith("rank:"):
        return (X[:, 0] > 0).astype(int)
    return POSITIVE


def train(objective: str, rounds: int = 3, **params: Any) -> xgb.Booster:
    data = xgb.DMatrix(X, target(objective))
    if objective.startswith("multi:"):
        params["num_class"] = 3
    if objective == "reg:quantileerror":
        params["quantile_alpha"] = 0.3
    if objective == "survival:aft":
        data.set_float_info("label_lower_bound", POSITIVE)
        data.set_float_info("label_upper_bound", POSITIVE)
    if objective.startswith("rank:"):
        data.set_info(qid=np.arange(120) // 10)
    chosen = {"objective": objective, "max_depth": 3, "nthread": 1, "verbosity": 0, **params}
    return xgb.train(chosen, data, rounds)


@pytest.mark.parametrize("objective", links.OBJECTIVES)
def test_every_objective(objective: str) -> None:
    booster = train(objective)
    graph = read(booster)
    data = xgb.DMatrix(X)
    margin = booster.predict(data, output_margin=True, strict_shape=True)
    assert oracle.predict_margin(graph, X).tobytes() == margin.tobytes()
    answer = booster.predict(data)
    label = graph.by_role(Role.LABEL)
    if label is not None:
        assert np.array_equal(graph.classes[oracle.run(graph, X, Role.LABEL)], answer)
        return
    role = Role.PROBABILITY if graph.by_role(Role.RESPONSE) is None else Role.RESPONSE
    ours = oracle.run(graph, X, role).reshape(answer.shape)
    assert np.all(np.abs(ours - answer) <= 4 * np.spacing(np.abs(answer)))
    if objective == "binary:logistic":
        two = oracle.run(graph, X, Role.PROBABILITY)
        assert two.shape == (120, 2)


@pytest.mark.parametrize(
    "objective", [n for n, row in links.OBJECTIVES.items() if row.intercept != "identity"]
)
def test_base_scores_become_margins_bit_for_bit(objective: str) -> None:
    logistic = objective in ("binary:logistic", "reg:logistic")
    scores = [0.5, 1e-6, 1.5e-6, 1 - 1e-6, 0.9999999, 1e-7, 0.1, 1 / 3]
    scores += list(np.random.default_rng(1).random(12))
    if not logistic:
        scores += [1.0, 2.0, 1e-30, 1e30, 3.7, 1e-44]
    booster = train(objective, rounds=1)
    document = json.loads(booster.save_raw("json"))
    for score in scores:
        document["learner"]["learner_model_param"]["base_score"] = f"[{np.float32(score):.9g}]"
        given = xgb.Booster(model_file=bytearray(json.dumps(document).encode()))
        given.set_param({"nthread": 1})
        margin = given.predict(xgb.DMatrix(X), output_margin=True, strict_shape=True)
        assert oracle.predict_margin(read(given), X).tobytes() == margin.tobytes(), score


def test_estimated_base_score_is_the_saved_one() -> None:
    for objective in ("binary:logistic", "count:poisson", "reg:absoluteerror"):
        booster = train(objective)
        base = read(booster).trees.base_value
        assert base.shape == (1,)
        assert base[0] != 0.5


def test_label_of_a_binary_classifier_turns_where_xgboost_turns() -> None:
    """Margins around the cut, where a rounded sigmoid still gives 0.5."""
    cut = np.float32(links.HALF_CUTS["sigmoid"])
    assert cut == links.HALF_CUTS["sigmoid"]
    bits = cut.view(np.uint32) + np.arange(-100_000, 100_000)
    margins = np.concatenate([bits.astype(np.uint32).view(np.float32), np.float32([0.0, -0.0])])
    booster = train("binary:logistic", rounds=1, eta=0.0)
    data = xgb.DMatrix(np.zeros((len(margins), 3)), base_margin=margins)
    assert np.array_equal(booster.predict(data) > 0.5, margins > cut)


def write_old(path: Path, objective: str, score: str, version: list[int]) -> Path:
    document = json.loads(train(objective, rounds=1).save_raw("json"))
    document["learner"]["learner_model_param"]["base_score"] = score
    document["version"] = version
    path.write_text(json.dumps(document))
    return path


def test_base_scores_that_versions_read_differently_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.json"
    for objective, score, version in (
        ("binary:logitraw", "2.5E-1", [1, 3, 0]),
        ("binary:logistic", "1E-8", [3, 0, 0]),
    ):
        with pytest.raises(UnsupportedModelError, match=r"another margin since 3\.2"):
            read_file(write_old(path, objective, score, version))
    assert read_file(write_old(path, "binary:logitraw", "2.5E-1", [1, 3, 1])).trees.n_trees == 1
    assert read_file(write_old(path, "binary:logistic", "2E-6", [1, 7, 6])).trees.n_trees == 1
    with pytest.raises(UnsupportedModelError, match="no finite margin"):
        read_file(write_old(path, "reg:gamma", "-1", [3, 2, 0]))


def test_unknown_objectives_are_refused_by_name(tmp_path: Path) -> None:
    path = write_old(tmp_path / "model.json", "reg:squarederror", "1", [3, 2, 0])
    path.write_text(path.read_text().replace("reg:squarederror", "reg:unheard"))
    with pytest.raises(UnsupportedModelError, match="'reg:unheard'"):
        read_file(path)


def test_rounded_log_is_the_log_to_half_a_unit() -> None:
    values = np.random.default_rng(2).random(200).astype(np.float32)
    ours = np.array([links._rounded_log(float(value)) for value in values], np.float32)
    exact = np.log(values.astype(np.longdouble))
    assert np.all(np.abs(ours - exact) <= 0.5 * np.spacing(np.abs(ours)))
    assert np.isnan(links._rounded_log(0.0))
