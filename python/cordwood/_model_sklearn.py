"""What scikit-learn asks of an estimator, so that a Model can end a Pipeline."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NoReturn

from cordwood.errors import InputError, UnsupportedMethodError

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["EstimatorType", "SklearnProtocol"]

EstimatorType = Literal["classifier", "regressor", "outlier_detector", "transformer"]


class SklearnProtocol:
    """Answers to scikit-learn: trained for good, without parameters, its own clone."""

    _estimator_type: EstimatorType

    def fit(self, X: Any, y: Any = None) -> NoReturn:  # noqa: ARG002 - scikit-learn's signature
        """Refuse: the model is trained already. scikit-learn's pipelines ask for the method.

        Raises
        ------
        UnsupportedMethodError
            Always.
        """
        message = "a packed model is trained already; fit its source and compress that"
        raise UnsupportedMethodError(message)

    def get_params(self, deep: bool = True) -> dict[str, Any]:  # noqa: ARG002 - as above
        """Return no parameters: there is nothing to search over."""
        return {}

    def set_params(self, **params: Any) -> Self:
        """Return the model itself where nothing is to be set.

        Raises
        ------
        InputError
            A parameter is given; the model has none.
        """
        if params:
            names = ", ".join(map(repr, params))
            message = f"cannot set {names}: a packed model has no parameters; set the source's"
            raise InputError(message)
        return self

    def __sklearn_clone__(self) -> Self:
        """Return the model itself: a clone without its training would be of no use."""
        return self

    def __sklearn_is_fitted__(self) -> bool:
        """Say that it is trained."""
        return True

    def __sklearn_tags__(self) -> Any:
        """Describe the model to scikit-learn 1.6 and later."""
        from sklearn.utils import (
            ClassifierTags,
            InputTags,
            RegressorTags,
            Tags,
            TargetTags,
            TransformerTags,
        )

        kind = self._estimator_type
        return Tags(
            estimator_type=None if kind == "transformer" else kind,
            target_tags=TargetTags(required=False),
            transformer_tags=TransformerTags() if kind == "transformer" else None,
            classifier_tags=ClassifierTags() if kind == "classifier" else None,
            regressor_tags=RegressorTags() if kind == "regressor" else None,
            input_tags=InputTags(allow_nan=True),
        )
