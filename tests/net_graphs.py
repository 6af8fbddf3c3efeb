"""A net that has nearly every operator, by hand, for tests of its file."""

from __future__ import annotations

import numpy as np

from cordwood import ir_arrays as arrays
from cordwood import ir_nets as nets
from cordwood.ir import Graph, Role, Value

B, S = "batch", "sequence"


def everything(rows: str = "uint8-dynamic") -> Graph:  # noqa: PLR0915 - a statement an operator
    """Draw a net of tokens and images; each operator's answer reaches an output."""
    rng = np.random.default_rng(0)

    def draw(*shape: int) -> np.ndarray:
        return rng.normal(size=shape).astype(np.float32)

    def coded(outputs: int, inputs: int, group: int = 0, bits: int = 8) -> nets.Quantized:
        groups = inputs // group if group else 1
        return nets.Quantized(
            codes=rng.integers(0, 2**bits, (outputs, inputs)).astype(np.uint8),
            scale=rng.uniform(0.001, 0.004, (outputs, groups)).astype(np.float16),
            zero=rng.integers(0, 2**bits, (outputs, groups)).astype(np.uint8),
            bits=bits,
            group_size=group,
        )

    one, zero = (1,), (0,)
    window = {"stride": (2,), "dilation": one, "pad_before": one, "pad_after": one}
    values = [
        Value("ids", "int64", (B, S), Role.INPUT),
        Value("x", "float32", (B, 4, 9), Role.INPUT),
    ]
    steps: list[nets.NetOperator] = []

    def add(
        operator: type, out: str, told: tuple, *inputs: str, dtype: str = "float32", **more: object
    ) -> str:
        role = Role.OUTPUT if out.startswith("out") else Role.NONE
        values.append(Value(out, dtype, told, role))
        steps.append(operator(inputs=inputs, outputs=(out,), **more))
        return out

    token = (B, S, 32)
    e = add(nets.Embedding, "e", token, "ids", table=coded(50, 32, 32, 4))
    p = add(arrays.Constant, "p", (64, 32), tensor=draw(64, 32))
    size = arrays.Dimension(1, 1)
    own = add(
        arrays.Slice, "own", (S, 32), p, e, start=(None, None), stop=(size, None), step=(1, 1)
    )
    e = add(arrays.Binary, "e2", token, e, own, kind="add")
    e = add(nets.LayerNorm, "e3", token, e, axes=1, epsilon=1e-5, weight=draw(32), bias=draw(32))
    coding = nets.RowCoding(rows, group_size=0 if rows == "float32" else 32)  # type: ignore[arg-type]
    q = add(nets.Linear, "q", token, e, weight=coded(32, 32, 32), bias=draw(32), rows=coding)
    heads = (B, S, 4, 8)
    split = (arrays.Dimension(0, 0), arrays.Dimension(0, 1), 4, 8)
    q = add(arrays.Reshape, "q4", heads, q, shape=split)
    a = add(nets.Attention, "a", heads, q, q, q, scale=0.5, causal=True, heads_last=(True,) * 4)
    a = add(
        arrays.Reshape, "a3", token, a, shape=(arrays.Dimension(0, 0), arrays.Dimension(0, 1), None)
    )
    a = add(nets.Linear, "a4", token, a, e, weight=draw(32, 32), activation="gelu")
    a = add(nets.RmsNorm, "a5", token, a, epsilon=1e-6, weight=draw(32), weight_offset=1.0)
    m = add(nets.Matmul, "m", (B, S, S), a, a, transpose_b=True)
    m = add(nets.Softmax, "m2", (B, S, S), m, axis=2)
    add(arrays.Reduce, "out_sum", (B, S), m, kind="sum", axes=(2,))
    add(arrays.ArgReduce, "out_top", (B, S), a, dtype="int64", kind="max", axis=2)
    t = add(arrays.Transpose, "t", (B, 32, S), a, axes=(0, 2, 1))
    add(arrays.Concat, "out_joined", (B, 32, "2*sequence"), t, t, axis=2)
    values += [Value("h", "float32", (B, S, 16))]
    values += [Value(name, "float32", (1, B, 16)) for name in ("last_h", "last_c")]
    lstm = nets.Lstm(
        inputs=(a,), outputs=("h", "last_h", "last_c"), direction="forward",
        weight_x=(draw(64, 32),), weight_h=(draw(64, 16),), bias=(draw(64),),
    )  # fmt: skip
    steps.append(lstm)
    add(nets.Activation, "out_h", (B, S, 16), "h", kind="silu")
    add(arrays.Unary, "out_c", (1, B, 16), "last_c", kind="exp")
    c = add(
        nets.Conv, "c", (B, 6, 5), "x", weight=draw(6, 4, 3), bias=draw(6), activation="relu",
        output_padding=zero, **window,
    )  # fmt: skip
    c = add(nets.BatchNorm, "c2", (B, 6, 5), c, factor=draw(6), offset=draw(6))
    c = add(nets.GroupNorm, "c3", (B, 6, 5), c, groups=2, epsilon=1e-5)
    c = add(
        nets.Pool, "c4", (B, 6, 2), c, kind="max", kernel=(2,), stride=(2,), dilation=one,
        pad_before=zero, pad_after=zero,
    )  # fmt: skip
    c = add(arrays.Pad, "c5", (B, 6, 4), c, before=(0, 0, 1), after=(0, 0, 1), mode="reflect")
    c = add(
        arrays.Resize, "c6", (B, 6, 8), c, mode="linear", coordinates="half_pixel", factor=(2.0,)
    )
    z = add(arrays.Constant, "z", (), tensor=np.float32(0.0))
    big = add(arrays.Compare, "big", (B, 6, 8), c, z, dtype="bool", kind="greater")
    w = add(arrays.Where, "out_w", (B, 6, 8), big, c, z)
    i = add(arrays.Cast, "out_i", (B, 6, 8), w, dtype="int32")
    k = add(arrays.Constant, "k", (2,), dtype="int64", tensor=np.array([0, -1]))
    add(arrays.Gather, "out_g", (B, 6, 2), i, k, dtype="int32", axis=2)
    add(arrays.Expand, "out_x", (3, B, 6, 8), w, shape=(3, None, None, None))
    values[:] = [
        Value(v.name, "int32", v.shape, v.role) if v.name in {"out_i", "out_g"} else v
        for v in values
    ]
    return Graph(values=tuple(values), operators=tuple(steps), form="dict", maxima={S: 64})


