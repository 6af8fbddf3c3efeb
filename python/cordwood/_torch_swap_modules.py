"""The layers inside a torch module: which may be changed, and what they read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import numpy as np

from cordwood.errors import CordwoodError, InputError, InputTypeError, MissingDependencyError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from cordwood._typing import AnyArray

__all__ = [
    "HoldsPacked",
    "batches_of",
    "chosen_layers",
    "conv_padding",
    "expect_module",
    "is_layer",
    "kind_of",
    "layer_weight",
    "pad_sizes",
    "reason_to_leave",
    "rows_seen",
    "run_batch",
]

BATCHES = (
    "a list of batches, each what the module is called with: a tensor or an array, a tuple of them "
    "in order, or a dict by name"
)

MOST_ROWS = 4096
"""Rows that a layer is judged by: more change codes little and take memory."""


class HoldsPacked:
    """A layer that `cordwood.quantize_` has made; its class has torch's behind this one."""

    if TYPE_CHECKING:

        def _apply(self, *given: Any, **options: Any) -> Any: ...

        def _load_from_state_dict(self, *given: Any, **options: Any) -> None: ...


def expect_module(net: Any, caller: str) -> None:
    """Raise unless `net` is a torch module."""
    try:
        import torch
    except ImportError as error:
        message = f"{caller} works on torch modules, which need torch: pip install torch"
        raise MissingDependencyError(message) from error
    if not isinstance(net, torch.nn.Module):
        message = f"{caller} takes a torch.nn.Module, not {type(net).__name__}"
        raise InputTypeError(message)


def _layers() -> tuple[type, ...]:
    import torch

    return (torch.nn.Linear, torch.nn.Conv1d, torch.nn.Conv2d, torch.nn.Conv3d)


def is_layer(module: Any) -> bool:
    """Whether this is a linear layer or a convolution, or of a class derived from one."""
    return isinstance(module, _layers())


def kind_of(module: Any) -> type:
    """Return the class of a module, as it is without parametrizations."""
    from torch.nn.utils import parametrize

    kind: type = parametrize.type_before_parametrizations(module)
    return kind


def chosen_layers(
    net: Any, skip: Iterable[str], reason_of: Callable[[str, Any], str | None]
) -> tuple[dict[str, Any], list[tuple[str, str, str]]]:
    """Tell the products in a module that may be changed from those that stay as they are.

    Parameters
    ----------
    net : torch.nn.Module
    skip : iterable of str
        Names of modules that are none of either, with all below.
    reason_of : callable
        Says of a name and a layer why it must stay; None where it may be changed.

    Returns
    -------
    dict of str to torch.nn.Module, list of (str, str, str)
        Layers by name; and name, class and reason of each other product.

    Raises
    ------
    InputError
        `skip` holds a name that no module has.
    """
    layers: dict[str, Any] = {}
    left = []
    for name, layer in _products(net, skip).items():
        reason = reason_of(name, layer)
        if reason is None:
            layers[name] = layer
        else:
            left.append((name, kind_of(layer).__name__, reason))
    return layers, left


def _products(net: Any, skip: Iterable[str]) -> dict[str, Any]:
    """Return all products in a module by name, but for those that the caller skips.

    Raises
    ------
    InputError
        `skip` holds a name that no module has.
    """
    import torch

    skipped = [skip] if isinstance(skip, str) else list(skip)
    modules = dict(net.named_modules(remove_duplicate=False))
    unknown = [name for name in skipped if name not in modules]
    if unknown:
        message = (
            f"skip names {', '.join(map(repr, unknown))}, expected names of modules, as "
            f"net.named_modules() lists them: {', '.join(list(modules)[1:7])} and so on"
        )
        raise InputError(message)
    kept = {
        id(module)
        for name, module in modules.items()
        if any(name == other or name.startswith(f"{other}.") for other in skipped)
    }
    transposed = (torch.nn.ConvTranspose1d, torch.nn.ConvTranspose2d, torch.nn.ConvTranspose3d)
    return {
        name: module
        for name, module in net.named_modules()
        if isinstance(module, (*_layers(), *transposed, HoldsPacked)) and id(module) not in kept
    }


def reason_to_leave(layer: Any) -> str | None:
    """Say why a layer must stay as it is; None where it may be changed."""
    from torch.nn.utils import parametrize

    if isinstance(layer, HoldsPacked):
        return "its weights are packed already"
    kind = kind_of(layer)
    if kind not in _layers():
        return f"{kind.__name__} is none of Linear, Conv1d, Conv2d and Conv3d"
    if "weight" not in layer._parameters and not parametrize.is_parametrized(layer, "weight"):
        return "a hook makes its weight, as torch.nn.utils.weight_norm and prune do; remove it"
    weight = layer.weight
    if weight.is_meta:
        return "its weight is on meta, where there are no numbers"
    return None if weight.numel() else "its weight is empty"


