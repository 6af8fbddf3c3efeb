"""What calls make of packed weights and trees, kept beside them."""

from __future__ import annotations

from typing import Any


class Prepared:
    """Base of packed things whose layouts and models are made at first use.

    These are no field: what is compared, replaced, pickled or made a dict of is the data alone, and
    whatever comes of that prepares anew.
    """

    _prepared: dict[Any, Any]

    def __post_init__(self) -> None:
        """Start with nothing made; the dataclasses are frozen."""
        object.__setattr__(self, "_prepared", {})

    def __getstate__(self) -> dict[str, Any]:
        """Everything but what calls have made of it."""
        return {**self.__dict__, "_prepared": {}}
