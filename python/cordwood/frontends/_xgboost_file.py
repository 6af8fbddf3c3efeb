"""XGBoost's model document (JSON or UBJSON, schema of 1.0 to 3.x) as checked, flat fields.

Both encodings hold the same document, so one reader serves files and live boosters. A fault names
the member by its path, what it is and what was expected.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from cordwood.errors import SourceFileError, UnsupportedModelError
from cordwood.frontends import _ubjson

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Document", "fail", "member", "number", "parse", "read_document"]

MAX_COUNT = 1 << 24
"""Most features and most outputs; more is taken for a damaged file."""

BOOSTERS = ("gbtree", "dart")


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
    has_category_encoder : bool
        Whether the document holds the categories of a data frame.
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
    has_category_encoder: bool


def fail(where: str, found: object, expected: str) -> NoReturn:
    """Raise the error of a malformed member."""
    text = repr(found)
    shown = text if len(text) <= 80 else text[:77] + "..."  # noqa: PLR2004 - a line of a terminal
    message = f"XGBoost model: {where} is {shown}, expected {expected}"
    raise SourceFileError(message)


def member(parent: dict[str, Any], name: str, kind: type, where: str) -> Any:
    """Return the member `name` of `parent`, which must be of type `kind`."""
    if name not in parent:
        message = f"XGBoost model: {where} has no member {name!r}, expected {_noun(kind)}"
        raise SourceFileError(message)
    value = parent[name]
    if not isinstance(value, kind):
        fail(f"{where}.{name}", value, _noun(kind))
    return value


def number(parent: dict[str, Any], name: str, where: str, default: int | None = None) -> int:
    """Return a count, which XGBoost writes as a string."""
    if default is not None and name not in parent:
        return default
    text = member(parent, name, str, where)
    if not (text.isascii() and text.isdigit() and len(text) <= len(str(2**63))):
        fail(f"{where}.{name}", text, "a whole number of at least 0 as a string")
    return int(text)


def _noun(kind: type) -> str:
    nouns = {"dict": "an object", "list": "an array", "str": "a string"}
    return nouns.get(kind.__name__, kind.__name__)


def parse(data: bytes) -> Any:
    """Read JSON or UBJSON, told apart by the second character.

    Parameters
    ----------
    data : bytes
        A whole model file, or what ``Booster.save_raw`` returns.

    Returns
    -------
    object
        The document.

    Raises
    ------
    SourceFileError
        The bytes are neither.
    """
    head = data.lstrip(b" \t\r\n")[:2]
    if head[:1] != b"{":
        message = (
            f"the file starts with {data[:8]!r}, expected an XGBoost model as JSON or UBJSON, "
            "which starts with '{'; save an older binary model again with Booster.save_model"
        )
        raise SourceFileError(message)
    if head[1:2] not in b' \t\r\n"}':
        return _ubjson.parse(data)
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        message = f"the file starts as JSON but is not: {error}"
        raise SourceFileError(message) from error


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
        The booster is not made of trees, or a tree's leaf is a vector.
    """
    root = parse(data)
    if not isinstance(root, dict):
        fail("the document", root, "an object")
    learner = member(root, "learner", dict, "the document")
    gradient = member(learner, "gradient_booster", dict, "learner")
    booster = member(gradient, "name", str, "learner.gradient_booster")
    if booster not in BOOSTERS:
        message = f"booster {booster!r} is not supported, expected one of {', '.join(BOOSTERS)}"
        raise UnsupportedModelError(message)
    where = "learner.gradient_booster"
    weights = None
    if booster == "dart":
        weights = member(gradient, "weight_drop", list, where)
        gradient, where = member(gradient, "gbtree", dict, where), f"{where}.gbtree"
    model, where = member(gradient, "model", dict, where), f"{where}.model"
    objective = member(learner, "objective", dict, "learner")
    param = member(learner, "learner_model_param", dict, "learner")
    n_classes = _count(param, "num_class", default=0)
    n_outputs = max(1, n_classes, _count(param, "num_target", default=1))
    trees = _ordered_trees(model, where)
    tree_output = _integers(member(model, "tree_info", list, where), f"{where}.tree_info")
    if len(tree_output) != len(trees):
        fail(f"the length of {where}.tree_info", len(tree_output), f"{len(trees)}, one per tree")
    if np.any((tree_output < 0) | (tree_output >= n_outputs)):
        fail(f"{where}.tree_info", tree_output.tolist(), f"outputs from 0 to {n_outputs - 1}")
    attributes = learner.get("attributes", {})
    return Document(
        version=_version(root),
        booster=booster,
        objective=member(objective, "name", str, "learner.objective"),
        n_features=_count(param, "num_feature", least=1),
        n_outputs=n_outputs,
        n_classes=n_classes,
        base_score=_base_score(member(param, "base_score", str, "learner_model_param"), n_outputs),
        trees=trees,
        tree_output=tree_output.astype(np.int32),
        tree_weight=_tree_weight(weights, len(trees)),
        round_end=_round_end(model, tree_output, where),
        feature_names=_feature_names(learner),
        attributes=attributes if isinstance(attributes, dict) else {},
        has_category_encoder=bool(_category_encoder(model)),
    )


