"""Operators of nets that work on arrays: element by element, reductions, shapes and indexing.

``docs/graph.md`` is their table. Axes count from the front; where a shape depends on the batch or
another symbol, a `Dimension` says which axis of which input has the size.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from cordwood.ir_base import Opcode
from cordwood.ir_nets import NetOperator

if TYPE_CHECKING:
    from cordwood._typing import AnyArray

__all__ = [
    "ArgReduce",
    "Binary",
    "Cast",
    "Compare",
    "Concat",
    "Constant",
    "Dimension",
    "Expand",
    "Gather",
    "Pad",
    "Reduce",
    "Reshape",
    "Resize",
    "Size",
    "Slice",
    "Transpose",
    "Unary",
    "Where",
]

UnaryKind = Literal[
    "negative",
    "absolute",
    "sign",
    "floor",
    "ceil",
    "round",
    "truncate",
    "sqrt",
    "reciprocal",
    "square",
    "not",
    "is_nan",
    "is_infinite",
    "exp",
    "expm1",
    "log",
    "log1p",
    "erf",
    "sin",
    "cos",
    "rsqrt",
]
BinaryKind = Literal[
    "add",
    "subtract",
    "multiply",
    "divide",
    "minimum",
    "maximum",
    "remainder",
    "floor_divide",
    "and",
    "or",
    "xor",
    "power",
]
CompareKind = Literal["equal", "not_equal", "less", "less_equal", "greater", "greater_equal"]
ReduceKind = Literal[
    "sum", "mean", "max", "min", "product", "any", "all", "sum_square", "log_sum_exp"
]


@dataclass(frozen=True)
class Dimension:
    """A size that depends on a shape: that of `axis` of the operator's input `of`, plus `plus`."""

    of: int
    axis: int
    plus: int = 0


Size = int | Dimension | None
"""A constant, a `Dimension`, or None: what reshape infers, what expand leaves, where slice ends."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Unary(NetOperator):
    """One value, element by element."""

    opcode: ClassVar[Opcode] = Opcode.UNARY

    kind: UnaryKind


@dataclass(frozen=True, eq=False, kw_only=True)
class Binary(NetOperator):
    """Two values of one type, element by element; shapes broadcast."""

    opcode: ClassVar[Opcode] = Opcode.BINARY

    kind: BinaryKind


@dataclass(frozen=True, eq=False, kw_only=True)
class Compare(NetOperator):
    """Two values of one type to bool; shapes broadcast."""

    opcode: ClassVar[Opcode] = Opcode.COMPARE

    kind: CompareKind


@dataclass(frozen=True, eq=False, kw_only=True)
class Where(NetOperator):
    """Choose by truth: a bool and two values of one type; shapes broadcast."""

    opcode: ClassVar[Opcode] = Opcode.WHERE


@dataclass(frozen=True, eq=False, kw_only=True)
class Cast(NetOperator):
    """Change to the type of the output."""

    opcode: ClassVar[Opcode] = Opcode.CAST


@dataclass(frozen=True, eq=False, kw_only=True)
class Concat(NetOperator):
    """Join along an axis."""

    opcode: ClassVar[Opcode] = Opcode.CONCAT

    axis: int


@dataclass(frozen=True, eq=False, kw_only=True)
class Reduce(NetOperator):
    """Sum, mean, extremes along axes."""

    opcode: ClassVar[Opcode] = Opcode.REDUCE

    kind: ReduceKind
    axes: tuple[int, ...]
    keep_axes: bool = False


@dataclass(frozen=True, eq=False, kw_only=True)
class ArgReduce(NetOperator):
    """Position of an extreme along an axis."""

    opcode: ClassVar[Opcode] = Opcode.ARG_REDUCE

    kind: Literal["max", "min"]
    axis: int
    keep_axes: bool = False


@dataclass(frozen=True, eq=False, kw_only=True)
class Constant(NetOperator):
    """A parameter as a value; bool arrays too."""

    opcode: ClassVar[Opcode] = Opcode.CONSTANT

    tensor: AnyArray


@dataclass(frozen=True, eq=False, kw_only=True)
class Reshape(NetOperator):
    """Same elements, other shape; at most one entry is None. Further inputs lend their shapes."""

    opcode: ClassVar[Opcode] = Opcode.RESHAPE

    shape: tuple[Size, ...]


@dataclass(frozen=True, eq=False, kw_only=True)
class Expand(NetOperator):
    """Broadcast to a shape; None leaves an axis. Further inputs lend their shapes."""

    opcode: ClassVar[Opcode] = Opcode.EXPAND

    shape: tuple[Size, ...]


@dataclass(frozen=True, eq=False, kw_only=True)
class Transpose(NetOperator):
    """Output axis i is input axis ``axes[i]``."""

    opcode: ClassVar[Opcode] = Opcode.TRANSPOSE

    axes: tuple[int, ...]


@dataclass(frozen=True, eq=False, kw_only=True)
class Slice(NetOperator):
    """A strided part, by axis; None is an open end. Further inputs lend their shapes."""

    opcode: ClassVar[Opcode] = Opcode.SLICE

    start: tuple[Size, ...]
    stop: tuple[Size, ...]
    step: tuple[int, ...]


@dataclass(frozen=True, eq=False, kw_only=True)
class Pad(NetOperator):
    """More elements at the borders, by axis."""

    opcode: ClassVar[Opcode] = Opcode.PAD

    before: tuple[int, ...]
    after: tuple[int, ...]
    mode: Literal["constant", "reflect", "replicate", "circular"] = "constant"
    value: float = 0.0


@dataclass(frozen=True, eq=False, kw_only=True)
class Resize(NetOperator):
    """Nearest or linear sampling of the space axes, to a size or by a factor."""

    opcode: ClassVar[Opcode] = Opcode.RESIZE

    mode: Literal["nearest", "linear"]
    coordinates: Literal["half_pixel", "align_corners", "asymmetric"]
    size: tuple[int, ...] | None = None
    factor: tuple[float, ...] | None = None


@dataclass(frozen=True, eq=False, kw_only=True)
class Gather(NetOperator):
    """Elements by index: ``take`` replaces the axis, ``along`` has an index for each element."""

    opcode: ClassVar[Opcode] = Opcode.GATHER

    axis: int
    form: Literal["take", "along"] = "take"
