"""What every part of a Graph is made of: numbered operators, named values, their roles."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import ClassVar

__all__ = ["Coding", "Opcode", "Operator", "Role", "RowOperator", "Value"]


class Opcode(enum.IntEnum):
    """Numbers of the operators, fixed for ever (``docs/graph.md``)."""

    TREE_ENSEMBLE = 1
    LINK = 2
    DECIDE = 3
    # Preprocessing
    CAST = 16
    SCALE = 17
    IMPUTE = 18
    ONE_HOT = 19
    ORDINAL = 20
    SELECT = 21
    CONCAT = 22
    BIN = 23
    POLYNOMIAL = 24
    NORMALIZE = 25
    PROJECT = 26
    # Nets: layers
    LINEAR = 32
    MATMUL = 33
    CONV = 34
    POOL = 35
    BATCH_NORM = 36
    LAYER_NORM = 37
    RMS_NORM = 38
    GROUP_NORM = 39
    ACTIVATION = 40
    SOFTMAX = 41
    ATTENTION = 42
    EMBEDDING = 43
    LSTM = 44
    GRU = 45
    # Nets: elementwise and reductions
    UNARY = 48
    BINARY = 49
    COMPARE = 50
    WHERE = 51
    QUANTIZE = 52
    DEQUANTIZE = 53
    REDUCE = 56
    ARG_REDUCE = 57
    # Nets: shape and gather
    CONSTANT = 64
    RESHAPE = 65
    TRANSPOSE = 66
    SLICE = 67
    PAD = 68
    EXPAND = 69
    RESIZE = 70
    GATHER = 71


class Role(enum.IntEnum):
    """What a Value is to the caller; all but INPUT and OUTPUT stand at most once in a Graph."""

    NONE = 0
    ROWS = 1
    MARGIN = 2
    RESPONSE = 3
    PROBABILITY = 4
    LABEL = 5
    SCORE = 6
    DECISION = 7
    EMBEDDING = 8
    INPUT = 9
    OUTPUT = 10


@dataclass(frozen=True)
class Coding:
    """What the codes of a value stand for: ``(code - zero) * scale``, codes from 0 to 255."""

    scale: float
    zero: int


@dataclass(frozen=True)
class Value:
    """A named array that flows between operators.

    Parameters
    ----------
    name : str
        Unique in its Graph.
    dtype : str
        NumPy name of the element type; for ``Role.ROWS`` the type that the rows are cast to.
    shape : tuple of int or str
        Dimensions; a string is a symbol such as ``"batch"``.
    role : Role
        What the value means to the caller.
    coding : Coding, optional
        Of images between convolutions, of type uint8: they are held as codes.
    """

    name: str
    dtype: str
    shape: tuple[int | str, ...]
    role: Role = Role.NONE
    coding: Coding | None = None


@dataclass(frozen=True, eq=False, kw_only=True)
class Operator:
    """One step of a Graph: reads named values, writes named values."""

    opcode: ClassVar[Opcode]

    def reads(self) -> tuple[str, ...]:
        """Names of the values that it reads."""
        raise NotImplementedError

    def writes(self) -> tuple[str, ...]:
        """Names of the values that it writes."""
        raise NotImplementedError


@dataclass(frozen=True, eq=False, kw_only=True)
class RowOperator(Operator):
    """A step of a tree model: reads one value of rows, writes one."""

    source: str
    """Name of the input value."""
    target: str
    """Name of the output value."""

    def reads(self) -> tuple[str, ...]:
        """Names of the values that it reads."""
        return (self.source,)

    def writes(self) -> tuple[str, ...]:
        """Names of the values that it writes."""
        return (self.target,)
