"""The outputs of an exported module: their values, their names, and the form they are given in."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from cordwood.errors import UnsupportedModelError
from cordwood.frontends._torch_build import Step
from cordwood.ir_arrays import Cast

if TYPE_CHECKING:
    from cordwood.frontends._torch_build import Build
    from cordwood.ir_nets import NetOperator

__all__ = ["name_outputs"]

Form = Literal["single", "tuple", "dict"]


def name_outputs(build: Build, program: Any) -> tuple[list[NetOperator], list[str], Form]:
    """Give the outputs their names.

    Returns
    -------
    operators : list of NetOperator
        All of them, with the outputs' values renamed.
    names : list of str
        Of the outputs, in order; they stand last among the values of `build`, in order.
    form : str
        As of `cordwood.ir.Graph`.
    """
    node = next(node for node in program.graph.nodes if node.op == "output")
    found = [item for item in node.args[0] if item is not None]
    form, names = _form(program, node.args[0])
    inputs = {made for made in build.made.values() if isinstance(made, str)} & set(
        program.graph_signature.user_inputs
    )
    names = [f"{name}_out" if name in inputs else name for name in names]
    made = {name for step in build.operators for name in step.outputs}
    renamed: dict[str, str] = {}
    step = Step(build, node)
    for item, name in zip(found, names, strict=True):
        source = _source(step, item)
        if source not in made or source in renamed:
            # An input, or a value that is given twice: an output of its own, equal to it.
            target = build.add("copy", build.dtype(source), build.shape(source))
            source = build.emit(Cast, (source,), (target,))
        renamed[source] = name
    taken = set(build.values) - set(renamed)
    if taken & set(names):
        renamed.update({name: f"{name}_inner" for name in taken & set(names)})
    values = {name: replace(known, name=renamed.get(name, name))
              for name, known in build.values.items()}  # fmt: skip
    last = {known.name: known for known in values.values()}
    build.values = {name: known for name, known in last.items() if name not in names}
    build.values.update({name: last[name] for name in names})

    def new(old: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(renamed.get(name, name) for name in old)

    operators = [replace(s, inputs=new(s.inputs), outputs=new(s.outputs)) for s in build.operators]
    return operators, names, form


def _source(step: Step, item: Any) -> str:
    if hasattr(item, "meta") and hasattr(item.meta["val"], "shape"):
        return step.name_of(item)
    if isinstance(item, bool | int | float):
        return step.build.constant(np.array(item))
    message = "an output is a size, expected tensors, numbers and None"
    raise UnsupportedModelError(message)


def _form(program: Any, flat: Any) -> tuple[Form, list[str]]:
    """Return the form of the outputs, and a name for each that is not None."""
    spec = program.call_spec.out_spec
    labels = _labels(spec)
    kept = [label for label, item in zip(labels, flat, strict=True) if item is not None]
    if spec.is_leaf():
        return "single", ["output"]
    if _is_mapping(spec):
        return "dict", kept
    return "tuple", [f"output_{label}" for label in kept]


def _is_mapping(spec: Any) -> bool:
    return spec.type is not None and (hasattr(spec.type, "keys") or _fields(spec) is not None)


def _fields(spec: Any) -> list[str] | None:
    """Return the names of a data class's fields that are not None."""
    context = spec.context
    if isinstance(context, list | tuple) and context and isinstance(context[0], list | tuple):
        context = context[0]
    named = isinstance(context, list | tuple) and all(isinstance(part, str) for part in context)
    return list(context) if named and len(context) == spec.num_children and context else None


def _labels(spec: Any) -> list[str]:
    """Return a name for each leaf: keys and positions, joined by dots where they are nested."""
    if spec.is_leaf():
        return [""]
    children = [spec.child(number) for number in range(spec.num_children)]
    keys = [str(number) for number in range(len(children))]
    if hasattr(spec.type, "keys"):
        last = spec.context[-1] if spec.context else None  # of a defaultdict its keys, in a list
        keys = [str(key) for key in (last if isinstance(last, list) else spec.context)]
    elif _fields(spec) is not None:
        keys = _fields(spec) or keys
    return [
        f"{key}.{inner}" if inner else key
        for key, child in zip(keys, children, strict=True)
        for inner in _labels(child)
    ]
