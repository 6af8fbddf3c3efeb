"""Norms moved to where rows have short ranges: answers stay, codes of rows err less."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from cordwood._api_nets import compress_net
from cordwood._api_watch import answers_of, output_error, rows_of
from cordwood.ir import Graph, Role, Value
from cordwood.ir_nets import LayerNorm, Linear, RowCoding
from cordwood.passes.centre_norms import centrable, centre_norms
from cordwood.passes.refit_linear import as_coded
from cordwood.recipe import Recipe

UINT8 = RowCoding("uint8-dynamic")


def drawn(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def linear(source: str, target: str, seed: int, **more: Any) -> Linear:
    names = (source, *more.pop("added", ()))
    bias = more.pop("bias", drawn(64, seed=seed + 50))
    weight = drawn(64, 64, seed=seed) / np.float32(8)
    return Linear(inputs=names, outputs=(target,), weight=weight, bias=bias, place=target, **more)


def block(bias: bool = True, outputs: tuple[str, ...] = ("y",), **more: Any) -> Graph:
    """Return a norm with two columns far out, read by two layers and as the residual of a third."""
    far = drawn(64, seed=7) * np.float32(0.1)
    far[[3, 40]] = 9.0, -14.0
    given = {} if bias else {"bias": None}
    steps = [
        LayerNorm(
            inputs=("x",), outputs=("n",), axes=1, epsilon=1e-5, weight=drawn(64, seed=8), bias=far
        ),
        linear("n", "a", 1, activation="relu", **given),
        linear("a", "b", 2, added=("n",)),
        linear("n", "c", 3, added=("b",), **more),
        linear("c", "y", 4),
    ]
    names = ("x", "n", "a", "b", "c", "y")
    roles = {"x": Role.INPUT, **dict.fromkeys(outputs, Role.OUTPUT)}
    values = tuple(
        Value(name, "float32", ("batch", 64), roles.get(name, Role.NONE)) for name in names
    )
    return Graph(
        values=values, operators=tuple(steps), form="single" if len(outputs) == 1 else "tuple"
    )


def batches(count: int, seed: int) -> list[dict[str, np.ndarray]]:
    return [{"x": drawn(96, 64, seed=seed + number)} for number in range(count)]


def moved(graph: Graph, rows: RowCoding = UINT8) -> Graph:
    return centre_norms(graph, rows_of(graph, batches(8, 0), centrable(graph)), rows)[0]


@pytest.mark.parametrize("kind", ["uint8-dynamic", "int8-dynamic", "uint8-static", "int8-static"])
def test_answers_stay_and_codes_err_less(kind: Any) -> None:
    graph, new = block(), batches(3, 100)
    assert centrable(graph) == ("n",)
    centred = moved(graph, RowCoding(kind, scale=0.1 if "static" in kind else 0.0))
    for one, other in zip(answers_of(graph, new), answers_of(centred, new), strict=True):
        np.testing.assert_allclose(one[0], other[0], rtol=0, atol=2e-5)
    errors = []
    for net in (graph, centred):
        rows = rows_of(net, new, ("n",))["n"]
        errors.append(np.linalg.norm(as_coded(rows, UINT8) - rows))
    assert errors[1] < 0.4 * errors[0], "two columns made three quarters of each row's range"


def test_the_shift_leaves_shorter_ranges_than_the_mean_does() -> None:
    """Columns that reach far in few rows are not best moved by their means."""
    rows = drawn(2000, 64)
    rows[:, 60:] = np.where(np.random.default_rng(1).random((2000, 4)) < 0.03, np.float32(-12), 0)
    graph = block()
    seen = {"n": rows}
    norm = centre_norms(graph, seen, UINT8)[0].operators[0]
    first = graph.operators[0]
    assert isinstance(norm, LayerNorm)
    assert isinstance(first, LayerNorm)
    assert norm.bias is not None
    assert first.bias is not None
    shifts = (first.bias - norm.bias, rows.mean(0))
    ranges = [np.square(np.ptp(rows - shift, axis=1)).mean() for shift in shifts]
    assert ranges[0] < 0.93 * ranges[1], ranges


def test_only_norms_that_layers_alone_read_are_moved() -> None:
    assert centrable(block(outputs=("n", "y"))) == ()
    assert centrable(block(bias=False)) == (), "a reader has nothing to make up with"
    graph = block()
    halved = tuple(
        replace(step, weight=step.weight.astype(np.float16)) if step.outputs[0] == "a" else step  # type: ignore[attr-defined]
        for step in graph.operators
    )
    assert centrable(replace(graph, operators=halved)) == ("n",), "any array of weights will do"


def test_a_norm_that_codes_well_is_left_as_it_is() -> None:
    graph = block()
    signs = np.where(drawn(500, 64) > 0, np.float32(255), np.float32(0))
    after, _ = centre_norms(graph, {"n": signs}, UINT8)  # codes of it are exact
    assert all(one is other for one, other in zip(graph.operators, after.operators, strict=True))


def test_recipes_with_coded_rows_move_norms() -> None:
    graph, seen, new = block(), batches(8, 0), batches(3, 100)
    recipe = Recipe("int8", refit=False)
    small = compress_net(graph, recipe, seen)
    still = compress_net(graph, recipe, None)
    errors = [
        np.linalg.norm(net(batch["x"]) - exact[0]) / np.linalg.norm(exact[0])
        for net in (still, small)
        for batch, exact in zip(new[:1], answers_of(graph, new[:1]), strict=True)
    ]
    assert errors[1] < 0.7 * errors[0]
    assert output_error(graph, graph, new) == 0.0
