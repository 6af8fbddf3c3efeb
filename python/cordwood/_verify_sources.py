"""What the source libraries themselves answer: leaves, margins, outputs.

Nothing here uses the front ends: a front end that misreads a model is found because the library is
asked. The calls are the reference calls of ``docs/exactness.md``, on one thread.
"""

from __future__ import annotations

import copy
import json
import os
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from cordwood._verify_links import joined

if TYPE_CHECKING:
    from cordwood._typing import AnyArray, Float64Array

__all__ = ["Reference", "find_reference"]


class Reference(Protocol):
    """A source library's own answers. Each may refuse rows with its library's exception."""

    name: str

    def leaves(self, X: AnyArray) -> AnyArray | None:
        """Return the leaf of each row in each tree, (n_rows, n_trees); None where it has no way."""

    def margin(self, X: AnyArray) -> AnyArray | None:
        """Return what the trees add up to, (n_rows, n_outputs); None where it has no way."""

    def outputs(self, X: AnyArray) -> dict[str, AnyArray]:
        """Return the answers of ``predict`` and, where there is one, ``predict_proba``."""


def find_reference(source: Any) -> tuple[Reference | None, str | None]:
    """Find the library of a source.

    Parameters
    ----------
    source : object
        An estimator, a Booster, or the path of a model file.

    Returns
    -------
    reference : Reference or None
        Where the library is installed.
    note : str or None
        Otherwise why it cannot be asked.
    """
    try:
        if isinstance(source, str | os.PathLike):
            return _file_reference(Path(source)), None
        for base in type(source).__mro__:
            library = base.__module__.partition(".")[0]
            if library in _MAKERS:
                return _MAKERS[library](source), None
    except ImportError as error:
        note = (
            f"{error.name} is not installed, so its own answers were not compared; the routing is "
            f"proved from the structure of the file"
        )
        return None, note
    return None, f"a {type(source).__name__} has no library that could be asked"


def _file_reference(path: Path) -> Reference:
    if path.suffix.lower() == ".txt":
        import lightgbm

        return _LightGBM(lightgbm.Booster(model_file=str(path)))
    import xgboost

    return _XGBoost(xgboost.Booster(model_file=str(path)))


class _XGBoost:
    """A Booster, or a wrapper cut at its best iteration."""

    def __init__(self, source: Any) -> None:
        import xgboost

        self.name = f"XGBoost {xgboost.__version__}"
        self._matrix = xgboost.DMatrix
        self._wrapper = None if isinstance(source, xgboost.Booster) else source
        booster = source if self._wrapper is None else source.get_booster()
        self._booster = booster.copy()  # the thread count is set on a copy
        self._booster.set_param({"nthread": 1})
        self._rounds = (0, 0)
        config = json.loads(booster.save_config())
        self._kind = config["learner"]["gradient_booster"]["name"]
        best = booster.attr("best_iteration")
        if self._wrapper is not None and best is not None and self._kind != "gblinear":
            self._rounds = (0, int(best) + 1)
        missing = getattr(self._wrapper, "missing", None)
        self._missing = np.nan if missing is None else missing

    def _predict(self, X: AnyArray, **what: bool) -> AnyArray:
        options = {"iteration_range": self._rounds, "validate_features": False, **what}
        with np.errstate(over="ignore"):
            matrix = self._matrix(X, missing=self._missing, nthread=1)
        answer: AnyArray = self._booster.predict(matrix, **options)
        return answer

    def leaves(self, X: AnyArray) -> AnyArray | None:
        if self._kind == "gblinear" or self._takes_infinity(X):
            return None
        return self._predict(X, pred_leaf=True).reshape(len(X), -1).astype(np.int64)

    def margin(self, X: AnyArray) -> AnyArray | None:
        if not self._takes_infinity(X):
            return self._predict(X, output_margin=True).reshape(len(X), -1)
        if self._kind == "dart":
            return None  # predicting in place, dart rounds in another order
        answer: AnyArray = self._booster.inplace_predict(
            X, iteration_range=self._rounds, predict_type="margin", missing=self._missing,
            validate_features=False,
        )  # fmt: skip
        return answer.reshape(len(X), -1)

    def _takes_infinity(self, X: AnyArray) -> bool:
        """Tell whether there is infinity that a wrapper takes but a DMatrix does not."""
        if self._wrapper is None or self._kind == "gblinear" or X.dtype.kind != "f":
            return False
        with np.errstate(over="ignore"):
            return bool(np.isinf(X.astype(np.float32)).any())

    def outputs(self, X: AnyArray) -> dict[str, AnyArray]:
        if self._wrapper is None:
            return {"predict": self._predict(X)}
        if self._kind == "dart":
            return {}  # the wrapper predicts in place; the margin was compared
        return _methods(self._wrapper, X, validate_features=False)


