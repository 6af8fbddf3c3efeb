"""What the scikit-learn front end takes, what it refuses by name, and what it records."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import sklearn
from scipy import sparse
from sklearn import calibration, ensemble, multiclass, multioutput, tree
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

import oracle
from cordwood.errors import NotFittedError, UnsupportedModelError
from cordwood.frontends import sklearn as frontend
from sklearn_checks import METHODS, TREE_MODELS, assert_equal_to_source, training_rows

if TYPE_CHECKING:
    from collections.abc import Iterator

X = training_rows(0, n_rows=80)
Y = X[:, 0] > 0


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Keep the source's thread pool out of small work, where it only waits."""
    with threadpool_limits(1):
        yield


@pytest.mark.parametrize("name", TREE_MODELS)
def test_unfitted_estimator_is_refused(name: str) -> None:
    family = getattr(ensemble, name, None) or getattr(tree, name)
    with pytest.raises(NotFittedError, match=f"this {name} is not fitted"):
        frontend.read(family())


@pytest.mark.parametrize(
    "source",
    [
        LogisticRegression(),
        ensemble.VotingClassifier([]),
        ensemble.RandomForestClassifier,
        object(),
        None,
    ],
)
def test_other_sources_are_refused_by_name(source: Any) -> None:
    with pytest.raises(
        UnsupportedModelError, match=r"is not supported; .*supported are AdaBoostClassifier"
    ):
        frontend.read(source)


@pytest.mark.parametrize(
    ("source", "advice"),
    [
        (ensemble.VotingRegressor([]), "compress each of its estimators_ by itself"),
        (ensemble.StackingClassifier([]), "compress each of its estimators_ by itself"),
        (multioutput.MultiOutputClassifier(None), "or fit one that takes several outputs"),
        (multiclass.OneVsRestClassifier(None), "compress each of its estimators_ by itself"),
        (calibration.CalibratedClassifierCV(), "each of its calibrated_classifiers_"),
    ],
)
def test_wrappers_are_refused_with_advice(source: Any, advice: str) -> None:
    name = type(source).__name__
    with pytest.raises(UnsupportedModelError, match=f"{name} is not supported; .*{advice}"):
        frontend.read(source)


class Tuned(ensemble.RandomForestClassifier):
    """Changes training alone."""

    def fit(self, X: Any, y: Any) -> Tuned:
        self.set_params(max_depth=3)
        return super().fit(X, y)


class Calibrated(ensemble.RandomForestClassifier):
    """Changes an answer."""

    def predict_proba(self, X: Any) -> Any:
        return super().predict_proba(X) ** 2


class Reversed:
    """Changes an answer from the side."""

    def _raw_predict(self, X: Any) -> Any:
        return -super()._raw_predict(X)


class Mixed(Reversed, ensemble.HistGradientBoostingRegressor):
    """Inherits the change."""


def test_subclass_that_leaves_prediction_alone_is_read() -> None:
    graph = assert_equal_to_source(Tuned(4, random_state=0).fit(X, Y), X)
    assert graph.provenance["kind"] == "RandomForestClassifier"


@pytest.mark.parametrize(
    ("family", "replaced"), [(Calibrated, "predict_proba"), (Mixed, "_raw_predict")]
)
def test_subclass_that_changes_prediction_is_refused(family: Any, replaced: str) -> None:
    size = {"max_iter": 2} if family is Mixed else {"n_estimators": 2}
    estimator = family(**size).fit(X, Y)
    with pytest.raises(UnsupportedModelError, match=f"but replaces {replaced};"):
        frontend.read(estimator)


def test_method_replaced_on_the_object_is_refused() -> None:
    estimator = tree.DecisionTreeClassifier(max_depth=2).fit(X, Y)
    estimator.predict = lambda rows: np.zeros(len(rows))
    with pytest.raises(UnsupportedModelError, match="but replaces predict;"):
        frontend.read(estimator)


def test_foreign_tree_in_a_forest_is_refused() -> None:
    estimator = ensemble.RandomForestClassifier(3, max_depth=2).fit(X, Y)
    estimator.estimators_[1] = LogisticRegression().fit(X, Y)
    with pytest.raises(UnsupportedModelError, match="holds a LogisticRegression"):
        frontend.read(estimator)


