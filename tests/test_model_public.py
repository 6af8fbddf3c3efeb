"""Model as people meet it: attributes, bytes, files, scikit-learn's protocol."""

from __future__ import annotations

import copy
import inspect
import io
import json
import os
import pickle
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.datasets import load_iris
from sklearn.ensemble import HistGradientBoostingRegressor, RandomForestClassifier
from sklearn.metrics import get_scorer
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.utils.validation import check_is_fitted

import cordwood
from cord_file import CordFile, Section, tree_file
from drawn import Shape, make_graph

VALUES, PROVENANCE = 4, 9  # sections
PROBABILITY = 4  # role


@pytest.fixture(scope="module")
def iris() -> tuple[np.ndarray, np.ndarray]:
    X, y = load_iris(return_X_y=True)
    return X, np.array(["setosa", "versicolor", "virginica"])[y]


@pytest.fixture(scope="module")
def forest(iris: tuple[np.ndarray, np.ndarray]) -> RandomForestClassifier:
    return RandomForestClassifier(10, random_state=0, n_jobs=1).fit(*iris)


@pytest.fixture(scope="module")
def model(forest: RandomForestClassifier) -> cordwood.Model:
    return cordwood.compress(forest)


def test_it_answers_as_its_source(
    model: cordwood.Model, forest: RandomForestClassifier, iris: tuple[np.ndarray, np.ndarray]
) -> None:
    X, _ = iris
    for method in ("predict", "predict_proba", "apply"):
        found, expected = getattr(model, method)(X), getattr(forest, method)(X)
        assert found.shape == expected.shape
        np.testing.assert_array_equal(found, expected)
    assert model.predict(X[:1]).dtype == forest.predict(X[:1]).dtype


def test_fitted_attributes(model: cordwood.Model, forest: RandomForestClassifier) -> None:
    np.testing.assert_array_equal(model.classes_, forest.classes_)
    assert model.classes_.dtype == forest.classes_.dtype
    assert model.n_features_in_ == 4
    assert model.n_trees == 10
    assert model.kind == "RandomForestClassifier"
    assert model.methods == ("predict", "predict_proba", "apply")
    assert not hasattr(model, "feature_names_in_")
    assert model.device == "cpu"
    assert model.metadata["source"]["library"] == "scikit-learn"
    assert model.metadata["recipe"] == {"name": "lossless"}
    model.metadata["source"].clear()
    assert model.metadata["source"], "metadata must be a copy"


def test_a_regressor_has_no_classes() -> None:
    X = np.random.default_rng(0).normal(size=(80, 3))
    regressor = HistGradientBoostingRegressor(max_iter=3).fit(X, X[:, 0])
    model = cordwood.compress(regressor)
    assert not hasattr(model, "classes_")
    assert is_regressor(model)
    assert not is_classifier(model)
    np.testing.assert_array_equal(model.predict(X), regressor.predict(X))


def test_feature_names(iris: tuple[np.ndarray, np.ndarray]) -> None:
    pandas = pytest.importorskip("pandas")
    X, y = iris
    frame = pandas.DataFrame(X, columns=["w", "x", "y", "z"])
    forest = RandomForestClassifier(3, random_state=0).fit(frame, y)
    model = cordwood.compress(forest)
    assert model.feature_names_in_.tolist() == ["w", "x", "y", "z"]
    assert model.feature_names_in_.dtype == object
    np.testing.assert_array_equal(model.predict(frame), forest.predict(frame))


def test_methods_that_the_source_lacks_are_not_there(model: cordwood.Model) -> None:
    assert not hasattr(model, "decision_function")
    expected = "RandomForestClassifier has no decision_function; this model has predict, predict_p"
    with pytest.raises(cordwood.UnsupportedMethodError, match=expected):
        model.decision_function(np.zeros((1, 4)))
    with pytest.raises(AttributeError):
        cordwood.Model.decision_function(model, np.zeros((1, 4)))


def test_methods_explain_themselves(model: cordwood.Model) -> None:
    for name in ("predict", "predict_proba", "decision_function", "score_samples", "transform",
                 "apply", "staged_predict"):  # fmt: skip
        assert "n_features" in inspect.getdoc(getattr(cordwood.Model, name))
    for name in model.methods:
        quick, documented = getattr(model, name), getattr(cordwood.Model, name)
        plain = inspect.signature(documented).replace(return_annotation=inspect.Signature.empty)
        known = [p.replace(annotation=inspect.Parameter.empty) for p in plain.parameters.values()]
        assert list(inspect.signature(quick).parameters.values()) == known[1:]
    assert model.predict.__name__ == "predict"
    X = np.zeros((1, 4))
    np.testing.assert_array_equal(cordwood.Model.predict(model, X), model.predict(X))


