"""How inputs reach a module of torch, and how its outputs reach the caller."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pytest

from cordwood.ir import Graph, Role
from cordwood.ir_arrays import Cast
from oracle_nets import run
from torch_nets import agree, as_module, draw, read_module, torch


@dataclass
class Answer:
    logits: Any
    hidden: Any = None
    last: Any = None


class Pair(NamedTuple):
    first: Any
    second: Any


torch.export.register_dataclass(Answer, serialized_type_name="cordwood.tests.Answer")


def named(graph: Graph, role: Role) -> list[str]:
    return [value.name for value in graph.values if value.role is role]


FORMS: dict[str, tuple[Any, str, list[str]]] = {
    "single": (lambda x: x + 1, "single", ["output"]),
    "tuple": (lambda x: (x + 1, x * 2), "tuple", ["output_0", "output_1"]),
    "list of one": (lambda x: [x + 1], "tuple", ["output_0"]),
    "none": (lambda x: (None, x + 1, None), "tuple", ["output_1"]),
    "named": (lambda x: Pair(x + 1, x * 2), "tuple", ["output_0", "output_1"]),
    "dict": (lambda x: {"b": x + 1, "a": x * 2}, "dict", ["b", "a"]),
    "nested": (
        lambda x: {"a": (x + 1, {"b": x * 2}), "c": [x.sum(1)]},
        "dict",
        ["a.0", "a.1.b", "c.0"],
    ),
    "data class": (lambda x: Answer(x + 1, last=x.sum(1)), "dict", ["logits", "last"]),
}


@pytest.mark.parametrize("name", FORMS)
def test_outputs(name: str) -> None:
    function, form, names = FORMS[name]
    graph = read_module(as_module(function), (draw(3, 4),))
    assert graph.form == form
    assert named(graph, Role.OUTPUT) == names
    found = run(graph, {named(graph, Role.INPUT)[0]: draw(2, 4).numpy()})
    np.testing.assert_array_equal(found[names[0]], (draw(2, 4) + 1).numpy())


def test_outputs_that_nothing_computes() -> None:
    """An input, a value twice, a parameter: each output is a value of its own."""
    table = draw(2, 2)

    def plain(x: Any) -> Any:
        y = x * 2
        return y, y, x, table, y[:, :]

    graph = agree(plain, (draw(3, 4),))
    assert len(set(named(graph, Role.OUTPUT))) == 5
    assert sum(isinstance(step, Cast) for step in graph.operators) >= 3


class Called(torch.nn.Module):
    def forward(
        self, ids: Any, parts: list[Any], scale: float = 1.0, flip: bool = False, bias: Any = None
    ) -> Any:
        x = parts[0] + parts[1] * scale
        x = -x if flip else x
        return {"ids": ids + 1, "x": x if bias is None else x + bias}


def test_inputs_by_name() -> None:
    """Numbers, bools and None become part of the model; tensors in a list are inputs."""
    ids = torch.zeros(2, 3, dtype=torch.long)
    given = {"ids": ids, "parts": [draw(2, 4), draw(2, 4, seed=1)], "scale": 0.5, "flip": True}
    graph = read_module(Called().eval(), given)
    assert named(graph, Role.INPUT) == ["ids", "parts_0", "parts_1"]
    assert named(graph, Role.OUTPUT) == ["ids_out", "x"]
    assert [value.shape for value in graph.values[:3]] == [
        ("batch", "sequence"), ("batch", 4), ("batch", 4)]  # fmt: skip
    a, b = draw(5, 4, seed=2), draw(5, 4, seed=3)
    arrays = {"ids": np.ones((5, 1), np.int64), "parts_0": a.numpy(), "parts_1": b.numpy()}
    found = run(graph, arrays)
    np.testing.assert_array_equal(found["x"], (-(a + b * 0.5)).numpy())
    np.testing.assert_array_equal(found["ids_out"], arrays["ids"] + 1)


def test_axes_that_the_caller_names() -> None:
    dim = torch.export.Dim
    rows, width = dim("rows", max=64), dim("width", min=2, max=32)
    shapes = ({0: rows, 1: width},)
    graph = agree(lambda x: x.sum(1), (draw(3, 4),), (draw(5, 6),), dynamic_shapes=(shapes,))
    assert graph.values[0].shape == ("rows", "width")
    constant = read_module(torch.nn.ReLU().eval(), (draw(3, 4),), dynamic_shapes=({},))
    assert constant.values[0].shape == (3, 4)
    assert constant.maxima == {}


def test_axes_that_the_module_fixes() -> None:
    """A batch that the module itself holds to a number stays that number."""
    graph = read_module(as_module(lambda x: x.reshape(1, 4) + 1), (draw(1, 4),))
    assert graph.values[0].shape == (1, 4)
    graph = read_module(as_module(lambda x, y: x.reshape(3, 4) @ y), (draw(3, 4), draw(4, 2)))
    assert [value.shape for value in graph.values[:2]] == [(3, 4), (4, 2)]


def test_batches_of_two_inputs_are_one() -> None:
    graph = agree(lambda x, y: (x * 2, y * 3), (draw(3, 4), draw(3, 5)), (draw(2, 4), draw(2, 5)))
    assert [value.shape[0] for value in graph.values[:2]] == ["batch", "batch"]
    graph = agree(lambda x, y: (x * 2, y * 3), (draw(3, 4), draw(6, 5)), (draw(2, 4), draw(9, 5)))
    assert [value.shape[0] for value in graph.values[:2]] == ["batch", "given_1_0"]


def test_one_tensor_for_two_inputs() -> None:
    """Examples may be the same object: the inputs stay two."""
    x = draw(2, 3)
    graph = agree(lambda one, other: one - 2 * other, (x, x), (draw(2, 3), draw(2, 3, seed=1)))
    assert len(graph.operators[-1].inputs) == 2
