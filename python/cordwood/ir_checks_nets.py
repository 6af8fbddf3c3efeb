"""The rules of a net: names, roles, order, and what can be told of types and shapes beforehand."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

import numpy as np

from cordwood.errors import GraphError
from cordwood.ir_arrays import Constant
from cordwood.ir_base import Role
from cordwood.ir_nets import Linear, NetOperator, Product, Quantized

if TYPE_CHECKING:
    from cordwood.ir import Graph
    from cordwood.ir_base import Coding, Value

__all__ = ["check_net"]

MAX_RANK = 6
IMAGE_RANKS = (3, 4, 5)
LEAST_SCALE = 2.0**-100
CODES = 256
ROW_ANSWERS = {"predict": ("label", "response", "probability"), "predict_proba": ("probability",)}
"""Outputs that may serve each method of a net of rows."""
ROLES = (Role.NONE, Role.INPUT, Role.OUTPUT)
DTYPES = (
    *("bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"),
    *("float16", "bfloat16", "float32", "float64"),
)


def _fail(message: str) -> NoReturn:
    raise GraphError(message)


def check_net(graph: Graph) -> None:
    """Check every rule of a net's Graph.

    Parameters
    ----------
    graph : Graph
        One value at least has the role INPUT.

    Raises
    ------
    GraphError
        A rule is broken; the message names the value or the operator, what it is and what was
        expected.
    """
    _check_values(graph)
    _check_order(graph)
    for number, operator in enumerate(graph.operators):
        _check_parameters(number, operator)
    outputs = [value.name for value in graph.values if value.role is Role.OUTPUT]
    if not outputs:
        _fail("no value has the role OUTPUT, expected one or more")
    if graph.form == "single" and len(outputs) != 1:
        _fail(f"form is 'single' with {len(outputs)} outputs, expected 'tuple' or 'dict'")
    if graph.form == "rows":
        _check_rows(graph, outputs)
    if graph.classes is not None:
        columns = graph.value(outputs[0]).shape[-1:]
        if isinstance(graph.classes, tuple) or columns != (len(graph.classes),):
            _fail(f"classes of {outputs[0]!r}, which has {columns} columns, expected one label for "
                  f"each column of the first output")  # fmt: skip


def _check_rows(graph: Graph, outputs: list[str]) -> None:
    """Check that a net takes rows, and has an answer for each of its methods."""
    inputs = [value for value in graph.values if value.role is Role.INPUT]
    shape = inputs[0].shape
    if len(inputs) != 1 or inputs[0].dtype != "float32" or shape[:1] != ("batch",):
        _fail(f"form is 'rows' with inputs {inputs}, expected one of float32, (batch, features)")
    if len(shape) != len(("batch", "features")) or not isinstance(shape[1], int):
        _fail(f"form is 'rows' with rows of shape {shape}, expected (batch, features)")
    for method in graph.methods:
        wanted = ROW_ANSWERS.get(method, ())
        if not set(wanted) & set(outputs):
            _fail(f"method {method!r} with outputs {outputs}, expected one of {wanted}")
    if graph.feature_names is not None and len(graph.feature_names) != shape[1]:
        _fail(f"{len(graph.feature_names)} feature names, expected {shape[1]}, one for each column")


def _check_values(graph: Graph) -> None:
    names = [value.name for value in graph.values]
    for value in graph.values:
        if not value.name or names.count(value.name) > 1:
            _fail(f"{names.count(value.name)} values are named {value.name!r}, expected one "
                  f"non-empty name each")  # fmt: skip
        if value.role not in ROLES:
            _fail(f"value {value.name!r} has the role {value.role.name}, expected INPUT, OUTPUT or "
                  f"NONE in a net")  # fmt: skip
        if value.dtype not in DTYPES:
            _fail(f"value {value.name!r} has dtype {value.dtype!r}, expected one of {DTYPES}")
        if len(value.shape) > MAX_RANK:
            _fail(f"value {value.name!r} has {len(value.shape)} axes, expected at most {MAX_RANK}")
        if value.coding is not None:
            _check_coding(value, value.coding)
        for size in value.shape:
            if isinstance(size, int) and size < 1:
                _fail(f"value {value.name!r} has shape {value.shape}, expected sizes of 1 or more")
    symbols = {size for value in graph.values for size in value.shape if isinstance(size, str)}
    for symbol, most in graph.maxima.items():
        if symbol not in symbols or most < 1:
            _fail(f"maximum {most} of symbol {symbol!r}, expected 1 or more of one of {symbols}")


def _check_coding(value: Value, coding: Coding) -> None:
    scale, zero = coding.scale, coding.zero
    image = value.dtype == "uint8" and value.role is Role.NONE and len(value.shape) in IMAGE_RANKS
    if not image or not LEAST_SCALE <= scale <= 1 / LEAST_SCALE or not 0 <= zero < CODES:
        _fail(f"value {value.name!r} of type {value.dtype} is held as codes of scale {scale} and "
              f"zero point {zero}, expected uint8 images of no role, a scale from 2^-100 to "
              f"2^100, a zero point from 0 to 255")  # fmt: skip


def _check_order(graph: Graph) -> None:
    """Check that each value is made once, after what it is made from."""
    known = {value.name for value in graph.values if value.role is Role.INPUT}
    names = {value.name for value in graph.values}
    for number, operator in enumerate(graph.operators):
        place = f"operator {number} ({operator.opcode.name.lower()})"
        if not isinstance(operator, NetOperator):
            _fail(f"{place} is an operator of tree models, expected one of nets")
        for name in operator.reads():
            if name and name not in known:
                _fail(f"{place} reads {name!r}, expected an input or an earlier output")
        for name in operator.writes():
            if name not in names or name in known:
                _fail(f"{place} writes {name!r}, expected a value that nothing else makes")
            known.add(name)
    for name in sorted(names - known):
        _fail(f"value {name!r} is the output of no operator, expected exactly one")


def _check_parameters(number: int, operator: object) -> None:
    if isinstance(operator, Constant) and operator.tensor.dtype == object:
        _fail(f"operator {number} is a constant of objects, expected numbers or bools")
    if not isinstance(operator, Product):
        return
    path = f" in {operator.place!r}" if operator.place else ""
    place = f"operator {number} ({operator.opcode.name.lower()}{path})"
    weight = operator.weight
    if isinstance(weight, Quantized):
        groups = weight.scale.shape
        if weight.scale.ndim != len(("outputs", "groups")) or groups[0] != len(weight.codes):
            _fail(f"{place} has scales of shape {groups} for codes of {weight.codes.shape}, "
                  f"expected (outputs, groups)")  # fmt: skip
        _check_mask(place, operator, weight)
    elif isinstance(weight, np.ndarray) and not np.isfinite(weight).all():
        _fail(f"{place} has weights that are NaN or infinite, expected finite numbers")
    if operator.rows.kind not in ("float32", "bfloat16") and not isinstance(weight, Quantized):
        _fail(f"{place} codes its rows as {operator.rows.kind}, expected quantised weights")


def _check_mask(place: str, operator: Product, weight: Quantized) -> None:
    if weight.mask is None:
        return
    if not isinstance(operator, Linear) or weight.zero is not None:
        _fail(f"{place} has a mask of weights that stay, expected one in linear layers without "
              f"zero points alone")  # fmt: skip
    if weight.mask.shape != weight.codes.shape or weight.mask.dtype != np.bool_:
        _fail(f"{place} has a mask of {weight.mask.dtype} and shape {weight.mask.shape}, expected "
              f"bool and {weight.codes.shape}")  # fmt: skip
    if (weight.codes[~weight.mask] != 1 << (weight.bits - 1)).any():
        _fail(f"{place} has a weight that is not zero where its mask keeps none")
