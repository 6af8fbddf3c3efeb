"""Images that stand in the border a convolution wants: no answer depends on what lay there before.

A value that is an answer of the net, too, never has a border, and one that is held as numbers has
none for a convolution of codes: the same net with either is the reference, bit for bit.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import pytest

import cordwood as cw
from cordwood.ir import Coding, Graph, Role, Value
from cordwood.ir_nets import Conv, Pool, Quantized, RowCoding
from cordwood.pack import pack

RNG = np.random.default_rng(11)

SIZES = (37, 3, 37, 1, 12, 2, 37)
"""Batches one after the other: blocks and places in memory differ."""


@dataclass(frozen=True)
class Layer:
    """A layer that reads the value of that number, 0 being the net's input."""

    x: int
    kernel: tuple[int, ...]
    outputs: int = 8
    kind: Literal["conv", "depthwise", "max"] = "conv"
    stride: int = 1
    dilation: int = 1
    before: tuple[int, ...] = ()
    after: tuple[int, ...] = ()
    residual: int | None = None
    activation: str | None = "relu"


NETS: dict[str, tuple[tuple[int, ...], tuple[Layer, ...]]] = {
    "residual": ((9, 11), (
        Layer(0, (3, 3), before=(1, 1), after=(1, 1)),
        Layer(1, (3, 3), before=(1, 1), after=(1, 1)),
        Layer(2, (3, 3), before=(1, 1), after=(1, 1), residual=1),
        Layer(3, (3, 3), 16, stride=2, before=(1, 1), after=(1, 1)),
        Layer(3, (1, 1), 16, stride=2),
        Layer(4, (3, 3), 16, before=(1, 1), after=(1, 1), residual=5),
        Layer(6, (3, 3), 20, before=(1, 1), after=(1, 1), activation=None),
    )),
    "several readers": ((8, 13), (
        Layer(0, (3, 3), 12, before=(1, 1), after=(1, 1)),
        Layer(1, (5, 3), 12, before=(4, 0), after=(0, 2)),
        Layer(1, (3, 3), 12, kind="depthwise", before=(1, 1), after=(1, 1)),
        Layer(1, (3, 3), 12, before=(9, 1), after=(0, 1)),
        Layer(2, (3, 3), 12, dilation=2, before=(2, 2), after=(2, 2)),
        Layer(3, (3, 3), 12, kind="max", before=(1, 1), after=(1, 1)),
        Layer(6, (3, 3), 12, before=(1, 1), after=(1, 1)),
        Layer(7, (1, 1), 12),
        Layer(8, (3, 3), 12, before=(0, 1), after=(2, 1)),
    )),
    "one axis": ((40,), (
        Layer(0, (3,), before=(1,), after=(1,)),
        Layer(1, (5,), before=(4,), after=(0,)),
        Layer(2, (4,), stride=2, before=(0,), after=(3,)),
        Layer(3, (3,), kind="max", before=(1,), after=(1,)),
        Layer(4, (3,), before=(2,), after=(1,)),
    )),
    "three axes": ((4, 5, 6), (
        Layer(0, (3, 3, 3), before=(1, 1, 1), after=(1, 1, 1)),
        Layer(1, (3, 1, 3), before=(2, 0, 0), after=(0, 0, 2)),
        Layer(2, (2, 3, 3), before=(0, 1, 1), after=(1, 1, 1)),
    )),
}  # fmt: skip


def weight_of(layer: Layer, channels: int, codes: bool) -> Any:
    shape = (layer.outputs, 1 if layer.kind == "depthwise" else channels, *layer.kernel)
    if not codes:
        return (RNG.normal(size=shape) / np.sqrt(np.prod(shape[1:]))).astype(np.float32)
    return Quantized(
        codes=RNG.integers(64, 193, shape).astype(np.uint8),
        scale=RNG.uniform(0.002, 0.006, (layer.outputs, 1)).astype(np.float32),
        zero=None,
        bits=8,
        group_size=0,
    )


def size_of(layer: Layer, size: tuple[int, ...]) -> tuple[int, ...]:
    axes = zip(size, layer.kernel, layer.before or (0,) * 3, layer.after or (0,) * 3, strict=False)
    return tuple(
        (n + a + b - layer.dilation * (k - 1) - 1) // layer.stride + 1 for n, k, a, b in axes
    )


