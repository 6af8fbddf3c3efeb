"""XGBoost: a Booster, a scikit-learn wrapper or a model file (.json, .ubj) as a Graph.

All three go through the same document, so the file door needs no XGBoost. The reference call of the
margin is ``Booster.predict(output_margin=True)`` on one thread; ``docs/exactness.md`` lists the
oddities.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from cordwood import _files
from cordwood.errors import (
    MissingDependencyError,
    NotFittedError,
    SourceFileError,
    UnsupportedModelError,
)
from cordwood.frontends._xgboost_file import Document, read_document
from cordwood.frontends._xgboost_links import (
    SIGMOID_CUT,
    Objective,
    base_margin,
    find_objective,
)
from cordwood.frontends._xgboost_trees import read_trees
from cordwood.ir import Decide, Graph, Link, Operator, Role, Value

if TYPE_CHECKING:
    import os

    from cordwood.ir import DecideRule

__all__ = ["read", "read_file"]

Door = Literal["wrapper", "booster", "file"]

OLDEST_LIVE = (2, 0, 0)
"""Oldest installed library that is read live; older ones send unknown categories another way."""

WRAPPERS = ("XGBClassifier", "XGBRFClassifier", "XGBRanker", "XGBRegressor", "XGBRFRegressor")

CLASSIFIER_OBJECTIVES = (
    "binary:hinge",
    "binary:logistic",
    "binary:logitraw",
    "multi:softmax",
    "multi:softprob",
    "reg:logistic",
)


class Answers(NamedTuple):
    """What follows the trees: values and operators, labels, and the methods they serve."""

    values: list[Value]
    operators: list[Operator]
    classes: np.ndarray | None
    methods: tuple[str, ...]


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
        The model holds no trees yet.
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
    _check_wrapper(source, kind)
    document = _live_document(source.get_booster())
    n_trees = _best_trees(document)
    if kind in ("XGBClassifier", "XGBRFClassifier"):
        _check_classifier(document, source)
        answers = _classifier_answers(document, getattr(source, "n_classes_", None))
    else:
        answers = _library_answers(document)
        methods = tuple(m for m in answers.methods if m in ("predict", "apply"))
        answers = answers._replace(methods=methods)
    return _graph(document, answers, kind, n_trees, "wrapper")


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
    return _graph(document, _library_answers(document), kind, len(document.trees), door)


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


def _check_wrapper(source: Any, kind: str) -> None:
    """Refuse settings of a wrapper that change what it predicts."""
    if not source.__sklearn_is_fitted__():
        message = f"this {kind} is not fitted; call fit or load_model first"
        raise NotFittedError(message)
    if callable(source.objective):
        message = (
            f"{kind} has the custom objective {source.objective!r}, expected one of XGBoost's own; "
            "pass its get_booster() for the margin"
        )
        raise UnsupportedModelError(message)
    if source.missing is not None and not np.isnan(source.missing):
        message = f"{kind} has missing={source.missing!r}, expected NaN; mark missing values by NaN"
        raise UnsupportedModelError(message)


def _check_classifier(document: Document, source: Any) -> None:
    """Refuse classifiers whose answer is not one label a row."""
    name, kind = document.objective, type(source).__name__
    if name not in CLASSIFIER_OBJECTIVES:
        message = (
            f"{kind} has objective {name!r}, expected one of {', '.join(CLASSIFIER_OBJECTIVES)}"
        )
        raise UnsupportedModelError(message)
    multi = name.startswith("multi:")
    if not multi and document.n_outputs > 1:
        message = f"{kind} has {document.n_outputs} labels a row, expected one"
        raise UnsupportedModelError(message)
    if name == "multi:softprob" and document.n_outputs == 2:  # noqa: PLR2004 - two classes
        message = (
            f"{kind} has objective 'multi:softprob' with 2 classes, for which its predict returns "
            "a column per class; expected 'binary:logistic' or at least 3 classes"
        )
        raise UnsupportedModelError(message)


def _best_trees(document: Document) -> int:
    """Return how many trees a wrapper predicts with."""
    best = document.attributes.get("best_iteration")
    if best is None:
        return len(document.trees)
    text = str(best)
    if not text.isascii() or not text.isdigit() or int(text) >= len(document.round_end):
        message = (
            f"best_iteration is {best!r}, expected a round from 0 to {len(document.round_end) - 1}"
        )
        raise UnsupportedModelError(message)
    return int(document.round_end[int(text)])


# ---- what follows the trees ------------------------------------------------------------------


def _link(source: str, target: str, objective: Objective, *, complement: bool = False) -> Link:
    return Link(source=source, target=target, kind=objective.link, complement=complement)


def _library_answers(document: Document) -> Answers:
    """Give the answers of ``Booster.predict``, and those that its objective makes meaningful."""
    objective = find_objective(document.objective)
    width = document.n_outputs
    role = Role.RESPONSE if objective.link == "identity" and not objective.label else Role.MARGIN
    values = [Value("margin", "float32", ("batch", width), role)]
    operators: list[Operator] = []
    classes = None
    if objective.link in ("sigmoid", "exp"):
        values.append(Value("response", "float32", ("batch", width), Role.RESPONSE))
        operators.append(_link("margin", "response", objective))
    if objective.link == "softmax":
        values.append(Value("probability", "float32", ("batch", width), Role.PROBABILITY))
        operators.append(_link("margin", "probability", objective))
    if document.objective == "binary:logistic" and width == 1:
        values.append(Value("probability", "float32", ("batch", 2), Role.PROBABILITY))
        operators.append(_link("margin", "probability", objective, complement=True))
    if objective.label and (width == 1 or objective.label == "argmax"):
        # Booster.predict returns the label as a float.
        values.append(Value("label", "int64", ("batch",), Role.LABEL))
        rule: DecideRule = "argmax" if objective.label == "argmax" else "greater"
        operators.append(Decide(source="margin", target="label", rule=rule))
        classes = np.arange(width if rule == "argmax" else 2, dtype=np.float64)
    elif objective.label:
        message = f"objective {document.objective!r} has {width} outputs, expected one"
        raise UnsupportedModelError(message)
    proba = ("predict_proba",) if any(v.role is Role.PROBABILITY for v in values) else ()
    return Answers(values, operators, classes, ("predict", *proba, "decision_function", "apply"))


def _classifier_answers(document: Document, n_classes: int | None) -> Answers:
    """Give the answers of a classifier wrapper."""
    objective = find_objective(document.objective)
    width = document.n_outputs
    values = [Value("margin", "float32", ("batch", width), Role.MARGIN)]
    operators: list[Operator] = []
    if objective.link != "identity":
        two = objective.link == "sigmoid"
        shape = ("batch", 2 if two else width)
        values.append(Value("probability", "float32", shape, Role.PROBABILITY))
        operators.append(_link("margin", "probability", objective, complement=two))
    values.append(Value("label", "int64", ("batch",), Role.LABEL))
    if document.objective == "multi:softprob":
        decide = Decide(source="probability", target="label", rule="argmax")
    elif document.objective == "multi:softmax":
        decide = Decide(source="margin", target="label", rule="argmax")
    else:
        # The wrapper asks whether the response is above 0.5: a sigmoid, the margin itself, a sign.
        cuts = {"sigmoid": SIGMOID_CUT, "identity": 0.0 if objective.label else 0.5}
        cut = cuts[objective.link]
        decide = Decide(source="margin", target="label", rule="greater", cut=cut)
    operators.append(decide)
    decided = width if decide.rule == "argmax" else 2
    # A classifier fitted to one class has one label but still answers with both.
    classes = np.arange(decided) if n_classes in (None, decided) else None
    proba = () if objective.link == "identity" else ("predict_proba",)
    return Answers(values, operators, classes, ("predict", *proba, "apply"))


def _graph(document: Document, answers: Answers, kind: str, n_trees: int, door: Door) -> Graph:
    """Join the first `n_trees` trees and the answers."""
    base = base_margin(
        document.objective, document.base_score, document.version, from_file=door == "file"
    )
    trees = read_trees(
        document,
        n_trees,
        base,
        # A Booster reads a DMatrix, which refuses infinity; a wrapper predicts in place, unchecked.
        accepts_infinity=door == "wrapper",
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
    if document.has_category_encoder:
        provenance["categories"] = "codes"
    return Graph(
        values=(rows, *answers.values),
        operators=(trees, *answers.operators),
        feature_names=document.feature_names,
        classes=answers.classes,
        methods=answers.methods,
        provenance=provenance,
    )
