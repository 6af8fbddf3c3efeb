"""The rules of a Graph, checked once on construction; every failure says what stands where.

The rules of a tree_ensemble's arrays are in ``cordwood.ir_checks_trees``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

import numpy as np

from cordwood import ir
from cordwood.errors import GraphError
from cordwood.ir import Decide, Link, Role, TreeEnsemble
from cordwood.ir_checks_trees import check_choice, check_tree_ensemble, freeze_arrays

if TYPE_CHECKING:
    from cordwood._typing import AnyArray
    from cordwood.ir import Graph, Operator, Value

__all__ = ["check_graph", "check_tree_ensemble", "freeze_arrays", "normalize_classes"]

METHODS = ("predict", "predict_proba", "decision_function", "apply")
"""Methods that a Graph may offer, in the order that it lists them."""


def _fail(message: str) -> NoReturn:
    raise GraphError(message)


def check_graph(graph: Graph) -> None:
    """Check every rule of a Graph.

    Parameters
    ----------
    graph : Graph
        Its operators have already checked themselves; its classes are normalised.

    Raises
    ------
    GraphError
        A rule is broken; the message names the value or the operator, what it is and what was
        expected.
    """
    _check_values(graph)
    _check_order(graph)
    for operator in graph.operators:
        _check_operator(graph, operator)
    _check_names(graph)
    _check_classes(graph)
    _check_methods(graph)


def _check_values(graph: Graph) -> None:
    """Check names, roles and the batch dimension of all values."""
    names = [value.name for value in graph.values]
    roles = [value.role for value in graph.values if value.role is not Role.NONE]
    for name in names:
        if not name or names.count(name) > 1:
            _fail(
                f"{names.count(name)} values are named {name!r}, expected one non-empty name each"
            )
    for role in roles:
        if roles.count(role) > 1:
            _fail(f"{roles.count(role)} values have the role {role.name}, expected at most one")
    rows = graph.by_role(Role.ROWS)
    if rows is None:
        _fail("no value has the role ROWS, expected exactly one")
    if [type(dimension) for dimension in rows.shape] != [str, int]:
        _fail(f"the rows {rows.name!r} have shape {rows.shape}, expected (symbol, n_features)")
    for value in graph.values:
        if value.shape[:1] != rows.shape[:1]:
            _fail(f"value {value.name!r} has shape {value.shape}, expected the batch symbol of the "
                  f"rows first, {rows.shape[0]!r}")  # fmt: skip


def _check_order(graph: Graph) -> None:
    """Check that each value is made once, after what it is made from."""
    known = {value.name for value in graph.values if value.role is Role.ROWS}
    names = {value.name for value in graph.values}
    for number, operator in enumerate(graph.operators):
        place = f"operator {number} ({operator.opcode.name.lower()})"
        if operator.source not in known:
            _fail(f"{place} reads {operator.source!r}, expected the rows or an earlier target")
        if operator.target not in names or operator.target in known:
            _fail(f"{place} writes {operator.target!r}, expected a value that nothing else makes")
        known.add(operator.target)
    for name in sorted(names - known):
        _fail(f"value {name!r} is the target of no operator, expected exactly one")


def _check_operator(graph: Graph, operator: Operator) -> None:
    """Check types and shapes around one operator."""
    source, target = graph.value(operator.source), graph.value(operator.target)
    if isinstance(operator, TreeEnsemble):
        _check_trees(operator, source, target)
    elif isinstance(operator, Link):
        _check_link(operator, source, target)
    elif isinstance(operator, Decide):
        _check_decide(operator, source, target)
    else:
        _fail(f"{type(operator).__name__} is no operator of this version, expected TreeEnsemble, "
              f"Link or Decide")  # fmt: skip


def _expect_value(value: Value, dtype: str, shape: tuple[int | str, ...], reason: str) -> None:
    if value.dtype != dtype or value.shape != shape:
        _fail(f"value {value.name!r} is {value.dtype} {value.shape}, expected {dtype} {shape}: "
              f"{reason}")  # fmt: skip


def _check_trees(operator: TreeEnsemble, source: Value, target: Value) -> None:
    if source.role is not Role.ROWS:
        _fail(f"a tree_ensemble reads {source.name!r}, expected the rows")
    batch = source.shape[0]
    reason = "its tree_ensemble's input_type and n_features"
    _expect_value(source, operator.input_type, (batch, operator.n_features), reason)
    reason = "its tree_ensemble's accumulate_type and n_outputs"
    _expect_value(target, operator.accumulate_type, (batch, operator.n_outputs), reason)


def _expect_columns(name: str, source: Value) -> int:
    """Return the number of columns of a float source."""
    kinds = [type(dimension) for dimension in source.shape]
    columns = source.shape[-1] if kinds == [str, int] else None
    if source.dtype not in ("float32", "float64") or not isinstance(columns, int) or columns < 1:
        _fail(f"a {name} reads {source.name!r}, {source.dtype} {source.shape}, expected float32 or "
              f"float64 with a known number of columns")  # fmt: skip
    return columns


def _check_link(operator: Link, source: Value, target: Value) -> None:
    check_choice("link.kind", operator.kind, ir.LinkKind)
    columns = _expect_columns("link", source)
    if not (np.isfinite(operator.scale) and operator.scale > 0):
        _fail(f"link.scale is {operator.scale!r}, expected a finite number above 0")
    if operator.kind != "sigmoid" and operator.scale != 1.0:
        _fail(f"link.scale is {operator.scale!r}, expected 1.0 because the kind is "
              f"{operator.kind!r}")  # fmt: skip
    if operator.complement and (columns != 1 or operator.kind == "softmax"):
        _fail(f"link.complement is set for a {operator.kind} of {columns} columns, expected one "
              f"column and no softmax")  # fmt: skip
    shape = (source.shape[0], 2 if operator.complement else columns)
    _expect_value(target, source.dtype, shape, "its link keeps the type and, but for a complement, "
                  "the shape")  # fmt: skip


def _check_decide(operator: Decide, source: Value, target: Value) -> None:
    check_choice("decide.rule", operator.rule, ir.DecideRule)
    columns = _expect_columns("decide", source)
    if operator.rule == "argmax" and operator.cut != 0.0:
        _fail(f"decide.cut is {operator.cut!r}, expected 0.0 because the rule is 'argmax'")
    if operator.rule != "argmax" and columns not in (1, 2):
        _fail(f"a decide by {operator.rule!r} reads {columns} columns, expected 1 or 2")
    with np.errstate(over="ignore"):
        own = float(np.dtype(source.dtype).type(operator.cut))
    if own != operator.cut or not np.isfinite(own):
        _fail(f"decide.cut is {operator.cut!r}, expected a finite number of the value's own type, "
              f"{source.dtype}")  # fmt: skip
    _expect_value(target, "int64", (source.shape[0],), "a decide writes class indices")


def _check_names(graph: Graph) -> None:
    """Check the feature names against the columns of the rows."""
    names = graph.feature_names
    if names is None:
        return
    rows = next(value for value in graph.values if value.role is Role.ROWS)
    if len(names) != rows.shape[1]:
        _fail(f"feature_names has {len(names)} entries, expected {rows.shape[1]}, the columns of "
              f"the rows")  # fmt: skip
    for position, name in enumerate(names):
        if not isinstance(name, str):
            _fail(f"feature_names[{position}] is {name!r}, expected a str")


def _check_classes(graph: Graph) -> None:
    """Check that there is one label for each class that a decide can pick."""
    if graph.classes is None:
        return
    label = graph.by_role(Role.LABEL)
    if label is None:
        _fail("classes are given, expected a value with the role LABEL that picks among them")
    decide = next(op for op in graph.operators if op.target == label.name)
    if not isinstance(decide, Decide):
        _fail(f"the label {label.name!r} is made by {type(decide).__name__}, expected a Decide")
    count = graph.value(decide.source).shape[1] if decide.rule == "argmax" else 2
    if graph.classes.shape != (count,):
        _fail(f"classes has shape {graph.classes.shape}, expected {(count,)}: {decide.rule!r} on "
              f"{decide.source!r}")  # fmt: skip


def _check_methods(graph: Graph) -> None:
    """Check that each method is known, in its place, and has a value to answer from."""
    if not graph.methods or graph.methods != tuple(m for m in METHODS if m in graph.methods):
        _fail(f"methods is {graph.methods}, expected some of {METHODS} in this order")
    answers = {
        "predict": (Role.LABEL, Role.RESPONSE, Role.PROBABILITY, Role.MARGIN),
        "predict_proba": (Role.PROBABILITY,),
        "decision_function": (Role.MARGIN, Role.RESPONSE),
    }
    for method in graph.methods:
        roles = answers.get(method)
        if roles is not None and all(graph.by_role(role) is None for role in roles):
            _fail(f"method {method!r} has no value to answer from, expected one with the role "
                  f"{' or '.join(role.name for role in roles)}")  # fmt: skip
    if "apply" in graph.methods and not any(isinstance(o, TreeEnsemble) for o in graph.operators):
        _fail("method 'apply' is listed, expected a tree_ensemble that has leaves to name")


def normalize_classes(graph: Graph) -> None:
    """Bring the labels of `graph` to int64, float64, bool or str, as a read-only array.

    Raises
    ------
    GraphError
        The labels are of another type, or of mixed types.
    """
    if graph.classes is None:
        return
    given = np.asarray(graph.classes)
    labels: AnyArray = given
    if given.dtype.kind == "O" and all(isinstance(label, str) for label in given.flat):
        labels = given.astype(np.str_)
    elif given.dtype.kind in "iu" and np.can_cast(given.dtype, np.int64):
        labels = given.astype(np.int64)
    elif given.dtype.kind == "f" and np.can_cast(given.dtype, np.float64):
        labels = given.astype(np.float64)
    if labels.dtype.kind not in "bU" and labels.dtype not in (np.int64, np.float64):
        _fail(f"classes hold {given.dtype}, expected integers, floats, bool or str alone")
    labels = np.array(labels)
    labels.setflags(write=False)
    object.__setattr__(graph, "classes", labels)
