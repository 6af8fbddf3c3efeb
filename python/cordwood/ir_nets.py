"""Layers of nets: each a frozen record of attributes, parameters and the names of its values.

``docs/graph.md`` is their table, with the numeric contract of each. Axes count from the front. What
works on arrays without parameters is in ``cordwood.ir_arrays``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Literal

from cordwood.ir_base import Opcode, Operator

if TYPE_CHECKING:
    import numpy as np

__all__ = [
    "Activation",
    "ActivationKind",
    "Attention",
    "BatchNorm",
    "Bfloat16",
    "Conv",
    "Embedding",
    "GroupNorm",
    "Gru",
    "LayerNorm",
    "Linear",
    "Lstm",
    "Matmul",
    "NetOperator",
    "Pool",
    "Product",
    "Quantized",
    "RmsNorm",
    "RowCoding",
    "Softmax",
]

ActivationKind = Literal[
    "relu",
    "leaky_relu",
    "prelu",
    "elu",
    "selu",
    "celu",
    "gelu",
    "gelu_tanh",
    "silu",
    "sigmoid",
    "tanh",
    "softplus",
    "mish",
    "hard_sigmoid",
    "hard_swish",
    "clip",
]
RowKind = Literal[
    "float32", "int8-dynamic", "int8-static", "uint8-dynamic", "uint8-static", "bfloat16"
]


@dataclass(frozen=True, eq=False)
class Bfloat16:
    """A parameter in bfloat16, whose numbers NumPy has no type for.

    Parameters
    ----------
    bits : ndarray of uint16
        The upper halves of the float32 numbers, in the parameter's shape.
    """

    bits: np.ndarray


@dataclass(frozen=True, eq=False, kw_only=True)
class Quantized:
    """A parameter of integer codes: ``scale * (code - zero)`` (``docs/quantization.md``).

    Parameters
    ----------
    codes : ndarray of uint8
        Unsigned codes in the parameter's shape; the first axis are the outputs.
    scale : ndarray of shape (outputs, groups)
        float32 or float16.
    zero : ndarray of uint8, optional
        In the shape of `scale`; ``2 ** (bits - 1)`` everywhere where it is absent.
    bits : int
        8, 4, 3 or 2.
    group_size : int
        Elements of an output, in C order, that share a scale; 0 for all of them.
    mask : ndarray of bool, optional
        In the shape of `codes`, a matrix without zero points: True where a weight stays. All others
        have the code of zero, ``2 ** (bits - 1)``, and take no room in a file. Of `Linear` alone.
    """

    codes: np.ndarray
    scale: np.ndarray
    zero: np.ndarray | None = None
    bits: int = 8
    group_size: int = 0
    mask: np.ndarray | None = None


@dataclass(frozen=True)
class RowCoding:
    """How the rows of a product are coded before integers are multiplied.

    Parameters
    ----------
    kind : str
        ``float32``, ``bfloat16``, or ``int8`` or ``uint8``, each dynamic or static.
    group_size : int
        Dynamic: inputs that share a scale; 0 for the whole row.
    scale, zero : float, int
        Static: what codes mean; `zero` with uint8 alone.
    """

    kind: RowKind = "float32"
    group_size: int = 0
    scale: float = 0.0
    zero: int = 0


@dataclass(frozen=True, eq=False, kw_only=True)
class NetOperator(Operator):
    """One step of a net: reads named values, writes named values.

    Parameters
    ----------
    inputs, outputs : tuple of str
        Names of values. Where an optional input in the middle is absent its name is ``""``.
    place : str
        Path of the module in the source that it comes from, for reports; may be empty.
    """

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    place: str = ""

    def reads(self) -> tuple[str, ...]:
        """Names of the values that it reads."""
        return self.inputs

    def writes(self) -> tuple[str, ...]:
        """Names of the values that it writes."""
        return self.outputs


@dataclass(frozen=True, eq=False, kw_only=True)
class Product(NetOperator):
    """What `Linear` and `Conv` share: ``activation(x * weight + bias + residual)``.

    Inputs are x and, optionally, a residual of the output's shape.

    Parameters
    ----------
    weight : ndarray, Bfloat16 or Quantized
        Outputs first.
    bias : ndarray of shape (outputs,), optional
        float32.
    activation : str, optional
        Kind of activation, but not ``prelu``.
    alpha, beta : float
        Of the activation.
    rows : RowCoding
        How x is coded.
    """

    weight: np.ndarray | Bfloat16 | Quantized
    bias: np.ndarray | None = None
    activation: ActivationKind | None = None
    alpha: float = 0.0
    beta: float = 0.0
    rows: RowCoding = field(default_factory=RowCoding)


@dataclass(frozen=True, eq=False, kw_only=True)
class Linear(Product):
    """Rows times a weight matrix (outputs, inputs)."""

    opcode: ClassVar[Opcode] = Opcode.LINEAR


@dataclass(frozen=True, eq=False, kw_only=True)
class Conv(Product):
    """Convolution over one to three space axes; lengths of the tuples are their number.

    `weight` is (outputs, inputs / groups, kernel...), or (inputs, outputs / groups, kernel...)
    where it is `transposed`.
    """

    opcode: ClassVar[Opcode] = Opcode.CONV

    stride: tuple[int, ...]
    dilation: tuple[int, ...]
    pad_before: tuple[int, ...]
    pad_after: tuple[int, ...]
    output_padding: tuple[int, ...]
    groups: int = 1
    transposed: bool = False


@dataclass(frozen=True, eq=False, kw_only=True)
class Matmul(NetOperator):
    """Product of two values; leading axes broadcast."""

    opcode: ClassVar[Opcode] = Opcode.MATMUL

    transpose_a: bool = False
    transpose_b: bool = False


@dataclass(frozen=True, eq=False, kw_only=True)
class Pool(NetOperator):
    """Maximum or average over windows of the space axes."""

    opcode: ClassVar[Opcode] = Opcode.POOL

    kind: Literal["max", "average"]
    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    dilation: tuple[int, ...]
    pad_before: tuple[int, ...]
    pad_after: tuple[int, ...]
    ceil_mode: bool = False
    count_padding: bool = True


@dataclass(frozen=True, eq=False, kw_only=True)
class BatchNorm(NetOperator):
    """Stored mean and variance by channel (axis 1): ``fma(x, factor, offset)``."""

    opcode: ClassVar[Opcode] = Opcode.BATCH_NORM

    factor: np.ndarray
    offset: np.ndarray


@dataclass(frozen=True, eq=False, kw_only=True)
class LayerNorm(NetOperator):
    """Mean and variance of the last `axes` axes."""

    opcode: ClassVar[Opcode] = Opcode.LAYER_NORM

    axes: int
    epsilon: float
    weight: np.ndarray | None = None
    bias: np.ndarray | None = None


@dataclass(frozen=True, eq=False, kw_only=True)
class RmsNorm(NetOperator):
    """Root mean square of the last axis."""

    opcode: ClassVar[Opcode] = Opcode.RMS_NORM

    epsilon: float
    weight: np.ndarray | None = None
    weight_offset: float = 0.0


@dataclass(frozen=True, eq=False, kw_only=True)
class GroupNorm(NetOperator):
    """Mean and variance of groups of channels (axis 1) and all positions."""

    opcode: ClassVar[Opcode] = Opcode.GROUP_NORM

    groups: int
    epsilon: float
    weight: np.ndarray | None = None
    bias: np.ndarray | None = None


@dataclass(frozen=True, eq=False, kw_only=True)
class Activation(NetOperator):
    """relu, gelu and their kin, element by element."""

    opcode: ClassVar[Opcode] = Opcode.ACTIVATION

    kind: ActivationKind
    alpha: float = 0.0
    beta: float = 0.0
    slope: np.ndarray | None = None
    """prelu: by channel (axis 1), or one for all."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Softmax(NetOperator):
    """Softmax, or its logarithm, along an axis."""

    opcode: ClassVar[Opcode] = Opcode.SOFTMAX

    axis: int
    log: bool = False