def test_summary_and_repr_say_what_it_is(model: cordwood.Model) -> None:
    assert repr(model) == (
        f"<cordwood.Model RandomForestClassifier, 10 trees, 4 features, {model.nbytes:,} bytes>"
    )
    text = model.summary()
    for part in ("RandomForestClassifier from scikit-learn", "lossless", "10 trees", "4 features",
                 f"{model.nbytes:,} packed", cordwood.active_isa()):  # fmt: skip
        assert part in text


# ---- bytes ---------------------------------------------------------------------------------------


def _copies(model: cordwood.Model) -> list[cordwood.Model]:
    file = io.BytesIO()
    joblib.dump(model, file)
    file.seek(0)
    return [
        pickle.loads(pickle.dumps(model)),
        copy.copy(model),
        copy.deepcopy(model),
        clone(model),
        joblib.load(file),
        cordwood.load(model.to_bytes()),
        cordwood.load(bytearray(model.to_bytes()), check="structure"),
        cordwood.load(memoryview(model.to_bytes())),
        cordwood.Model.from_bytes(model.to_bytes()),
    ]


def test_copies_answer_the_same(model: cordwood.Model, iris: tuple[np.ndarray, np.ndarray]) -> None:
    X, _ = iris
    for other in _copies(model):
        assert other.to_bytes() == model.to_bytes()
        np.testing.assert_array_equal(other.predict_proba(X), model.predict_proba(X))
        np.testing.assert_array_equal(other.predict(X), model.predict(X))


def test_a_pickle_is_little_more_than_its_bytes(model: cordwood.Model) -> None:
    assert len(pickle.dumps(model)) < model.nbytes + 200
    single = cordwood.load(model.to_bytes(), threads=1)
    assert pickle.loads(pickle.dumps(single)).threads == 1


def test_save_and_load(model: cordwood.Model, tmp_path: Path) -> None:
    path = tmp_path / "iris.cord"
    model.save(path)
    assert path.read_bytes() == model.to_bytes()
    assert path.stat().st_size == model.nbytes
    assert cordwood.load(path).to_bytes() == model.to_bytes()
    assert cordwood.load(str(path)).to_bytes() == model.to_bytes()
    assert [entry.name for entry in tmp_path.iterdir()] == ["iris.cord"]


def test_saving_keeps_permissions_and_links(model: cordwood.Model, tmp_path: Path) -> None:
    path, link = tmp_path / "iris.cord", tmp_path / "link.cord"
    path.write_bytes(b"old")
    path.chmod(0o640)
    link.symlink_to(path)
    model.save(link)
    assert link.is_symlink()
    assert path.read_bytes() == model.to_bytes()
    assert path.stat().st_mode & 0o777 == 0o640


