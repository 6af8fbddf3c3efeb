"""A perceptron of scikit-learn becomes a model with its methods, labels and refusals."""

from __future__ import annotations

import pickle
import struct
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from sklearn.base import clone
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import cord_file as cf
import cordwood as cw
from cordwood.cli import main
from cordwood.ir import Graph, Role, Value
from cordwood.ir_nets import Linear
from cordwood.pack import pack
from test_format_nets import parse

RNG = np.random.default_rng(7)
X = RNG.normal(size=(120, 6))
LABELS = {
    "bool": X[:, 0] > 0,
    "int": np.array([7, -2, 40])[np.abs(X[:, 0] * 2).astype(int) % 3],
    "int8": np.array([1, 5], np.int8)[(X[:, 1] > 0).astype(int)],
    "float": np.array([1.0, 2.0, 4.0])[np.abs(X[:, 0] * 2).astype(int) % 3],
    "str": np.array(["ash", "beech", "oak"])[np.abs(X[:, 0] * 2).astype(int) % 3],
    "object": np.array(["no", "yes"], dtype=object)[(X[:, 1] > 0).astype(int)],
}


def fitted(model: Any, y: Any, rows: Any = X) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return model.fit(rows, y)


def classifier(y: Any, rows: Any = X, **options: Any) -> MLPClassifier:
    options = {"hidden_layer_sizes": (9,), "max_iter": 60, "random_state": 0, **options}
    return fitted(MLPClassifier(**options), y, rows)


@pytest.fixture(scope="module")
def three() -> MLPClassifier:
    return classifier(LABELS["str"])


@pytest.fixture(scope="module")
def packed(three: MLPClassifier) -> Any:
    return cw.compress(three)


@pytest.mark.parametrize("kind", LABELS)
def test_labels_of_any_kind(kind: str) -> None:
    source = classifier(LABELS[kind])
    model = cw.compress(source)
    assert isinstance(model, cw.RowNet)
    answers = model.predict(X)
    assert answers.dtype.kind == np.asarray(list(source.classes_)).dtype.kind
    np.testing.assert_array_equal(answers, source.predict(X))
    np.testing.assert_array_equal(model.classes_, source.classes_)
    np.testing.assert_allclose(
        model.predict_proba(X), source.predict_proba(X), rtol=1e-4, atol=1e-6
    )
    assert model.score(X, LABELS[kind]) == source.score(X, LABELS[kind])


def test_labels_that_are_true_or_false_each() -> None:
    y = (X[:, :4] > 0.2).astype(int)
    source = classifier(y)
    model = cw.compress(source)
    answers = model.predict(X)
    assert answers.dtype == source.predict(X).dtype
    np.testing.assert_array_equal(answers, source.predict(X))
    np.testing.assert_allclose(model.predict_proba(X), source.predict_proba(X), atol=1e-6)
    np.testing.assert_array_equal(model.classes_, source.classes_)
    assert model.score(X, y) == pytest.approx(source.score(X, y))
    assert 0.0 < source.score(X, y) < 1.0


@pytest.mark.parametrize("columns", [1, 3])
def test_regressors(columns: int) -> None:
    y = X[:, :columns] ** 2
    source = fitted(
        MLPRegressor(hidden_layer_sizes=8, max_iter=60, random_state=0),
        y if columns > 1 else y[:, 0],
    )
    model = cw.compress(source)
    assert model.methods == ("predict",)
    assert model.predict(X).shape == source.predict(X).shape
    np.testing.assert_allclose(model.predict(X), source.predict(X), rtol=1e-4, atol=1e-5)
    assert model.score(X, y) == pytest.approx(source.score(X, y), abs=1e-4)
    for method in ("predict_proba", "decision_function", "apply"):
        assert not hasattr(model, method)
    with pytest.raises(cw.UnsupportedMethodError, match="a MLPRegressor has no predict_proba"):
        model.predict_proba(X)


@pytest.mark.parametrize("dtype", ["float32", "float16", "int64", "uint8", "bool"])
def test_rows_of_any_number_type(packed: Any, dtype: str) -> None:
    rows = np.abs(X * 3).astype(dtype)
    wanted = packed.predict_proba(rows.astype(np.float32))
    np.testing.assert_array_equal(packed.predict_proba(rows), wanted)
    np.testing.assert_array_equal(packed.predict_proba(np.asfortranarray(rows)), wanted)
    np.testing.assert_array_equal(packed.predict_proba(rows[::2]), wanted[::2])


