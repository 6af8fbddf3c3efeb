"""Swap the layers of a torch module for ones whose weights stay packed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from cordwood import _torch_swap_layers, ops
from cordwood._torch_prune_masks import mask_of
from cordwood._torch_swap_modules import (
    chosen_layers,
    expect_module,
    is_layer,
    kind_of,
    layer_weight,
    reason_to_leave,
    rows_seen,
)
from cordwood.errors import InputError
from cordwood.passes.quantize_products import code_weight, relative_error
from cordwood.recipe import Recipe

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cordwood._typing import AnyArray

__all__ = ["LeftLayer", "SwapReport", "SwappedLayer", "quantize_"]

OF_WHOLE_NETS = ("sparsity", "channels", "max_error", "max_bytes", "equalize")
"""Options of a recipe that look at more than a layer, or at layouts that a layer does not have."""

HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")


@dataclass(frozen=True)
class SwappedLayer:
    """A layer that was swapped.

    Attributes
    ----------
    name : str
        Path in the module.
    kind : str
        Its class in torch.
    error : float
        Norm of what its outputs moved by over the calibration rows, against their own; of its
        weights where it saw no rows. What coded rows lose is not in it.
    bytes_before, bytes_after : int
        Of weights and bias.
    """

    name: str
    kind: str
    error: float
    bytes_before: int
    bytes_after: int


@dataclass(frozen=True)
class LeftLayer:
    """A layer with weights of its own that was left alone, and why."""

    name: str
    kind: str
    reason: str


@dataclass(frozen=True)
class SwapReport:
    """What `quantize_` did.

    Attributes
    ----------
    layers : tuple of SwappedLayer
        In the module's order.
    left : tuple of LeftLayer
        Products that stay torch's.
    """

    layers: tuple[SwappedLayer, ...]
    left: tuple[LeftLayer, ...]

    @property
    def bytes_before(self) -> int:
        """Bytes of the layers that were swapped, as torch kept them."""
        return sum(layer.bytes_before for layer in self.layers)

    @property
    def bytes_after(self) -> int:
        """Bytes of the same layers now."""
        return sum(layer.bytes_after for layer in self.layers)

    def __str__(self) -> str:
        """Draw a line for each layer."""
        lines = [
            f"{layer.name:<32} {layer.kind:<10} error {layer.error:<9.3g} "
            f"{layer.bytes_before:>12,} -> {layer.bytes_after:>11,} bytes"
            for layer in self.layers
        ]
        lines += [f"{layer.name:<32} {layer.kind:<10} left: {layer.reason}" for layer in self.left]
        lines.append(
            f"{len(self.layers)} layers, {self.bytes_before:,} -> {self.bytes_after:,} bytes"
        )
        return "\n".join(lines)


def quantize_(
    net: Any,
    recipe: str | Recipe = "int8",
    *,
    calibration: Iterable[Any] | None = None,
    skip: Iterable[str] = (),
) -> SwapReport:
    """Swap the linear layers and convolutions of a torch module, in place, for packed ones.

    The module stays a torch module: whatever runs it keeps running, with float32 tensors on the
    CPU, without gradients.

    Parameters
    ----------
    net : torch.nn.Module
        In evaluation mode. Every Linear, Conv1d, Conv2d and Conv3d in it is swapped, a shared one
        once for all its places.
    recipe : str or Recipe, default="int8"
        One for nets. Convolutions have one scale for each output and code images in int8, where the
        recipe codes rows at all.
    calibration : iterable of batches, optional
        What the module is called with, to see what layers read: each a tensor, a tuple of tensors,
        or a dict of tensors by name of the argument; arrays will do. A tensor alone is one batch.
    skip : iterable of str
        Names of modules, as ``net.named_modules()`` has them, that stay as they are with all below.

    Returns
    -------
    SwapReport
        Layer by layer the error and the bytes; and what was left alone, with the reason.

    Raises
    ------
    InputError
        The module, or one in it, is in training mode; it is itself a layer; the recipe is none for
        nets, has options of whole nets, or needs calibration and has none; calibration does not fit
        the module; a weight is NaN or infinite; or `skip` names no module. The module is then as it
        was.
    InputTypeError
        `net` is no torch module.
    MissingDependencyError
        torch is not installed.

    Notes
    -----
    Left alone and listed are subclasses of torch's layers, whose owners may read their weights
    (``MultiheadAttention`` does), transposed convolutions, layers with hooks or packed already, and
    weights that are not float32 on the CPU. `cordwood.compress` makes a net that is faster still,
    since it knows what follows what; it reads a module before its layers are swapped, not after.

    Examples
    --------
    >>> import torch
    >>> import cordwood as cw
    >>> net = torch.nn.Sequential(torch.nn.Linear(64, 32), torch.nn.ReLU()).eval()
    >>> report = cw.quantize_(net, "int8")
    >>> report.bytes_before, report.bytes_after
    (8320, 2304)
    """
    expect_module(net, "quantize_")
    chosen = Recipe.of(recipe)
    _expect_recipe(chosen)
    _expect_evaluation(net)
    if is_layer(net):
        message = (
            f"the module is itself a {type(net).__name__}, which cannot be swapped in place; pass "
            "what holds it, such as torch.nn.Sequential(layer)"
        )
        raise InputError(message)
    if chosen.needs_calibration and calibration is None:
        message = (
            f"method {chosen.method!r} looks at what layers have seen; pass calibration=, a list of"
            " batches like those to come, or take a Recipe with method='mse'"
        )
        raise InputError(message)
    layers, left = chosen_layers(net, skip, _reason)
    seen = {} if calibration is None else rows_seen(net, layers, calibration)
    swaps: dict[int, Any] = {}
    swapped = []
    for name, layer in layers.items():
        packed, error = _packed(name, layer, chosen, seen.get(name))
        swaps[id(layer)] = packed
        held = [tensor for tensor in (layer.weight, layer.bias) if tensor is not None]
        before = sum(tensor.numel() * tensor.element_size() for tensor in held)
        kind = kind_of(layer).__name__
        swapped.append(SwappedLayer(name, kind, error, before, packed.nbytes))
    _swap(net, swaps)
    return SwapReport(tuple(swapped), tuple(LeftLayer(*entry) for entry in left))


def _expect_recipe(recipe: Recipe) -> None:
    """Raise where a recipe is none for layers by themselves."""
    if not recipe.for_nets:
        message = f"recipe {recipe.name!r} is not for layers; take 'int8', 'int4' or a Recipe"
        raise InputError(message)
    if str(recipe.activations).endswith("-static"):
        message = (
            f"activations are {recipe.activations!r}, which layers by themselves do not take; "
            "expected 'float32', 'int8-dynamic' or 'uint8-dynamic'"
        )
        raise InputError(message)
    whole = [name for name in OF_WHOLE_NETS if getattr(recipe, name)]
    if whole:
        given = ", ".join(f"{name} {getattr(recipe, name)!r}" for name in whole)
        message = (
            f"the recipe has {given}, which layers by themselves cannot follow; leave it out and "
            "choose layers by skip=, take prune_ for masks, or compress the module as a whole"
        )
        raise InputError(message)


def _expect_evaluation(net: Any) -> None:
    """Raise where a module, or one inside it, is in training mode."""
    training = [name for name, part in net.named_modules() if part.training]
    if net.training:
        message = "the module is in training mode; call net.eval() before its layers are swapped"
        raise InputError(message)
    if training:
        message = (
            f"{', '.join(map(repr, training[:5]))} in the module is in training mode; call "
            "net.eval() before its layers are swapped"
        )
        raise InputError(message)


def _reason(_: str, layer: Any) -> str | None:
    """Say why a layer must stay torch's; None where it may be swapped."""
    reason = reason_to_leave(layer)
    if reason is not None:
        return reason
    if any(getattr(layer, hooks) for hooks in HOOKS):
        return "it has hooks, which would be lost"
    if str(layer.weight.dtype) != "torch.float32":
        return f"its weight is {layer.weight.dtype}, expected torch.float32"
    if layer.weight.device.type != "cpu":
        return f"its weight is on {layer.weight.device}, expected the CPU"
    return None


