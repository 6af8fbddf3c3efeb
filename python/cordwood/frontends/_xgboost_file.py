"""XGBoost's model document (JSON or UBJSON, schema of 1.0 to 3.x) as checked, flat fields.

Both encodings hold the same document, so one reader serves files and live boosters. A fault names
the member by its path, what it is and what was expected.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np

from cordwood.errors import UnsupportedModelError
from cordwood.frontends._xgboost_categories import read_categories
from cordwood.frontends._xgboost_json import fail, floats, member, number, parse, whole_numbers

__all__ = ["Document", "read_document"]

MAX_COUNT = 1 << 24
"""Most features and most outputs; more is taken for a damaged file."""

BOOSTERS = ("gbtree", "dart", "gblinear")


@dataclass(frozen=True, eq=False)
class Document:
    """What a model document says, before any of it is interpreted.

    Parameters
    ----------
    version : tuple of int
        Version of XGBoost that wrote the document: major, minor, patch.
    booster, objective : str
        Names as XGBoost knows them.
    n_features, n_outputs : int
        Columns of the rows; columns of the margin.
    n_classes : int
        Classes of a multi-class objective, else 0.
    base_score : ndarray of float32, shape (n_outputs,)
        Global bias in the space of the response.
    trees : list of dict
        Trees in order of their ids.
    tree_output : ndarray of int32, shape (n_trees,)
        Output of each tree.
    tree_weight : ndarray of float64, shape (n_trees,)
        Weights of dart, else ones.
    round_end : ndarray of int64, shape (n_rounds,)
        Number of trees after each boosting round.
    feature_names : tuple of str, optional
        Names of the columns, where the document holds them.
    attributes : dict
        What callers and callbacks attached, such as ``best_iteration``.
    linear_weights : ndarray of float32, shape (n_features + 1, n_outputs), optional
        Coefficients and, in the last row, biases of gblinear, which has no trees.
    categories : dict of int to ndarray
        By feature, the labels of a data frame in code order.
    """

    version: tuple[int, int, int]
    booster: str
    objective: str
    n_features: int
    n_outputs: int
    n_classes: int
    base_score: np.ndarray
    trees: list[dict[str, Any]]
    tree_output: np.ndarray
    tree_weight: np.ndarray
    round_end: np.ndarray
    feature_names: tuple[str, ...] | None
    attributes: dict[str, Any]
    linear_weights: np.ndarray | None
    categories: dict[int, np.ndarray]


def read_document(data: bytes) -> Document:
    """Read and check everything but the trees' own arrays.

    Parameters
    ----------
    data : bytes
        A whole model file, or what ``Booster.save_raw`` returns.

    Returns
    -------
    Document
        The fields of the model.

    Raises
    ------
    SourceFileError
        The bytes are no model document.
    UnsupportedModelError
        The booster is of no kind that is known.
    """
    root = parse(data)
    if not isinstance(root, dict):
        fail("the document", root, "an object")
    if "Model" in root and "learner" not in root:
        fail("the document", sorted(root), "a saved model, not the snapshot inside a pickle; "
             "save it with Booster.save_model")  # fmt: skip
    learner = member(root, "learner", dict, "the document")
    gradient = member(learner, "gradient_booster", dict, "learner")
    objective = member(learner, "objective", dict, "learner")
    param = member(learner, "learner_model_param", dict, "learner")
    n_features = _count(param, "num_feature", least=1)
    n_classes = _count(param, "num_class", default=0)
    n_outputs = max(1, n_classes, _count(param, "num_target", default=1))
    base_score = member(param, "base_score", str, "learner_model_param")
    attributes = learner.get("attributes", {})
    return Document(
        version=_version(root),
        objective=member(objective, "name", str, "learner.objective"),
        n_features=n_features,
        n_outputs=n_outputs,
        n_classes=n_classes,
        base_score=_base_score(base_score, n_outputs),
        feature_names=_feature_names(learner),
        attributes=attributes if isinstance(attributes, dict) else {},
        **_booster(gradient, n_features, n_outputs),
    )


def _version(root: dict[str, Any]) -> tuple[int, int, int]:
    given = whole_numbers(member(root, "version", (list, np.ndarray), "the document"), "version")
    if len(given) != 3:  # noqa: PLR2004 - major, minor, patch
        fail("version", given.tolist(), "three whole numbers")
    return int(given[0]), int(given[1]), int(given[2])


def _count(param: dict[str, Any], name: str, *, default: int | None = None, least: int = 0) -> int:
    count = number(param, name, "learner.learner_model_param", default)
    if not least <= count <= MAX_COUNT:
        fail(f"learner.learner_model_param.{name}", count, f"a number from {least} to {MAX_COUNT}")
    return count


def _base_score(text: str, n_outputs: int) -> np.ndarray:
    """Read ``"5E-1"`` (before 3.1) or ``"[5E-1,2.5E-1]"``; one number serves all outputs."""
    where = "learner.learner_model_param.base_score"
    try:
        given = json.loads(text)
    except (ValueError, RecursionError):
        fail(where, text, "a number, or an array of numbers, as a string")
    numbers = floats(given if isinstance(given, list) else [given], where)
    if len(numbers) not in (1, n_outputs):
        fail(where, text, f"1 or {n_outputs} numbers, the outputs of the model")
    scores: np.ndarray = np.empty(n_outputs, np.float32)
    scores[:] = numbers
    return scores


def _feature_names(learner: dict[str, Any]) -> tuple[str, ...] | None:
    names = learner.get("feature_names", [])
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        fail("learner.feature_names", names, "an array of strings")
    return tuple(names) or None


def _booster(gradient: dict[str, Any], n_features: int, n_outputs: int) -> dict[str, Any]:
    """Read what the booster learned: the fields of a Document that depend on its kind."""
    where = "learner.gradient_booster"
    booster = member(gradient, "name", str, where)
    if booster not in BOOSTERS:
        message = f"booster {booster!r} is not supported, expected one of {', '.join(BOOSTERS)}"
        raise UnsupportedModelError(message)
    weights = None
    if booster == "dart":
        weights = member(gradient, "weight_drop", (list, np.ndarray), where)
        gradient, where = member(gradient, "gbtree", dict, where), f"{where}.gbtree"
    model, where = member(gradient, "model", dict, where), f"{where}.model"
    linear = None
    if booster == "gblinear":
        linear = _linear_weights(model, n_features, n_outputs, where)
        model = {"trees": [], "tree_info": [], "iteration_indptr": [0]}
    trees = _ordered_trees(model, where)
    tree_output = _tree_output(model, len(trees), n_outputs, where)
    return {
        "booster": booster,
        "trees": trees,
        "tree_output": tree_output.astype(np.int32),
        "tree_weight": _tree_weight(weights, len(trees)),
        "round_end": _round_end(model, tree_output, where),
        "linear_weights": linear,
        "categories": read_categories(model, n_features, where),
    }


def _linear_weights(
    model: dict[str, Any], n_features: int, n_outputs: int, where: str
) -> np.ndarray:
    """Return the coefficients of gblinear, features after one another, biases last."""
    given = member(model, "weights", (list, np.ndarray), where)
    expected = (n_features + 1) * n_outputs
    if len(given) != expected:
        fail(f"the length of {where}.weights", len(given),
             f"{expected}: {n_features} features and a bias for {n_outputs} outputs")  # fmt: skip
    return floats(given, f"{where}.weights").reshape(n_features + 1, n_outputs)


def _ordered_trees(model: dict[str, Any], where: str) -> list[dict[str, Any]]:
    """Return the trees by id, as XGBoost places them."""
    listed = member(model, "trees", list, where)
    trees: list[dict[str, Any] | None] = [None] * len(listed)
    for position, tree in enumerate(listed):
        place = f"{where}.trees[{position}]"
        if not isinstance(tree, dict):
            fail(place, tree, "an object")
        index = tree.get("id", position)
        if type(index) is not int or not 0 <= index < len(trees) or trees[index] is not None:
            fail(f"{place}.id", index, f"a number from 0 to {len(trees) - 1} used once")
        trees[index] = tree
    param = {}
    if "gbtree_model_param" in model:
        param = member(model, "gbtree_model_param", dict, where)
    count = number(param, "num_trees", f"{where}.gbtree_model_param", len(listed))
    if count != len(listed):
        fail(f"the length of {where}.trees", len(listed), f"{count}, as num_trees says")
    return [tree for tree in trees if tree is not None]


def _tree_output(model: dict[str, Any], n_trees: int, n_outputs: int, where: str) -> np.ndarray:
    """Return the output of each tree."""
    place = f"{where}.tree_info"
    output = whole_numbers(member(model, "tree_info", (list, np.ndarray), where), place)
    if len(output) != n_trees:
        fail(f"the length of {place}", len(output), f"{n_trees}, one per tree")
    if np.any(output >= n_outputs):
        fail(place, output.tolist(), f"outputs from 0 to {n_outputs - 1}")
    return output


def _tree_weight(weights: Any, n_trees: int) -> np.ndarray:
    """Return the factors on the trees; dart holds them in float32 and so multiplies."""
    if weights is None:
        return np.ones(n_trees)
    where = "learner.gradient_booster.weight_drop"
    if len(weights) != n_trees:
        fail(f"the length of {where}", len(weights), f"{n_trees}, one per tree")
    return floats(weights, where).astype(np.float64)


def _round_end(model: dict[str, Any], tree_output: np.ndarray, where: str) -> np.ndarray:
    """Return the number of trees after each round; before 2.0 it follows from two counts."""
    n_trees = len(tree_output)
    if "iteration_indptr" in model:
        place = f"{where}.iteration_indptr"
        given = whole_numbers(member(model, "iteration_indptr", (list, np.ndarray), where), place)
        if not len(given) or given[0] != 0 or given[-1] != n_trees or np.any(np.diff(given) < 0):
            fail(place, given.tolist(), f"numbers rising from 0 to {n_trees}")
        return given[1:]
    param = member(model, "gbtree_model_param", dict, where)
    parallel = number(param, "num_parallel_tree", f"{where}.gbtree_model_param", 1)
    step = max(1, parallel) * (int(tree_output.max(initial=0)) + 1)
    return np.arange(1, n_trees // step + 1) * step
