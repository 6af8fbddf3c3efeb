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
from cordwood.frontends._sklearn_graph import class_labels
from cordwood.ir_arrays import ArgReduce, Binary, Cast, Compare, Concat, Constant, Unary
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


def read_mlp(source: Any, kind: str) -> ir.Graph:
    """Read a fitted MLPClassifier or MLPRegressor.

    Parameters
    ----------
    source : MLPClassifier or MLPRegressor
        Fitted.
    kind : str
        Name of the class, of which `source` may be a subclass.

    Returns
    -------
    Graph
        A net of rows (form ``"rows"``). A classifier has the outputs ``probability``, a column for
        each of the Graph's classes, and ``label``: the index of the largest, or, of several labels
        that are true or false each, 0 or 1 in each column. A regressor has the output ``response``.

    Raises
    ------
    NotFittedError
        It has not been fitted.
    UnsupportedModelError
        Its activations are none of scikit-learn's, or it knows one class alone.
    """
    import sklearn

    name = type(source).__name__
    names = getattr(source, "feature_names_in_", None)
    if not hasattr(source, "coefs_"):
        message = f"this {name} is not fitted; call its fit before compressing it"
        raise NotFittedError(message)
    for given in (source.activation, source.out_activation_):
        if given not in (*HIDDEN, *LAST):
            message = f"{name} has activation={given!r}, expected one of {tuple(HIDDEN)}"
            raise UnsupportedModelError(message)
    classes = getattr(source, "classes_", None)
    if classes is not None and len(classes) == 1:
        message = f"{name} was fitted on the class {classes[0]} alone, expected two or more"
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
        hidden = HIDDEN[source.activation]
        if number < last and hidden is not None:
            target = add(f"hidden_{number}", len(bias))
            steps.append(Activation(inputs=(found,), outputs=(target,), kind=hidden))
            found = target
    answer: Answer = "response" if classes is None else "probability"
    if source.out_activation_ == "softmax":
        steps.append(Softmax(inputs=(found,), outputs=(add("softmax", n_outputs),), axis=1))
    elif source.out_activation_ == "exp":
        steps.append(Unary(inputs=(found,), outputs=(add("exp", n_outputs),), kind="exp"))
    elif source.out_activation_ != "identity":
        squashed = HIDDEN[source.out_activation_]
        assert squashed is not None
        target = add(squashed, n_outputs)
        steps.append(Activation(inputs=(found,), outputs=(target,), kind=squashed))
        # One column answers for two classes; several are labels that are true or false each.
        if n_outputs == 1:
            steps += _both(values, squashed)
    made = values[-1]
    values[-1] = ir.Value(answer, made.dtype, made.shape, ir.Role.OUTPUT)
    steps[-1] = replace(steps[-1], outputs=(answer,))
    if classes is not None:
        several = n_outputs > 1 and source.out_activation_ != "softmax"
        steps += _each_label(values, n_outputs) if several else _likeliest(values)
    return fuse_activations(
        ir.Graph(
            values=tuple(values),
            operators=tuple(steps),
            feature_names=None if names is None else tuple(map(str, names)),
            classes=None if classes is None else class_labels(source),
            sparse="zero",
            methods=("predict",) if classes is None else ("predict", "predict_proba"),
            form="rows",
            provenance={"library": "scikit-learn", "version": sklearn.__version__, "kind": kind},
        )
    )


def _likeliest(values: list[ir.Value]) -> list[NetOperator]:
    """Return what finds the first of the largest probabilities."""
    values.append(ir.Value("label", "int64", ("batch",), ir.Role.OUTPUT))
    return [ArgReduce(inputs=("probability",), outputs=("label",), kind="max", axis=1)]


def _each_label(values: list[ir.Value], n_outputs: int) -> list[NetOperator]:
    """Return what says of each label whether its probability is above a half."""
    shape = ("batch", n_outputs)
    values.append(ir.Value("half", "float32", ()))
    values.append(ir.Value("above", "bool", shape))
    values.append(ir.Value("label", "int64", shape, ir.Role.OUTPUT))
    return [
        Constant(inputs=(), outputs=("half",), tensor=np.array(0.5, np.float32)),
        Compare(inputs=("probability", "half"), outputs=("above",), kind="greater"),
        Cast(inputs=("above",), outputs=("label",)),
    ]


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
