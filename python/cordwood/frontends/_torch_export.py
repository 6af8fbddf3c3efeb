"""A torch module through ``torch.export``: one flat graph of ATen operators, sizes symbolic."""

from __future__ import annotations

import contextlib
import inspect
import warnings
from typing import TYPE_CHECKING, Any

from cordwood.errors import InputError, UnsupportedModelError
from cordwood.frontends._torch_whole import whole_layers

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["axis_names", "export", "named_examples"]

KEPT = frozenset((
    "_upsample_nearest_exact1d", "_upsample_nearest_exact2d", "_upsample_nearest_exact3d",
    "adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_avg_pool3d", "adaptive_max_pool1d",
    "adaptive_max_pool2d", "adaptive_max_pool3d", "avg_pool1d", "avg_pool2d", "avg_pool3d",
    "celu", "elu", "embedding", "embedding_bag", "gelu", "group_norm", "hardsigmoid",
    "hardswish", "hardtanh", "instance_norm", "layer_norm", "leaky_relu", "linear",
    "log_sigmoid", "log_softmax", "matmul", "max_pool1d", "max_pool2d", "max_pool3d", "mish",
    "pad", "prelu", "relu6", "rms_norm", "scaled_dot_product_attention", "selu", "silu",
    "softmax", "softplus", "upsample_bicubic2d", "upsample_bilinear2d", "upsample_linear1d",
    "upsample_nearest1d", "upsample_nearest2d", "upsample_nearest3d", "upsample_trilinear3d",
))  # fmt: skip
"""ATen operators that have an operator of docs/graph.md; all others are decomposed."""

LONGEST = 4096
"""Maximum of a sequence axis that the caller says nothing about."""

SHORT = 2
"""Length that an example of length 1 is repeated to: torch.export takes 1 for a constant."""


