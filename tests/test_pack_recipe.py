"""A recipe prints, compares, travels as JSON, and refuses names that it does not know."""

from __future__ import annotations

import pytest

from cordwood.errors import InputError
from cordwood.passes import Loss
from cordwood.recipe import PRESETS, Recipe


@pytest.mark.parametrize("name", PRESETS)
def test_presets_survive_json(name: str) -> None:
    recipe = Recipe(name)
    assert Recipe.from_json(recipe.to_json()) == recipe
    assert Recipe.of(name) == Recipe.of(recipe) == recipe
    assert str(recipe).startswith(name)


@pytest.mark.parametrize("name", ["int8", "", "Lossless", None, 8])
def test_unknown_name_lists_the_known_ones(name: object) -> None:
    with pytest.raises(InputError, match="'lossless'"):
        Recipe.of(name)


@pytest.mark.parametrize("text", ["", "lossless", "[]", "{}", '{"name":"lossless","more":1}'])
def test_other_json_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="recipe"):
        Recipe.from_json(text)


def test_loss_knows_whether_it_is_one() -> None:
    assert Loss("nothing").lossless
    assert not Loss("rounding", 0.5).lossless
