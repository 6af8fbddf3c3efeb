"""What a compression shall do: named presets that print, compare and travel as JSON."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from cordwood.errors import InputError

__all__ = ["PRESETS", "Recipe"]

PRESETS = {
    "lossless": "every row reaches the same leaf and every margin keeps its bits",
}
"""Name of each preset, and what it promises."""


@dataclass(frozen=True)
class Recipe:
    """What `compress` does to a model; two equal recipes do the same.

    Parameters
    ----------
    name : str
        A preset: ``"lossless"``.

    Raises
    ------
    InputError
        The name is not that of a preset.

    Examples
    --------
    >>> Recipe("lossless")
    Recipe(name='lossless')
    >>> Recipe.from_json(Recipe().to_json()) == Recipe()
    True
    """

    name: str = "lossless"

    def __post_init__(self) -> None:
        """Refuse a name that is not known."""
        given: object = self.name
        if not isinstance(given, str) or given not in PRESETS:
            message = f"recipe {self.name!r} is unknown; known recipes: {_known()}"
            raise InputError(message)

    def __str__(self) -> str:
        """Name the preset and its promise."""
        return f"{self.name}: {PRESETS[self.name]}"

    @classmethod
    def of(cls, recipe: str | Recipe) -> Recipe:
        """Return `recipe` itself, or the preset of that name.

        Raises
        ------
        InputError
            `recipe` is neither a Recipe nor the name of a preset.
        """
        return recipe if isinstance(recipe, Recipe) else cls(recipe)

    def to_dict(self) -> dict[str, Any]:
        """Return the recipe as JSON-ready facts."""
        return {"name": self.name}

    def to_json(self) -> str:
        """Return the recipe as canonical JSON."""
        return json.dumps(self.to_dict(), sort_keys=True, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> Recipe:
        """Read what `to_json` wrote.

        Raises
        ------
        InputError
            The text is not JSON, or not the JSON of a recipe.
        """
        try:
            facts = json.loads(text)
        except ValueError as error:
            message = f"a recipe is read from JSON, but the text is not JSON: {error}"
            raise InputError(message) from error
        if not isinstance(facts, dict) or set(facts) != {"name"}:
            message = f'expected the JSON of a recipe, such as {{"name":"lossless"}}, not {text!r}'
            raise InputError(message)
        return cls(facts["name"])


def _known() -> str:
    return ", ".join(repr(name) for name in PRESETS)