def named_examples(module: Any, example_inputs: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Return example inputs as positional and keyword arguments of the module's forward.

    Raises
    ------
    InputError
        They are neither a tensor, a tuple nor a mapping.
    """
    import torch

    if isinstance(example_inputs, torch.Tensor):
        return (example_inputs,), {}
    if isinstance(example_inputs, list | tuple):
        return tuple(example_inputs), {}
    if hasattr(example_inputs, "keys"):
        return (), dict(example_inputs)
    message = (
        f"example_inputs of {type(module).__name__} is a {type(example_inputs).__name__}, expected "
        f"a tuple of tensors in the order of forward's parameters, or a dict by their names"
    )
    raise InputError(message)


def export(module: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any], shapes: Any) -> Any:
    """Export a module in evaluation mode.

    Parameters
    ----------
    module : torch.nn.Module
        In evaluation mode.
    args, kwargs : tuple, dict
        Example inputs.
    shapes : object, optional
        What ``torch.export.export`` takes as ``dynamic_shapes``; None for the defaults of
        `cordwood.frontends.torch.read_module`.

    Returns
    -------
    ExportedProgram
        Decomposed but for `KEPT`.

    Raises
    ------
    UnsupportedModelError
        torch cannot follow the module without running it, as where a branch depends on values.
    """
    seen: set[int] = set()
    args = tuple(_own(value, seen) for value in args)
    kwargs = {name: _own(value, seen) for name, value in kwargs.items()}
    if shapes is not None:
        return _decomposed(module, args, kwargs, shapes)
    longer = _Longer()
    grown = tuple(longer.of(value) for value in args), {k: longer.of(v) for k, v in kwargs.items()}
    if longer.grew:
        # Where lengths depend on each other, or are constants all the same, the caller's are right.
        with contextlib.suppress(UnsupportedModelError):
            program = _decomposed(module, *grown, _default_shapes(module, *grown))
            if not _has_length(program, SHORT):
                return program
    return _decomposed(module, args, kwargs, _default_shapes(module, args, kwargs))


def _own(value: Any, seen: set[int]) -> Any:
    """Copy a tensor that came before: torch.export would take both inputs for one."""
    import torch

    if isinstance(value, list | tuple):
        return type(value)(_own(part, seen) for part in value)
    if isinstance(value, dict):
        return {name: _own(part, seen) for name, part in value.items()}
    if not isinstance(value, torch.Tensor):
        return value
    again = id(value) in seen
    seen.add(id(value))
    return value.clone() if again else value


def _default_shapes(module: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """Say which axes are symbols: the batch, and the sequence of integers and masks."""
    import torch
    from torch.export import Dim

    def axes(value: Any) -> Any:
        if isinstance(value, list | tuple):
            return type(value)(axes(part) for part in value)
        if isinstance(value, dict):
            return {name: axes(part) for name, part in value.items()}
        if not isinstance(value, torch.Tensor):
            return None
        found = {0: Dim.AUTO} if value.ndim else {}
        if value.ndim > 1 and not value.is_floating_point():
            found[1] = Dim.AUTO(max=LONGEST)
        return found

    given = _by_name(module, args, kwargs)
    return {name: axes(value) for name, value in given.items()}


def _by_name(module: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    try:
        return dict(inspect.signature(module.forward).bind(*args, **kwargs).arguments)
    except TypeError as error:
        message = f"example_inputs do not fit {type(module).__name__}.forward: {error}"
        raise InputError(message) from error


def axis_names(
    module: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any], shapes: Any
) -> list[Any] | None:
    """Return what the caller said of the axes of each input, in the order of all inputs.

    None where the caller said nothing of any.
    """
    if shapes is None:
        return None
    given = _by_name(module, args, kwargs)
    said = shapes if isinstance(shapes, dict) else dict(zip(given, shapes, strict=False))
    return _along(given, said)


def _along(value: Any, said: Any) -> list[Any]:
    """Take containers apart together with what is said of them."""
    if isinstance(value, list | tuple):
        parts = said if isinstance(said, list | tuple) else [None] * len(value)
        return [leaf for pair in zip(value, parts, strict=False) for leaf in _along(*pair)]
    if isinstance(value, dict):
        named = said if isinstance(said, dict) else {}
        return [leaf for name in value for leaf in _along(value[name], named.get(name))]
    return [said]


class _Longer:
    """Repeats examples along dynamic axes of length 1."""

    def __init__(self) -> None:
        self.grew = False

    def of(self, value: Any) -> Any:
        import torch

        if isinstance(value, list | tuple):
            return type(value)(self.of(part) for part in value)
        if not isinstance(value, torch.Tensor):
            return value
        for axis in range(min(value.ndim, 1 if value.is_floating_point() else 2)):
            if value.shape[axis] == 1:
                value = torch.cat([value] * SHORT, axis)
                self.grew = True
        return value


def _has_length(program: Any, length: int) -> bool:
    """Whether an input has this constant length along an axis that may have been repeated."""
    inputs = set(program.graph_signature.user_inputs)
    values = (node.meta.get("val") for node in program.graph.nodes if node.name in inputs)
    return any(
        type(size) is int and size == length
        for value in values
        if hasattr(value, "shape")
        for size in value.shape[: 1 if value.is_floating_point() else 2]
    )


def _decomposed(module: Any, args: Any, kwargs: Any, shapes: Any) -> Any:
    import torch

    table = torch.export.default_decompositions()
    for operator in list(table):
        if operator.name().split("::")[1].split(".")[0] in KEPT:
            table.pop(operator)
    try:
        with _quiet(), whole_layers():
            program = torch.export.export(
                module, args, dict(kwargs), dynamic_shapes=shapes, strict=False
            )
            return program.run_decompositions(table)
    except UnsupportedModelError:
        raise
    except Exception as error:
        # torch raises errors of many kinds, some of them private, for what it cannot follow.
        reason = str(error).strip().split("\n\n")[0][:800] or type(error).__name__
        message = (
            f"torch.export cannot follow {type(module).__name__}: {reason}\nSupported are modules "
            f"whose control flow does not depend on values, called with example inputs that fit"
        )
        raise UnsupportedModelError(message) from error


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Leave out what changes no answer: fused paths, looks into masks, warnings about tracing."""
    import torch
    from torch.nn.modules import transformer

    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    looks = transformer._detect_is_causal_mask
    transformer._detect_is_causal_mask = _said_to_be_causal
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        transformer._detect_is_causal_mask = looks
        torch.backends.mha.set_fastpath_enabled(fast)


def _said_to_be_causal(_: Any, is_causal: bool | None = None, __: int | None = None) -> bool:
    """Take a mask of a transformer as it is, where torch would look whether it is causal.

    The look is a branch on values, which no export can follow, for the sake of speed alone.
    """
    return is_causal is True
