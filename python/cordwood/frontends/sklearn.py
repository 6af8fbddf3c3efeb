"""Read a fitted scikit-learn tree model: single trees, forests, both kinds of gradient boosting."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cordwood.errors import MissingDependencyError, NotFittedError, UnsupportedModelError
from cordwood.frontends import _sklearn_forest, _sklearn_hist

if TYPE_CHECKING:
    from collections.abc import Callable

    from cordwood import ir

    Reader = Callable[[Any, str], ir.Graph]

__all__ = ["SUPPORTED", "read"]

OLDEST = (1, 5)
"""Oldest version whose prediction code has been read; its rules hold in all later ones."""

READERS: dict[str, tuple[str, Reader]] = {
    "DecisionTreeClassifier": ("tree", _sklearn_forest.read_tree),
    "DecisionTreeRegressor": ("tree", _sklearn_forest.read_tree),
    "ExtraTreeClassifier": ("tree", _sklearn_forest.read_tree),
    "ExtraTreeRegressor": ("tree", _sklearn_forest.read_tree),
    "ExtraTreesClassifier": ("ensemble", _sklearn_forest.read_forest),
    "ExtraTreesRegressor": ("ensemble", _sklearn_forest.read_forest),
    "GradientBoostingClassifier": ("ensemble", _sklearn_forest.read_boosting),
    "GradientBoostingRegressor": ("ensemble", _sklearn_forest.read_boosting),
    "HistGradientBoostingClassifier": ("ensemble", _sklearn_hist.read_hist),
    "HistGradientBoostingRegressor": ("ensemble", _sklearn_hist.read_hist),
    "RandomForestClassifier": ("ensemble", _sklearn_forest.read_forest),
    "RandomForestRegressor": ("ensemble", _sklearn_forest.read_forest),
}

SUPPORTED = tuple(READERS)
"""Names of the scikit-learn classes that can be read."""

HINTS = {
    "Pipeline": "; pass its last step, pipeline[-1], and give the packed model transformed rows",
    "BaseSearchCV": "; pass its best_estimator_",
}
"""What to pass instead of a model that wraps another, by its class or one that it derives from."""

PREDICTION = (
    "_predict_iterations",
    "_preprocess_X",
    "_raw_predict",
    "_raw_predict_init",
    "_support_missing_values",
    "_validate_X_predict",
    "apply",
    "decision_function",
    "predict",
    "predict_proba",
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
        Answers as the estimator does with ``n_jobs=1``, bit for bit (``docs/exactness.md``).

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
    reader = READERS[kind][1]
    if reader is _sklearn_forest.read_forest:
        for tree in source.estimators_:
            _check_tree(name, tree)
    return reader(source, kind)


def _check_tree(name: str, tree: Any) -> None:
    """Refuse a tree inside a forest that is not scikit-learn's own."""
    kind = _supported_class(tree)
    if kind is None or READERS[kind][0] != "tree":
        message = f"{name} holds a {type(tree).__name__}; supported are scikit-learn's own trees"
        raise UnsupportedModelError(message)


def _supported_class(source: Any) -> str | None:
    """Return the name of the supported class that `source` is, or derives from.

    Raises
    ------
    UnsupportedModelError
        It derives from one, but replaces a part of prediction.
    """
    import sklearn.ensemble
    import sklearn.tree

    modules = {"tree": sklearn.tree, "ensemble": sklearn.ensemble}
    changed = set(PREDICTION) & set(getattr(source, "__dict__", {}))
    for base in type(source).__mro__:
        name: str = base.__name__
        if name in READERS and base is getattr(modules[READERS[name][0]], name):
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
    major, minor = (int(part) for part in sklearn.__version__.split(".")[:2])
    if (major, minor) < OLDEST:
        message = (
            f"scikit-learn {sklearn.__version__} is installed; supported are versions from "
            f"{OLDEST[0]}.{OLDEST[1]} on. Upgrade it and fit again"
        )
        raise UnsupportedModelError(message)
