"""The NumPy meaning of the operators of ``cordwood.ir_arrays``."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import erf, logsumexp

from cordwood import ir_arrays as ir
from cordwood.ir_arrays import Dimension

UNARY = {
    "negative": np.negative, "absolute": np.abs, "sign": np.sign, "floor": np.floor,
    "ceil": np.ceil, "round": np.rint, "truncate": np.trunc, "sqrt": np.sqrt,
    "reciprocal": lambda x: 1 / x, "square": np.square, "not": np.logical_not,
    "is_nan": np.isnan, "is_infinite": np.isinf, "exp": np.exp, "expm1": np.expm1, "log": np.log,
    "log1p": np.log1p, "erf": erf, "sin": np.sin, "cos": np.cos, "rsqrt": lambda x: 1 / np.sqrt(x),
}  # fmt: skip

BINARY = {
    "add": np.add, "subtract": np.subtract, "multiply": np.multiply, "divide": np.divide,
    "minimum": np.minimum, "maximum": np.maximum, "remainder": np.remainder,
    "floor_divide": np.floor_divide, "and": np.bitwise_and, "or": np.bitwise_or,
    "xor": np.bitwise_xor, "power": np.power,
}  # fmt: skip

COMPARE = {
    "equal": np.equal, "not_equal": np.not_equal, "less": np.less, "less_equal": np.less_equal,
    "greater": np.greater, "greater_equal": np.greater_equal,
}  # fmt: skip

SUMS = {
    "sum": np.sum, "mean": np.mean, "product": np.prod, "any": np.any, "all": np.all,
    "max": np.max, "min": np.min, "sum_square": lambda x, **k: np.sum(np.square(x), **k),
    "log_sum_exp": logsumexp,
}  # fmt: skip

PADS = {"constant": "constant", "reflect": "reflect", "replicate": "edge", "circular": "wrap"}


def wide(x: np.ndarray) -> np.ndarray:
    """Widen floats to float64, in which steps inside an operator are taken."""
    return x.astype(np.float64) if x.dtype.kind == "f" else x


def unary(op: ir.Unary, inputs: list, _: Any, dtypes: list[str]) -> np.ndarray:
    return np.asarray(UNARY[op.kind](wide(inputs[0]))).astype(dtypes[0])


def binary(op: ir.Binary, inputs: list, _: Any, dtypes: list[str]) -> np.ndarray:
    left, right = inputs
    assert left.dtype == right.dtype, f"binary {op.kind} of {left.dtype} and {right.dtype}"
    assert left.dtype.kind != "b" or op.kind in ("and", "or", "xor"), op.kind
    return np.asarray(BINARY[op.kind](left, right)).astype(dtypes[0])


def compare(op: ir.Compare, inputs: list, _: Any, __: Any) -> np.ndarray:
    assert inputs[0].dtype == inputs[1].dtype
    return np.asarray(COMPARE[op.kind](*inputs))


def where(_: ir.Where, inputs: list, __: Any, ___: Any) -> np.ndarray:
    assert inputs[0].dtype == bool
    assert inputs[1].dtype == inputs[2].dtype
    return np.where(*inputs)


def cast(_: ir.Cast, inputs: list, __: Any, dtypes: list[str]) -> np.ndarray:
    x, dtype = inputs[0], np.dtype(dtypes[0])
    if x.dtype.kind == "f" and dtype.kind in "iu":
        limits = np.iinfo(dtype)
        x = np.clip(np.nan_to_num(np.trunc(x.astype(np.float64)), nan=0.0), limits.min, limits.max)
    elif dtype.kind in "iu" and x.dtype.kind in "iu":
        limits = np.iinfo(dtype)
        x = np.clip(
            x, max(limits.min, np.iinfo(x.dtype).min), min(limits.max, np.iinfo(x.dtype).max)
        )
    return x.astype(dtype)


def concat(op: ir.Concat, inputs: list, _: Any, __: Any) -> np.ndarray:
    assert len({x.dtype for x in inputs}) == 1
    return np.concatenate(inputs, axis=op.axis)


def reduce(op: ir.Reduce, inputs: list, _: Any, dtypes: list[str]) -> np.ndarray:
    found = SUMS[op.kind](wide(inputs[0]), axis=op.axes, keepdims=op.keep_axes)
    return np.asarray(found).astype(dtypes[0])


def arg_reduce(op: ir.ArgReduce, inputs: list, _: Any, __: Any) -> np.ndarray:
    pick = np.argmax if op.kind == "max" else np.argmin
    return np.asarray(pick(inputs[0], axis=op.axis, keepdims=op.keep_axes)).astype(np.int64)


def constant(op: ir.Constant, _: list, __: Any, ___: Any) -> np.ndarray:
    return op.tensor


def resolved(size: Any, inputs: list, otherwise: Any) -> Any:
    """Return a size as a number."""
    if isinstance(size, Dimension):
        return inputs[size.of].shape[size.axis] + size.plus
    return otherwise if size is None else size


def reshape(op: ir.Reshape, inputs: list, _: Any, __: Any) -> np.ndarray:
    return inputs[0].reshape([resolved(size, inputs, -1) for size in op.shape])


def expand(op: ir.Expand, inputs: list, _: Any, __: Any) -> np.ndarray:
    x = inputs[0]
    own = (1,) * (len(op.shape) - x.ndim) + x.shape
    shape = [resolved(size, inputs, old) for size, old in zip(op.shape, own, strict=True)]
    return np.ascontiguousarray(np.broadcast_to(x, shape))


def transpose(op: ir.Transpose, inputs: list, _: Any, __: Any) -> np.ndarray:
    return np.ascontiguousarray(inputs[0].transpose(op.axes))


def part(op: ir.Slice, inputs: list, _: Any, __: Any) -> np.ndarray:
    ends = zip(op.start, op.stop, op.step, strict=True)
    window = [slice(resolved(a, inputs, None), resolved(b, inputs, None), c) for a, b, c in ends]
    return inputs[0][tuple(window)]


def pad(op: ir.Pad, inputs: list, _: Any, __: Any) -> np.ndarray:
    sizes = list(zip(op.before, op.after, strict=True))
    more = {"constant_values": op.value} if op.mode == "constant" else {}
    return np.pad(inputs[0], sizes, mode=PADS[op.mode], **more)


def resize(op: ir.Resize, inputs: list, _: Any, dtypes: list[str]) -> np.ndarray:
    x = wide(inputs[0])
    for number in range(x.ndim - 2):
        axis, old = number + 2, x.shape[number + 2]
        new = op.size[number] if op.size else int(old * op.factor[number])
        pace = 1 / op.factor[number] if op.factor else old / new
        at = np.arange(new)
        if op.coordinates == "align_corners":
            source = at * ((old - 1) / (new - 1) if new > 1 else 0.0)
        elif op.coordinates == "half_pixel":
            source = np.maximum((at + 0.5) * pace - 0.5, 0)
        else:
            source = at * pace
        if op.mode == "nearest" and op.coordinates == "half_pixel":
            source = (at + 0.5) * pace
        low = np.minimum(np.floor(source).astype(int), old - 1)
        high = np.minimum(low + 1, old - 1)
        share = np.float32(source - low).astype(np.float64)
        share = share.reshape(-1, *[1] * (x.ndim - axis - 1))
        left, right = np.take(x, low, axis), np.take(x, high, axis)
        x = left if op.mode == "nearest" else left + (right - left) * share
    return x.astype(dtypes[0])


def gather(op: ir.Gather, inputs: list, _: Any, __: Any) -> np.ndarray:
    x, index = inputs
    length = x.shape[op.axis]
    assert (index >= -length).all(), "an index is outside"
    assert (index < length).all(), "an index is outside"
    if op.form == "along":
        return np.take_along_axis(x, index, op.axis)
    return np.take(x, index, op.axis)


ARRAYS = {
    ir.Unary: unary, ir.Binary: binary, ir.Compare: compare, ir.Where: where, ir.Cast: cast,
    ir.Concat: concat, ir.Reduce: reduce, ir.ArgReduce: arg_reduce, ir.Constant: constant,
    ir.Reshape: reshape, ir.Expand: expand, ir.Transpose: transpose, ir.Slice: part, ir.Pad: pad,
    ir.Resize: resize, ir.Gather: gather,
}  # fmt: skip
