"""Products that read the same rows share their codes, and never those of others."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import cordwood as cw
from cordwood.ir import Graph, Role, Value
from cordwood.ir_nets import Activation, Linear, Quantized, RowCoding
from cordwood.pack import pack

WIDTH = 32
RNG = np.random.default_rng(5)


def linear(x: str, out: str, rows: str = "uint8-dynamic") -> Linear:
    weight = Quantized(
        codes=RNG.integers(0, 256, (WIDTH, WIDTH)).astype(np.uint8),
        scale=RNG.uniform(0.001, 0.01, (WIDTH, 1)).astype(np.float32),
        zero=None,
        bits=8,
        group_size=0,
    )
    coding: Any = RowCoding(rows)  # type: ignore[arg-type]
    return Linear(inputs=(x,), outputs=(out,), weight=weight, bias=None, rows=coding)


def graph(operators: list[Any]) -> Graph:
    values = [Value("x", "float32", ("batch", WIDTH), Role.INPUT)]
    last = {name for op in operators for name in op.outputs}
    read = {name for op in operators for name in op.inputs}
    for op in operators:
        name = op.outputs[0]
        role = Role.NONE if name in read and name in last else Role.OUTPUT
        values.append(Value(name, "float32", ("batch", WIDTH), role))
    return Graph(values=tuple(values), operators=tuple(operators), form="dict")


def alone(op: Linear, x: np.ndarray) -> np.ndarray:
    one = Linear(inputs=("x",), outputs=("y",), weight=op.weight, bias=None, rows=op.rows)
    return cw.load(pack(graph([one])), threads=1)(x)["y"]


def relu(x: str, out: str) -> Activation:
    return Activation(inputs=(x,), outputs=(out,), kind="relu")


@pytest.mark.parametrize("n", [1, 3, 1500])
@pytest.mark.parametrize("threads", [1, 3])
def test_neighbours_share_and_strangers_do_not(n: int, threads: int) -> None:
    """Same rows twice, then others of the same shape, then the first rows in another coding."""
    ops = [
        *(linear("x", "a"), linear("x", "b"), relu("b", "c"), linear("c", "d"), linear("c", "e")),
        *(linear("x", "f"), linear("x", "g", "int8-dynamic"), linear("x", "h")),
    ]
    x = RNG.normal(size=(n, WIDTH)).astype(np.float32)
    net = cw.load(pack(graph(ops)), threads=threads)
    for given in (x, x * 3, x):
        found = net(given)
        wanted = {op.outputs[0]: alone(op, given) for op in ops if op.inputs == ("x",)}
        middle = np.maximum(wanted.pop("b"), 0)
        wanted |= {op.outputs[0]: alone(op, middle) for op in ops if op.inputs == ("c",)}
        assert set(found) == set(wanted)
        for name, answer in found.items():
            assert answer.tobytes() == wanted[name].tobytes(), name