def _packed(name: str, layer: Any, recipe: Recipe, seen: AnyArray | None) -> tuple[Any, float]:
    """Return the layer that stands for one of torch's, and its error."""
    numbers = layer_weight(layer)
    if not np.isfinite(numbers).all():
        message = f"layer {name!r} has weights that are NaN or infinite, expected finite numbers"
        raise InputError(message)
    matrix = numbers.reshape(len(numbers), -1)
    spatial = numbers.ndim > matrix.ndim
    activations = recipe.activations or "float32"
    if spatial and activations != "float32":
        activations = "int8-dynamic"
    weights: Any = recipe.weights
    if str(weights).startswith("int"):
        blind = seen is None or spatial or recipe.method == "rtn"
        moments = None if blind or seen is None else ops.hessian(seen)
        masked = mask_of(layer) is not None
        weight: Any = code_weight(matrix, recipe, moments, grouped=not spatial, keep_zeros=masked)
    else:
        weight = ops.pack_dense(matrix, weights)
    make = _torch_swap_layers.conv_layer if spatial else _torch_swap_layers.linear_layer
    packed = make(layer, weight, activations)
    error = packed.weight.numpy().reshape(matrix.shape) - matrix
    if seen is None or spatial:
        return packed, relative_error(error, matrix)
    return packed, relative_error(seen @ error.T, seen @ matrix.T)


def _swap(net: Any, swaps: dict[int, Any]) -> None:
    for parent in list(net.modules()):
        for name, child in list(parent._modules.items()):
            if id(child) in swaps:
                setattr(parent, name, swaps[id(child)])
                # torch's fused encoder would read the weights as floats and pass the layer by.
                if hasattr(parent, "activation_relu_or_gelu"):
                    parent.activation_relu_or_gelu = 0
