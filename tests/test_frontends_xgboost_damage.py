"""Damaged members of linear models, vector leaves and categories, each with its own message."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from cordwood.errors import SourceFileError, UnsupportedModelError
from cordwood.frontends.xgboost import read_file

if TYPE_CHECKING:
    from collections.abc import Callable

FOLDER = Path(__file__).parent / "models_xgboost" / "3.2.0"
JSON = {name: json.loads((FOLDER / f"{name}.json").read_text())
        for name in ("linear", "vectors", "labelled", "squared")}  # fmt: skip


def booster(document: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = document["learner"]["gradient_booster"]
    return found


def model(document: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = booster(document)["model"]
    return found


def tree(document: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = model(document)["trees"][0]
    return found


def encoded(document: dict[str, Any], feature: int) -> dict[str, Any]:
    found: dict[str, Any] = model(document)["cats"]["enc"][feature]
    return found


DAMAGE: dict[str, tuple[str, Callable[[dict[str, Any]], Any], str]] = {
    "booster unknown": ("linear", lambda d: booster(d).update(name="gbforest"), "'gbforest'"),
    "no weights": ("linear", lambda d: model(d).pop("weights"), "no member 'weights'"),
    "weights short": ("linear", lambda d: model(d)["weights"].pop(), "expected 5: 4 features"),
    "weight is text": ("linear", lambda d: model(d)["weights"].__setitem__(0, "x"), "finite"),
    "weight is vast": ("linear", lambda d: model(d)["weights"].__setitem__(0, 1e39), "float32"),
    "weight is rounded up": (
        "linear",
        lambda d: model(d)["weights"].__setitem__(0, 3.4028235677973366e38),
        "range of float32",
    ),
    "width differs": (
        "vectors",
        lambda d: tree(d)["tree_param"].update(size_leaf_vector="3"),
        "size_leaf_vector is 3",
    ),
    "scalar among vectors": (
        "vectors",
        lambda d: model(d)["trees"][1]["tree_param"].update(size_leaf_vector="1"),
        "size_leaf_vector is 1, expected 2 as in the first tree",
    ),
    "vectors short": ("vectors", lambda d: tree(d)["leaf_weights"].pop(), "leaf_weights is"),
    "vector is NaN": (
        "vectors",
        lambda d: tree(d)["leaf_weights"].__setitem__(0, float("nan")),
        "finite numbers",
    ),
    "row of a leaf": (
        "vectors",
        lambda d: tree(d)["right_children"].__setitem__(-1, 99),
        "leaf_weights is",
    ),
    "row below zero": (
        "vectors",
        lambda d: tree(d)["right_children"].__setitem__(-1, -1),
        "leaf_weights is",
    ),
    "vectors of one output": (
        "vectors",
        lambda d: model(d)["tree_info"].__setitem__(1, 1),
        "output of tree 1 is 1, expected 0",
    ),
    "trees uncounted": (
        "squared",
        lambda d: model(d)["gbtree_model_param"].update(num_trees="9"),
        "length of .*trees is 3, expected 9",
    ),
    "model of no parameters": ("squared", lambda d: model(d).update(gbtree_model_param=[]),
                               "expected an object"),
    "snapshot": ("squared", lambda d: d.update(Model=d.pop("learner"), Config={}), "pickle"),
    "categories are a list": ("labelled", lambda d: model(d).update(cats=[]), "an object"),
    "categories short": ("labelled", lambda d: model(d)["cats"]["enc"].pop(), "one per feature"),
    "category entry": (
        "labelled",
        lambda d: model(d)["cats"]["enc"].__setitem__(2, 7),
        r"enc\[2\] is 7, expected an object",
    ),
    "no labels": ("labelled", lambda d: encoded(d, 2).pop("values"), "no member 'values'"),
    "offsets fall": (
        "labelled",
        lambda d: encoded(d, 2)["offsets"].__setitem__(1, 100),
        "rising from 0",
    ),
    "offsets end early": ("labelled", lambda d: encoded(d, 2)["offsets"].pop(), "rising from 0"),
    "label is no byte": (
        "labelled",
        lambda d: encoded(d, 2)["values"].__setitem__(0, 300),
        "from -128 to 255",
    ),
    "label is real": (
        "labelled",
        lambda d: encoded(d, 3)["values"].__setitem__(0, 0.5),
        "whole numbers",
    ),
    "label twice": (
        "labelled",
        lambda d: encoded(d, 3)["values"].__setitem__(0, encoded(d, 3)["values"][1]),
        "labels that differ",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", DAMAGE)
def test_damage_is_named(tmp_path: Path, name: str) -> None:
    source, damage, message = DAMAGE[name]
    document = copy.deepcopy(JSON[source])
    damage(document)
    (tmp_path / "model.json").write_text(json.dumps(document))
    with pytest.raises((SourceFileError, UnsupportedModelError), match=message):
        read_file(tmp_path / "model.json")


def test_a_bias_that_overflows_is_refused(tmp_path: Path) -> None:
    document = copy.deepcopy(JSON["linear"])
    model(document)["weights"][-1] = 3.4e38
    document["learner"]["learner_model_param"]["base_score"] = "[3.4E38]"
    (tmp_path / "model.json").write_text(json.dumps(document))
    with pytest.raises(UnsupportedModelError, match="add up to"):
        read_file(tmp_path / "model.json")


def test_labels_beyond_ascii_are_refused(tmp_path: Path) -> None:
    """XGBoost counts characters where it cuts bytes, so its labels are not those of the frame."""
    document = copy.deepcopy(JSON["labelled"])
    encoded(document, 2)["values"][0] = -61
    (tmp_path / "model.json").write_text(json.dumps(document))
    with pytest.raises(UnsupportedModelError, match="labels beyond ASCII"):
        read_file(tmp_path / "model.json")


def test_rounds_of_unequal_size_offer_no_iterations(tmp_path: Path) -> None:
    document = copy.deepcopy(JSON["squared"])
    assert read_file(FOLDER / "squared.json").trees_per_iteration == 1
    model(document)["iteration_indptr"] = [0, 1, 3]
    (tmp_path / "model.json").write_text(json.dumps(document))
    assert read_file(tmp_path / "model.json").trees_per_iteration == 0
