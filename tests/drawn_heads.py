"""What follows the trees of a drawn Graph: links, decides, labels and the methods they answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from cordwood.ir import Decide, Link, Operator, Role

if TYPE_CHECKING:
    import numpy.typing as npt

    from drawn import Shape

    Labels = npt.NDArray[Any] | tuple[npt.NDArray[Any], ...] | None
    Made = list[tuple[Operator, tuple[int, ...], Role]]

ONE_OUTPUT = ("binary", "binary_cut", "hinge", "pair", "isolation")
"""Heads on a margin of one column."""

HEADS = (
    "regression", "exponential", "softplus", "square", "binary", "binary_cut", "hinge", "pair",
    "isolation", "multiclass", "scaled", "multilabel", "forest", "groups", "embedding",
)  # fmt: skip


def methods(roles: set[Role]) -> tuple[str, ...]:
    """Return the methods that values of these roles answer."""
    if Role.EMBEDDING in roles:
        return ("transform", "apply")
    offered = ["predict"]
    offered += ["predict_proba"] if Role.PROBABILITY in roles else []
    offered += ["decision_function"] if {Role.MARGIN, Role.DECISION} & roles else []
    offered += ["score_samples"] if Role.SCORE in roles else []
    return (*offered, "apply")


def head(shape: Shape) -> tuple[Role, Made, Labels]:
    """Return the margin's role, what follows it as (operator, columns, role), and the labels."""
    if shape.head == "embedding":
        return Role.EMBEDDING, [], None
    if shape.head in ("forest", "groups"):
        return Role.PROBABILITY, *_votes(shape)
    if shape.head in ("exponential", "softplus", "square", "hinge"):
        kinds = {"exponential": "exp", "square": "signed_square", "hinge": "step"}
        link = Link(source="margin", target="response", kind=kinds.get(shape.head, shape.head))
        return Role.MARGIN, [(link, (shape.n_outputs,), Role.RESPONSE)], None
    if shape.head in ("multiclass", "scaled", "multilabel"):
        return Role.MARGIN, *_several(shape)
    if shape.head == "regression":
        return Role.RESPONSE, [], None
    return Role.MARGIN, *_two(shape)


def _votes(shape: Shape) -> tuple[Made, Labels]:
    """Decide among all columns, or among each run of them."""
    columns = shape.n_outputs
    if shape.head == "forest":
        decide = Decide(source="margin", target="label", rule="argmax")
        return [(decide, (), Role.LABEL)], np.arange(columns) + 0.5
    groups = (1, columns - 1) if shape.seed % 2 else (columns,)
    decide = Decide(source="margin", target="label", rule="argmax", groups=groups)
    labels = tuple(np.arange(count) * 3 - 1 for count in groups)
    return [(decide, (len(groups),), Role.LABEL)], labels


def _several(shape: Shape) -> tuple[Made, Labels]:
    """Link all columns: a softmax, or a sigmoid each."""
    columns = shape.n_outputs
    if shape.head == "multilabel":
        link = Link(source="margin", target="response", kind="sigmoid")
        decide = Decide(source="response", target="label", rule="each_greater", cut=0.5)
        made: Made = [(link, (columns,), Role.PROBABILITY), (decide, (columns,), Role.LABEL)]
        return made, (np.array([0, 1]),) * columns
    scale = 1.0 if shape.head == "multiclass" else 0.625
    link = Link(source="margin", target="response", kind="softmax", scale=scale)
    decide = Decide(source="response", target="label", rule="argmax")
    made = [(link, (columns,), Role.PROBABILITY), (decide, (), Role.LABEL)]
    return made, np.arange(columns) * 10 - 10


def _two(shape: Shape) -> tuple[Made, Labels]:
    """Decide between two classes on one column."""
    argmax = Decide(source="response", target="label", rule="argmax")
    if shape.head in ("binary", "pair"):
        complement = shape.head == "binary"
        link = Link(
            source="margin", target="response", kind="sigmoid" if complement else "sigmoid_pair",
            scale=1.0 if complement else 0.3, complement=complement,
        )  # fmt: skip
        made: Made = [(link, (2,), Role.PROBABILITY), (argmax, (), Role.LABEL)]
        return made, np.array(["no", "yes, really"])
    if shape.head == "binary_cut":
        link = Link(source="margin", target="response", kind="sigmoid", scale=0.7)
        rule = "greater" if shape.seed % 2 else "greater_equal"
        decide = Decide(source="margin", target="label", rule=rule, cut=0.0)
        made = [(link, (1,), Role.RESPONSE), (decide, (), Role.LABEL)]
        return made, np.array([False, True])
    score = Link(source="margin", target="score", kind="negative_exp2")
    shift = Link(source="score", target="decision", kind="shift", offset=-0.5)
    decide = Decide(source="decision", target="label", rule="greater_equal", cut=0.0)
    made = [(score, (1,), Role.SCORE), (shift, (1,), Role.DECISION), (decide, (), Role.LABEL)]
    return made, np.array([-1, 1])
