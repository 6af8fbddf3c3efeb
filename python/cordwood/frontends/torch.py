"""Read a trained torch module, through ``torch.export``."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any

from cordwood import ir
from cordwood.errors import InputError, MissingDependencyError, UnsupportedModelError
from cordwood.frontends import (  # noqa: F401  # importing them registers their readers
    _torch_elementwise,
    _torch_index,
    _torch_layers,
    _torch_order,
    _torch_pools,
    _torch_reduce,
    _torch_resample,
    _torch_sequence,
    _torch_shapes,
    _torch_writes,
)
from cordwood.frontends._torch_build import (
    Build,
    Refused,
    Step,
    place_of,
    type_name,
    unsupported,
)
from cordwood.frontends._torch_export import axis_names, export, named_examples
from cordwood.frontends._torch_outputs import name_outputs
from cordwood.frontends._torch_registry import ignored, reader_of
from cordwood.frontends._torch_sizes import Sizes
from cordwood.passes.remove_dead import remove_dead

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["read_module"]

OLDEST = (2, 13)
"""Oldest version whose exported programs have been read."""

SHOWN = 40
"""Reasons that a refusal lists."""


def read_module(module: Any, example_inputs: Any, dynamic_shapes: Any = None) -> ir.Graph:
    """Read a ``torch.nn.Module`` in evaluation mode.

    Parameters
    ----------
    module : torch.nn.Module
        Trained; in evaluation mode; float32.
    example_inputs : tensor, tuple or dict
        What forward is called with: in the order of its parameters, or by their names. Values do
        not matter, types and ranks do; numbers, bools and None become part of the model.
    dynamic_shapes : tuple or dict, optional
        Which axes are not constant, as ``torch.export.export`` takes it; names and maxima of
        ``torch.export.Dim`` become the Graph's. By default axis 0 of every tensor is ``batch``, and
        axis 1 of tensors of integers and bools ``sequence``, up to 4096, or less where the module
        takes less; an axis that the module fixes stays as in the example.

    Returns
    -------
    Graph
        Inputs have the names of forward's parameters. Outputs are ``output``, or ``output_0`` and
        so on, or the keys of a dict; one that an input has, too, gets ``_out``. Nothing is fused
        and nothing rounds otherwise, but that stored means and variances become one factor and one
        offset by channel.

    Raises
    ------
    UnsupportedModelError
        The module is in training mode, branches on values, or has operators that have no meaning
        in a Graph; the message lists each of these with the module that it stands in.
    InputError
        `example_inputs` are not of a form that forward can be called with.
    MissingDependencyError
        torch is not installed.

    Notes
    -----
    Exporting takes seconds for a transformer. The module is not changed.
    """
    _check(module)
    args, kwargs = named_examples(module, example_inputs)
    program = export(module, args, kwargs, dynamic_shapes)
    _check_state(module, program)
    _check_operators(module, program)
    build = Build(program, Sizes(program, axis_names(module, args, kwargs, dynamic_shapes)))
    roles = _inputs(build, program)
    _read(module, build, program)
    try:
        operators, names, form = name_outputs(build, program)
    except Refused as error:
        raise unsupported(module, [f"an output: {error}"]) from error
    roles.update(dict.fromkeys(names, ir.Role.OUTPUT))
    values = build.graph_values(roles)
    known = {size for value in values for size in value.shape}
    maxima = {name: most for name, most in build.sizes.maxima.items() if name in known}
    graph = ir.Graph(
        values=values,
        operators=tuple(operators),
        maxima=maxima,
        form=form,
        provenance=_provenance(module),
    )
    return remove_dead(graph)


def _check(module: Any) -> None:
    try:
        import torch
    except ImportError as error:
        message = "reading a torch module needs torch: pip install torch"
        raise MissingDependencyError(message) from error
    version = tuple(int(part) for part in torch.__version__.split(".")[:2])
    if version < OLDEST:
        message = (
            f"torch {torch.__version__} is installed; supported are versions from "
            f"{OLDEST[0]}.{OLDEST[1]} on"
        )
        raise UnsupportedModelError(message)
    if not isinstance(module, torch.nn.Module):
        message = f"got a {type(module).__name__}, expected a torch.nn.Module"
        raise InputError(message)
    training = [
        f"{path or type(module).__name__} ({type(part).__name__})"
        for path, part in module.named_modules()
        if part.training
    ]
    if training:
        message = (
            f"{type(module).__name__} is in training mode, where dropout and batch norm act "
            f"otherwise: {', '.join(training[:5])}; call .eval() on it first"
        )
        raise UnsupportedModelError(message)


def _check_state(module: Any, program: Any) -> None:
    signature = program.graph_signature
    changed = {**signature.buffers_to_mutate, **getattr(signature, "user_inputs_to_mutate", {})}
    if changed:
        message = (
            f"{type(module).__name__} writes into {', '.join(sorted(changed.values()))}; a Graph "
            f"keeps no state: pass such a cache as an input, join it with torch.cat, and return it"
        )
        raise UnsupportedModelError(message)


def _check_operators(module: Any, program: Any) -> None:
    """Refuse what has no reader, all of it at once."""
    reasons = []
    constants = Build(program, Sizes(program, None)).constants
    for node in program.graph.nodes:
        if node.op != "call_function" or node in constants or ignored(node.target):
            continue
        if reader_of(node.target) is None:
            reasons.append(_told(node, _hint(node)))
    if reasons:
        raise unsupported(module, list(dict.fromkeys(reasons))[:SHOWN])


def _hint(node: Any) -> str:
    name = str(node.target)
    if "scatter" in name:
        return "write a slice, use torch.where, or a sum of products"
    if "_local_scalar_dense" in name or "nonzero" in name:
        return "what follows depends on values, not on shapes alone"
    return "no operator of a Graph has its meaning"


def _told(node: Any, reason: str) -> str:
    name = str(node.target).removesuffix(".default")
    return f"{name} in {place_of(node) or 'the outermost module'}: {reason}"


def _inputs(build: Build, program: Any) -> dict[str, Any]:
    """Make the values of the inputs; returns their roles."""
    wanted = set(program.graph_signature.user_inputs)
    roles = {}
    for node in program.graph.nodes:
        value = node.meta.get("val")
        if node.op == "placeholder" and node.name in wanted and hasattr(value, "shape"):
            name = build.add(node.name, type_name(value.dtype), build.sizes.shape(value))
            build.made[node] = name
            roles[name] = ir.Role.INPUT
    return roles


def _read(module: Any, build: Build, program: Any) -> None:
    """Read node after node; those that are refused are told together."""
    reasons: dict[str, None] = {}
    lost: set[Any] = set()
    for node in program.graph.nodes:
        if node.op != "call_function" or node in build.constants:
            continue
        if lost & set(node.all_input_nodes):
            lost.add(node)
            continue
        if node.target is operator.getitem:
            _pick(build, node)
        elif not ignored(node.target):
            try:
                _read_one(build, node)
            except Refused as error:
                lost.add(node)
                reasons[_told(node, str(error))] = None
    if reasons:
        raise unsupported(module, list(reasons)[:SHOWN])


def _read_one(build: Build, node: Any) -> None:
    build.place = place_of(node)
    reader = reader_of(node.target)
    assert reader is not None
    reader(Step(build, node))


def _pick(build: Build, node: Any) -> None:
    source, number = node.args
    if source in build.made:
        names = build.made[source]
        names = names if isinstance(names, list) else [names]
        if number < len(names):
            build.made[node] = names[number]
        else:
            build.late[node] = f"no operator has the answer {number} of {source.target}"


def _provenance(module: Any) -> Mapping[str, Any]:
    import torch

    return {"library": "torch", "version": str(torch.__version__), "kind": type(module).__name__}