def test_sparse_rows(three: MLPClassifier, packed: Any) -> None:
    rows = scipy.sparse.csr_matrix(np.where(X > 0.5, X, 0.0))
    found = packed.predict_proba(rows)
    np.testing.assert_array_equal(found, packed.predict_proba(rows.toarray()))
    np.testing.assert_allclose(found, three.predict_proba(rows), atol=1e-6)


def test_no_rows_and_one(packed: Any) -> None:
    assert packed.predict(X[:0]).shape == (0,)
    assert packed.predict_proba(X[:0]).shape == (0, 3)
    assert packed.predict(X[:1])[0] == packed.predict(X)[0]


@pytest.mark.parametrize("threads", [1, 4])
def test_saved_loaded_pickled(packed: Any, tmp_path: Path, threads: int) -> None:
    path = tmp_path / "mlp.cord"
    packed.save(path)
    loaded = cw.load(path, threads=threads)
    assert isinstance(loaded, cw.RowNet)
    assert loaded.threads == threads
    for other in (loaded, pickle.loads(pickle.dumps(loaded)), clone(loaded)):
        np.testing.assert_array_equal(other.predict(X), packed.predict(X))
        np.testing.assert_array_equal(other.classes_, packed.classes_)
        assert other.threads == threads
    answers = loaded(X.astype(np.float32))
    assert sorted(answers) == ["label", "probability"]
    np.testing.assert_array_equal(answers["probability"], packed.predict_proba(X))


def test_told_of(packed: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert repr(packed) == f"<cordwood.RowNet MLPClassifier, 6 features, {packed.nbytes:,} bytes>"
    for words in ("MLPClassifier from scikit-learn", "coefs_[0]", "classes   3"):
        assert words in packed.summary()
    path = tmp_path / "mlp.cord"
    packed.save(path)
    assert main(["inspect", "--json", str(path)]) == 0
    assert '"beech"' in capsys.readouterr().out


def test_names_of_columns() -> None:
    frame = pd.DataFrame(X, columns=list("abcdef"))
    source = classifier(LABELS["int"], frame)
    model = cw.load(cw.compress(source).to_bytes())
    np.testing.assert_array_equal(model.feature_names_in_, source.feature_names_in_)
    np.testing.assert_array_equal(model.predict(frame), source.predict(frame))
    with pytest.raises(cw.InputError, match="another order"):
        model.predict(frame[list("bacdef")])
    pipeline = make_pipeline(StandardScaler(), model)
    assert pipeline[-1].n_features_in_ == 6


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (np.nan, "row 3, feature 2 is NaN, which the source model refuses; impute it"),
        (np.inf, "row 3, feature 2 is infinite or too large"),
        (-1e300, "row 3, feature 2 is infinite or too large"),
    ],
)
def test_rows_that_are_refused(packed: Any, value: float, words: str) -> None:
    rows = X.copy()
    rows[3, 2] = value
    for method in (packed.predict, packed.predict_proba):
        with pytest.raises(cw.InputError, match=words):
            method(rows)


def test_other_refusals(packed: Any, tmp_path: Path) -> None:
    with pytest.raises(cw.InputError, match="rows have 5 features, the model expects 6"):
        packed.predict(X[:, :5])
    with pytest.raises(cw.InputTypeError, match="rows have dtype <U1"):
        packed.predict(np.full((2, 6), "a"))
    with pytest.raises(cw.InputError, match="a MLPClassifier has no raw scores"):
        packed.predict(X, raw_score=True)
    with pytest.raises(cw.InputError, match="iteration"):
        packed.predict(X, iteration_range=(0, 1))
    with pytest.raises(cw.UnsupportedMethodError, match="trained already"):
        packed.fit(X)
    packed.save(tmp_path / "mlp.cord")
    with pytest.raises(cw.InputError, match=r"source is a object, expected the torch\.nn\.Module"):
        cw.verify(object(), tmp_path / "mlp.cord")
    with pytest.raises(cw.UnsupportedModelError, match="this MLPClassifier is packed already"):
        cw.compress(packed)