def given(batch: int = 2, length: int = 5) -> dict[str, np.ndarray]:
    """Draw inputs for it."""
    rng = np.random.default_rng(1)
    return {
        "ids": rng.integers(0, 50, (batch, length)),
        "x": rng.normal(size=(batch, 4, 9)).astype(np.float32),
    }


def functions() -> Graph:
    """Draw a small net of what `everything` lacks: gates, powers, holes between elements."""
    rng = np.random.default_rng(3)

    def draw(*shape: int) -> np.ndarray:
        return rng.normal(size=shape).astype(np.float32)

    values = [Value("x", "float32", (B, 5, 6), Role.INPUT)]
    steps: list[nets.NetOperator] = []

    def add(operator: type, out: str, told: tuple, *inputs: str, **more: object) -> str:
        role = Role.OUTPUT if out.startswith("out") else Role.NONE
        values.append(Value(out, "float32", told, role))
        steps.append(operator(inputs=inputs, outputs=(out,), **more))
        return out

    values += [Value("h", "float32", (B, 5, 8)), Value("last", "float32", (2, B, 4))]
    gates = nets.Gru(
        inputs=("x",), outputs=("h", "last"), direction="both",
        weight_x=(draw(12, 6), draw(12, 6)), weight_h=(draw(12, 4), draw(12, 4)),
        bias_x=(draw(12), draw(12)), bias_h=(draw(12), None),
    )  # fmt: skip
    steps.append(gates)
    add(arrays.Reduce, "out_last", (2, B), "last", kind="log_sum_exp", axes=(2,))
    wide = add(
        nets.Conv, "wide", (B, 3, 10), "h", weight=draw(5, 3, 3), bias=draw(3), transposed=True,
        stride=(2,), dilation=(1,), pad_before=(4,), pad_after=(4,), output_padding=(1,),
    )  # fmt: skip
    wide = add(nets.Activation, "bent", (B, 3, 10), wide, kind="prelu", slope=draw(3))
    base = add(arrays.Unary, "base", (B, 3, 10), wide, kind="absolute")
    exponent = add(arrays.Constant, "exponent", (), tensor=np.float32(1.5))
    raised = add(arrays.Binary, "raised", (B, 3, 10), base, exponent, kind="power")
    add(nets.Softmax, "out_shares", (B, 3, 10), raised, axis=1, log=True)
    return Graph(values=tuple(values), operators=tuple(steps), form="dict")
