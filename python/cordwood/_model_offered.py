"""Methods that only some models have."""

from __future__ import annotations

import functools
import types
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    from cordwood._model_answers import Answers

__all__ = ["Offered", "offered_where"]

_Function = TypeVar("_Function", bound="Callable[..., Any]")


class Offered(Generic[_Function]):
    """A method that only some models have.

    A model that has it holds a native function of the same name in its own dictionary, which Python
    finds first, or meets the condition `where`. Elsewhere the lookup ends here, with an
    `AttributeError` of the family.
    """

    def __init__(self, function: _Function, where: Callable[[Any], bool] | None = None) -> None:
        functools.update_wrapper(self, function)  # type: ignore[arg-type]
        self._function = function
        self._where = where

    def __get__(self, model: Answers | None, owner: type[Answers]) -> _Function:
        if model is None:
            return self._function
        if self._where is not None and self._where(model):
            return types.MethodType(self._function, model)  # type: ignore[return-value]
        raise model._refusal(self._function.__name__)


def offered_where(condition: Callable[[Any], bool]) -> Callable[[_Function], Offered[_Function]]:
    """Offer the method that follows to models that meet a condition."""
    return functools.partial(Offered, where=condition)
