"""Staged prediction: one answer after each boosting iteration."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cordwood._model_offered import offered_where

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy as np

    from cordwood._model_calls import Calls

__all__ = ["StagedAnswers"]

_COLUMN_KEPT = ("GradientBoostingClassifier", "GradientBoostingRegressor")
"""Sources whose staged margins have shape (n_rows, 1) where there is one column."""


def _staged(method: str) -> Callable[[Any], bool]:
    """Tell whether the source has a method, and answers with it in stages."""

    def has(model: Any) -> bool:
        iterations = model._facts["iterations"]
        return iterations is not None and iterations["staged"] and method in model.methods

    return has


class StagedAnswers:
    """The staged methods of a source, each there only where the source has it.

    Each is a generator. The rows are read when the first answer is asked for, and again for each
    stage: leave them alone meanwhile. All stages together cost little more than one prediction.
    """

    kind: str
    _calls: Calls

    @offered_where(_staged("predict"))
    def staged_predict(self, X: Any) -> Iterator[np.ndarray]:
        """Answer as `predict` would after each boosting iteration.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features)
            Rows; see the notes of the class.

        Yields
        ------
        ndarray of shape (n_rows,) or (n_rows, n_outputs)
            Labels of a classifier, the response of any other model; one for each iteration.

        Raises
        ------
        InputError, InputTypeError
            As for `predict`.
        UnsupportedMethodError
            The source has no such method.
        """
        return self._calls.staged("predict", X, flat=True)

    @offered_where(_staged("predict_proba"))
    def staged_predict_proba(self, X: Any) -> Iterator[np.ndarray]:
        """Return the probabilities after each boosting iteration; as `staged_predict` otherwise.

        Yields
        ------
        ndarray of shape (n_rows, n_classes)
            In the order of `classes_`.
        """
        return self._calls.staged("predict_proba", X, flat=False)

    @offered_where(_staged("decision_function"))
    def staged_decision_function(self, X: Any) -> Iterator[np.ndarray]:
        """Return the raw scores after each boosting iteration; as `staged_predict` otherwise.

        Yields
        ------
        ndarray of shape (n_rows,), (n_rows, 1) or (n_rows, n_outputs)
            Bit for bit those of the source, and of its shape.
        """
        flat = self.kind not in _COLUMN_KEPT
        return self._calls.staged("decision_function", X, flat=flat)
