"""Reads scikit-learn's multi-layer perceptrons into nets.

scikit-learn computes in the type that it was fitted in, float64 as a rule; a net computes in
float32, with weights rounded to it once. For K inputs of a layer its sums then differ by at most
``(K + 2) * 2**-24`` times the sum of the magnitudes of their terms.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from cordwood import ir
from cordwood.errors import NotFittedError, UnsupportedModelError
from cordwood.ir_arrays import Binary, Concat, Constant, Unary
from cordwood.ir_nets import Activation, Linear, Softmax
from cordwood.passes.fuse_products import fuse_activations

if TYPE_CHECKING:
    from cordwood.ir_nets import ActivationKind, NetOperator

__all__ = ["read_mlp"]

HIDDEN: dict[str, ActivationKind | None] = {
    "identity": None,
    "logistic": "sigmoid",
    "relu": "relu",
    "tanh": "tanh",
}
"""Activations between layers, by scikit-learn's names."""

LAST = ("softmax", "exp")
"""Activations of the last layer alone."""

Answer = Literal["probability", "response"]


def read_mlp(source: Any) -> ir.Graph:
    """Read a fitted MLPClassifier or MLPRegressor.

    Parameters
    ----------
    source : MLPClassifier or MLPRegressor
        Fitted.

    Returns
    -------
    Graph
        A net of one input, ``rows``, and one output: ``probability`` as ``predict_proba`` gives it,
        with a column for each of the Graph's classes, or ``response`` as ``predict`` does, which
        has one column where scikit-learn's answer has one axis. Which class is the answer is left
        to the caller.

    Raises
    ------
    NotFittedError
        It has not been fitted.
    UnsupportedModelError
        Its activations are none of scikit-learn's.
    """
    name = type(source).__name__
    if not hasattr(source, "coefs_"):
        message = f"this {name} is not fitted; call its fit before compressing it"
        raise NotFittedError(message)
    for given in (source.activation, source.out_activation_):
        if given not in (*HIDDEN, *LAST):
            message = f"{name} has activation={given!r}, expected one of {tuple(HIDDEN)}"
            raise UnsupportedModelError(message)
    n_features, n_outputs = len(source.coefs_[0]), source.coefs_[-1].shape[1]
    values = [ir.Value("rows", "float32", ("batch", n_features), ir.Role.INPUT)]
    steps: list[NetOperator] = []

    def add(target: str, columns: int) -> str:
        values.append(ir.Value(target, "float32", ("batch", columns)))
        return target

    found = "rows"
    last = len(source.coefs_) - 1
    for number, (weight, bias) in enumerate(zip(source.coefs_, source.intercepts_, strict=True)):
        target = add(f"layer_{number}", len(bias))
        steps.append(
            Linear(
                inputs=(found,),
                outputs=(target,),
                weight=np.ascontiguousarray(weight.T, np.float32),
                bias=np.asarray(bias, np.float32),
                place=f"coefs_[{number}]",
            )
        )
        found = target
        kind = HIDDEN[source.activation]
        if number < last and kind is not None:
            target = add(f"hidden_{number}", len(bias))
            steps.append(Activation(inputs=(found,), outputs=(target,), kind=kind))
            found = target
    answer: Answer = "probability" if hasattr(source, "classes_") else "response"
    if source.out_activation_ == "softmax":
        steps.append(Softmax(inputs=(found,), outputs=(add("softmax", n_outputs),), axis=1))
    elif source.out_activation_ == "exp":
        steps.append(Unary(inputs=(found,), outputs=(add("exp", n_outputs),), kind="exp"))
    elif source.out_activation_ != "identity":
        kind = HIDDEN[source.out_activation_]
        assert kind is not None
        steps.append(Activation(inputs=(found,), outputs=(add(kind, n_outputs),), kind=kind))
        # One column answers for two classes; several are labels that are true or false each.
        if n_outputs == 1:
            steps += _both(values, kind)
    made = values[-1]
    values[-1] = ir.Value(answer, made.dtype, made.shape, ir.Role.OUTPUT)
    steps[-1] = _renamed(steps[-1], answer)
    return fuse_activations(
        ir.Graph(
            values=tuple(values),
            operators=tuple(steps),
            feature_names=_names(source),
            classes=np.asarray(source.classes_) if hasattr(source, "classes_") else None,
            provenance=_provenance(name),
        )
    )


def _both(values: list[ir.Value], kind: str) -> list[NetOperator]:
    """Return what puts the other class's probability, 1 - p, before p."""
    values.append(ir.Value("one", "float32", ()))
    values.append(ir.Value("other", "float32", ("batch", 1)))
    values.append(ir.Value("both", "float32", ("batch", 2)))
    return [
        Constant(inputs=(), outputs=("one",), tensor=np.array(1.0, np.float32)),
        Binary(inputs=("one", kind), outputs=("other",), kind="subtract"),
        Concat(inputs=("other", kind), outputs=("both",), axis=1),
    ]


def _renamed(step: NetOperator, target: str) -> NetOperator:
    return replace(step, outputs=(target,))


def _names(source: Any) -> tuple[str, ...] | None:
    names = getattr(source, "feature_names_in_", None)
    return None if names is None else tuple(str(name) for name in names)


def _provenance(kind: str) -> dict[str, Any]:
    import sklearn

    return {"library": "sklearn", "version": sklearn.__version__, "kind": kind}
