"""Read a fitted scikit-learn model: trees, every ensemble of them, and perceptrons."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from cordwood.errors import MissingDependencyError, NotFittedError, UnsupportedModelError
from cordwood.frontends import (
    _sklearn_boosting,
    _sklearn_forest,
    _sklearn_hist,
    _sklearn_isolation,
    _sklearn_mlp,
    _sklearn_votes,
)
from cordwood.frontends._sklearn_graph import sklearn_version

if TYPE_CHECKING:
    from collections.abc import Callable

    from cordwood import ir

    Reader = Callable[[Any, str], ir.Graph]

__all__ = ["SUPPORTED", "read"]

OLDEST = (1, 3)
"""Oldest version whose prediction code has been read; its rules hold in all later ones."""

TREES = (
    "DecisionTreeClassifier",
    "DecisionTreeRegressor",
    "ExtraTreeClassifier",
    "ExtraTreeRegressor",
)
"""Classes of ``sklearn.tree``."""

NETS = ("MLPClassifier", "MLPRegressor")
"""Classes of ``sklearn.neural_network``, which become nets; all others of ``sklearn.ensemble``."""


def _read_boosting(source: Any, kind: str) -> ir.Graph:
    """Read gradient boosting, its initial estimator first where that reads rows."""
    init = None
    if _sklearn_boosting.constant_start(source) is None:
        try:
            if _supported_class(source.init_) in NETS:
                message = "a net has no margins to start from"
                raise UnsupportedModelError(message)
            init = read(source.init_)
        except UnsupportedModelError as error:
            message = (
                f"{kind} starts from init={source.init_!r}: {error}. Supported, too, are "
                f"init=None, 'zero' and dummy estimators that do not draw at random"
            )
            raise UnsupportedModelError(message) from error
    return _sklearn_boosting.read_boosting(source, kind, init)


READERS: dict[str, Reader] = {
    "AdaBoostClassifier": _sklearn_votes.read_adaboost_classifier,
    "AdaBoostRegressor": _sklearn_votes.read_adaboost_regressor,
    "BaggingClassifier": _sklearn_votes.read_bagging,
    "BaggingRegressor": _sklearn_votes.read_bagging,
    "DecisionTreeClassifier": _sklearn_forest.read_tree,
    "DecisionTreeRegressor": _sklearn_forest.read_tree,
    "ExtraTreeClassifier": _sklearn_forest.read_tree,
    "ExtraTreeRegressor": _sklearn_forest.read_tree,
    "ExtraTreesClassifier": _sklearn_forest.read_forest,
    "ExtraTreesRegressor": _sklearn_forest.read_forest,
    "GradientBoostingClassifier": _read_boosting,
    "GradientBoostingRegressor": _read_boosting,
    "HistGradientBoostingClassifier": _sklearn_hist.read_hist,
    "HistGradientBoostingRegressor": _sklearn_hist.read_hist,
    "IsolationForest": _sklearn_isolation.read_isolation,
    "MLPClassifier": _sklearn_mlp.read_mlp,
    "MLPRegressor": _sklearn_mlp.read_mlp,
    "RandomForestClassifier": _sklearn_forest.read_forest,
    "RandomForestRegressor": _sklearn_forest.read_forest,
    "RandomTreesEmbedding": _sklearn_forest.read_embedding,
}

SUPPORTED = tuple(READERS)
"""Names of the scikit-learn classes that can be read."""

EACH = "; compress each of its estimators_ by itself"

HINTS = {
    "Pipeline": "; pass its last step, pipeline[-1], and give the packed model transformed rows",
    "BaseSearchCV": "; pass its best_estimator_",
    "BaseThresholdClassifier": "; pass its estimator_ and apply the threshold to predict_proba",
    "CalibratedClassifierCV": "; compress the estimator of each of its calibrated_classifiers_",
    "TransformedTargetRegressor": "; pass its regressor_ and transform its answers back",
    "_BaseHeterogeneousEnsemble": EACH,
    "_MultiOutputEstimator": EACH + ", or fit one that takes several outputs",
    "OneVsRestClassifier": EACH,
    "OneVsOneClassifier": EACH,
}
"""What to pass instead of a model that wraps another, by its class or one that it derives from."""

PREDICTION = (
    "_check_X",
    "_compute_chunked_score_samples",
    "_compute_proba_from_decision",
    "_compute_score_samples",
    "_forward_pass_fast",
    "_get_median_predict",
    "_predict",
    "_predict_iterations",
    "_preprocess_X",
    "_raw_predict",
    "_raw_predict_init",
    "_score_samples",
    "_support_missing_values",
    "_validate_X_predict",
    "apply",
    "decision_function",
    "predict",
    "predict_proba",
    "score_samples",
    "transform",
)
"""What decides an answer: whoever replaces one of these is no longer the class it derives from."""


def read(source: Any) -> ir.Graph:
    """Read a fitted scikit-learn estimator.

    Parameters
    ----------
    source : object
        A fitted estimator of one of the `SUPPORTED` classes, or of a class derived from one that
        leaves prediction alone.

    Returns
    -------
    Graph
        Answers as the estimator does with ``n_jobs=1``, bit for bit (``docs/exactness.md``); a net
        does so in float32, within the bound that stands there.

    Raises
    ------
    UnsupportedModelError
        The class, or a setting of the model, is not supported; the message names it.
    NotFittedError
        The estimator has not been fitted.
    MissingDependencyError
        scikit-learn is not installed.

    Notes
    -----
    Reading copies whole arrays and takes a fraction of a second per million nodes.
    """
    _check_version()
    name = type(source).__name__
    kind = _supported_class(source)
    if kind is None:
        advice = next((HINTS[b.__name__] for b in type(source).__mro__ if b.__name__ in HINTS), "")
        message = f"{name} is not supported{advice}; supported are {', '.join(SUPPORTED)}"
        raise UnsupportedModelError(message)
    _check_fitted(source)
    if kind not in (*TREES, *NETS):
        for tree in _members(source):
            _check_tree(name, kind, tree)
    return READERS[kind](source, kind)


def _members(source: Any) -> list[Any]:
    """Return the estimators inside an ensemble, none where it keeps bare trees."""
    members = getattr(source, "estimators_", [])
    return list(members.ravel() if isinstance(members, np.ndarray) else members)


def _check_tree(name: str, kind: str, tree: Any) -> None:
    """Refuse an ensemble's member that is not one of scikit-learn's own trees, or of its task."""
    found = _supported_class(tree)
    votes = kind.endswith("Classifier") and not kind.startswith("GradientBoosting")
    task = "Classifier" if votes else "Regressor"
    if found not in TREES or not found.endswith(task):
        message = (
            f"{name} holds a {type(tree).__name__}; supported are scikit-learn's own trees, "
            f"DecisionTree{task} and ExtraTree{task}. Fit it on one of them"
        )
        raise UnsupportedModelError(message)


def _supported_class(source: Any) -> str | None:
    """Return the name of the supported class that `source` is, or derives from.

    Raises
    ------
    UnsupportedModelError
        It derives from one, but replaces a part of prediction.
    """
    import sklearn.ensemble
    import sklearn.neural_network
    import sklearn.tree

    homes = dict.fromkeys(TREES, sklearn.tree) | dict.fromkeys(NETS, sklearn.neural_network)
    changed = set(PREDICTION) & set(getattr(source, "__dict__", {}))
    for base in type(source).__mro__:
        name: str = base.__name__
        module = homes.get(name, sklearn.ensemble)
        if name in READERS and base is getattr(module, name):
            if not changed:
                return name
            message = (
                f"{type(source).__name__} derives from {name} but replaces "
                f"{', '.join(sorted(changed))}; supported are subclasses that leave it alone"
            )
            raise UnsupportedModelError(message)
        changed |= set(PREDICTION) & set(vars(base))
    return None


def _check_fitted(source: Any) -> None:
    import sklearn.exceptions
    from sklearn.utils.validation import check_is_fitted

    try:
        check_is_fitted(source)
    except sklearn.exceptions.NotFittedError as error:
        message = f"this {type(source).__name__} is not fitted; call its fit before compressing it"
        raise NotFittedError(message) from error


def _check_version() -> None:
    try:
        import sklearn
    except ImportError as error:
        message = "reading a scikit-learn model needs scikit-learn: pip install scikit-learn"
        raise MissingDependencyError(message) from error
    if sklearn_version() < OLDEST:
        message = (
            f"scikit-learn {sklearn.__version__} is installed; supported are versions from "
            f"{OLDEST[0]}.{OLDEST[1]} on. Upgrade it and fit again"
        )
        raise UnsupportedModelError(message)
