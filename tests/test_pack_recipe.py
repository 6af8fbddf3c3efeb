"""A recipe prints, compares, travels as JSON, and refuses what it does not know."""

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
    assert recipe.lossless == (name == "lossless")


def test_options_survive_json_and_repr() -> None:
    recipe = Recipe("trees-tiny", keep=0.5)
    assert Recipe.from_json(recipe.to_json()) == recipe != Recipe("trees-tiny")
    assert eval(repr(recipe)) == recipe
    assert "keep 0.5" in str(recipe)


@pytest.mark.parametrize("name", ["int9", "", "Lossless", None, 8])
def test_unknown_name_lists_the_known_ones(name: object) -> None:
    with pytest.raises(InputError, match="'lossless'"):
        Recipe.of(name)


@pytest.mark.parametrize("keep", [0.0, -1, 1.5, float("nan"), "half", True])
def test_keep_is_a_share(keep: object) -> None:
    with pytest.raises(InputError, match="share above 0"):
        Recipe("trees-tiny", keep=keep)


@pytest.mark.parametrize("name", ["lossless", "trees-small"])
def test_keep_belongs_to_the_recipe_that_prunes(name: str) -> None:
    with pytest.raises(InputError, match="'trees-tiny'"):
        Recipe(name, keep=0.5)


@pytest.mark.parametrize("text", ["", "lossless", "[]", "{}", '{"name":"lossless","more":1}'])
def test_other_json_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="recipe"):
        Recipe.from_json(text)


def test_loss_knows_whether_it_is_one() -> None:
    assert Loss("nothing").lossless
    assert not Loss("rounding", 0.5).lossless