def layer_weight(layer: Any) -> AnyArray:
    """Return the numbers of a layer's weight, as its parametrizations leave them, in float32."""
    return cast("AnyArray", layer.weight.detach().cpu().float().contiguous().numpy())


def conv_padding(layer: Any) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return what is put before and after each space axis of a convolution."""
    if layer.padding == "valid":
        return ((0,) * len(layer.kernel_size),) * 2
    if layer.padding == "same":
        sizes = zip(layer.dilation, layer.kernel_size, strict=True)
        whole = [step * (size - 1) for step, size in sizes]
        return tuple(size // 2 for size in whole), tuple(size - size // 2 for size in whole)
    return layer.padding, layer.padding


def pad_sizes(before: tuple[int, ...], after: tuple[int, ...]) -> tuple[int, ...]:
    """Order sizes as ``torch.nn.functional.pad`` takes them: the last axis first."""
    pairs = zip(reversed(before), reversed(after), strict=True)
    return tuple(size for pair in pairs for size in pair)


def batches_of(calibration: Any) -> Iterator[tuple[tuple[Any, ...], dict[str, Any]]]:
    """Bring calibration into one form: arguments by position and by name of each call.

    Raises
    ------
    InputError
        It is no iterable, or there is no batch.
    """
    import torch

    single = isinstance(calibration, torch.Tensor | np.ndarray | dict)
    if not single and not hasattr(calibration, "__iter__"):
        message = f"calibration is of type {type(calibration).__name__}, expected {BATCHES}"
        raise InputError(message)
    count = 0
    for batch in [calibration] if single else calibration:
        count += 1
        if isinstance(batch, dict):
            yield (), {name: _as_tensor(value) for name, value in batch.items()}
        else:
            given = batch if isinstance(batch, tuple | list) else (batch,)
            yield tuple(map(_as_tensor, given)), {}
    if not count:
        message = "calibration holds no batches, expected one at least"
        raise InputError(message)


def _as_tensor(given: Any) -> Any:
    """Take an array of numbers as a tensor, of floats as modules have them; all else as it is."""
    import torch

    if not isinstance(given, np.ndarray) or given.dtype.kind not in "biuf":
        return given
    return torch.from_numpy(np.array(given, np.float32 if given.dtype.kind == "f" else None))


def run_batch(net: Any, number: int, batch: tuple[tuple[Any, ...], dict[str, Any]]) -> None:
    """Call the module as its caller would, without gradients.

    Raises
    ------
    InputError
        The module does not take the batch.
    """
    import torch

    try:
        with torch.no_grad():
            net(*batch[0], **batch[1])
    except CordwoodError:
        raise
    except Exception as error:
        # What a module raises for arguments that do not fit may be of any kind.
        reason = str(error).strip().split("\n")[0] or type(error).__name__
        message = (
            f"the module does not take calibration batch {number}: {reason}; expected {BATCHES}. "
            "Leave out labels that a loader adds"
        )
        raise InputError(message) from error


def rows_seen(net: Any, layers: Mapping[str, Any], calibration: Any) -> dict[str, AnyArray]:
    """Run the module and keep rows that its linear layers have read, up to 4096 of each.

    Raises
    ------
    InputError
        There is no batch, the module does not take one, or a layer has read NaN or an infinity.
    """
    import torch

    generator = np.random.default_rng(0)
    kept: dict[str, list[AnyArray]] = {}
    batches = list(batches_of(calibration))
    most = max(1, MOST_ROWS // len(batches))
    linear = {name: layer for name, layer in layers.items() if isinstance(layer, torch.nn.Linear)}

    def keep(name: str, arguments: tuple[Any, ...]) -> None:
        if not arguments or not arguments[0].numel():
            return  # nothing to see, or passed by name, which torch itself never does
        rows = arguments[0].detach().reshape(-1, arguments[0].shape[-1]).numpy()
        if len(rows) > most:
            rows = rows[np.sort(generator.choice(len(rows), most, replace=False))]
        if not np.isfinite(rows).all():
            message = f"layer {name!r} has read NaN or an infinity in the calibration"
            raise InputError(message)
        kept.setdefault(name, []).append(np.array(rows, np.float32))

    hooks = [
        layer.register_forward_pre_hook(lambda _, given, name=name: keep(name, given))
        for name, layer in linear.items()
    ]
    try:
        for number, batch in enumerate(batches):
            run_batch(net, number, batch)
    finally:
        for hook in hooks:
            hook.remove()
    return {name: np.concatenate(rows)[:MOST_ROWS] for name, rows in kept.items()}
