"""Operators of nets as records: attributes as in ``csrc/format/net_operators.h``, and tensors."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any, get_args

import numpy as np

from cordwood import ir_arrays as arrays
from cordwood import ir_nets as nets
from cordwood._pack_sparse import Mask
from cordwood._pack_tensors import Dtype, Tensor
from cordwood.errors import GraphError
from cordwood.ir_arrays import Dimension

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cordwood.ir_arrays import Size

__all__ = ["PACKERS", "net_record"]

_AXES = 6
_SPACE = 3
_NONE = 255
_BYTE = 8
_DIMENSION = struct.Struct("<qBBB5x")
_CONSTANT, _OF_INPUT, _INFERRED = 0, 1, 2
_PRODUCT = struct.Struct("<BB2xIfiff")
_ROWS = {kind: code for code, kind in enumerate(get_args(nets.RowKind))}
_ACTIVATIONS = {kind: code for code, kind in enumerate(get_args(nets.ActivationKind))}
_UNARY = {kind: code for code, kind in enumerate(get_args(arrays.UnaryKind))}
_BINARY = {kind: code for code, kind in enumerate(get_args(arrays.BinaryKind))}
_COMPARE = {kind: code for code, kind in enumerate(get_args(arrays.CompareKind))}
_REDUCE = {kind: code for code, kind in enumerate(get_args(arrays.ReduceKind))}
_COMBINE = {"none": 0, "sum": 1, "mean": 2, "max": 3}
_DIRECTIONS = {"forward": 0, "reverse": 1, "both": 2}
_PAD_MODES = {"constant": 0, "reflect": 1, "replicate": 2, "circular": 3}
_COORDINATES = {"half_pixel": 0, "align_corners": 1, "asymmetric": 2}

Record = tuple[bytes, list[Tensor | None]]


def net_record(operator: nets.NetOperator) -> Record:
    """Pack one operator of a net.

    Parameters
    ----------
    operator : NetOperator
        Of any kind that this version has a record for.

    Returns
    -------
    bytes, list of Tensor or None
        Its attributes, and its parameters in their fixed order.

    Raises
    ------
    GraphError
        It has no record in this version.
    """
    packer = PACKERS.get(type(operator))
    if packer is None:
        message = f"operator {type(operator).__name__} has no record in this version of the format"
        raise GraphError(message)
    return packer(operator)


def _parameter(given: Any) -> Tensor | None:
    """Hold a parameter: an array, halves of floats, or codes with their scales."""
    if given is None:
        return None
    if isinstance(given, nets.Bfloat16):
        return Tensor(Dtype.BFLOAT16, given.bits.shape, given.bits.astype("<u2").tobytes(), 2)
    if isinstance(given, nets.Quantized):
        return _quantized(given)
    if given.dtype == np.bool_:
        bits = Tensor.of_bits(given.reshape(-1))
        return Tensor(Dtype.BIT, given.shape, bits.data, 1)
    return Tensor.of(given)


def _quantized(given: nets.Quantized) -> Tensor:
    """Hold codes in two's complement, as bit strings below 8 bits; those that a mask keeps."""
    half = 1 << (given.bits - 1)
    sparse = None if given.mask is None else Mask.of(given.mask)
    held = given.codes if sparse is None else given.codes[sparse.stays]
    codes = (held.reshape(-1).astype(np.int16) - half) & ((1 << given.bits) - 1)
    octets = codes.astype(np.uint8)
    if given.bits == _BYTE:
        data = octets.tobytes()
    else:
        bits = np.unpackbits(octets[:, None], axis=1, bitorder="little")[:, : given.bits]
        data = np.packbits(bits.reshape(-1), bitorder="little").tobytes()
    zero = None if given.zero is None else (given.zero.astype(np.int16) - half).astype(np.int8)
    return Tensor(
        Dtype[f"INT{given.bits}"],
        given.codes.shape,
        data,
        1,
        scale=Tensor.of(given.scale),
        zero=None if zero is None else Tensor.of(zero),
        group=given.group_size,
        mask=sparse,
    )


def _size(size: Size) -> bytes:
    if size is None:
        return _DIMENSION.pack(0, _INFERRED, 0, 0)
    if isinstance(size, Dimension):
        return _DIMENSION.pack(size.plus, _OF_INPUT, size.of, size.axis)
    return _DIMENSION.pack(size, _CONSTANT, 0, 0)


def _sizes(sizes: Sequence[Size]) -> bytes:
    return b"".join(_size(size) for size in (*sizes, *(0,) * (_AXES - len(sizes))))


def _space(*tuples: tuple[int, ...]) -> list[int]:
    """Fill each tuple up to three axes and join them."""
    return [size for given in tuples for size in (*given, *(0,) * (_SPACE - len(given)))]


def _product_attributes(
    activation: str | None, alpha: float, beta: float, rows: nets.RowCoding
) -> bytes:
    code = _NONE if activation is None else _ACTIVATIONS[activation]
    return _PRODUCT.pack(
        _ROWS[rows.kind], code, rows.group_size, rows.scale, rows.zero, alpha, beta
    )


def _product(op: nets.Product) -> bytes:
    return _product_attributes(op.activation, op.alpha, op.beta, op.rows)


def _linear(op: nets.Linear) -> Record:
    return _product(op), [_parameter(op.weight), _parameter(op.bias)]


