"""The methods that a Model may have, with their documentation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from cordwood import _model_scores
from cordwood._model_offered import Offered, offered_where
from cordwood.errors import UnsupportedMethodError

if TYPE_CHECKING:
    from collections.abc import Callable

    from cordwood._model_sklearn import EstimatorType

__all__ = ["Answers"]

_UNSCORED = ("Classifier", "Ranker")
"""Ends of kinds whose ``predict``, where it gives no labels, estimates nothing."""


def _has_probabilities(model: Answers) -> bool:
    return "predict_proba" in model.methods


def _can_be_scored(model: Answers) -> bool:
    """Tell whether ``predict`` answers with labels, or with estimates of a number.

    Rankings, raw scores of a classifier and probabilities are neither.
    """
    if model._estimator_type != "regressor":
        return model._estimator_type == "classifier"
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
    _estimator_type: EstimatorType
    _facts: dict[str, Any]

    def _native_method(self, name: str) -> Callable[..., Any]:
        method: Callable[..., Any] | None = self.__dict__.get(name)
        if method is None:
            raise self._refusal(name)
        return method

    def _refusal(self, method: str) -> UnsupportedMethodError:
        message = f"a {self.kind} has no {method}; this model has {', '.join(self.methods)}"
        return UnsupportedMethodError(message)

    @Offered
    def predict(
        self,
        X: Any,
        *,
        raw_score: bool = False,
        output_margin: bool = False,
        iteration_range: tuple[int, int] | None = None,
        start_iteration: int = 0,
        num_iteration: int | None = None,
    ) -> np.ndarray:
        """Answer each row as the source's ``predict`` does.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features)
            Rows; see the notes of the class.
        raw_score, output_margin : bool, default=False
            Answer with the margin, before any link: LightGBM's word for it, and XGBoost's.
        iteration_range : tuple of int, optional
            First boosting iteration that answers, and one past the last; an end of 0 means through
            the last, so that ``(0, 0)`` means all. With a model of an XGBoost estimator an end of 0
            means all whatever the first, as it does there.
        start_iteration : int, default=0
            First boosting iteration that answers; below 0 means 0.
        num_iteration : int, optional
            Number of iterations; none, 0 or less, or more than there are means through the last,
            as with LightGBM.

        Returns
        -------
        ndarray of shape (n_rows,) or (n_rows, n_outputs)
            Labels of a classifier, of objects where its outputs have labels of several kinds; the
            response of any other model.

        Raises
        ------
        InputError
            Shape or column names are wrong, or a value is NaN or infinite where the source
            refuses that; or the range of iterations lies outside, is named in both ways, or the
            model has none.
        InputTypeError
            Something in `X` is not a number, or in a range not a whole number.
        """
        return self._native_method("predict")(  # type: ignore[no-any-return]
            X,
            raw_score=raw_score,
            output_margin=output_margin,
            iteration_range=iteration_range,
            start_iteration=start_iteration,
            num_iteration=num_iteration,
        )

    @Offered
    def predict_proba(
        self,
        X: Any,
        *,
        iteration_range: tuple[int, int] | None = None,
        start_iteration: int = 0,
        num_iteration: int | None = None,
    ) -> Any:
        """Return the probability of each class.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features)
            Rows; see the notes of the class.
        iteration_range, start_iteration, num_iteration
            As for `predict`.

        Returns
        -------
        ndarray of shape (n_rows, n_classes), or list of n_outputs such arrays
            In the order of `classes_`; a list where the classifier has several outputs.

        Raises
        ------
        InputError, InputTypeError
            As for `predict`.
        UnsupportedMethodError
            The source has no such method.
        """
        return self._native_method("predict_proba")(
            X,
            iteration_range=iteration_range,
            start_iteration=start_iteration,
            num_iteration=num_iteration,
        )

    @offered_where(_has_probabilities)
    def predict_log_proba(self, X: Any) -> Any:
        """Return the logarithm of `predict_proba` for `X`; errors are the same.

        Returns
        -------
        ndarray of shape (n_rows, n_classes), or list of n_outputs such arrays
            In the order of `classes_`; minus infinity where a probability is zero.
        """
        probabilities = self._native_method("predict_proba")(X)
        with np.errstate(divide="ignore"):
            if isinstance(probabilities, list):
                return [np.log(part) for part in probabilities]
            return np.log(probabilities)

    @Offered
    def decision_function(
        self,
        X: Any,
        *,
        iteration_range: tuple[int, int] | None = None,
        start_iteration: int = 0,
        num_iteration: int | None = None,
    ) -> np.ndarray:
        """Return the raw scores: the margin before the link, or what the source makes of it.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features)
            Rows; see the notes of the class.
        iteration_range, start_iteration, num_iteration
            As for `predict`.

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
        return self._native_method("decision_function")(  # type: ignore[no-any-return]
            X,
            iteration_range=iteration_range,
            start_iteration=start_iteration,
            num_iteration=num_iteration,
        )

    @Offered
    def score_samples(self, X: Any) -> np.ndarray:
        """Return how usual each row is: the lower, the more of an outlier.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features)
            Rows; see the notes of the class.

        Returns
        -------
        ndarray of shape (n_rows,)
            Scores before the source's offset.

        Raises
        ------
        InputError, InputTypeError
            As for `predict`.
        UnsupportedMethodError
            The source has no such method.
        """
        return self._native_method("score_samples")(X)  # type: ignore[no-any-return]

    @Offered
    def transform(self, X: Any, *, sparse: bool | None = None) -> Any:
        """Return the leaves that each row reaches as columns of zeros and ones.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features)
            Rows; see the notes of the class.
        sparse : bool, optional
            Whether to return a sparse matrix; as the source was told (`sparse_output`) when absent.

        Returns
        -------
        scipy.sparse.csr_matrix or ndarray of float64, shape (n_rows, n_leaves)
            A one for the leaf of each tree, columns as in the source.

        Raises
        ------
        InputError, InputTypeError
            As for `predict`.
        MissingDependencyError
            The matrix would be sparse and scipy is not installed.
        UnsupportedMethodError
            The source has no such method.
        """
        return self._native_method("transform")(X, sparse=sparse)

    @Offered
    def apply(
        self,
        X: Any,
        *,
        iteration_range: tuple[int, int] | None = None,
        start_iteration: int = 0,
        num_iteration: int | None = None,
    ) -> np.ndarray:
        """Return the leaf that each row reaches in each tree.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features)
            Rows; see the notes of the class.
        iteration_range, start_iteration, num_iteration
            As for `predict`.

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
        return self._native_method("apply")(  # type: ignore[no-any-return]
            X,
            iteration_range=iteration_range,
            start_iteration=start_iteration,
            num_iteration=num_iteration,
        )

    @offered_where(_can_be_scored)
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
            Of a classifier the share of rows whose labels are right, those of all outputs. Of a
            regressor R^2, averaged over its outputs; NaN for fewer than two rows.

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
