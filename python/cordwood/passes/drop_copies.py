"""Drop operators that only copy, and join views of views; changes no bit."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from cordwood.ir_arrays import Cast, Concat, Dimension, Expand, Reshape, Slice, Transpose
from cordwood.ir_base import Role
from cordwood.passes.net_parts import makers, net_operators, rebuilt, renamed

if TYPE_CHECKING:
    from cordwood.ir import Graph
    from cordwood.ir_arrays import Size
    from cordwood.ir_nets import NetOperator

__all__ = ["drop_copies"]


def drop_copies(graph: Graph) -> Graph:
    """Return the net without copies; a reshape of a reshape, or a transpose of one, is one.

    Parameters
    ----------
    graph : Graph
        A net.

    Returns
    -------
    Graph
        Outputs keep their names: a copy stays where an input, or another output, is an output.
    """
    values = {value.name: value for value in graph.values}
    outputs = {name for name, value in values.items() if value.role is Role.OUTPUT}
    steps: list[NetOperator] = []
    names: dict[str, str] = {}
    made = makers(graph)
    for original in net_operators(graph):
        step = _joined(renamed(original, names), made, graph)
        made.update(dict.fromkeys(step.outputs, step))
        target = step.outputs[0]
        if _copies(step, graph) and target not in outputs:
            names[target] = step.inputs[0]
        else:
            steps.append(step)
    steps = _copies_to_outputs(steps, graph, outputs)
    same = len(steps) == len(graph.operators) and all(
        new is old for new, old in zip(steps, graph.operators, strict=True)
    )
    return graph if same else rebuilt(graph, steps)


def _copies(step: NetOperator, graph: Graph) -> bool:
    """Whether an operator's output is its first input, element by element."""
    if not isinstance(step, Cast | Concat | Expand | Reshape | Slice | Transpose):
        return False
    if isinstance(step, Concat) and len(step.inputs) > 1:
        return False
    if isinstance(step, Slice) and any(pace < 0 for pace in step.step):
        return False
    if isinstance(step, Transpose) and step.axes != tuple(range(len(step.axes))):
        return False
    before, after = graph.value(step.inputs[0]), graph.value(step.outputs[0])
    return before.shape == after.shape and before.dtype == after.dtype


def _joined(step: NetOperator, made: dict[str, NetOperator], graph: Graph) -> NetOperator:
    before = made.get(step.inputs[0]) if step.inputs else None
    if isinstance(step, Transpose) and isinstance(before, Transpose):
        axes = tuple(before.axes[axis] for axis in step.axes)
        return replace(step, inputs=before.inputs, axes=axes)
    if isinstance(step, Reshape) and isinstance(before, Reshape):
        return _one_reshape(step, before.inputs[0], graph) or step
    return step


def _one_reshape(step: Reshape, source: str, graph: Graph) -> Reshape | None:
    """Return a reshape of `source` to the same shape, or None where a size cannot be told."""
    inputs, sizes = [source], []
    for number, size in enumerate(graph.value(step.outputs[0]).shape):
        said: Size = size if isinstance(size, int) else _lent(size, inputs, graph)
        sizes.append(said)
        if said is None and step.shape[number] is not None and sizes.count(None) > 1:
            return None
    if sizes.count(None) > 1:
        return None
    return replace(step, inputs=tuple(inputs), shape=tuple(sizes))


def _lent(size: str, inputs: list[str], graph: Graph) -> Dimension | None:
    """Return where a symbolic size can be read: off what is reshaped, or off an input."""
    lenders = [*inputs, *(v.name for v in graph.values if v.role is Role.INPUT)]
    for name in lenders:
        shape = graph.value(name).shape
        if size in shape:
            if name not in inputs:
                inputs.append(name)
            return Dimension(inputs.index(name), shape.index(size))
    return None


def _copies_to_outputs(
    steps: list[NetOperator], graph: Graph, outputs: set[str]
) -> list[NetOperator]:
    """Let what an output copies be the output itself."""
    inputs = {value.name for value in graph.values if value.role is Role.INPUT}
    names: dict[str, str] = {}
    for step in steps:
        source = step.inputs[0] if step.inputs else ""
        free = source not in inputs and source not in outputs and source not in names
        if step.outputs[0] in outputs and free and _copies(step, graph):
            names[source] = step.outputs[0]
    if not names:
        return steps
    copied = set(names.items())
    kept = [s for s in steps if not s.inputs or (s.inputs[0], s.outputs[0]) not in copied]
    return [
        replace(renamed(step, names), outputs=tuple(names.get(n, n) for n in step.outputs))
        if set(step.outputs) & set(names)
        else renamed(step, names)
        for step in kept
    ]
