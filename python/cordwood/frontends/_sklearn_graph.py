"""Shared by the scikit-learn families: the Graph around a tree_ensemble, and labels."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from cordwood import ir
from cordwood.errors import UnsupportedModelError
from cordwood.frontends._sklearn_nodes import ROWS, TREES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cordwood._typing import AnyArray

__all__ = [
    "AVERAGED",
    "LABEL",
    "Before",
    "Outcome",
    "Step",
    "build_graph",
    "class_labels",
    "margin_steps",
    "proba_steps",
    "sklearn_version",
]

PROBABILITY, LABEL = "probability", "label"


@dataclass(frozen=True)
class Step:
    """An operator after the ensemble, and what it writes.

    Parameters
    ----------
    operator : Link or Decide
        The operator.
    shape : tuple of int
        What its output has after the batch.
    role : Role
        What its output is to the caller.
    """

    operator: ir.Link | ir.Decide
    shape: tuple[int, ...]
    role: ir.Role


@dataclass(frozen=True)
class Before:
    """What runs before the ensemble: an initial estimator.

    Parameters
    ----------
    values : tuple of Value
        What it writes.
    operators : tuple of Operator
        Its operators, in order.
    """

    values: tuple[ir.Value, ...] = ()
    operators: tuple[ir.Operator, ...] = ()


@dataclass(frozen=True, eq=False)
class Outcome:
    """What the ensemble's output is, what follows it, and what a caller may ask for.

    Parameters
    ----------
    role : Role
        What the ensemble's output is to the caller.
    methods : tuple of str
        Methods that the estimator offers.
    steps : tuple of Step
        Links and the label rule.
    classes : ndarray or tuple of ndarray, optional
        Labels that the label rule picks from.
    trees_per_iteration : int
        Trees of one stage where prediction can be staged; else 0.
    sparse : {"zero", "refused"}
        What an entry that a sparse matrix does not store means.
    categories : mapping of int to ndarray
        Labels of features that hold text, in code order.
    """

    role: ir.Role
    methods: tuple[str, ...]
    steps: tuple[Step, ...] = ()
    classes: AnyArray | tuple[AnyArray, ...] | None = None
    trees_per_iteration: int = 0
    sparse: Literal["zero", "refused"] = "zero"
    categories: Mapping[int, AnyArray] = field(default_factory=dict)


AVERAGED = Outcome(ir.Role.RESPONSE, ("predict",))
"""A regressor whose ensemble answers by itself, without leaf numbers or stages."""


def proba_steps(groups: Sequence[int]) -> tuple[Step, ...]:
    """Return the label of classifiers whose ensemble answers with probabilities.

    Parameters
    ----------
    groups : sequence of int
        Number of classes of each output.

    Returns
    -------
    tuple of Step
        The first of the largest, for each output.
    """
    several = tuple(groups) if len(groups) > 1 else ()
    decide = ir.Decide(source=TREES, target=LABEL, rule="argmax", groups=several)
    return (Step(decide, (len(groups),) if several else (), ir.Role.LABEL),)


def margin_steps(
    n_outputs: int, rule: Literal["greater", "greater_equal", "argmax"], scale: float = 1.0
) -> tuple[Step, ...]:
    """Return link and label of classifiers whose ensemble answers with margins.

    Parameters
    ----------
    n_outputs : int
        Columns of the margin; 1 for two classes.
    rule : {"greater", "greater_equal", "argmax"}
        How a single margin compares with 0 where it means the second class; ``argmax`` where there
        is none.
    scale : float
        Factor inside a sigmoid.

    Returns
    -------
    tuple of Step
        Sigmoid with complement, or softmax and the first of the largest.
    """
    binary = n_outputs == 1
    link = ir.Link(
        source=TREES,
        target=PROBABILITY,
        kind="sigmoid" if binary else "softmax",
        scale=scale,
        complement=binary,
    )
    decide = ir.Decide(source=TREES, target=LABEL, rule=rule if binary else "argmax")
    return (
        Step(link, (2 if binary else n_outputs,), ir.Role.PROBABILITY),
        Step(decide, (), ir.Role.LABEL),
    )


def build_graph(
    estimator: Any,
    trees: ir.TreeEnsemble,
    outcome: Outcome,
    facts: dict[str, Any],
    before: Before | None = None,
) -> ir.Graph:
    """Put rows, trees, link and label together.

    Parameters
    ----------
    estimator : object
        The fitted estimator, for names.
    trees : TreeEnsemble
        Its trees.
    outcome : Outcome
        What follows them.
    facts : dict
        Provenance beyond library and version; ``kind`` among it.
    before : Before, optional
        What the trees start from.

    Returns
    -------
    Graph
        The whole model.
    """
    import sklearn

    first = before or Before()
    rows = ir.Value(ROWS, trees.input_type, ("batch", trees.n_features), ir.Role.ROWS)
    total = ir.Value(TREES, "float64", ("batch", trees.n_outputs), outcome.role)
    names = getattr(estimator, "feature_names_in_", None)
    return ir.Graph(
        values=(rows, *first.values, total, *map(_written, outcome.steps)),
        operators=(*first.operators, trees, *(step.operator for step in outcome.steps)),
        feature_names=None if names is None else tuple(map(str, names)),
        classes=outcome.classes,
        categories=outcome.categories,
        sparse=outcome.sparse,
        trees_per_iteration=outcome.trees_per_iteration,
        staged=outcome.trees_per_iteration > 0,
        methods=outcome.methods,
        provenance={"library": "scikit-learn", "version": sklearn.__version__, **facts},
    )


def _written(step: Step) -> ir.Value:
    dtype = "int64" if isinstance(step.operator, ir.Decide) else "float64"
    return ir.Value(step.operator.target, dtype, ("batch", *step.shape), step.role)


def class_labels(estimator: Any) -> AnyArray | tuple[AnyArray, ...]:
    """Return the labels of a classifier: an array, or a tuple of them where outputs are several.

    Raises
    ------
    UnsupportedModelError
        They are not integers, floats, bool or str.
    """
    classes = estimator.classes_
    if isinstance(classes, list) and len(classes) and isinstance(classes[0], np.ndarray):
        return tuple(_supported_labels(estimator, labels) for labels in classes)
    return _supported_labels(estimator, np.asarray(classes))


def _supported_labels(estimator: Any, labels: AnyArray) -> AnyArray:
    text = labels.dtype.kind == "O" and all(isinstance(label, str) for label in labels)
    wide = labels.dtype.kind in "uf" and np.dtype(labels.dtype) in (np.uint64, np.longdouble)
    if (labels.dtype.kind not in "iufbU" and not text) or wide:
        message = (
            f"{type(estimator).__name__}.classes_ holds {labels.dtype} labels such as "
            f"{labels[0]!r}; supported are integers up to int64, floats up to float64, bool and "
            f"str. Fit on such labels"
        )
        raise UnsupportedModelError(message)
    return labels


def sklearn_version() -> tuple[int, int]:
    """Return major and minor version of the installed scikit-learn."""
    import sklearn

    major, minor = sklearn.__version__.split(".")[:2]
    return int(major), int(minor)
