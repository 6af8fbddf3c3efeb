"""Let a linear or a conv add its residual and apply its activation itself; changes no bit."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from cordwood.ir_arrays import Binary
from cordwood.ir_nets import Activation, Product
from cordwood.passes.net_parts import makers, net_operators, rebuilt, sole_readers

if TYPE_CHECKING:
    from cordwood.ir import Graph
    from cordwood.ir_nets import NetOperator

__all__ = ["fuse_activations", "fuse_residuals"]


def fuse_residuals(graph: Graph) -> Graph:
    """Return the net with sums of a product and a value of its shape as one operator.

    Parameters
    ----------
    graph : Graph
        A net.

    Returns
    -------
    Graph
        The sum has the same operands, each rounded as before, so that every bit stays.
    """
    readers, made = sole_readers(graph), makers(graph)
    order = {step.outputs[0]: number for number, step in enumerate(net_operators(graph))}
    fused: dict[str, NetOperator] = {}
    gone: set[str] = set()
    for add in net_operators(graph):
        if not isinstance(add, Binary) or add.kind != "add" or add.inputs[0] == add.inputs[1]:
            continue
        shape = graph.value(add.outputs[0]).shape
        if any(graph.value(name).shape != shape for name in add.inputs):
            continue
        found = [name for name in add.inputs if _adds(made.get(name)) and readers.get(name) is add]
        # Of two products the later one adds: the earlier one is its residual.
        if found:
            name = max(found, key=order.__getitem__)
            other = next(given for given in add.inputs if given != name)
            product = made[name]
            fused[add.outputs[0]] = replace(
                product, inputs=(product.inputs[0], other), outputs=add.outputs
            )
            gone.add(name)
    steps = [fused.get(step.outputs[0], step) for step in net_operators(graph)
             if step.outputs[0] not in gone]  # fmt: skip
    return rebuilt(graph, steps) if fused else graph


def _adds(product: NetOperator | None) -> bool:
    return isinstance(product, Product) and product.activation is None and len(product.inputs) == 1


def fuse_activations(graph: Graph) -> Graph:
    """Return the net with activations that alone read a product in one operator with it.

    Parameters
    ----------
    graph : Graph
        A net.

    Returns
    -------
    Graph
        Every bit stays. A prelu stays an operator of its own, since it has parameters.
    """
    readers, made = sole_readers(graph), makers(graph)
    fused: dict[str, NetOperator] = {}
    gone: set[str] = set()
    for step in net_operators(graph):
        if not isinstance(step, Activation) or step.kind == "prelu":
            continue
        product = made.get(step.inputs[0])
        alone = readers.get(step.inputs[0]) is step
        if isinstance(product, Product) and product.activation is None and alone:
            fused[step.outputs[0]] = replace(
                product,
                outputs=step.outputs,
                activation=step.kind,
                alpha=step.alpha,
                beta=step.beta,
            )
            gone.add(product.outputs[0])
    steps = [fused.get(step.outputs[0], step) for step in net_operators(graph)
             if step.outputs[0] not in gone]  # fmt: skip
    return rebuilt(graph, steps) if fused else graph