def test_a_failed_save_leaves_the_old_file(
    model: cordwood.Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "iris.cord"
    path.write_bytes(b"old")

    def full_disk(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(cordwood.FileAccessError, match=r"cannot write .*No space left"):
        model.save(path)
    assert path.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["iris.cord"]


def test_files_that_cannot_be_reached(model: cordwood.Model, tmp_path: Path) -> None:
    with pytest.raises(cordwood.FileAccessError, match="cannot write"):
        model.save(tmp_path / "nowhere" / "iris.cord")
    with pytest.raises(cordwood.FileAccessError, match=r"cannot read .*nowhere\.cord"):
        cordwood.load(tmp_path / "nowhere.cord")
    with pytest.raises(OSError, match="cannot read"):
        cordwood.load(tmp_path)
    with pytest.raises(cordwood.InputTypeError, match="expected a path or bytes, not int"):
        cordwood.load(3)


def test_bytes_that_are_no_model_are_refused(model: cordwood.Model) -> None:
    with pytest.raises(cordwood.FormatError):
        cordwood.load(b"")
    damaged = bytearray(model.to_bytes())
    damaged[-1] ^= 1
    with pytest.raises(cordwood.FormatError) as caught:
        cordwood.load(damaged)
    assert caught.value.code != "unknown"


# ---- options -------------------------------------------------------------------------------------


def test_devices(model: cordwood.Model) -> None:
    cuda = cordwood.cuda_available()
    assert cuda.device == "cuda"
    assert bool(cuda) == (cuda.reason is None)
    if cuda.reason is not None:
        with pytest.raises(cordwood.DeviceError, match=f"^device cuda: {re.escape(cuda.reason)}"):
            cordwood.load(model.to_bytes(), device="cuda")
    with pytest.raises(cordwood.DeviceError, match=r'"abacus": nobody registered it.* has: cpu'):
        cordwood.load(model.to_bytes(), device="abacus")  # type: ignore[arg-type]
    with pytest.raises(cordwood.DeviceError, match="device is 3, expected a name: cpu"):
        cordwood.load(model.to_bytes(), device=3)  # type: ignore[arg-type]


def test_options_are_judged(model: cordwood.Model) -> None:
    with pytest.raises(cordwood.InputError, match="check is 'none', expected 'all' or 'structure'"):
        cordwood.load(model.to_bytes(), check="none")  # type: ignore[arg-type]
    graph = make_graph(Shape())
    with pytest.raises(cordwood.InputError, match="recipe 'int8' is for nets"):
        cordwood.compress(graph, "int8")
    for name in ("calibration", "example_inputs"):
        given: dict[str, Any] = {name: [1]}
        with pytest.raises(cordwood.InputError, match=f"needs no {name}"):
            cordwood.compress(graph, **given)


@pytest.mark.parametrize("source", [object(), 3, np.zeros(3), StandardScaler])
def test_sources_without_a_front_end_are_refused(source: object) -> None:
    with pytest.raises(cordwood.UnsupportedModelError, match="supported"):
        cordwood.compress(source)


@pytest.mark.parametrize(
    ("wrap", "words"),
    [
        (type, "got the class RandomForestClassifier, expected a fitted object"),
        (cordwood.compress, "this RandomForestClassifier is packed already"),
        (make_pipeline, r"Pipeline is not supported; pass its last step, pipeline\[-1\]"),
        (lambda forest: GridSearchCV(forest, {}), "GridSearchCV is not .*; pass its best_estimato"),
    ],
)
def test_what_to_pass_instead_is_said(
    forest: RandomForestClassifier, wrap: Callable[[Any], Any], words: str
) -> None:
    with pytest.raises(cordwood.UnsupportedModelError, match=words):
        cordwood.compress(wrap(forest))


def test_files_without_a_front_end_are_refused(model: cordwood.Model, tmp_path: Path) -> None:
    with pytest.raises(
        cordwood.UnsupportedModelError, match=r"model\.pkl. by its suffix; supported"
    ):
        cordwood.compress(tmp_path / "model.pkl")
    with pytest.raises(cordwood.SourceFileError, match=r"use cordwood\.load"):
        cordwood.compress(tmp_path / "model.cord")
    path = tmp_path / "model.json"
    path.write_bytes(model.to_bytes())
    with pytest.raises(cordwood.SourceFileError):
        cordwood.compress(path)


def _with_provenance(facts: dict[str, Any]) -> CordFile:
    file = tree_file()
    if any(section.kind == PROVENANCE for section in file.sections):
        file.drop(PROVENANCE)
    file.sections.append(Section(PROVENANCE, bytearray(json.dumps(facts).encode()), flags=0))
    return file


def _value_of_role(file: CordFile, role: int) -> int:
    values = bytes(file[VALUES].data)
    return next(i for i in range(len(values) // 64) if values[64 * i + 1] == role)


def test_a_method_without_an_answer_is_refused() -> None:
    facts = {"methods": ["predict", "predict_proba"], "source": {}, "recipe": {}}
    file = _with_provenance(facts)
    file.patch(VALUES, 64 * _value_of_role(file, PROBABILITY) + 1, "B", 0)  # its role
    with pytest.raises(cordwood.FormatError, match=r"predict_proba.*no answer for it") as caught:
        cordwood.load(file.seal())
    assert caught.value.code == "provenance_invalid"


@pytest.mark.parametrize("methods", [["explode"], "predict", [1], None])
def test_provenance_of_another_shape_is_refused(methods: object) -> None:
    file = _with_provenance({"methods": methods, "source": {}, "recipe": {}})
    with pytest.raises(cordwood.FormatError) as caught:
        cordwood.load(file.seal())
    assert caught.value.code == "provenance_invalid"


# ---- scikit-learn --------------------------------------------------------------------------------


def test_it_ends_a_fitted_pipeline(
    forest: RandomForestClassifier, model: cordwood.Model, iris: tuple[np.ndarray, np.ndarray]
) -> None:
    X, y = iris
    steps = [("same", FunctionTransformer().fit(X)), ("trees", model)]
    pipeline = Pipeline(steps)
    check_is_fitted(model)
    check_is_fitted(pipeline)
    np.testing.assert_array_equal(pipeline.predict(X), forest.predict(X))
    np.testing.assert_array_equal(pipeline.predict_proba(X), forest.predict_proba(X))
    assert is_classifier(model)
    assert is_classifier(pipeline)
    accuracy = get_scorer("accuracy")
    assert accuracy(model, X, y) == accuracy(forest, X, y)
    assert get_scorer("neg_log_loss")(model, X, y) == get_scorer("neg_log_loss")(forest, X, y)
    assert clone(pipeline).named_steps["trees"] is model
    assert "Model" in repr(pipeline)


def test_it_refuses_to_be_trained(
    model: cordwood.Model, iris: tuple[np.ndarray, np.ndarray]
) -> None:
    with pytest.raises(cordwood.UnsupportedMethodError, match="trained already"):
        model.fit(*iris)
    with pytest.raises(cordwood.UnsupportedMethodError, match="trained already"):
        make_pipeline(StandardScaler(), model).fit(*iris)
