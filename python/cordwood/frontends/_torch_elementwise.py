"""Readers of what works element by element: activations, arithmetic, comparisons, choices."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from cordwood.frontends._torch_build import refuse, type_name
from cordwood.frontends._torch_layers import float32_only
from cordwood.frontends._torch_registry import READERS, reads
from cordwood.ir_arrays import Binary, Compare, Unary, Where
from cordwood.ir_nets import Activation

if TYPE_CHECKING:
    from cordwood.frontends._torch_build import Step
    from cordwood.frontends._torch_registry import Reader

__all__ = ["operand"]

ACTIVATIONS = {
    "relu": "relu", "selu": "selu", "silu": "silu", "sigmoid": "sigmoid", "tanh": "tanh",
    "mish": "mish", "hardsigmoid": "hard_sigmoid", "hardswish": "hard_swish",
}  # fmt: skip
"""ATen operators without settings, and their kinds."""

UNARY = {
    "neg": "negative", "abs": "absolute", "sign": "sign", "sgn": "sign", "floor": "floor",
    "ceil": "ceil", "round": "round", "trunc": "truncate", "fix": "truncate", "sqrt": "sqrt",
    "reciprocal": "reciprocal", "square": "square", "logical_not": "not", "bitwise_not": "not",
    "isnan": "is_nan", "isinf": "is_infinite", "exp": "exp", "expm1": "expm1", "log": "log",
    "log1p": "log1p", "erf": "erf", "sin": "sin", "cos": "cos", "rsqrt": "rsqrt",
}  # fmt: skip

BINARY = {
    "mul": "multiply", "minimum": "minimum", "maximum": "maximum", "remainder": "remainder",
    "floor_divide": "floor_divide", "bitwise_and": "and", "bitwise_or": "or", "bitwise_xor": "xor",
    "logical_and": "and", "logical_or": "or", "logical_xor": "xor", "fmod": "", "atan2": "",
}  # fmt: skip
"""An empty kind has no operator, but is refused with a better message than by name."""

COMPARE = {
    "eq": "equal", "ne": "not_equal", "lt": "less", "le": "less_equal", "gt": "greater",
    "ge": "greater_equal",
}  # fmt: skip

SQUARE, CUBE = 2, 3
"""Powers that torch takes as products."""

SOFT_LIMIT = 17.0
"""From here on softplus(x) is x in float32, so that a larger threshold changes nothing."""


def operand(step: Step, given: Any, dtype: str) -> str:
    """Return an operand as a value of a type: a tensor, a number or a size."""
    build = step.build
    if isinstance(given, bool | int | float):
        return build.constant(np.array(given, np.dtype(dtype)))
    value = given.meta["val"]
    if hasattr(value, "shape"):
        return build.cast(step.name_of(given), dtype)
    size = build.sizes.of(value)
    if isinstance(size, int):
        return build.constant(np.array(size, np.dtype(dtype)))
    if str(type(value).__name__) != "SymInt":
        refuse("it computes with a number made from sizes, expected a size itself")
    return build.size_value(size, dtype)


def _activation(kind: str) -> Reader:
    def read(step: Step) -> None:
        float32_only(step)
        x = operand(step, step["self"], "float32")
        line = {"alpha": 1 / 6, "beta": 0.5} if kind.startswith("hard_") else {}
        step.write(Activation, (x,), kind=kind, **line)

    return read


def _unary(kind: str) -> Reader:
    def read(step: Step) -> None:
        if kind == "round" and step.get("decimals"):
            refuse(f"decimals is {step['decimals']}, expected 0")
        x = step.name("self")
        if "logical" in str(step.node.target):
            x = step.build.cast(x, "bool")
        elif step.dtype.startswith("float"):
            x = step.build.cast(x, step.dtype)
        elif kind == "not" and step.dtype != "bool":
            # All bits turned: -1 - x in two's complement.
            minus = operand(step, -1, step.dtype)
            step.write(Binary, (minus, x), kind="subtract")
            return
        step.write(Unary, (x,), kind=kind)

    return read


def _binary(kind: str) -> Reader:
    def read(step: Step) -> None:
        if not kind:
            refuse("no composition of other operators is as exact")
        left, right = (step[name] for name in list(step.arguments)[:2])
        dtype = "bool" if "logical" in str(step.node.target) else step.dtype
        inner = "and" if dtype == "bool" and kind == "multiply" else kind
        step.write(Binary, (operand(step, left, dtype), operand(step, right, dtype)), kind=inner)

    return read


def _compare(kind: str) -> Reader:
    def read(step: Step) -> None:
        left, right = (step[name] for name in list(step.arguments)[:2])
        dtype = _common_type(left, right)
        step.write(Compare, (operand(step, left, dtype), operand(step, right, dtype)), kind=kind)

    return read


def _common_type(left: Any, right: Any) -> str:
    """Return the type in which torch compares two operands."""
    import torch

    def plain(given: Any) -> Any:
        value = given.meta["val"] if hasattr(given, "meta") else given
        if hasattr(value, "shape"):
            return torch.empty((1,) * value.ndim, dtype=value.dtype)
        return value if isinstance(value, bool | int | float) else 1

    return type_name(torch.result_type(plain(left), plain(right)))


READERS.update({f"aten.{name}": _activation(kind) for name, kind in ACTIVATIONS.items()})
READERS.update({f"aten.{name}": _unary(kind) for name, kind in UNARY.items()})
READERS.update({f"aten.{name}": _binary(kind) for name, kind in BINARY.items()})
READERS.update({f"aten.{name}": _compare(kind) for name, kind in COMPARE.items()})


@reads("aten.gelu")
def _gelu(step: Step) -> None:
    float32_only(step)
    kind = "gelu_tanh" if step["approximate"] == "tanh" else "gelu"
    step.write(Activation, (step.name("self"),), kind=kind)


@reads("aten.leaky_relu", "aten.celu")
def _sloped(step: Step) -> None:
    float32_only(step)
    leaky = "leaky" in str(step.node.target)
    alpha = step.number("negative_slope" if leaky else "alpha")
    kind = "leaky_relu" if leaky else "celu"
    step.write(Activation, (step.name("self"),), kind=kind, alpha=float(alpha or 0.0))


@reads("aten.elu")
def _elu(step: Step) -> None:
    float32_only(step)
    if step.number("scale") != 1 or step.number("input_scale") != 1:
        refuse("scale or input_scale is not 1, expected a plain elu")
    step.write(Activation, (step.name("self"),), kind="elu", alpha=float(step["alpha"]))


@reads("aten.prelu", "aten._prelu_kernel")
def _prelu(step: Step) -> None:
    float32_only(step)
    slope = step.parameter("weight").reshape(-1)
    if slope.size == 1:
        step.write(Activation, (step.name("self"),), kind="leaky_relu", alpha=float(slope[0]))
    else:
        step.write(Activation, (step.name("self"),), kind="prelu", slope=slope)


@reads("aten.softplus")
def _softplus(step: Step) -> None:
    float32_only(step)
    sharpness, threshold = float(step["beta"]), float(step["threshold"])
    x = wide = step.name("self")
    factor = operand(step, sharpness, "float32")
    if sharpness != 1.0:
        wide = step.step(Binary, (x, factor), kind="multiply")
    soft = step.step(Activation, (wide,), kind="softplus")
    if sharpness != 1.0:
        soft = step.step(Binary, (soft, factor), kind="divide")
    if threshold < SOFT_LIMIT:
        limit = operand(step, threshold, "float32")
        above = step.step(Compare, (wide, limit), dtype="bool", kind="greater")
        soft = step.step(Where, (above, x, soft))
    step.alias(soft)


@reads("aten.rrelu_with_noise_functional", "aten.rrelu_with_noise", "aten.rrelu")
def _drawn_slope(step: Step) -> None:
    """Read what draws a slope in training and takes the middle one in evaluation."""
    float32_only(step)
    if step.get("training"):
        refuse("it draws slopes at random; call .eval() on the module")
    middle = (float(step["lower"]) + float(step["upper"])) / 2
    step.write(Activation, (step.name("self"),), kind="leaky_relu", alpha=middle)
    step.build.made[step.node] = [step.build.made[step.node]]


@reads("aten.log2", "aten.log10", "aten.exp2")
def _other_base(step: Step) -> None:
    float32_only(step)
    name = str(step.node.target).split(".")[1]
    x = step.build.cast(step.name("self"), "float32")
    if name == "exp2":
        step.write(Binary, (operand(step, 2.0, "float32"), x), kind="power")
        return
    factor = 1.0 / math.log(2.0 if name == "log2" else 10.0)
    natural = step.step(Unary, (x,), kind="log")
    step.write(Binary, (natural, operand(step, factor, "float32")), kind="multiply")


@reads("aten.tan", "aten.sinh", "aten.cosh")
def _halves(step: Step) -> None:
    """Read what is made of two functions: a tangent, and halves of sums of exponentials."""
    float32_only(step)
    name = str(step.node.target).split(".")[1]
    x = step.build.cast(step.name("self"), "float32")
    if name == "tan":
        above, below = (step.step(Unary, (x,), kind=kind) for kind in ("sin", "cos"))
        step.write(Binary, (above, below), kind="divide")
        return
    # expm1 keeps what is small in a hyperbolic sine.
    kind, joined = ("expm1", "subtract") if name == "sinh" else ("exp", "add")
    minus = step.step(Unary, (x,), kind="negative")
    one, other = (step.step(Unary, (value,), kind=kind) for value in (x, minus))
    both = step.step(Binary, (one, other), kind=joined)
    step.write(Binary, (both, operand(step, 0.5, "float32")), kind="multiply")


@reads("aten.log_sigmoid", "aten.log_sigmoid_forward")
def _log_sigmoid(step: Step) -> None:
    float32_only(step)
    minus = step.step(Unary, (step.name("self"),), kind="negative")
    soft = step.step(Activation, (minus,), kind="softplus")
    step.write(Unary, (soft,), kind="negative")


@reads("aten.hardtanh", "aten.relu6", "aten.clamp", "aten.clamp_min", "aten.clamp_max")
def _clip(step: Step) -> None:
    name = str(step.node.target).split(".")[1]
    if name == "relu6":
        lower: Any = 0.0
        upper: Any = 6.0
    elif name == "hardtanh":
        lower, upper = step.number("min_val"), step.number("max_val")
    else:
        lower, upper = step.get("min"), step.get("max")
    numbers = all(isinstance(bound, bool | int | float) for bound in (lower, upper))
    if numbers and step.dtype == "float32" and lower <= upper:
        x = step.build.cast(step.name("self"), "float32")
        step.write(Activation, (x,), kind="clip", alpha=float(lower), beta=float(upper))
        return
    x = operand(step, step["self"], step.dtype)
    for bound, kind in ((lower, "maximum"), (upper, "minimum")):
        if bound is not None:
            x = step.step(Binary, (x, operand(step, bound, step.dtype)), step.shape, kind=kind)
    step.alias(x)


@reads("aten.add", "aten.sub", "aten.rsub")
def _add(step: Step) -> None:
    left, right = (step[name] for name in list(step.arguments)[:2])
    alpha = step.get("alpha", 1)
    kind = "add" if str(step.node.target).split(".")[1] == "add" else "subtract"
    if "rsub" in str(step.node.target):
        left, right = right, left
    names = [operand(step, left, step.dtype), operand(step, right, step.dtype)]
    if alpha != 1:
        if "rsub" in str(step.node.target):
            refuse(f"alpha is {alpha}, expected 1")
        names[1] = step.step(Binary, (names[1], operand(step, alpha, step.dtype)),
                             step.build.shape(names[1]), kind="multiply")  # fmt: skip
    if step.dtype == "bool":
        kind = "or"
    step.write(Binary, names, kind=kind)


@reads("aten.div", "aten.true_divide")
def _divide(step: Step) -> None:
    left, right = (step[name] for name in list(step.arguments)[:2])
    names = (operand(step, left, step.dtype), operand(step, right, step.dtype))
    rounding = step.get("rounding_mode")
    if rounding is None:
        step.write(Binary, names, kind="divide")
    elif rounding == "floor":
        step.write(Binary, names, kind="floor_divide")
    elif step.dtype.startswith("float"):
        whole = step.step(Binary, names, step.shape, kind="divide")
        step.write(Unary, (whole,), kind="truncate")
    else:
        _divide_towards_zero(step, names)


def _divide_towards_zero(step: Step, names: tuple[str, str]) -> None:
    """Divide integers: one more than the floor where that left a rest below zero."""
    zero = operand(step, 0, step.dtype)
    floor = step.step(Binary, names, step.shape, kind="floor_divide")
    rest = step.step(Binary, names, step.shape, kind="remainder")
    signs = [step.step(Compare, (value, zero), dtype="bool", kind="less") for value in names]
    tests = [
        step.step(Binary, signs, step.shape, kind="xor"),
        step.step(Compare, (rest, zero), dtype="bool", kind="not_equal"),
    ]
    more = step.build.cast(step.step(Binary, tests, kind="and"), step.dtype)
    step.write(Binary, (floor, more), kind="add")


@reads("aten.pow")
def _power(step: Step) -> None:
    base, exponent = (step[name] for name in list(step.arguments)[:2])
    x = operand(step, base, step.dtype)
    simple = {SQUARE: "square", 0.5: "sqrt", -0.5: "rsqrt", -1: "reciprocal"}
    if isinstance(exponent, bool | int | float) and exponent in (*simple, 1, CUBE):
        if exponent == 1:
            step.alias(x)
        elif exponent == CUBE:
            wide = step.step(Binary, (x, x), kind="multiply")
            step.write(Binary, (wide, x), kind="multiply")
        elif step.dtype == "float32":
            step.write(Unary, (x,), kind=simple[exponent])
        elif exponent != SQUARE:
            refuse(f"it is a power of {step.dtype} to {exponent}, expected float32")
        else:
            step.write(Binary, (x, x), kind="multiply")
        return
    if step.dtype != "float32":
        refuse(f"it is a power of {step.dtype}, expected float32, or an exponent of 1, 2 or 3")
    step.write(Binary, (x, operand(step, exponent, step.dtype)), kind="power")


@reads("aten.where")
def _where(step: Step) -> None:
    truth = step.build.cast(step.name("condition"), "bool")
    names = (operand(step, step["self"], step.dtype), operand(step, step["other"], step.dtype))
    step.write(Where, (truth, *names))


@reads("aten.masked_fill")
def _masked_fill(step: Step) -> None:
    truth = step.build.cast(step.name("mask"), "bool")
    value = operand(step, step["value"], step.dtype)
    step.write(Where, (truth, value, step.name("self")))