def _conv(op: nets.Conv) -> Record:
    window = _space(op.stride, op.dilation, op.pad_before, op.pad_after, op.output_padding)
    head = struct.pack("<18I", len(op.stride), op.groups, op.transposed, *window)
    return head + _product(op), [_parameter(op.weight), _parameter(op.bias)]


def _pool(op: nets.Pool) -> Record:
    window = _space(op.kernel, op.stride, op.dilation, op.pad_before, op.pad_after)
    kind = ("max", "average").index(op.kind)
    axes = len(op.kernel)
    return struct.pack("<20I", kind, axes, op.ceil_mode, op.count_padding, *window, 0), []


def _attention(op: nets.Attention) -> Record:
    head = struct.pack("<ffII", op.scale, op.soft_cap, op.causal, op.window)
    return head + struct.pack("<4BB3x", *op.heads_last, _ROWS[op.rows]), []


def _activation(op: nets.Activation) -> Record:
    attributes = struct.pack("<IffI", _ACTIVATIONS[op.kind], op.alpha, op.beta, 0)
    return attributes, [_parameter(op.slope)]


def _recurrence(op: nets.Lstm | nets.Gru, runs: Sequence[Sequence[Any]]) -> Record:
    head = struct.pack("<II", _DIRECTIONS[op.direction], 0)
    tensors = [_parameter(given) for run in zip(*runs, strict=True) for given in run]
    return head + _product_attributes(None, 0.0, 0.0, op.rows), tensors


def _slice(op: arrays.Slice) -> Record:
    steps = struct.pack("<6q", *op.step, *(0,) * (_AXES - len(op.step)))
    return _sizes(op.start) + _sizes(op.stop) + steps, []


def _pad(op: arrays.Pad) -> Record:
    fill = (0,) * (_AXES - len(op.before))
    borders = struct.pack("<12Q", *op.before, *fill, *op.after, *fill)
    return struct.pack("<IId", _PAD_MODES[op.mode], 0, op.value) + borders, []


def _resize(op: arrays.Resize) -> Record:
    sizes, factors = op.size or (), op.factor or ()
    axes = len(sizes) or len(factors)
    head = struct.pack(
        "<4I", ("nearest", "linear").index(op.mode), _COORDINATES[op.coordinates], axes, 0
    )
    size = struct.pack("<3Q", *_space(sizes))
    return head + size + struct.pack("<3d", *factors, *(0.0,) * (_SPACE - len(factors))), []


def _shape(op: arrays.Reshape | arrays.Expand) -> Record:
    return struct.pack("<II", len(op.shape), 0) + _sizes(op.shape), []


def _reduce(op: arrays.Reduce) -> Record:
    mask = sum(1 << axis for axis in op.axes)
    return struct.pack("<4I", _REDUCE[op.kind], op.keep_axes, mask, 0), []


def _arg_reduce(op: arrays.ArgReduce) -> Record:
    kind = ("max", "min").index(op.kind)
    return struct.pack("<4I", kind, op.keep_axes, op.axis, 0), []


PACKERS: dict[type, Callable[[Any], Record]] = {
    nets.Linear: _linear,
    nets.Conv: _conv,
    nets.Pool: _pool,
    nets.Matmul: lambda op: (struct.pack("<II", op.transpose_a, op.transpose_b), []),
    nets.BatchNorm: lambda op: (b"", [_parameter(op.factor), _parameter(op.offset)]),
    nets.LayerNorm: lambda op: (
        struct.pack("<If", op.axes, op.epsilon),
        [_parameter(op.weight), _parameter(op.bias)],
    ),
    nets.RmsNorm: lambda op: (
        struct.pack("<ff", op.epsilon, op.weight_offset),
        [_parameter(op.weight)],
    ),
    nets.GroupNorm: lambda op: (
        struct.pack("<If", op.groups, op.epsilon),
        [_parameter(op.weight), _parameter(op.bias)],
    ),
    nets.Activation: _activation,
    nets.Softmax: lambda op: (struct.pack("<II", op.axis, op.log), []),
    nets.Attention: _attention,
    nets.Embedding: lambda op: (
        struct.pack("<II", _COMBINE[op.combine], 0),
        [_parameter(op.table)],
    ),
    nets.Lstm: lambda op: _recurrence(op, (op.weight_x, op.weight_h, op.bias)),
    nets.Gru: lambda op: _recurrence(op, (op.weight_x, op.weight_h, op.bias_x, op.bias_h)),
    arrays.Unary: lambda op: (struct.pack("<II", _UNARY[op.kind], 0), []),
    arrays.Binary: lambda op: (struct.pack("<II", _BINARY[op.kind], 0), []),
    arrays.Compare: lambda op: (struct.pack("<II", _COMPARE[op.kind], 0), []),
    arrays.Where: lambda _: (b"", []),
    arrays.Cast: lambda _: (b"", []),
    arrays.Concat: lambda op: (struct.pack("<II", op.axis, 0), []),
    arrays.Reduce: _reduce,
    arrays.ArgReduce: _arg_reduce,
    arrays.Constant: lambda op: (b"", [_parameter(op.tensor)]),
    arrays.Reshape: _shape,
    arrays.Expand: _shape,
    arrays.Transpose: lambda op: (
        struct.pack("<6B2x", *op.axes, *(0,) * (_AXES - len(op.axes))),
        [],
    ),
    arrays.Slice: _slice,
    arrays.Pad: _pad,
    arrays.Resize: _resize,
    arrays.Gather: lambda op: (
        struct.pack("<II", op.axis, ("take", "along").index(op.form)),
        [],
    ),
}
