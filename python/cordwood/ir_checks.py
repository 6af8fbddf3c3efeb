"""The rules of a Graph, checked once on construction; every failure says what stands where.

The rules of a tree_ensemble's arrays are in ``cordwood.ir_checks_trees``.
"""

from __future__ import annotations

import types
from typing import TYPE_CHECKING, NoReturn

import numpy as np

from cordwood import ir
from cordwood.errors import GraphError
from cordwood.ir import Decide, Link, Role, RowOperator, TreeEnsemble
from cordwood.ir_checks_nets import check_net
from cordwood.ir_checks_trees import check_choice

if TYPE_CHECKING:
    from cordwood._typing import AnyArray
    from cordwood.ir import Graph, Value

__all__ = ["check_graph", "normalize_labels"]

METHODS = (
    "predict",
    "predict_proba",
    "decision_function",
    "score_samples",
    "transform",
    "apply",
)
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
    if graph.is_net:
        check_net(graph)
        return
    _check_values(graph)
    _check_order(graph)
    for operator in graph.operators:
        if isinstance(operator, RowOperator):
            _check_operator(graph, operator)
    _check_names(graph)
    _check_classes(graph)
    _check_categories(graph)
    _check_iterations(graph)
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
    rows = next(value.name for value in graph.values if value.role is Role.ROWS)
    known = {rows}
    names = {value.name for value in graph.values}
    for number, operator in enumerate(graph.operators):
        if not isinstance(operator, RowOperator):
            _fail(f"operator {number} is {type(operator).__name__}, which reads no rows; expected "
                  f"TreeEnsemble, Link or Decide")  # fmt: skip
        place = f"operator {number} ({operator.opcode.name.lower()})"
        if operator.source not in known:
            _fail(f"{place} reads {operator.source!r}, expected the rows or an earlier target")
        if operator.target not in names or operator.target in known:
            _fail(f"{place} writes {operator.target!r}, expected a value that nothing else makes")
        start = operator.start if isinstance(operator, TreeEnsemble) else None
        if start is not None and (start not in known or start == rows):
            _fail(f"{place} starts from {start!r}, expected an earlier target")
        known.add(operator.target)
    for name in sorted(names - known):
        _fail(f"value {name!r} is the target of no operator, expected exactly one")


def _check_operator(graph: Graph, operator: RowOperator) -> None:
    """Check types and shapes around one operator."""
    source, target = (graph.value(name) for name in (operator.source, operator.target))
    if isinstance(operator, TreeEnsemble):
        _check_trees(operator, source, target)
        if operator.start is not None:
            reason = "a sum starts from a value of its output's type and shape"
            _expect_value(graph.value(operator.start), target.dtype, target.shape, reason)
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


HALF = 0.5
"""What a logit clips at lies below."""

SCALED = ("sigmoid", "sigmoid_pair", "softmax", "logit")
"""Kinds of links that have a scale."""


def _check_link(operator: Link, source: Value, target: Value) -> None:
    check_choice("link.kind", operator.kind, ir.LinkKind)
    columns = _expect_columns("link", source)
    kind = operator.kind
    if not (np.isfinite(operator.scale) and operator.scale > 0):
        _fail(f"link.scale is {operator.scale!r}, expected a finite number above 0")
    if kind not in SCALED and operator.scale != 1.0:
        _fail(f"link.scale is {operator.scale!r}, expected 1.0 because the kind is {kind!r}")
    if kind == "logit":
        if not 0.0 < operator.offset < HALF:
            _fail(f"link.offset is {operator.offset!r}, expected above 0 and below 1/2 for a logit")
    elif kind != "shift" and operator.offset != 0.0:
        _fail(f"link.offset is {operator.offset!r}, expected 0.0 because the kind is {kind!r}")
    _expect_own_number("link.offset", operator.offset, source)
    if operator.complement and (columns != 1 or kind not in ("identity", "sigmoid", "exp")):
        _fail(f"link.complement is set for a {kind} of {columns} columns, expected one column and "
              f"an identity, a sigmoid or an exp")  # fmt: skip
    if kind == "sigmoid_pair" and columns != 1:
        _fail(f"a sigmoid_pair reads {columns} columns, expected 1")
    shape = (source.shape[0], _link_columns(operator, columns))
    _expect_value(target, source.dtype, shape, f"what a link of kind {kind!r} writes")


def _link_columns(operator: Link, columns: int) -> int:
    """Return the columns that a link writes."""
    if operator.complement or operator.kind == "sigmoid_pair":
        return 2
    if operator.kind == "logit" and columns <= BINARY:
        return 1
    return columns


BINARY = 2
"""Classes up to which a probability or a decision needs one column."""


def _expect_own_number(name: str, number: float, source: Value) -> None:
    """Check that the source's type holds a finite number exactly."""
    with np.errstate(over="ignore"):
        own = float(np.dtype(source.dtype).type(number))
    if own != number or not np.isfinite(own):
        _fail(f"{name} is {number!r}, expected a finite number of the value's own type, "
              f"{source.dtype}")  # fmt: skip