def net(name: str, codes: bool) -> Graph:
    """Return a net of codes with zero points of their own, or of numbers."""
    size, layers = NETS[name]
    sizes, channels = [size], [4]
    values = [Value("v0", "float32", ("batch", 4, *size), Role.INPUT)]
    operators: list[Any] = []
    codings = [Coding(0.03, 121)]
    for at, layer in enumerate(layers, 1):
        sizes.append(size_of(layer, sizes[layer.x]))
        channels.append(channels[layer.x] if layer.kind == "max" else layer.outputs)
        codings.append(codings[layer.x] if layer.kind == "max" else Coding(0.03, 7 * at))
        nil = (0,) * len(size)
        told: dict[str, Any] = {
            "inputs": (f"v{layer.x}",), "outputs": (f"v{at}",),
            "stride": (layer.stride,) * len(size), "dilation": (layer.dilation,) * len(size),
            "pad_before": layer.before or nil, "pad_after": layer.after or nil,
        }  # fmt: skip
        if layer.kind == "max":
            operators.append(Pool(kind="max", kernel=layer.kernel, **told))
        else:
            if layer.residual is not None:
                told["inputs"] = (f"v{layer.x}", f"v{layer.residual}")
            x = codings[layer.x]
            operators.append(Conv(
                weight=weight_of(layer, channels[layer.x], codes),
                bias=RNG.normal(size=layer.outputs).astype(np.float32) / 4,
                rows=RowCoding("uint8-static", scale=x.scale, zero=x.zero) if codes
                else RowCoding(),
                output_padding=nil, activation=layer.activation,
                groups=layer.outputs if layer.kind == "depthwise" else 1, **told,
            ))  # fmt: skip
        last = at == len(layers)
        coding = codings[at] if codes and not last else None
        values.append(Value(
            f"v{at}", "uint8" if coding else "float32", ("batch", channels[at], *sizes[at]),
            Role.OUTPUT if last else Role.NONE, coding=coding,
        ))  # fmt: skip
    read = {name for operator in operators for name in operator.inputs}
    told_values = [
        replace(v, role=Role.OUTPUT, dtype="float32", coding=None) if v.name not in read else v
        for v in values
    ]
    return Graph(values=tuple(told_values), operators=tuple(operators), form="tuple")


def without_borders(graph: Graph) -> Graph:
    """Return the net with every value an answer, in numbers."""
    values = tuple(
        v if v.role is Role.INPUT else replace(v, role=Role.OUTPUT, dtype="float32", coding=None)
        for v in graph.values
    )
    return replace(graph, values=values)


def answers(graph: Graph, data: bytes, x: np.ndarray, **more: Any) -> dict[str, bytes]:
    names = [v.name for v in graph.values if v.role is Role.OUTPUT]
    found = cw.load(data, **more)(x)
    return {n: a.tobytes() for n, a in zip(names, found, strict=True)}


@pytest.mark.parametrize("threads", [1, 2, 5])
@pytest.mark.parametrize("codes", [False, True], ids=["numbers", "codes"])
@pytest.mark.parametrize("name", NETS)
def test_borders_change_no_bit(name: str, codes: bool, threads: int) -> None:
    """Residuals are the exception: codes are added as such. A net of numbers has them."""
    graph = net(name, codes)
    if codes:
        operators = tuple(replace(op, inputs=op.inputs[:1]) for op in graph.operators)
        graph = replace(graph, operators=operators)
        read = {name for operator in operators for name in operator.inputs}
        values = tuple(
            replace(v, role=Role.OUTPUT, dtype="float32", coding=None)
            if v.name not in read and v.role is Role.NONE else v
            for v in graph.values
        )  # fmt: skip
        graph = replace(graph, values=values)
    x = RNG.normal(size=(max(SIZES), *graph.values[0].shape[1:])).astype(np.float32)
    plain = without_borders(graph)
    wanted = {n: answers(plain, pack(plain), x[:n], threads=1) for n in set(SIZES)}
    model = cw.load(pack(graph), threads=threads)
    names = [v.name for v in graph.values if v.role is Role.OUTPUT]
    for n in SIZES:
        for value, found in zip(names, model(x[:n]), strict=True):
            assert found.tobytes() == wanted[n][value], (value, n)


@pytest.mark.parametrize("codes", [False, True], ids=["numbers", "codes"])
def test_an_entry_does_not_see_its_batch(codes: bool) -> None:
    """Residuals of codes included, with several callers at once."""
    graph = net("residual", codes)
    data = pack(graph)
    x = RNG.normal(size=(max(SIZES), *graph.values[0].shape[1:])).astype(np.float32)
    alone = [cw.load(data, threads=1)(entry[None])[0] for entry in x]
    model = cw.load(data, threads=3)
    with ThreadPoolExecutor(3) as callers:
        for n, found in zip(SIZES, callers.map(lambda n: model(x[:n])[0], SIZES), strict=True):
            assert found.tobytes() == np.concatenate(alone[:n]).tobytes()
