"""Compares a torch module with the Graph that is read from it, through the oracle."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from cordwood.ir import Graph, Role
from oracle_nets import run

torch = pytest.importorskip("torch", reason="torch is not installed: pip install cordwood[torch]")
from cordwood.frontends.torch import read_module  # noqa: E402

RELATIVE, ABSOLUTE = 1e-5, 2e-6


def seeded(number: int = 0) -> Any:
    """Return a generator that draws the same numbers each time."""
    return torch.Generator().manual_seed(number)


def draw(*shape: int, seed: int = 0) -> Any:
    """Return a tensor of normal numbers."""
    return torch.randn(*shape, generator=seeded(seed))


def answers(graph: Graph, arguments: Any) -> list[np.ndarray]:
    """Return the oracle's outputs for a module's arguments, in order."""
    names = [value.name for value in graph.values if value.role is Role.INPUT]
    given = list(arguments.values()) if isinstance(arguments, dict) else list(arguments)
    tensors = [x for x in flat(given) if isinstance(x, torch.Tensor)]
    inputs = {name: x.numpy() for name, x in zip(names, tensors, strict=True)}
    return list(run(graph, inputs).values())


def flat(given: Any) -> list[Any]:
    """Return tensors of nested outputs in order, without None."""
    if isinstance(given, dict):
        given = list(given.values())
    if isinstance(given, list | tuple):
        return [x for item in given for x in flat(item)]
    return [] if given is None else [given]


def agree(module: Any, examples: Any, *others: Any, passes: Any = (), **more: Any) -> Graph:
    """Check that the Graph answers as the module does, on the examples and on other inputs."""
    module = module.eval() if isinstance(module, torch.nn.Module) else as_module(module)
    graph = read_module(module, examples, **more)
    for simplify in passes:
        graph = simplify(graph)
    for arguments in (examples, *others):
        with torch.no_grad():
            wanted = module(**arguments) if isinstance(arguments, dict) else module(*arguments)
        found = answers(graph, arguments)
        wanted = flat(wanted)
        assert len(found) == len(wanted)
        for ours, theirs in zip(found, wanted, strict=True):
            assert ours.dtype == theirs.numpy().dtype
            assert ours.shape == theirs.shape
            np.testing.assert_allclose(ours, theirs.numpy(), rtol=RELATIVE, atol=ABSOLUTE)
    return graph


def as_module(function: Any) -> Any:
    """Return a module whose forward is a function."""

    class Plain(torch.nn.Module):
        def forward(self, *given: Any) -> Any:
            return function(*given)

    return Plain().eval()