def test_tree_deeper_than_a_graph_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cordwood.ir.MAX_DEPTH", 3)
    for family in (tree.DecisionTreeClassifier, ensemble.HistGradientBoostingClassifier):
        options = {} if family is tree.DecisionTreeClassifier else {"max_iter": 2}
        estimator = family(random_state=0, min_samples_leaf=1, **options).fit(
            X, X[:, 0] * X[:, 1] > 0
        )
        with pytest.raises(UnsupportedModelError, match=r"depth \d+, supported are depths up to 3"):
            frontend.read(estimator)


@pytest.mark.parametrize(
    ("labels", "dtype"),
    [
        ([0, 1], "int64"),
        (np.array([3, 200], np.uint8), "int64"),
        (np.array([-1.0, 2.0], np.float32), "float64"),
        ([False, True], "bool"),
        (["oak", "pine"], "str"),
        (np.array(["oak", "pine"], object), "str"),
    ],
)
def test_labels_keep_their_values(labels: Any, dtype: str) -> None:
    labels = np.asarray(labels)
    estimator = ensemble.RandomForestClassifier(3, max_depth=2).fit(X, labels[Y.astype(int)])
    graph = assert_equal_to_source(estimator, X)
    assert graph.classes is not None
    assert graph.classes.dtype.name.startswith(dtype)


@pytest.mark.parametrize("labels", [np.array([b"oak", b"pine"]), np.array([1, 2**63], np.uint64)])
def test_other_labels_are_refused(labels: np.ndarray) -> None:
    estimator = ensemble.RandomForestClassifier(3, max_depth=2).fit(X, labels[Y.astype(int)])
    with pytest.raises(UnsupportedModelError, match="labels such as"):
        frontend.read(estimator)


def test_names_and_provenance() -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(X, columns=list("abcde"))
    estimator = ensemble.GradientBoostingClassifier(n_estimators=2).fit(frame, Y)
    graph = frontend.read(estimator)
    assert graph.feature_names == ("a", "b", "c", "d", "e")
    assert graph.methods == ("predict", "predict_proba", "decision_function", "apply")
    assert graph.provenance == {
        "library": "scikit-learn",
        "version": sklearn.__version__,
        "kind": "GradientBoostingClassifier",
        "loss": "log_loss",
    }
    assert frontend.read(estimator.fit(X, Y)).feature_names is None


def test_old_version_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sklearn, "__version__", "1.2.2")
    with pytest.raises(UnsupportedModelError, match=r"scikit-learn 1\.2\.2.*from 1\.3 on"):
        frontend.read(tree.DecisionTreeClassifier().fit(X, Y))


def fitted(name: str) -> Any:
    """Return a small fitted estimator of a supported class."""
    family = getattr(ensemble, name, None) or getattr(tree, name)
    estimator = family(random_state=0)
    known = estimator.get_params()
    for option, value in {"max_iter": 2, "n_estimators": 3, "max_depth": 3}.items():
        if option in known:
            estimator.set_params(**{option: value})
    if known.get("algorithm") == "SAMME.R":
        estimator.set_params(algorithm="SAMME")
    return estimator.fit(X, Y if name.endswith("Classifier") else X[:, 1])


@pytest.mark.parametrize("name", TREE_MODELS)
def test_methods_and_matrices_are_those_of_the_source(name: str) -> None:
    estimator = fitted(name)
    graph = frontend.read(estimator)
    assert graph.methods == tuple(method for method in METHODS if hasattr(estimator, method))
    assert graph.staged == ("GradientBoosting" in name)
    narrow = sparse.csr_matrix(np.nan_to_num(X[:8]))
    method = getattr(estimator, graph.methods[0])
    if graph.sparse == "zero":
        method(narrow)
    else:
        with pytest.raises(TypeError, match="dense"):
            method(narrow)


@pytest.mark.parametrize("name", TREE_MODELS)
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e300, 3.5e38])
def test_refuses_the_rows_that_the_source_refuses(name: str, value: float) -> None:
    estimator = fitted(name)
    op = frontend.read(estimator).trees
    rows = X[:4].copy()
    rows[2, 1] = value
    try:
        with np.errstate(over="ignore"):
            (estimator.transform if name == "RandomTreesEmbedding" else estimator.predict)(rows)
    except ValueError:
        assert oracle.refused(op, rows) == (2, 1)
    else:
        assert oracle.refused(op, rows) is None


def test_reading_changes_nothing_in_the_source() -> None:
    estimator = ensemble.RandomForestClassifier(3, random_state=0).fit(X, Y)
    graph = frontend.read(estimator)
    assert not graph.trees.leaf_values.flags.writeable
    before = graph.trees.threshold.copy()
    estimator.fit(X, ~Y)
    assert np.array_equal(graph.trees.threshold, before)