def _check_decide(operator: Decide, source: Value, target: Value) -> None:
    rule, groups = operator.rule, operator.groups
    check_choice("decide.rule", rule, ir.DecideRule)
    columns = _expect_columns("decide", source)
    if rule == "argmax" and operator.cut != 0.0:
        _fail(f"decide.cut is {operator.cut!r}, expected 0.0 because the rule is 'argmax'")
    if rule in ("greater", "greater_equal") and columns > BINARY:
        _fail(f"a decide by {rule!r} reads {columns} columns, expected 1 or 2")
    _expect_own_number("decide.cut", operator.cut, source)
    if groups and (rule != "argmax" or min(groups) < 1 or sum(groups) != columns):
        _fail(f"decide.groups is {groups} for {rule!r} of {columns} columns, expected groups of an "
              f"argmax, each of at least 1 column, that add up to all columns")  # fmt: skip
    shape: tuple[int | str, ...] = source.shape[:1]
    if rule == "each_greater":
        shape = source.shape
    elif groups:
        shape = (source.shape[0], len(groups))
    _expect_value(target, "int64", shape, "a decide writes class indices")


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
    decide = next(op for op in graph.operators if label.name in op.writes())
    if not isinstance(decide, Decide):
        _fail(f"the label {label.name!r} is made by {type(decide).__name__}, expected a Decide")
    columns = graph.value(decide.source).shape[1]
    assert isinstance(columns, int)
    counts = {"argmax": (columns,), "each_greater": (2,) * columns}.get(decide.rule, (2,))
    if decide.groups:
        counts = decide.groups
    given = graph.classes if isinstance(graph.classes, tuple) else (graph.classes,)
    if isinstance(graph.classes, tuple) != (graph.value(decide.target).shape[1:] != ()):
        _fail(f"classes is a {type(graph.classes).__name__}, expected a tuple of arrays exactly "
              f"where the label has several columns")  # fmt: skip
    if [len(labels) for labels in given] != list(counts):
        _fail(f"classes hold {[len(labels) for labels in given]} labels, expected {list(counts)}: "
              f"{decide.rule!r} on {decide.source!r}")  # fmt: skip


def _check_categories(graph: Graph) -> None:
    """Check which features have labels, and that no label stands twice."""
    check_choice("unseen", graph.unseen, ir.Unseen)
    check_choice("sparse", graph.sparse, ir.Absent)
    rows = next(value for value in graph.values if value.role is Role.ROWS)
    n_features = rows.shape[1]
    assert isinstance(n_features, int)
    for feature, labels in graph.categories.items():
        if not 0 <= feature < n_features:
            _fail(f"categories has an entry for feature {feature!r}, expected 0 to "
                  f"{n_features - 1}")  # fmt: skip
        if len(set(labels.tolist())) != len(labels):
            _fail(f"categories[{feature}] lists a label twice, expected each once")
        if labels.dtype.kind == "f" and np.isnan(labels).any():
            _fail(f"categories[{feature}] holds NaN, expected labels that equal themselves")


def _check_iterations(graph: Graph) -> None:
    """Check that iterations cut the trees into equal runs."""
    per_iteration = graph.trees_per_iteration
    if per_iteration == 0 and not graph.staged:
        return
    if per_iteration < 1 or graph.trees.n_trees % per_iteration:
        _fail(f"trees_per_iteration is {per_iteration} for {graph.trees.n_trees} trees, expected a "
              f"divisor of them, also where prediction is staged")  # fmt: skip


def _check_methods(graph: Graph) -> None:
    """Check that each method is known, in its place, and has a value to answer from."""
    if not graph.methods or graph.methods != tuple(m for m in METHODS if m in graph.methods):
        _fail(f"methods is {graph.methods}, expected some of {METHODS} in this order")
    answers = {
        "predict": (Role.LABEL, Role.RESPONSE, Role.PROBABILITY, Role.MARGIN),
        "predict_proba": (Role.PROBABILITY,),
        "decision_function": (Role.DECISION, Role.MARGIN, Role.RESPONSE),
        "score_samples": (Role.SCORE,),
        "transform": (Role.EMBEDDING,),
    }
    for method in graph.methods:
        roles = answers.get(method)
        if roles is not None and all(graph.by_role(role) is None for role in roles):
            _fail(f"method {method!r} has no value to answer from, expected one with the role "
                  f"{' or '.join(role.name for role in roles)}")  # fmt: skip
    if "apply" in graph.methods and not any(isinstance(o, TreeEnsemble) for o in graph.operators):
        _fail("method 'apply' is listed, expected a tree_ensemble that has leaves to name")


def normalize_labels(graph: Graph) -> None:
    """Bring the classes and categories of `graph` to int64, float64, bool or str, read-only.

    Raises
    ------
    GraphError
        Labels are of another type, or of mixed types.
    """
    classes = graph.classes
    if isinstance(classes, tuple):
        several = tuple(_normalized(labels, "classes") for labels in classes)
        object.__setattr__(graph, "classes", several)
    elif classes is not None:
        object.__setattr__(graph, "classes", _normalized(classes, "classes"))
    categories = {
        feature: _normalized(labels, f"categories[{feature}]")
        for feature, labels in sorted(graph.categories.items())
    }
    object.__setattr__(graph, "categories", types.MappingProxyType(categories))


def _normalized(given: AnyArray, name: str) -> AnyArray:
    given = np.asarray(given)
    labels: AnyArray = given
    if given.dtype.kind == "O" and all(isinstance(label, str) for label in given.flat):
        labels = given.astype(np.str_)
    elif given.dtype.kind in "iu" and np.can_cast(given.dtype, np.int64):
        labels = given.astype(np.int64)
    elif given.dtype.kind == "f" and np.can_cast(given.dtype, np.float64):
        labels = given.astype(np.float64)
    if labels.dtype.kind not in "bU" and labels.dtype not in (np.int64, np.float64):
        _fail(f"{name} hold {given.dtype}, expected integers, floats, bool or str alone")
    if labels.ndim != 1:
        _fail(f"{name} have {labels.ndim} axes, expected 1")
    labels = np.array(labels)
    labels.setflags(write=False)
    return labels
