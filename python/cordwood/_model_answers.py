"""The methods that a Model may have, with their documentation."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from cordwood.errors import UnsupportedMethodError

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np

__all__ = ["Answers"]

_Function = TypeVar("_Function", bound="Callable[..., Any]")


class _Offered(Generic[_Function]):
    """A method that only some models have.

    A model that has it holds a native function of the same name in its own dictionary, which Python
    finds first. Elsewhere the lookup ends here, with an `AttributeError` of the family.
    """

    def __init__(self, function: _Function) -> None:
        functools.update_wrapper(self, function)  # type: ignore[arg-type]
        self._function = function

    def __get__(self, model: Answers | None, owner: type[Answers]) -> _Function:
        if model is None:
            return self._function
        raise model._refusal(self._function.__name__)


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
