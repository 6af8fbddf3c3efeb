"""Nets with sparse linear layers, by hand, for tests of their files and answers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

import cordwood as cw
from cordwood.ir import Graph, Role, Value
from cordwood.ir_nets import Linear, Quantized, RowCoding

MASKS = ("2:4", "1:4", "4:8", "block:16x1:0.9", "block:32x4:0.5", 0.92, 0.5)
HIDDEN = 96
INPUTS = 128


def drawn(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def coded(weight: np.ndarray, mask: np.ndarray | None, bits: Any = 8, group: int = 0) -> Quantized:
    """Round to nearest what a mask keeps."""
    kept = weight if mask is None else np.where(mask, weight, np.float32(0))
    found = cw.ops.quantize(kept, bits=bits, group_size=group or None)
    codes, scales = np.asarray(found.codes), np.asarray(found.scales)
    return Quantized(codes=codes, scale=scales, bits=bits, group_size=group, mask=mask)


def two_layers(
    pattern: str | float, bits: Any = 8, group: int = 0, rows: Any = "uint8-dynamic"
) -> Graph:
    """Return relu(linear(gelu(linear(x))) + x), both layers with masks of a pattern."""
    coding = RowCoding(rows, group_size=0 if rows == "float32" else group)
    first, second = drawn(0, HIDDEN, INPUTS), drawn(1, INPUTS, HIDDEN)
    masks = [cw.ops.prune_mask(weight, pattern) for weight in (first, second)]
    steps = (
        Linear(inputs=("x",), outputs=("h",), weight=coded(first, masks[0], bits, group),
               bias=drawn(2, HIDDEN), activation="gelu", rows=coding),
        Linear(inputs=("h", "x"), outputs=("y",), weight=coded(second, masks[1], bits, group),
               activation="relu", rows=coding),
    )  # fmt: skip
    values = (
        Value("x", "float32", ("batch", INPUTS), Role.INPUT),
        Value("h", "float32", ("batch", HIDDEN)),
        Value("y", "float32", ("batch", INPUTS), Role.OUTPUT),
    )
    return Graph(values=values, operators=steps, form="single")


def without_masks(graph: Graph) -> Graph:
    """Hold the same codes as dense ones."""
    steps = tuple(
        replace(step, weight=replace(step.weight, mask=None))  # type: ignore[call-arg, attr-defined]
        for step in graph.operators
    )
    return replace(graph, operators=steps)
