"""The methods that a Model may have, with their documentation."""

from __future__ import annotations

import functools
import types
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar

import numpy as np

from cordwood import _model_scores
from cordwood.errors import UnsupportedMethodError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Answers"]

_UNSCORED = ("Classifier", "Ranker")
"""Ends of kinds whose ``predict``, where it gives no labels, estimates nothing."""

_Function = TypeVar("_Function", bound="Callable[..., Any]")


class _Offered(Generic[_Function]):
    """A method that only some models have.

    A model that has it holds a native function of the same name in its own dictionary, which Python
    finds first, or meets the condition `where`. Elsewhere the lookup ends here, with an
    `AttributeError` of the family.
    """

    def __init__(self, function: _Function, where: Callable[[Answers], bool] | None = None) -> None:
        functools.update_wrapper(self, function)  # type: ignore[arg-type]
        self._function = function
        self._where = where

    def __get__(self, model: Answers | None, owner: type[Answers]) -> _Function:
        if model is None:
            return self._function
        if self._where is not None and self._where(model):
            return types.MethodType(self._function, model)  # type: ignore[return-value]
        raise model._refusal(self._function.__name__)


def _where(condition: Callable[[Answers], bool]) -> Callable[[_Function], _Offered[_Function]]:
    return functools.partial(_Offered, where=condition)


def _has_probabilities(model: Answers) -> bool:
    return "predict_proba" in model.methods


def _can_be_scored(model: Answers) -> bool:
    """Tell whether ``predict`` answers with labels, or with estimates of a number.

    Rankings, raw scores of a classifier and probabilities are neither.
    """
    if model._estimator_type == "classifier":
        return True
    ranks = "rank" in str(model._facts["source"].get("objective", ""))
    return not (ranks or _has_probabilities(model) or model.kind.endswith(_UNSCORED))


class Answers:
    """The methods of a source, each there only where the source has it.

    Attributes
    ----------
    kind : str
        What the source was, such as ``"RandomForestClassifier"``.
    methods : tuple of str
        Names of the methods that this model has.
    """

    kind: str
    methods: tuple[str, ...]
    _estimator_type: Literal["classifier", "regressor"]
    _facts: dict[str, Any]

    def _native_method(self, name: str) -> Callable[[Any], np.ndarray]:
        method: Callable[[Any], np.ndarray] | None = self.__dict__.get(name)
        if method is None:
            raise self._refusal(name)
        return method

    def _refusal(self, method: str) -> UnsupportedMethodError:
        message = f"a {self.kind} has no {method}; this model has {', '.join(self.methods)}"
        return UnsupportedMethodError(message)

    @_Offered
    def predict(self, X: Any) -> np.ndarray:
        """Answer each row as the source's ``predict`` does.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features)
            Rows; see the notes of the class.

        Returns
        -------
        ndarray of shape (n_rows,) or (n_rows, n_outputs)
            Labels of a classifier, the response of any other model.

        Raises
        ------
        InputError
            Shape or column names are wrong, or a value is NaN or infinite where the source
            refuses that.
        InputTypeError
            Something in `X` is not a number.
        """
        return self._native_method("predict")(X)

    @_Offered
    def predict_proba(self, X: Any) -> np.ndarray:
        """Return the probability of each class.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features)
            Rows; see the notes of the class.

        Returns
        -------
        ndarray of shape (n_rows, n_classes)
            In the order of `classes_`.

        Raises
        ------
        InputError, InputTypeError
            As for `predict`.
        UnsupportedMethodError
            The source has no such method.
        """
        return self._native_method("predict_proba")(X)

    @_where(_has_probabilities)
    def predict_log_proba(self, X: Any) -> np.ndarray:
        """Return the logarithm of `predict_proba`; parameters and errors are the same.

        Returns
        -------
        ndarray of shape (n_rows, n_classes)
            In the order of `classes_`; minus infinity where a probability is zero.
        """
        with np.errstate(divide="ignore"):
            logarithm: np.ndarray = np.log(self._native_method("predict_proba")(X))
        return logarithm

    @_Offered
    def decision_function(self, X: Any) -> np.ndarray:
        """Return the raw scores: the margin, before the link.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features)
            Rows; see the notes of the class.

        Returns
        -------
        ndarray of shape (n_rows,) or (n_rows, n_outputs)
            Bit for bit those of the source's reference call.

        Raises
        ------
        InputError, InputTypeError
            As for `predict`.
        UnsupportedMethodError
            The source has no such method.
        """
        return self._native_method("decision_function")(X)

    @_Offered
    def apply(self, X: Any) -> np.ndarray:
        """Return the leaf that each row reaches in each tree.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features)
            Rows; see the notes of the class.

        Returns
        -------
        ndarray of int32, shape (n_rows, n_trees)
            The source's own numbers of its leaves, trees in the source's order.

        Raises
        ------
        InputError, InputTypeError
            As for `predict`.
        UnsupportedMethodError
            The source has no such method.
        """
        return self._native_method("apply")(X)

    @_where(_can_be_scored)
    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Return how well `predict` meets `y`, by scikit-learn's default measure.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features)
            Rows; see the notes of the class.
        y : array-like of shape (n_rows,) or (n_rows, n_outputs)
            True labels, or true values.
        sample_weight : array-like of shape (n_rows,), optional
            Weights of the rows.

        Returns
        -------
        float
            Of a classifier the share of right labels. Of a regressor R^2, averaged over its
            outputs; NaN for fewer than two rows.

        Raises
        ------
        InputError, InputTypeError
            As for `predict`; or `y` or `sample_weight` does not fit the rows.
        UnsupportedMethodError
            The model is neither a classifier nor a regressor.
        """
        measure = (
            _model_scores.accuracy
            if self._estimator_type == "classifier"
            else _model_scores.r_squared
        )
        return measure(y, self._native_method("predict")(X), sample_weight)
