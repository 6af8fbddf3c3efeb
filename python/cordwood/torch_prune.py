"""Put pruning masks on the layers of a torch module, which fine-tuning then honours."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from cordwood import _torch_prune_masks, ops
from cordwood._torch_swap_modules import (
    chosen_layers,
    expect_module,
    kind_of,
    layer_weight,
    reason_to_leave,
)
from cordwood.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from cordwood._typing import AnyArray, BoolArray

__all__ = ["PruneReport", "PrunedLayer", "prune_"]

Score = Literal["magnitude", "wanda"]


@dataclass(frozen=True)
class PrunedLayer:
    """A layer that has a mask.

    Attributes
    ----------
    name : str
        Path in the module.
    kind : str
        Its class in torch.
    share : float
        Share of its weights that went.
    loss : float
        Norm of the weights that went against that of all; where rows were seen, each times the norm
        of its input: what the outputs move by, were inputs independent of one another.
    """

    name: str
    kind: str
    share: float
    loss: float


@dataclass(frozen=True)
class PruneReport:
    """What `prune_` did.

    Attributes
    ----------
    layers : tuple of PrunedLayer
        In the module's order.
    left : tuple of (str, str)
        Names of products that have no mask, each with the reason.
    """

    layers: tuple[PrunedLayer, ...]
    left: tuple[tuple[str, str], ...]

    def __str__(self) -> str:
        """Draw a line for each layer."""
        lines = [
            f"{layer.name:<32} {layer.kind:<10} {layer.share:6.1%} gone, loss {layer.loss:.3g}"
            for layer in self.layers
        ]
        return "\n".join(lines + [f"{name:<32} left: {reason}" for name, reason in self.left])


def prune_(
    net: Any,
    sparsity: str | float,
    *,
    calibration: Iterable[Any] | None = None,
    score: Score | None = None,
    skip: Iterable[str] = (),
) -> PruneReport:
    """Mask weights of a torch module's linear layers and convolutions, in place.

    A mask is a parametrization of torch (``torch.nn.utils.parametrize``): the weight that layers
    see has zeros where the mask says so, whatever an optimizer does to the parameter, whose
    gradient is zero there. So the module may be trained further, and `cordwood.compress` reads the
    weights with their zeros.

    Parameters
    ----------
    net : torch.nn.Module
        Every Linear, Conv1d, Conv2d and Conv3d in it is masked, of any floating-point type.
    sparsity : str or float
        A pattern of `cordwood.ops.prune_mask`, such as ``"2:4"``, ``0.8`` (the share that goes) or
        ``"block:16x1:0.8"``. Weights of a convolution count as a matrix, (outputs, all else).
    calibration : iterable of batches, optional
        What the module is called with, as for `quantize_`, to weigh inputs by their norms.
    score : {"magnitude", "wanda"}, optional
        What weights are judged by: their magnitude, or that times the norm of their input, within
        each output. The second, the default with calibration, needs it.
    skip : iterable of str
        Names of modules, as ``net.named_modules()`` has them, that stay as they are with all below.

    Returns
    -------
    PruneReport
        Layer by layer the share that went and the loss.

    Raises
    ------
    InputError
        The pattern or the score is unknown, calibration is missing where it is needed or does not
        fit the module, a weight is NaN, or `skip` names no module. The module is then as it was.
    InputTypeError
        `net` is no torch module.
    MissingDependencyError
        torch is not installed.

    Notes
    -----
    Left alone and listed are subclasses of torch's layers, transposed convolutions, layers that are
    packed already or whose weight a hook makes, and weights that another module has as well: an
    embedding tied to a layer would lose numbers without a mask that holds them.

    A module that has masks may be pruned again, to a higher share: what is gone stays gone.
    ``torch.nn.utils.parametrize.remove_parametrizations(layer, "weight")`` makes the zeros part of
    the parameter. torch pickles a module with parametrizations by its state dict alone.

    References
    ----------
    S. Han et al., "Learning both Weights and Connections for Efficient Neural Networks", NIPS 2015.
    M. Sun et al., "A Simple and Effective Pruning Approach for Large Language Models", ICLR 2024.

    Examples
    --------
    >>> import torch
    >>> import cordwood as cw
    >>> net = torch.nn.Sequential(torch.nn.Linear(64, 32))
    >>> report = cw.prune_(net, "2:4")
    >>> report.layers[0].share, int((net[0].weight == 0).sum())
    (0.5, 1024)
    """
    expect_module(net, "prune_")
    chosen = score or ("magnitude" if calibration is None else "wanda")
    if chosen not in ("magnitude", "wanda"):
        message = f"score is {score!r}, expected 'magnitude' or 'wanda'"
        raise InputError(message)
    if chosen == "wanda" and calibration is None:
        message = "score 'wanda' weighs inputs by what layers have seen; pass calibration="
        raise InputError(message)
    owners = _torch_prune_masks.owners_of(net)
    layers, left = chosen_layers(net, skip, lambda name, layer: _reason(name, layer, owners))
    seen = {} if calibration is None else _torch_prune_masks.input_norms(net, layers, calibration)
    masks: dict[str, BoolArray] = {}
    pruned = []
    for name, layer in layers.items():
        weight = layer_weight(layer)
        if np.isnan(weight).any():
            message = f"layer {name!r} has weights that are NaN, expected numbers"
            raise InputError(message)
        matrix = weight.reshape(len(weight), -1)
        worth = np.abs(matrix) * seen.get(name, np.float32(1))
        mask = _mask(matrix, sparsity, worth, seen=chosen == "wanda")
        earlier = _torch_prune_masks.mask_of(layer)
        if earlier is not None:
            mask = ops.combine_masks(mask, earlier.reshape(mask.shape))
        masks[name] = mask.reshape(weight.shape)
        facts = ops.describe_mask(mask)
        pruned.append(PrunedLayer(name, kind_of(layer).__name__, facts.share, _loss(worth, mask)))
    for name, mask in masks.items():
        _torch_prune_masks.put_mask(layers[name], mask)
    return PruneReport(tuple(pruned), tuple((name, reason) for name, _, reason in left))


def _reason(name: str, layer: Any, owners: Mapping[int, list[str]]) -> str | None:
    """Say why a layer can have no mask; None where it may have one."""
    reason = reason_to_leave(layer)
    if reason is not None:
        return reason
    if not layer.weight.is_floating_point():
        return f"its weight is {layer.weight.dtype}, expected floating-point numbers"
    for parameter in _torch_prune_masks.weight_parameters(layer):
        if parameter.is_inference():
            return "its weight was made under torch.inference_mode() and cannot be trained"
        others = [owner for owner in owners[id(parameter)] if not owner.startswith(f"{name}.")]
        if others:
            return f"its weight is {others[0]} as well, which would lose numbers and have no mask"
    return None


def _mask(matrix: AnyArray, sparsity: str | float, worth: AnyArray, *, seen: bool) -> BoolArray:
    """Choose what stays; scores of inputs compare within an output, those of blocks in all."""
    if not seen:
        return ops.prune_mask(matrix, sparsity)
    whole = isinstance(sparsity, str)
    return ops.prune_mask(matrix, sparsity, scores=worth, per="matrix" if whole else "output")


def _loss(worth: AnyArray, mask: BoolArray) -> float:
    whole = float(np.linalg.norm(worth))
    return 0.0 if whole == 0.0 else float(np.linalg.norm(worth[~mask])) / whole