class _LightGBM:
    """A Booster or a wrapper; both predict up to the best iteration."""

    def __init__(self, source: Any) -> None:
        import lightgbm

        self.name = f"LightGBM {lightgbm.__version__}"
        self._source = source
        self._booster = source if isinstance(source, lightgbm.Booster) else source.booster_
        self._divisor = 1
        text = self._booster.model_to_string(num_iteration=1)
        if "average_output" in text.splitlines()[:12]:
            # The raw score of a random forest is a sum; its response is made from the mean.
            best = self._booster.best_iteration
            self._divisor = best if best > 0 else self._booster.current_iteration()

    def _predict(self, X: AnyArray, **what: bool) -> Float64Array:
        answer: Float64Array = np.asarray(self._booster.predict(X, num_threads=1, **what))
        return answer.reshape(len(X), -1)

    def leaves(self, X: AnyArray) -> AnyArray | None:
        return self._predict(X, pred_leaf=True).astype(np.int64)

    def margin(self, X: AnyArray) -> AnyArray | None:
        raw = self._predict(X, raw_score=True)
        return raw / self._divisor if self._divisor != 1 else raw

    def outputs(self, X: AnyArray) -> dict[str, AnyArray]:
        if self._source is self._booster:
            return {"predict": self._predict(X)}
        return _methods(self._source, X, num_threads=1)


class _Forest:
    """scikit-learn's trees, forests and GradientBoosting."""

    def __init__(self, source: Any) -> None:
        self.name = _sklearn_name()
        self._source = copy.copy(source)
        if hasattr(source, "n_jobs"):
            self._source.n_jobs = 1

    def leaves(self, X: AnyArray) -> AnyArray | None:
        if not hasattr(self._source, "apply"):
            return None
        answer: AnyArray = _quiet(self._source.apply, X)
        return answer.reshape(len(X), -1).astype(np.int64)

    def margin(self, X: AnyArray) -> AnyArray | None:
        if hasattr(self._source, "score_samples") or self._starts_from_probabilities():
            return None  # a power of the mean depth, or a sum that starts from a logarithm
        for method in ("decision_function", "predict_proba", "predict"):
            if hasattr(self._source, method):
                answer = joined(_quiet(getattr(self._source, method), X))
                return answer.reshape(len(X), -1)
        return None

    def _starts_from_probabilities(self) -> bool:
        """Tell whether a fitted classifier makes the first margins of gradient boosting."""
        init = getattr(self._source, "init_", None)
        return hasattr(init, "predict_proba") and not type(init).__name__.startswith("Dummy")

    def outputs(self, X: AnyArray) -> dict[str, AnyArray]:
        if not hasattr(self._source, "predict"):
            _quiet(self._source.apply, X)  # it refuses what the source refuses
        return _methods(self._source, X)


class _Histogram:
    """scikit-learn's HistGradientBoosting, which has no ``apply``."""

    def __init__(self, source: Any) -> None:
        from threadpoolctl import ThreadpoolController

        self.name = _sklearn_name()
        self._source = source
        self._pools = ThreadpoolController()
        self._trees = [self._numbered(tree) for stage in source._predictors for tree in stage]

    @staticmethod
    def _numbered(tree: Any) -> Any:
        """Return a copy of a tree whose leaves answer with their own node number."""
        twin = copy.copy(tree)
        twin.nodes = tree.nodes.copy()
        twin.nodes["value"] = np.arange(len(twin.nodes))
        return twin

    def leaves(self, X: AnyArray) -> AnyArray | None:
        encoded: AnyArray = np.asarray(X, np.float64)
        if hasattr(self._source, "_preprocess_X"):  # from 1.4 on: categories become codes
            encoded = _quiet(lambda rows: self._source._preprocess_X(rows, reset=False), X)
        known, index = self._source._bin_mapper.make_known_categories_bitsets()
        columns = [tree.predict(encoded, known, index, 1) for tree in self._trees]
        return np.column_stack(columns).astype(np.int64)

    def margin(self, X: AnyArray) -> AnyArray | None:
        answer: AnyArray = _quiet(lambda rows: self._source._raw_predict(rows, n_threads=1), X)
        return answer.reshape(len(X), -1)

    def outputs(self, X: AnyArray) -> dict[str, AnyArray]:
        with self._pools.limit(limits=1, user_api="openmp"):
            return _methods(self._source, X)


def _sklearn(source: Any) -> Reference:
    return _Histogram(source) if hasattr(source, "_predictors") else _Forest(source)


def _sklearn_name() -> str:
    import sklearn

    return f"scikit-learn {sklearn.__version__}"


def _methods(estimator: Any, X: AnyArray, **options: Any) -> dict[str, AnyArray]:
    """Call the methods of an estimator that people call."""
    names = [name for name in ("predict", "predict_proba") if hasattr(estimator, name)]
    return {name: joined(_quiet(getattr(estimator, name), X, **options)) for name in names}


def _quiet(function: Any, X: AnyArray, **options: Any) -> Any:
    """Call without warnings that an array has no column names, or of sums that overflow."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.filterwarnings("ignore", message="X does not have valid feature names")
        return function(X, **options)


_MAKERS: dict[str, Any] = {"lightgbm": _LightGBM, "xgboost": _XGBoost, "sklearn": _sklearn}
