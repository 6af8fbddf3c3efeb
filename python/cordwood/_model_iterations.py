"""Ranges of boosting iterations, by XGBoost's and by LightGBM's words."""

from __future__ import annotations

import operator
from dataclasses import dataclass
from typing import Any

from cordwood.errors import InputError, InputTypeError

__all__ = ["Iterations"]


@dataclass(frozen=True)
class Iterations:
    """How the trees of a model come in iterations.

    Attributes
    ----------
    kind : str
        What the source was, for messages.
    count : int
        Iterations; 0 where nobody may choose among them.
    trees : int
        Trees that one iteration adds; 0 where there are none.
    open_end_is_all : bool
        Whether ``(begin, 0)`` means all iterations, whatever `begin`: so it is with XGBoost's
        estimators, while its Booster starts at `begin`.
    """

    kind: str
    count: int = 0
    trees: int = 0
    open_end_is_all: bool = False

    def trees_of(
        self, iteration_range: Any, start_iteration: Any, num_iteration: Any
    ) -> tuple[int, int] | None:
        """Return the trees [first, last) that were asked for; None for all of them.

        Parameters
        ----------
        iteration_range : tuple of int, or None
            First iteration and one past the last; an end of 0 means through the last.
        start_iteration, num_iteration : int or None
            First iteration and their number; a start below 0 means 0, and a number of None, up to
            0, or of more than there are means through the last.

        Raises
        ------
        InputError
            The range lies outside, both ways of naming it are used, or the model has no iterations.
        InputTypeError
            Something is not a whole number.
        """
        start = 0 if start_iteration is None else _whole(start_iteration, "start_iteration")
        number = 0 if num_iteration is None else _whole(num_iteration, "num_iteration")
        counted = start > 0 or number > 0
        if iteration_range is None and not counted:
            return None
        if self.trees == 0:
            message = f"a {self.kind} has no iterations to choose among; leave the range out"
            raise InputError(message)
        if iteration_range is None:
            begin, end = self._counted(max(start, 0), number)
        elif counted:
            message = (
                f"iteration_range is {iteration_range!r}, start_iteration {start_iteration!r} and "
                f"num_iteration {num_iteration!r}, expected a range in one of the two ways"
            )
            raise InputError(message)
        else:
            begin, end = self._spanned(iteration_range)
        if (begin, end) == (0, self.count):
            return None
        return begin * self.trees, end * self.trees

    def _spanned(self, given: Any) -> tuple[int, int]:
        try:
            first, last = given
        except (TypeError, ValueError) as error:
            message = f"iteration_range is {given!r}, expected two whole numbers (begin, end)"
            raise InputTypeError(message) from error
        begin, end = _whole(first, "iteration_range[0]"), _whole(last, "iteration_range[1]")
        if end == 0:
            begin, end = 0 if self.open_end_is_all else begin, self.count
        if not 0 <= begin <= end <= self.count:
            message = (
                f"iteration_range is {given!r}, expected 0 <= begin <= end <= {self.count}: the "
                f"model has {self.count} iterations"
            )
            raise InputError(message)
        return begin, end

    def _counted(self, start: int, number: int) -> tuple[int, int]:
        if start > self.count:
            message = (
                f"start_iteration is {start}, expected at most {self.count}: the model has "
                f"{self.count} iterations"
            )
            raise InputError(message)
        return start, min(start + number, self.count) if number > 0 else self.count


def _whole(given: Any, name: str) -> int:
    try:
        return operator.index(given)
    except TypeError as error:
        message = f"{name} is {given!r}, expected a whole number"
        raise InputTypeError(message) from error
