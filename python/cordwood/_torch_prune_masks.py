"""Masks as parametrizations of torch, and the norms of what layers read."""

from __future__ import annotations

import functools
import itertools
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from cordwood._torch_swap_modules import batches_of, conv_padding, pad_sizes, run_batch
from cordwood.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cordwood._typing import AnyArray, BoolArray

__all__ = ["input_norms", "mask_of", "owners_of", "put_mask", "weight_parameters"]

MASK = "WeightMask"


class _Mask:
    """Sets weights to zero where a mask says so; their gradients are zero too."""

    if TYPE_CHECKING:
        mask: Any

    def forward(self, weight: Any) -> Any:
        import torch

        return torch.where(self.mask, weight, weight.new_zeros(()))

    def right_inverse(self, weight: Any) -> Any:
        """Take a new weight as the parameter, its zeros in place."""
        return self.forward(weight)


def put_mask(layer: Any, mask: BoolArray) -> None:
    """Mask the weight of a layer; one that it has already is replaced."""
    import torch
    from torch.nn.utils import parametrize

    held = _held(layer)
    if held is not None:
        held.mask.copy_(torch.from_numpy(mask))
        return
    made = _mask_class()()
    with torch.inference_mode(mode=False):  # what is made in that mode never meets a gradient
        made.register_buffer("mask", torch.from_numpy(np.array(mask)).to(layer.weight.device))
        parametrize.register_parametrization(layer, "weight", made)
    layer.parametrizations.train(layer.training)  # whoever reads a module asks all its parts


def mask_of(layer: Any) -> BoolArray | None:
    """Return the mask that a layer has, None where it has none."""
    held = _held(layer)
    return None if held is None else cast("BoolArray", held.mask.cpu().numpy())


def weight_parameters(layer: Any) -> list[Any]:
    """Return the parameters that a layer's weight is made of: itself, or those parametrized."""
    from torch.nn.utils import parametrize

    if parametrize.is_parametrized(layer, "weight"):
        return list(layer.parametrizations.weight.parameters())
    return [layer.weight]


def owners_of(net: Any) -> dict[int, list[str]]:
    """Return by id of a parameter all names that it has in a module, those of one tied twice."""
    owners: dict[int, list[str]] = {}
    for prefix, module in net.named_modules():
        for name, parameter in module._parameters.items():
            owners.setdefault(id(parameter), []).append(f"{prefix}.{name}")
    return owners


def _held(layer: Any) -> Any:
    from torch.nn.utils import parametrize

    if not parametrize.is_parametrized(layer, "weight"):
        return None
    found = (part for part in layer.parametrizations.weight if isinstance(part, _Mask))
    return next(found, None)


def input_norms(net: Any, layers: Mapping[str, Any], calibration: Any) -> dict[str, AnyArray]:
    """Run the module, and return the norm of each weight's input over all that was read.

    Parameters
    ----------
    net : torch.nn.Module
        Called in the mode that it is in.
    layers : mapping of str to torch.nn.Module
        Linear layers and convolutions inside it.
    calibration : iterable of batches
        As for `cordwood.prune_`.

    Returns
    -------
    dict of str to ndarray of float32, shape (1 or n_outputs, n_inputs)
        For the layers that have read anything but zeros.

    Raises
    ------
    InputError
        There is no batch, the module does not take one, or a layer has read NaN or an infinity.
    """
    import torch

    squares: dict[str, Any] = {}

    def add(name: str, layer: Any, arguments: tuple[Any, ...]) -> None:
        if not arguments or not arguments[0].numel():
            return
        given = arguments[0].detach().double().square()
        if isinstance(layer, torch.nn.Linear):
            found = given.reshape(-1, given.shape[-1]).sum(0, keepdim=True)
        else:
            found = _conv_squares(layer, given)
        squares[name] = squares[name] + found if name in squares else found

    hooks = [
        layer.register_forward_pre_hook(
            lambda layer, given, name=name: add(name, layer, given),
        )
        for name, layer in layers.items()
    ]
    modes = {module: module.training for module in net.modules()}
    net.eval()
    try:
        for number, batch in enumerate(batches_of(calibration)):
            run_batch(net, number, batch)
    finally:
        for module, training in modes.items():
            module.training = training
        for hook in hooks:
            hook.remove()
    norms = {
        name: np.sqrt(found.cpu().numpy()).astype(np.float32) for name, found in squares.items()
    }
    for name, found in norms.items():
        if not np.isfinite(found).all():
            message = f"layer {name!r} has read NaN or an infinity in the calibration"
            raise InputError(message)
    return {name: found for name, found in norms.items() if found.any()}


def _conv_squares(layer: Any, squares: Any) -> Any:
    """Sum the squares that each weight of a convolution has met, (outputs, inputs)."""
    import torch

    axes = len(layer.kernel_size)
    if squares.dim() == axes + 1:
        squares = squares.unsqueeze(0)
    mode = "constant" if layer.padding_mode == "zeros" else layer.padding_mode
    padded = torch.nn.functional.pad(squares, pad_sizes(*conv_padding(layer)), mode=mode)
    sizes = zip(padded.shape[2:], layer.kernel_size, layer.stride, layer.dilation, strict=True)
    counts = [(size - step * (k - 1) - 1) // stride + 1 for size, k, stride, step in sizes]
    sums = []
    for offsets in itertools.product(*map(range, layer.kernel_size)):
        places = zip(offsets, counts, layer.stride, layer.dilation, strict=True)
        window = [slice(None), slice(None)]  # all images and channels
        window += [
            slice(at * step, at * step + stride * (count - 1) + 1, stride)
            for at, count, stride, step in places
        ]
        met = padded[tuple(window)]
        sums.append(met.sum(dim=(0, *range(2, axes + 2))))
    by_channel = torch.stack(sums, dim=1)  # (channels, kernel positions)
    by_group = by_channel.reshape(layer.groups, -1)
    return by_group.repeat_interleave(layer.out_channels // layer.groups, dim=0)


@functools.cache
def _mask_class() -> Any:
    """Put the class together with torch's, once."""
    import torch

    facts = {"__module__": __name__, "__qualname__": MASK, "__doc__": _Mask.__doc__}
    return type(MASK, (_Mask, torch.nn.Module), facts)


def __getattr__(name: str) -> Any:
    if name == MASK:
        return _mask_class()
    message = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(message)
