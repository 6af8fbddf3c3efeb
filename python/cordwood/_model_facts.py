"""What a model knows of its source: facts from the file, judged, and told in a few lines."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from cordwood._model_calls import TARGETS
from cordwood._model_iterations import Iterations
from cordwood.errors import FormatError

if TYPE_CHECKING:
    from cordwood import _core
    from cordwood.model import Model

__all__ = ["iterations", "read", "summary"]

_ABSENT = {"zero": "zero", "missing": "missing values", "refused": "refused"}
"""What an entry that a sparse matrix does not store means, in words."""


def read(provenance: str) -> dict[str, Any]:
    """Read the facts that a Model needs; the file is data that anyone may have made.

    Raises
    ------
    FormatError
        They are of another shape than ``docs/format.md`` says.
    """
    facts = json.loads(provenance or "{}")
    valid = isinstance(facts, dict)
    facts = facts if valid else {}
    methods = facts.setdefault("methods", ["predict"])
    valid = valid and isinstance(methods, list) and all(name in TARGETS for name in methods)
    valid = valid and facts.setdefault("sparse", "refused") in list(_ABSENT)
    for key in ("source", "recipe"):
        valid = valid and isinstance(facts.setdefault(key, {}), dict)
    valid = valid and _valid_iterations(facts.setdefault("iterations", None))
    if not valid:
        message = (
            f"section provenance: expected an object whose methods are among {', '.join(TARGETS)}, "
            f"whose sparse is one of {', '.join(_ABSENT)}, whose source and recipe are objects and "
            f"whose iterations, if any, say how many trees each adds and whether they are staged"
        )
        raise FormatError(message, code="provenance_invalid")
    return facts


def _valid_iterations(given: Any) -> bool:
    if given is None:
        return True
    if not isinstance(given, dict):
        return False
    trees = given.get("trees")
    return type(trees) is int and trees > 0 and isinstance(given.get("staged"), bool)


def iterations(facts: dict[str, Any], native: _core.Model) -> Iterations:
    """Return how the trees of the operator that answers come in iterations.

    Raises
    ------
    FormatError
        Iterations do not cut the trees into equal runs.
    """
    source = facts["source"]
    kind = str(source.get("kind", "model"))
    if facts["iterations"] is None:
        return Iterations(kind)
    trees: int = facts["iterations"]["trees"]
    n_trees = native.form("leaves")[0]
    if n_trees % trees:
        message = (
            f"section provenance: iterations of {trees} trees, expected a divisor of {n_trees}"
        )
        raise FormatError(message, code="provenance_invalid")
    wrapper = source.get("library") == "xgboost" and kind != "Booster"
    return Iterations(kind, n_trees // trees, trees, open_end_is_all=wrapper)


def summary(model: Model) -> str:
    """Describe a model in a few lines."""
    native, facts = model._native, model._facts
    source = facts["source"]
    origin = " ".join(str(source[key]) for key in ("library", "version") if key in source)
    lines = [
        f"{model.kind} from {origin}" if origin else model.kind,
        f"  recipe    {facts['recipe'].get('name', 'unknown')}",
        *_loss(facts["recipe"].get("loss")),
        f"  shape     {model.n_features_in_:,} features, {model.n_trees:,} trees, "
        f"{native.n_outputs:,} outputs",
        *_classes(getattr(model, "classes_", None)),
        *_iterations(model),
        *_categories(native),
        *([] if facts["sparse"] == "refused" else [f"  sparse    {_sparse(facts['sparse'])}"]),
        f"  methods   {', '.join(model.methods)}",
        f"  bytes     {model.nbytes:,} packed, {native.resident_bytes:,} in memory",
        f"  engine    {native.engine} on {native.processor}: {native.engine_reason}",
        f"  threads   {model.threads}",
    ]
    return "\n".join(lines)


def _sparse(absent: str) -> str:
    return f"taken; entries that are not stored are {_ABSENT[absent]}"


def _loss(loss: Any) -> list[str]:
    """Tell what a recipe gave up, as far as the file says."""
    if not isinstance(loss, dict):
        return []
    words = {
        "margin_bound": "margins move by at most {}",
        "summation_bound": "{} more by rounding of sums",
        "margin_error": "the largest move seen is {}",
        "rows": "on {} rows",
        "labels_changed": "{} of their labels changed",
    }
    told = [text.format(_number(loss[key])) for key, text in words.items() if key in loss]
    return [f"  loss      {', '.join(told)}"] if told else []


def _number(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _classes(classes: Any) -> list[str]:
    if classes is None:
        return []
    if isinstance(classes, np.ndarray):
        return [f"  classes   {len(classes):,}"]
    counts = ", ".join(f"{len(labels):,}" for labels in classes)
    return [f"  classes   {counts} of {len(classes):,} outputs"]


def _iterations(model: Model) -> list[str]:
    known = model._iterations
    if known.trees == 0:
        return []
    each = "1 tree" if known.trees == 1 else f"{known.trees:,} trees"
    staged = ", staged" if model._facts["iterations"]["staged"] else ""
    return [f"  rounds    {known.count:,} iterations of {each}{staged}"]


def _categories(native: _core.Model) -> list[str]:
    if not native.categories:
        return []
    unlisted = {"missing": "count as missing", "refused": "are refused", "other": "are in no set"}
    return [
        f"  labels    {len(native.categories):,} features hold them; unlisted ones "
        f"{unlisted[native.unseen]}"
    ]
