"""The NumPy meaning of a net: ``docs/graph.md``, operator by operator.

Each operator's answer is rounded to its output's type; sums inside one are taken in float64, so
that it is close to what any order of adding gives, and bit-exact only where the table says *exact*.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from cordwood.ir import Coding, Graph, Role
from cordwood.ir_nets import Bfloat16, NetOperator, Quantized
from oracle_nets_arrays import ARRAYS
from oracle_nets_layers import LAYERS
from oracle_nets_sequence import SEQUENCE

MEANINGS = {**ARRAYS, **LAYERS, **SEQUENCE}
"""By class of operator: a function of the operator and its inputs."""

PARAMETERS = ("weight", "table")


def numbers(parameter: Any) -> np.ndarray:
    """Return the float numbers of a parameter that may be coded."""
    if isinstance(parameter, Bfloat16):
        return (parameter.bits.astype(np.uint32) << 16).view(np.float32)
    if isinstance(parameter, Quantized):
        codes = parameter.codes.astype(np.float64).reshape(len(parameter.codes), -1)
        group = parameter.group_size or codes.shape[1]
        scale = np.repeat(parameter.scale.astype(np.float64), group, axis=1)[:, : codes.shape[1]]
        zero: Any = 2 ** (parameter.bits - 1)
        if parameter.zero is not None:
            zero = np.repeat(parameter.zero.astype(np.float64), group, 1)[:, : codes.shape[1]]
        return (scale * (codes - zero)).astype(np.float32).reshape(parameter.codes.shape)
    return np.asarray(parameter)


def evaluate(operator: NetOperator, inputs: list[np.ndarray | None], dtypes: list[str]) -> list:
    """Return the outputs of one operator."""
    coded = {name: numbers(getattr(operator, name)) for name in PARAMETERS
             if getattr(operator, name, None) is not None}  # fmt: skip
    with np.errstate(all="ignore"):
        found = MEANINGS[type(operator)](operator, inputs, coded, dtypes)
    return list(found) if isinstance(found, tuple) else [found]


def coded(array: np.ndarray, coding: Coding) -> np.ndarray:
    """Return what is left of numbers that are held as codes."""
    scale = np.float32(coding.scale)
    codes = np.clip(np.rint(array * (np.float32(1) / scale)), -coding.zero, 255 - coding.zero)
    return codes * scale


def run(graph: Graph, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return the outputs of a net, by name.

    Checks that each value has the type and the shape that the Graph says, symbols included.
    """
    known: dict[str, np.ndarray] = {}
    symbols: dict[str, int] = {}
    for value in graph.values:
        if value.role is Role.INPUT:
            known[value.name] = inputs[value.name]
            for said, size in zip(value.shape, inputs[value.name].shape, strict=True):
                if isinstance(said, str) and said.isidentifier():
                    assert symbols.setdefault(said, size) == size, f"{said} has two sizes"
    for operator in graph.operators:
        read = [known[name] if name else None for name in operator.inputs]
        values = [graph.value(name) for name in operator.outputs]
        types = ["float32" if value.coding else value.dtype for value in values]
        made = evaluate(operator, read, types)
        for value, array in zip(values, made, strict=True):
            if value.coding is not None:
                known[value.name] = coded(array, value.coding)
                continue
            place = f"{type(operator).__name__} {value.name} of {operator.place}"
            assert array.dtype.name == value.dtype, f"{place}: {array.dtype}, not {value.dtype}"
            assert array.shape == _shape(value.shape, symbols), f"{place}: {array.shape}"
            known[value.name] = array
    return {value.name: known[value.name] for value in graph.values if value.role is Role.OUTPUT}


def _shape(said: tuple[int | str, ...], symbols: dict[str, int]) -> tuple[int, ...]:
    """Return a shape; the text of a size is an expression of symbols."""
    return tuple(
        size if isinstance(size, int) else int(eval(size, {"__builtins__": {}}, dict(symbols)))
        for size in said
    )
