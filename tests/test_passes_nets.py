"""Passes over nets: fewer operators, the same meaning; each loses nothing but where it says so."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest

import cordwood as cw
from cordwood.ir import Graph, Role, Value
from cordwood.ir_arrays import Binary, Cast, Constant, Dimension, Reshape, Slice, Transpose
from cordwood.ir_nets import Activation, Attention, BatchNorm, Conv, Linear, Matmul
from cordwood.pack import pack
from cordwood.passes.drop_copies import drop_copies
from cordwood.passes.fold_batch_norm import fold_batch_norm
from cordwood.passes.fold_scales import fold_scales
from cordwood.passes.fold_transposes import fold_transposes
from cordwood.passes.fuse_products import fuse_activations, fuse_residuals
from cordwood.passes.quantize_products import quantize_products
from cordwood.passes.remove_dead import remove_dead
from cordwood.recipe import Recipe
from oracle_nets import run
from oracle_nets_sequence import coded_attention

RNG = np.random.default_rng(3)


def net(
    operators: list[Any], shapes: dict[str, tuple[Any, ...]], outputs: tuple[str, ...]
) -> Graph:
    """Return a net of float32 values; those that no operator makes are inputs."""
    made = {name for step in operators for name in step.outputs}
    role = {
        **{n: Role.INPUT for n in shapes if n not in made},
        **dict.fromkeys(outputs, Role.OUTPUT),
    }
    values = tuple(Value(n, "float32", s, role.get(n, Role.NONE)) for n, s in shapes.items())
    form = "single" if len(outputs) == 1 else "tuple"
    return Graph(values=values, operators=tuple(operators), form=form)


def kinds(graph: Graph) -> list[str]:
    return [type(step).__name__ for step in graph.operators]


def drawn(*shape: int) -> np.ndarray:
    return RNG.normal(size=shape).astype(np.float32)


def same(before: Graph, after: Graph, tolerance: float = 0.0, **sizes: int) -> None:
    """Check that both answer alike, bit for bit unless a tolerance is given."""
    inputs = {
        value.name: drawn(*(sizes.get(s, 3) if isinstance(s, str) else s for s in value.shape))
        for value in before.values
        if value.role is Role.INPUT
    }
    old, new = run(before, inputs), run(after, inputs)
    assert list(old) == list(new)
    for name, answer in old.items():
        np.testing.assert_allclose(new[name], answer, rtol=0, atol=tolerance)


def linear(source: str, target: str, width: int = 4, **more: Any) -> Linear:
    weight, bias = drawn(width, width), drawn(width)
    return Linear(inputs=(source,), outputs=(target,), weight=weight, bias=bias, **more)


ROWS = ("batch", 4)


def test_dead_operators_go() -> None:
    steps = [linear("x", "y"), linear("x", "z"), linear("z", "w")]
    graph = net(steps, dict.fromkeys(("x", "y", "z", "w", "unread"), ROWS), ("y",))
    short = remove_dead(graph)
    assert [value.name for value in short.values] == ["x", "y", "unread"]
    same(graph, short)


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("groups", [1, 2])
def test_norms_fold_into_convolutions(transposed: bool, groups: int) -> None:
    shape = (4, 6 // groups) if transposed else (6, 4 // groups)
    conv = Conv(
        inputs=("x",), outputs=("c",), weight=drawn(*shape, 3, 3), bias=drawn(6), stride=(1, 1),
        dilation=(1, 1), pad_before=(1, 1), pad_after=(1, 1), output_padding=(0, 0), groups=groups,
        transposed=transposed,
    )  # fmt: skip
    norm = BatchNorm(inputs=("c",), outputs=("y",), factor=drawn(6), offset=drawn(6))
    shapes = {"x": ("batch", 4, 5, 5), "c": ("batch", 6, 5, 5), "y": ("batch", 6, 5, 5)}
    graph = net([conv, norm], shapes, ("y",))
    folded = fold_batch_norm(graph)
    assert kinds(folded) == ["Conv"]
    same(graph, folded, 1e-4)


def test_norms_stay_where_others_read_the_product() -> None:
    norm = BatchNorm(inputs=("c",), outputs=("y",), factor=drawn(4), offset=drawn(4))
    shapes = dict.fromkeys(("x", "c", "y"), ROWS)
    read_twice = net([linear("x", "c"), norm], shapes, ("c", "y"))
    assert fold_batch_norm(read_twice) is read_twice
    active = net([linear("x", "c", activation="relu"), norm], shapes, ("y",))
    assert fold_batch_norm(active) is active
    plain = net([linear("x", "c"), norm], shapes, ("y",))
    assert kinds(fold_batch_norm(plain)) == ["Linear"]
    same(plain, fold_batch_norm(plain), 1e-5)
    deep = dict.fromkeys(("x", "c", "y"), ("batch", 4, 4))
    assert kinds(fold_batch_norm(net([linear("x", "c"), norm], deep, ("y",)))) == [
        "Linear",
        "BatchNorm",
    ]


def test_residuals_and_activations_fuse() -> None:
    steps = [
        linear("x", "a"),
        linear("a", "b"),
        Binary(inputs=("b", "x"), outputs=("s",), kind="add"),
        Activation(inputs=("s",), outputs=("t",), kind="clip", alpha=-1.0, beta=0.5),
        linear("t", "c"),
        linear("x", "d"),
        Binary(inputs=("c", "d"), outputs=("y",), kind="add"),
    ]
    graph = net(steps, dict.fromkeys("xabstcdy", ROWS), ("y",))
    fused = fuse_activations(fuse_residuals(graph))
    assert kinds(fused) == ["Linear", "Linear", "Linear", "Linear"]
    clipped = fused.operators[1]
    assert isinstance(clipped, Linear)
    assert (clipped.activation, clipped.alpha, clipped.beta) == ("clip", -1.0, 0.5)
    assert fused.operators[3].reads() == ("x", "c"), "the later product adds the earlier one"
    same(graph, fused)


def test_what_does_not_fuse() -> None:
    double = [linear("x", "a"), Binary(inputs=("a", "a"), outputs=("y",), kind="add")]
    graph = net(double, dict.fromkeys("xay", ROWS), ("y",))
    assert fuse_residuals(graph) is graph
    broadcast = [linear("x", "a"), Binary(inputs=("a", "r"), outputs=("y",), kind="add")]
    graph = net(broadcast, {**dict.fromkeys("xay", ROWS), "r": (4,)}, ("y",))
    assert fuse_residuals(graph) is graph
    slope = Activation(inputs=("a",), outputs=("y",), kind="prelu", slope=drawn(1))
    graph = net([linear("x", "a"), slope], dict.fromkeys("xay", ROWS), ("y",))
    assert fuse_activations(graph) is graph
    seen = [linear("x", "a"), Activation(inputs=("a",), outputs=("y",), kind="relu")]
    graph = net(seen, dict.fromkeys("xay", ROWS), ("a", "y"))
    assert fuse_activations(graph) is graph


HEADS = (0, 2, 1, 3)


def attention(scaled: bool, factor: float = 0.25, kind: str = "multiply") -> Graph:
    """Return queries, keys and values with heads last, turned around an attention."""
    flat, deep = ("batch", "n", 2, 4), ("batch", 2, "n", 4)
    steps: list[Any] = [
        Transpose(inputs=(name,), outputs=(f"{name}_t",), axes=HEADS) for name in "qkv"
    ]
    queries = "q_t"
    shapes = {**dict.fromkeys("qkv", flat), **{f"{n}_t": deep for n in "qkv"}, "a": deep, "y": flat}
    if scaled:
        shapes.update({"q_s": deep, "f": ()})
        steps.append(Constant(inputs=(), outputs=("f",), tensor=np.float32(factor)))
        steps.append(Binary(inputs=("q_t", "f"), outputs=("q_s",), kind=kind))
        queries = "q_s"
    steps.append(Attention(inputs=(queries, "k_t", "v_t"), outputs=("a",), scale=0.5))
    steps.append(Transpose(inputs=("a",), outputs=("y",), axes=HEADS))
    return net(steps, shapes, ("y",))


def test_transposes_fold_into_attention() -> None:
    graph = attention(scaled=False)
    folded = fold_transposes(graph)
    assert kinds(folded) == ["Attention"]
    assert folded.operators[0].heads_last == (True,) * 4
    same(graph, folded)


@pytest.mark.parametrize(("kind", "scale"), [("multiply", 0.125), ("divide", 2.0)])
def test_scales_fold_into_attention(kind: str, scale: float) -> None:
    graph = attention(scaled=True, kind=kind)
    folded = fold_scales(graph)
    assert Counter(kinds(folded)) == {"Transpose": 4, "Attention": 1}
    found = next(step for step in folded.operators if isinstance(step, Attention))
    assert found.scale == scale
    same(graph, folded)


@pytest.mark.parametrize(
    ("recipe", "rows"),
    [
        (Recipe("int8"), "int8-dynamic"),
        (Recipe("int4"), "int8-dynamic"),
        (Recipe("int8", activations="int8-static"), "int8-dynamic"),
        (Recipe("int8", activations="float32"), "float32"),
        (Recipe(weights="float16"), "float32"),
    ],
)
def test_recipes_of_integers_code_attention(recipe: Recipe, rows: str) -> None:
    graph = fold_transposes(attention(scaled=False))
    coded, losses = quantize_products(graph, recipe, {})
    assert isinstance(coded.operators[0], Attention)
    assert coded.operators[0].rows == rows
    assert not losses
    kept, _ = quantize_products(graph, recipe, {}, without=coded.operators[0].outputs)
    assert kept.operators == graph.operators


def test_coded_attention_is_what_it_is_meant_to_be() -> None:
    graph = fold_transposes(attention(scaled=False))
    coded, _ = quantize_products(graph, Recipe("int8"), {})
    inputs = {name: drawn(2, 40, 2, 4) for name in "qkv"}
    wanted = np.asarray(coded_attention(coded.operators[0], list(inputs.values())))
    found = cw.Net(pack(coded))(inputs)
    answer = found["y"] if isinstance(found, dict) else found
    np.testing.assert_array_equal(answer.view(np.uint32), wanted.view(np.uint32))
    exact = run(graph, inputs)["y"]
    assert 0 < np.abs(answer - exact).max() < 0.05


def test_scales_that_round_stay() -> None:
    graph = attention(scaled=True, factor=0.3)
    assert fold_scales(graph) is graph


def test_transposes_fold_into_matmul() -> None:
    steps = [
        Transpose(inputs=("b",), outputs=("t",), axes=(0, 2, 1)),
        Matmul(inputs=("a", "t"), outputs=("y",)),
    ]
    shapes = {
        "a": ("batch", 3, 4),
        "b": ("batch", 5, 4),
        "t": ("batch", 4, 5),
        "y": ("batch", 3, 5),
    }
    graph = net(steps, shapes, ("y",))
    folded = fold_transposes(graph)
    assert kinds(folded) == ["Matmul"]
    assert folded.operators[0].transpose_b
    same(graph, folded)


def test_copies_go_and_views_join() -> None:
    shapes = {
        "x": ("batch", "n", 6), "whole": ("batch", "n", 6), "wide": ("batch", "n", 2, 3),
        "flat": ("batch*n", 6), "t": (6, "batch*n"), "back": ("batch*n", 6), "cast": ("batch*n", 6),
        "y": ("batch", "n", 6), "z": ("batch", "n", 6),
    }  # fmt: skip
    sizes = (Dimension(of=1, axis=0), Dimension(of=1, axis=1), 6)
    steps = [
        Slice(inputs=("x",), outputs=("whole",), start=(0, 0, 0), stop=(None,) * 3, step=(1, 1, 1)),
        Reshape(inputs=("whole",), outputs=("wide",),
                shape=(Dimension(of=0, axis=0), Dimension(of=0, axis=1), 2, 3)),
        Reshape(inputs=("wide",), outputs=("flat",), shape=(None, 6)),
        Transpose(inputs=("flat",), outputs=("t",), axes=(1, 0)),
        Transpose(inputs=("t",), outputs=("back",), axes=(1, 0)),
        Cast(inputs=("back",), outputs=("cast",)),
        Reshape(inputs=("cast", "x"), outputs=("y",), shape=sizes),
        Cast(inputs=("x",), outputs=("z",)),
    ]  # fmt: skip
    graph = net(steps, shapes, ("y", "z"))
    short = drop_copies(graph)
    assert kinds(short) == ["Reshape", "Cast"], "an output that is an input stays a copy"
    same(graph, short, n=4)


def test_an_output_is_made_in_place() -> None:
    shapes = dict.fromkeys(("x", "a", "y"), ROWS)
    graph = net([linear("x", "a"), Cast(inputs=("a",), outputs=("y",))], shapes, ("y",))
    short = drop_copies(graph)
    assert kinds(short) == ["Linear"]
    assert short.operators[0].writes() == ("y",)
    same(graph, short)