@dataclass(frozen=True, eq=False, kw_only=True)
class Attention(NetOperator):
    """Scaled dot products, softmax, weighted sum: queries, keys, values and, optionally, a mask.

    Shapes are (batch, heads, n, d), or where `heads_last` says so, for queries, keys, values and
    the output in turn, (batch, n, heads, d). `rows` is ``float32``, or ``int8-dynamic``: queries,
    keys and values are coded, each by its own range, and both products are of integers.
    """

    opcode: ClassVar[Opcode] = Opcode.ATTENTION

    scale: float
    causal: bool = False
    window: int = 0
    soft_cap: float = 0.0
    heads_last: tuple[bool, bool, bool, bool] = (False, False, False, False)
    rows: Literal["float32", "int8-dynamic"] = "float32"


@dataclass(frozen=True, eq=False, kw_only=True)
class Embedding(NetOperator):
    """Rows of a table by index."""

    opcode: ClassVar[Opcode] = Opcode.EMBEDDING

    table: np.ndarray | Bfloat16 | Quantized
    combine: Literal["none", "sum", "mean", "max"] = "none"


@dataclass(frozen=True, eq=False, kw_only=True)
class Lstm(NetOperator):
    """One layer of a recurrence of four gates: input, forget, cell, output.

    Inputs: x (batch, sequence, k), and both or none of h and c, (directions, batch, hidden).
    Outputs: all h, the last h, the last c. Parameters have an entry for each
    direction, forward first.
    """

    opcode: ClassVar[Opcode] = Opcode.LSTM

    direction: Literal["forward", "reverse", "both"]
    weight_x: tuple[np.ndarray | Quantized, ...]
    weight_h: tuple[np.ndarray | Quantized, ...]
    bias: tuple[np.ndarray | None, ...]
    rows: RowCoding = field(default_factory=RowCoding)


@dataclass(frozen=True, eq=False, kw_only=True)
class Gru(NetOperator):
    """One layer of a recurrence of three gates: reset, update, new. Values as of `Lstm` but c."""

    opcode: ClassVar[Opcode] = Opcode.GRU

    direction: Literal["forward", "reverse", "both"]
    weight_x: tuple[np.ndarray | Quantized, ...]
    weight_h: tuple[np.ndarray | Quantized, ...]
    bias_x: tuple[np.ndarray | None, ...]
    bias_h: tuple[np.ndarray | None, ...]
    rows: RowCoding = field(default_factory=RowCoding)
