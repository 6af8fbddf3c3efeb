"""XGBoost: a Booster, a scikit-learn wrapper or a model file (.json, .ubj) as a Graph.

All three go through the same document, so the file door needs no XGBoost. The reference call of the
margin is ``Booster.predict(output_margin=True)`` on one thread; ``docs/exactness.md`` lists the
oddities.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from cordwood import _files
from cordwood.errors import (
    MissingDependencyError,
    NotFittedError,
    SourceFileError,
    UnsupportedModelError,
)
from cordwood.frontends._xgboost_answers import Answers, classifier_answers, library_answers
from cordwood.frontends._xgboost_file import Document, read_document
from cordwood.frontends._xgboost_linear import read_linear
from cordwood.frontends._xgboost_links import base_margin
from cordwood.frontends._xgboost_trees import read_trees
from cordwood.ir import Graph, Role, Value

if TYPE_CHECKING:
    import os

__all__ = ["read", "read_file"]

Door = Literal["wrapper", "booster", "file"]

OLDEST_LIVE = (2, 0, 0)
"""Oldest installed library that is read live; older ones send unknown categories another way."""

WRAPPERS = ("XGBClassifier", "XGBRFClassifier", "XGBRanker", "XGBRegressor", "XGBRFRegressor")


def read(source: Any) -> Graph:
    """Read a fitted XGBoost model.

    Parameters
    ----------
    source : xgboost.Booster or a scikit-learn wrapper
        ``XGBClassifier``, ``XGBRegressor``, ``XGBRFClassifier``, ``XGBRFRegressor`` or
        ``XGBRanker``. A wrapper stopped early predicts with its best iteration, so only those trees
        are read; a Booster predicts with all.

    Returns
    -------
    Graph
        The model. A wrapper has the wrapper's methods; a Booster answers ``predict`` as
        ``Booster.predict`` does, ``decision_function`` with the margin and, where the objective has
        classes, ``predict_proba``.

    Raises
    ------
    NotFittedError
        The model has learned nothing yet.
    UnsupportedModelError
        The model, or a setting of it, cannot be represented exactly.
    MissingDependencyError
        XGBoost is not installed.
    """
    try:
        import xgboost
    except ImportError as error:
        message = "reading a live XGBoost model needs xgboost; read its saved file instead"
        raise MissingDependencyError(message) from error

    kind = type(source).__name__
    if isinstance(source, xgboost.Booster):
        return _read_library(_live_document(source), kind, "booster")
    if kind not in WRAPPERS or type(source) is not getattr(xgboost, kind, None):
        message = (
            f"{type(source).__module__}.{kind} is not supported, expected xgboost.Booster or one "
            f"of {', '.join(WRAPPERS)}"
        )
        raise UnsupportedModelError(message)
    missing = _missing_value(source, kind)
    document = _live_document(source.get_booster())
    if kind in ("XGBClassifier", "XGBRFClassifier"):
        answers = classifier_answers(document, int(source.n_classes_), kind)
    else:
        answers = library_answers(document)
        methods = tuple(m for m in answers.methods if m in ("predict", "apply"))
        answers = answers._replace(methods=methods)
    return _graph(document, answers, kind, "wrapper", missing)


def read_file(path: str | os.PathLike[str]) -> Graph:
    """Read a model file that XGBoost 1.0 or later saved as JSON or UBJSON.

    The file is a Booster: it predicts with all its trees, also where a wrapper that stopped early
    saved it. XGBoost itself need not be installed.

    Parameters
    ----------
    path : str or path-like
        The file; its content decides the format, not its name.

    Returns
    -------
    Graph
        The model, with the methods of a Booster.

    Raises
    ------
    FileAccessError
        The file cannot be read.
    SourceFileError
        The file is not an XGBoost model, or is damaged.
    UnsupportedModelError
        The model cannot be represented exactly.
    """
    data = _files.read_bytes(path)
    try:
        return _read_library(read_document(data), "Booster", "file")
    except (SourceFileError, UnsupportedModelError) as error:
        message = f"{str(path)!r}: {error}"
        raise type(error)(message) from error


def _read_library(document: Document, kind: str, door: Door) -> Graph:
    return _graph(document, library_answers(document), kind, door)


def _live_document(booster: Any) -> Document:
    """Return the document of a Booster of the installed library."""
    from xgboost.core import XGBoostError

    try:
        data = bytes(booster.save_raw("ubj"))
    except XGBoostError as error:
        reason = str(error).partition("Stack trace")[0].strip()
        message = f"this Booster has no model to read; train it or load one first ({reason})"
        raise NotFittedError(message) from error
    document = read_document(data)
    if document.version < OLDEST_LIVE:
        message = (
            f"XGBoost {'.'.join(map(str, document.version))} is installed, expected 2.0 or later; "
            "save the model as a file and read that"
        )
        raise UnsupportedModelError(message)
    return document


def _missing_value(source: Any, kind: str) -> float | None:
    """Return the number that a fitted wrapper takes for missing, besides NaN."""
    if not source.__sklearn_is_fitted__():
        message = f"this {kind} is not fitted; call fit or load_model first"
        raise NotFittedError(message)
    missing = source.missing
    if missing is None or np.isnan(missing):
        return None
    with np.errstate(over="ignore"):
        single = float(np.float32(missing))  # compared after the cast of the rows
    if not np.isfinite(single):
        message = f"{kind} has missing={missing!r}, expected NaN or a number in float32's range"
        raise UnsupportedModelError(message)
    return single


def _best_trees(document: Document) -> int:
    """Return how many trees a wrapper predicts with."""
    best = document.attributes.get("best_iteration")
    if best is None or document.booster == "gblinear":
        return len(document.trees)
    text = str(best)
    if not text.isascii() or not text.isdigit() or int(text) >= len(document.round_end):
        message = (
            f"best_iteration is {best!r}, expected a round from 0 to {len(document.round_end) - 1}"
        )
        raise UnsupportedModelError(message)
    return int(document.round_end[int(text)])


def _trees_per_iteration(document: Document, n_trees: int) -> int:
    """Return the trees of each round, or 0 where rounds differ."""
    ends = document.round_end[document.round_end <= n_trees]
    sizes = np.diff(ends, prepend=0)
    equal = len(sizes) > 0 and ends[-1] == n_trees and bool(np.all(sizes == sizes[0]))
    return int(sizes[0]) if equal else 0


def _graph(
    document: Document, answers: Answers, kind: str, door: Door, missing: float | None = None
) -> Graph:
    """Join what the booster learned and the answers."""
    base = base_margin(
        document.objective, document.base_score, document.version, from_file=door == "file"
    )
    n_trees = _best_trees(document) if door == "wrapper" else len(document.trees)
    methods = answers.methods
    if document.booster == "gblinear":
        trees = read_linear(document, base, missing)
        methods = tuple(method for method in methods if method != "apply")
    else:
        # A Booster reads a DMatrix, which refuses infinity; wrappers predict in place, unchecked.
        infinity = door == "wrapper"
        trees = read_trees(
            document, n_trees, base, accepts_infinity=infinity, missing_value=missing
        )
    rows = Value("rows", "float32", ("batch", document.n_features), Role.ROWS)
    provenance: dict[str, Any] = {
        "library": "xgboost",
        "version": ".".join(map(str, document.version)),
        "kind": kind,
        "booster": document.booster,
        "objective": document.objective,
    }
    if n_trees != len(document.trees):
        provenance["trees_used"] = n_trees
        provenance["trees_trained"] = len(document.trees)
    return Graph(
        values=(rows, *answers.values),
        operators=(trees, *answers.operators),
        feature_names=document.feature_names,
        classes=answers.classes,
        categories=document.categories,
        unseen="refused" if document.categories else "missing",
        sparse="missing",
        trees_per_iteration=_trees_per_iteration(document, n_trees),
        methods=methods,
        provenance=provenance,
    )