def test_sources_that_are_refused() -> None:
    with pytest.raises(cw.NotFittedError, match="MLPClassifier is not fitted"):
        cw.compress(MLPClassifier())
    with pytest.raises(cw.UnsupportedModelError, match="fitted on the class 4 alone"):
        cw.compress(classifier(np.full(len(X), 4)))

    class Other(MLPRegressor):
        def predict(self, X: Any) -> Any:
            return super().predict(X) * 2

    with pytest.raises(cw.UnsupportedModelError, match="derives from MLPRegressor but replaces"):
        cw.compress(fitted(Other(hidden_layer_sizes=3, max_iter=5), X[:, 0]))
    init = MLPClassifier(hidden_layer_sizes=3, max_iter=5)
    boosted = fitted(GradientBoostingClassifier(n_estimators=2, init=init), LABELS["bool"])
    with pytest.raises(cw.UnsupportedModelError, match="a net has no margins to start from"):
        cw.compress(boosted)


@pytest.mark.parametrize(
    "recipe",
    ["int8", "int4", cw.Recipe(weights="float16"), cw.Recipe(activations="uint8-static")],
    ids=str,
)
def test_recipes(recipe: Any) -> None:
    source = classifier(LABELS["str"], hidden_layer_sizes=(64, 64))
    small = cw.compress(source, recipe, calibration=pd.DataFrame(X))
    assert isinstance(small, cw.RowNet)
    assert small.nbytes < cw.compress(source).nbytes
    found = small.predict_proba(X)
    assert np.abs(found - source.predict_proba(X)).max() < 0.1
    assert np.mean(small.predict(X) == source.predict(X)) > 0.95
    assert 0.0 < small.metadata["recipe"]["loss"]["output_error"] < 0.05


def test_recipes_that_are_refused(three: MLPClassifier) -> None:
    with pytest.raises(cw.InputError, match="recipe 'trees-small' is for tree models"):
        cw.compress(three, "trees-small")
    with pytest.raises(cw.InputError, match=r"looks at what layers have seen \(method 'gptq'\)"):
        cw.compress(three, "int4")
    with pytest.raises(cw.InputError, match="needs no calibration"):
        cw.compress(three, calibration=X)
    with pytest.raises(cw.InputError, match="row 0, feature 0 is NaN"):
        cw.compress(three, "int8", calibration=np.full((2, 6), np.nan))
    with pytest.raises(cw.InputError, match="needs no example_inputs"):
        cw.compress(three, example_inputs=X)


def test_a_file_that_says_what_is_not_so(packed: Any) -> None:
    torch_like = _graph(form="single")
    with pytest.raises(cw.FormatError, match="expected form 'rows'"):
        cw.RowNet(pack(torch_like))
    for old, new in ((b'"methods":["predict"', b'"methods":["apply"'), (b'"rows"', b'"sows"')):
        file = parse(packed.to_bytes())
        section = file[cf.PROVENANCE]
        assert old in section.data
        section.data = bytearray(bytes(section.data).replace(old, new))
        with pytest.raises(cw.FormatError, match="section provenance"):
            cw.load(file.seal())
    file = parse(packed.to_bytes())
    file[cf.CLASSES].data = bytearray(struct.pack("<II2q", 1, 2, 0, 1))
    with pytest.raises(cw.FormatError, match="2 labels given, expected 3") as caught:
        cw.load(file.seal())
    assert caught.value.code == "labels_invalid"


def test_labels_of_columns_that_vary() -> None:
    file = parse(pack(_graph(form="rows", classes=np.arange(3))))
    size = len(file[cf.VALUES].data) // 2
    file.patch(cf.VALUES, size + 9, "B", 3)  # axis 1 of the output gets a symbol
    with pytest.raises(cw.FormatError, match="nothing has classes") as caught:
        cw.load(file.seal())
    assert caught.value.code == "labels_invalid"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"methods": ("predict", "apply")}, "method 'apply' with outputs"),
        ({"methods": ("predict_proba",)}, "method 'predict_proba' with outputs"),
        ({"feature_names": ("a",)}, "1 feature names, expected 2"),
        ({"classes": np.arange(4)}, "expected one label for each column"),
    ],
)
def test_graphs_that_are_refused(change: dict[str, Any], words: str) -> None:
    with pytest.raises(cw.GraphError, match=words):
        _graph(form="rows", **change)


def _graph(**facts: Any) -> Graph:
    weight = np.ones((3, 2), np.float32)
    return Graph(
        values=(
            Value("rows", "float32", ("batch", 2), Role.INPUT),
            Value("response", "float32", ("batch", 3), Role.OUTPUT),
        ),
        operators=(Linear(inputs=("rows",), outputs=("response",), weight=weight),),
        **facts,
    )
