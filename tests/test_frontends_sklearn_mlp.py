"""Perceptrons of scikit-learn become nets that answer alike."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier, MLPRegressor

from cordwood.errors import NotFittedError, UnsupportedModelError
from cordwood.frontends._sklearn_mlp import read_mlp
from cordwood.ir_nets import Linear
from oracle_nets import run

RNG = np.random.default_rng(4)
X = RNG.normal(size=(80, 5)).astype(np.float32)
THREE = np.array(["ash", "beech", "oak"])[np.abs(X[:, 0] * 2).astype(int) % 3]
MANY = (X[:, :3] > 0).astype(int)


def fitted(model: Any, y: np.ndarray) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return model.fit(X, y)


@pytest.mark.parametrize("activation", ["identity", "logistic", "tanh", "relu"])
@pytest.mark.parametrize(("y", "columns"), [(THREE, 3), (X[:, 1] > 0, 2), (MANY, 3)])
def test_classifier(activation: str, y: np.ndarray, columns: int) -> None:
    model = fitted(MLPClassifier((7, 6), activation=activation, max_iter=20, random_state=1), y)
    graph = read_mlp(model, type(model).__name__)
    found = run(graph, {"rows": X})["probability"]
    assert found.shape == (len(X), columns)
    np.testing.assert_allclose(found, model.predict_proba(X), rtol=1e-5, atol=1e-6)
    assert graph.classes is not None
    assert list(graph.classes) == list(model.classes_)
    layers = [step for step in graph.operators if isinstance(step, Linear)]
    assert len(layers) == 3
    assert (layers[0].activation is None) == (activation == "identity")


@pytest.mark.parametrize("columns", [1, 2])
def test_regressor(columns: int) -> None:
    y = X[:, 0] ** 2 if columns == 1 else X[:, :2] ** 2
    model = fitted(MLPRegressor(hidden_layer_sizes=8, max_iter=20, random_state=1), y)
    found = run(read_mlp(model, type(model).__name__), {"rows": X})["response"]
    assert found.shape == (len(X), columns)
    wanted = model.predict(X).reshape(found.shape)
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6)


def test_regressor_of_counts() -> None:
    if "loss" not in MLPRegressor().get_params():
        pytest.skip("this scikit-learn has no loss='poisson' for MLPRegressor")
    model = fitted(MLPRegressor(loss="poisson", max_iter=20, random_state=1), np.abs(X[:, 0]))
    found = run(read_mlp(model, type(model).__name__), {"rows": X})["response"]
    np.testing.assert_allclose(found[:, 0], model.predict(X), rtol=1e-5)


def test_refused() -> None:
    with pytest.raises(NotFittedError, match="MLPClassifier is not fitted"):
        read_mlp(MLPClassifier(), "MLPClassifier")
    model = fitted(MLPRegressor(hidden_layer_sizes=8, max_iter=2), X[:, 0])
    model.activation = "gelu"
    with pytest.raises(UnsupportedModelError, match="activation='gelu', expected one of"):
        read_mlp(model, type(model).__name__)