def _version(root: dict[str, Any]) -> tuple[int, int, int]:
    given = _integers(member(root, "version", list, "the document"), "version")
    if len(given) != 3:  # noqa: PLR2004 - major, minor, patch
        fail("version", given.tolist(), "three whole numbers")
    return int(given[0]), int(given[1]), int(given[2])


def _count(param: dict[str, Any], name: str, *, default: int | None = None, least: int = 0) -> int:
    count = number(param, name, "learner.learner_model_param", default)
    if not least <= count <= MAX_COUNT:
        fail(f"learner.learner_model_param.{name}", count, f"a number from {least} to {MAX_COUNT}")
    return count


def _integers(values: Sequence[Any], where: str) -> np.ndarray:
    if not all(type(value) is int and 0 <= value < 2**31 for value in values):
        fail(where, list(values), "whole numbers from 0 to 2147483647")
    return np.array(values, np.int64)


def _base_score(text: str, n_outputs: int) -> np.ndarray:
    """Read ``"5E-1"`` (before 3.1) or ``"[5E-1,2.5E-1]"``; one number serves all outputs."""
    where = "learner.learner_model_param.base_score"
    try:
        given = json.loads(text)
    except (ValueError, RecursionError):
        fail(where, text, "a number, or an array of numbers, as a string")
    numbers = given if isinstance(given, list) else [given]
    if not all(type(value) in (int, float) and abs(value) < 2.0**128 for value in numbers):
        fail(where, text, "finite numbers in the range of float32")
    if len(numbers) not in (1, n_outputs):
        fail(where, text, f"1 or {n_outputs} numbers, the outputs of the model")
    # Written with the fewest digits that name one float32, so going through float64 is exact.
    scores: np.ndarray = np.empty(n_outputs, np.float32)
    scores[:] = np.array(numbers, np.float64)
    return scores


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
    return [tree for tree in trees if tree is not None]


def _tree_weight(weights: list[Any] | None, n_trees: int) -> np.ndarray:
    """Return the factors on the trees; dart holds them in float32 and so multiplies."""
    if weights is None:
        return np.ones(n_trees)
    where = "learner.gradient_booster.weight_drop"
    if len(weights) != n_trees:
        fail(f"the length of {where}", len(weights), f"{n_trees}, one per tree")
    if not all(type(value) in (int, float) and abs(value) < 2.0**128 for value in weights):
        fail(where, weights, "finite numbers in the range of float32")
    return np.array(weights, np.float64).astype(np.float32).astype(np.float64)


def _round_end(model: dict[str, Any], tree_output: np.ndarray, where: str) -> np.ndarray:
    """Return the number of trees after each round; before 2.0 it follows from two counts."""
    n_trees = len(tree_output)
    if "iteration_indptr" in model:
        given = _integers(
            member(model, "iteration_indptr", list, where), f"{where}.iteration_indptr"
        )
        if not len(given) or given[0] != 0 or given[-1] != n_trees or np.any(np.diff(given) < 0):
            fail(f"{where}.iteration_indptr", given.tolist(), f"numbers rising from 0 to {n_trees}")
        return given[1:]
    param = member(model, "gbtree_model_param", dict, where)
    parallel = number(param, "num_parallel_tree", f"{where}.gbtree_model_param", 1)
    step = max(1, parallel) * (int(tree_output.max(initial=0)) + 1)
    return np.arange(1, n_trees // step + 1) * step


def _feature_names(learner: dict[str, Any]) -> tuple[str, ...] | None:
    names = learner.get("feature_names", [])
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        fail("learner.feature_names", names, "an array of strings")
    return tuple(names) or None


def _category_encoder(model: dict[str, Any]) -> Any:
    cats = model.get("cats")
    return isinstance(cats, dict) and cats.get("enc")
