"""What a compression shall do: named presets that print, compare and travel as JSON."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from cordwood.errors import InputError

__all__ = ["PRESETS", "Recipe"]

PRESETS = {
    "lossless": "every row reaches the same leaf and every margin keeps its bits",
    "trees-small": "every row reaches the same leaf; leaves are rounded to 16 bits, within a bound",
    "trees-tiny": "leaves are rounded to 8 bits, splits that hardly matter go, within a bound",
}
"""Name of each preset, and what it promises."""

KEEP = 0.77
"""Share of the splits' bytes that ``"trees-tiny"`` keeps when nothing else is said."""


@dataclass(frozen=True, repr=False)
class Recipe:
    """What `compress` does to a model; two equal recipes do the same.

    Parameters
    ----------
    name : str
        A preset: ``"lossless"``, or for tree models ``"trees-small"`` or ``"trees-tiny"``.
    keep : float, optional
        For ``"trees-tiny"`` alone: about how much of the splits' bytes stays, above 0 and up to 1;
        0.77 when absent.

    Raises
    ------
    InputError
        The name is not that of a preset, or `keep` does not belong to it.

    Examples
    --------
    >>> Recipe("lossless")
    Recipe(name='lossless')
    >>> Recipe("trees-tiny", keep=0.5)
    Recipe(name='trees-tiny', keep=0.5)
    >>> Recipe.from_json(Recipe().to_json()) == Recipe()
    True
    """

    name: str = "lossless"
    keep: float | None = None

    def __post_init__(self) -> None:
        """Refuse what is not known; fill in what the preset says."""
        given: object = self.name
        if not isinstance(given, str) or given not in PRESETS:
            message = f"recipe {self.name!r} is unknown; known recipes: {_known()}"
            raise InputError(message)
        if self.name != "trees-tiny":
            if self.keep is not None:
                message = f"recipe {self.name!r} keeps all splits; keep belongs to 'trees-tiny'"
                raise InputError(message)
            return
        keep: object = KEEP if self.keep is None else self.keep
        if isinstance(keep, bool) or not isinstance(keep, int | float) or not 0.0 < keep <= 1.0:
            message = f"keep is {keep!r}, expected a share above 0 and up to 1"
            raise InputError(message)
        object.__setattr__(self, "keep", float(keep))

    def __repr__(self) -> str:
        """Show what a caller would write."""
        told = "".join(f", {name}={value!r}" for name, value in self._options().items())
        return f"Recipe(name={self.name!r}{told})"

    def __str__(self) -> str:
        """Name the preset, its options and its promise."""
        told = "".join(f", {name} {value:g}" for name, value in self._options().items())
        return f"{self.name}{told}: {PRESETS[self.name]}"

    @property
    def lossless(self) -> bool:
        """Whether every answer keeps its bits."""
        return self.name == "lossless"

    @classmethod
    def of(cls, recipe: str | Recipe) -> Recipe:
        """Return `recipe` itself, or the preset of that name.

        Raises
        ------
        InputError
            `recipe` is neither a Recipe nor the name of a preset.
        """
        return recipe if isinstance(recipe, Recipe) else cls(recipe)

    def _options(self) -> dict[str, float]:
        return {} if self.keep is None else {"keep": self.keep}

    def to_dict(self) -> dict[str, Any]:
        """Return the recipe as JSON-ready facts."""
        return {"name": self.name, **self._options()}

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
        if not isinstance(facts, dict) or not {"name"} <= set(facts) <= {"name", "keep"}:
            message = f'expected the JSON of a recipe, such as {{"name":"lossless"}}, not {text!r}'
            raise InputError(message)
        return cls(**facts)


def _known() -> str:
    return ", ".join(repr(name) for name in PRESETS)
