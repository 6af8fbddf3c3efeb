"""What follows the margin: the answers of a Booster, and those of a classifier wrapper."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from cordwood.errors import UnsupportedModelError
from cordwood.frontends._xgboost_links import HALF_CUTS, find_objective
from cordwood.ir import Decide, Link, Operator, Role, Value

if TYPE_CHECKING:
    from cordwood.frontends._xgboost_file import Document

__all__ = ["Answers", "classifier_answers", "library_answers"]

BINARY = 2
"""Classes of a classifier whose answer needs one column, and of each of several labels."""


class Answers(NamedTuple):
    """What follows the trees: values and operators, labels, and the methods they serve."""

    values: list[Value]
    operators: list[Operator]
    classes: np.ndarray | tuple[np.ndarray, ...] | None
    methods: tuple[str, ...]


def library_answers(document: Document) -> Answers:
    """Give the answers of ``Booster.predict``, and those that its objective makes meaningful.

    Parameters
    ----------
    document : Document
        The model.

    Returns
    -------
    Answers
        The margin's value comes first. Methods are those of a Booster.

    Raises
    ------
    UnsupportedModelError
        The objective is not in the table.
    """
    objective = find_objective(document.objective)
    width = document.n_outputs
    shape = ("batch", width)
    role = Role.RESPONSE if objective.link == "identity" else Role.MARGIN
    values = [Value("margin", "float32", shape, role)]
    operators: list[Operator] = []
    classes = None
    if objective.link in ("sigmoid", "exp", "step"):
        values.append(Value("response", "float32", shape, Role.RESPONSE))
        operators.append(Link(source="margin", target="response", kind=objective.link))
    if objective.link == "softmax":
        values.append(Value("probability", "float32", shape, Role.PROBABILITY))
        operators.append(Link(source="margin", target="probability", kind="softmax"))
    if document.objective == "binary:logistic" and width == 1:
        values.append(Value("probability", "float32", ("batch", 2), Role.PROBABILITY))
        operators.append(
            Link(source="margin", target="probability", kind="sigmoid", complement=True)
        )
    if objective.is_label:
        # Booster.predict returns the label as a float.
        values.append(Value("label", "int64", ("batch",), Role.LABEL))
        operators.append(Decide(source="margin", target="label", rule="argmax"))
        classes = np.arange(width, dtype=np.float64)
    proba = ("predict_proba",) if any(v.role is Role.PROBABILITY for v in values) else ()
    return Answers(values, operators, classes, ("predict", *proba, "decision_function", "apply"))


def classifier_answers(document: Document, n_classes: int, kind: str) -> Answers:
    """Give the answers of a classifier wrapper.

    Parameters
    ----------
    document : Document
        The model.
    n_classes : int
        Classes that the wrapper believes in: the distinct numbers of its training labels.
    kind : str
        Name of the wrapper, for messages.

    Returns
    -------
    Answers
        The margin's value comes first. Methods are those of the wrapper.

    Raises
    ------
    UnsupportedModelError
        The objective is not in the table, or the wrapper's answers have no meaning.

    Notes
    -----
    The wrapper asks whether a response is above 0.5. With several columns and two classes it asks
    so in each column, also for a softmax; else it takes the largest column.
    """
    link = find_objective(document.objective).link
    width = document.n_outputs
    if width > 1 and link != "softmax" and n_classes != BINARY:
        message = (
            f"{kind} has {width} outputs of objective {document.objective!r} and {n_classes} "
            "classes, expected labels of 0 and 1 in each column"
        )
        raise UnsupportedModelError(message)
    values = [Value("margin", "float32", ("batch", width), Role.MARGIN)]
    source = "margin"
    columns = width if width > 1 or link == "softmax" else BINARY
    operators: list[Operator] = []
    if width > 1 or link == "softmax":
        operators.append(Link(source="margin", target="probability", kind=link))
    else:
        if link == "step":  # only an identity, a sigmoid or an exp has a complement
            values.append(Value("response", "float32", ("batch", 1)))
            operators.append(Link(source="margin", target="response", kind="step"))
            source, link = "response", "identity"
        operators.append(Link(source=source, target="probability", kind=link, complement=True))
    values.append(Value("probability", "float32", ("batch", columns), Role.PROBABILITY))
    decide, classes = _decision(document, n_classes)
    shape = ("batch", width) if decide.rule == "each_greater" else ("batch",)
    values.append(Value("label", "int64", shape, Role.LABEL))
    operators.append(decide)
    return Answers(values, operators, classes, ("predict", "predict_proba", "apply"))


def _decision(
    document: Document, n_classes: int
) -> tuple[Decide, np.ndarray | tuple[np.ndarray, ...] | None]:
    """Return how a classifier wrapper picks its label, and the labels."""
    objective = find_objective(document.objective)
    width = document.n_outputs
    several = objective.link == "softmax"
    if several and (objective.is_label or n_classes != BINARY):
        source = "margin" if objective.is_label else "probability"
        decide = Decide(source=source, target="label", rule="argmax")
        return decide, np.arange(width) if n_classes == width else None
    # Several columns of a softmax are compared one by one, too, and have no cut of the margin.
    source, cut = ("probability", 0.5) if several else ("margin", HALF_CUTS[objective.link])
    if width == 1:
        decide = Decide(source=source, target="label", rule="greater", cut=cut)
        # A classifier fitted to one class has one label but still answers with both.
        return decide, np.arange(BINARY) if n_classes == BINARY else None
    decide = Decide(source=source, target="label", rule="each_greater", cut=cut)
    return decide, (np.arange(BINARY),) * width
