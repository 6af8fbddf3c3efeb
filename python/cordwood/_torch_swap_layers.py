"""Layers of torch whose weights stay packed: buffers in a state dict, kernels of cordwood.ops.

torch is imported when the first layer is made, so its classes are put together then; what they do
is written here as plain classes, and pickles find the finished ones by their names.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from cordwood import ops
from cordwood._torch_swap_modules import HoldsPacked, conv_padding, pad_sizes
from cordwood.errors import DeviceError, InputError, InputTypeError, UnsupportedModelError

if TYPE_CHECKING:
    from collections.abc import Callable

    from cordwood._ops_products import Activations
    from cordwood._typing import AnyArray
    from cordwood.ops import DenseTensor, QuantizedTensor

    Packed = QuantizedTensor | DenseTensor

__all__ = ["conv_layer", "linear_layer"]

CLASSES = ("PackedConv", "PackedLinear")
_WORD = 8
_ROWS: dict[str, Activations] = {
    "float32": "float32",
    "int8-dynamic": "int8",
    "uint8-dynamic": "uint8",
}


class _PackedLayer(HoldsPacked):
    """What all layers share: weights as buffers, and the packed tensor made of them once."""

    if TYPE_CHECKING:
        payload: Any
        scales: Any
        zero_points: Any
        bias: Any
        register_buffer: Callable[..., None]

    bits: Any
    group_size: int | None
    dense: Any
    shape: tuple[int, int]
    activations: Activations
    _packed: Packed | None

    def hold(self, weight: Packed, bias: AnyArray | None, activations: str) -> None:
        """Keep weights as buffers, which a state dict holds and loads."""
        import torch

        self.shape = (weight.n_outputs, weight.n_inputs)
        self.activations = _ROWS[activations]
        arrays: dict[str, AnyArray | None] = {"scales": None, "zero_points": None, "bias": bias}
        if isinstance(weight, ops.QuantizedTensor):
            self.bits, self.group_size, self.dense = weight.bits, weight.group_size, None
            arrays |= {"scales": weight.scales, "zero_points": weight.zero_points}
            arrays["payload"] = weight.payload
        else:
            self.bits, self.group_size, self.dense = None, None, weight.dtype
            arrays["payload"] = weight.numbers
        with torch.inference_mode(mode=False):  # tensors of that mode take no state dict
            for name, array in arrays.items():
                held = None if array is None else torch.from_numpy(np.array(array))
                self.register_buffer(name, held)
            if self.dense == "bfloat16":
                self.payload = self.payload.view(torch.bfloat16)
        self._packed = None

    def packed(self) -> Packed:
        """Return the weights as kernels take them; made anew when the buffers have changed."""
        import torch

        if self._packed is None:
            if self.dense is not None:
                # A caller may have converted the whole module: back to the type that was asked for.
                held = self.payload.to(getattr(torch, self.dense))
                numbers = held.view(torch.uint16) if self.dense == "bfloat16" else held
                self._packed = ops.DenseTensor(numbers.numpy(), self.dense)
            else:
                zeros = None if self.zero_points is None else self.zero_points.numpy()
                self._packed = ops.QuantizedTensor(
                    self.payload.numpy(),
                    self.scales.float().numpy(),
                    zeros,
                    self.bits,
                    self.group_size,
                    *self.shape,
                )
        return self._packed

    @property
    def weight(self) -> Any:
        """The numbers that the packed weights stand for, a fresh float32 tensor at each look."""
        import torch

        packed = self.packed()
        numbers = (
            ops.dequantize(packed)
            if isinstance(packed, ops.QuantizedTensor)
            else _numbers_of(packed)
        )
        return torch.from_numpy(np.array(numbers)).reshape(self.weight_shape())

    def weight_shape(self) -> tuple[int, ...]:
        """Shape of the weight as torch has it."""
        return self.shape

    @property
    def nbytes(self) -> int:
        """Bytes of weights, scales, zero points and bias."""
        held = (self.payload, self.scales, self.zero_points, self.bias)
        return sum(tensor.numel() * tensor.element_size() for tensor in held if tensor is not None)

    def given(self, x: Any) -> AnyArray:
        """Return the numbers of a tensor, where kernels can read them.

        Raises
        ------
        InputError
            A gradient is wanted.
        DeviceError
            The tensor or the weights lie on another device than the CPU.
        InputTypeError
            The tensor is not of float32.
        UnsupportedModelError
            torch traces or exports the module.
        """
        import torch

        name = type(self).__name__
        if torch.jit.is_tracing() or torch.compiler.is_exporting():
            message = (
                f"{name} runs outside torch, where no trace can follow; trace, export or compress "
                "the module before its layers are swapped"
            )
            raise UnsupportedModelError(message)
        if x.requires_grad and torch.is_grad_enabled():
            message = (
                f"{name} was given a tensor that requires a gradient, and packed weights have "
                "none to give; call the module under torch.no_grad() or torch.inference_mode()"
            )
            raise InputError(message)
        for what, tensor in {"a tensor": x, "weights": self.payload}.items():
            if tensor.device.type != "cpu":
                message = f"{name} has {what} on {tensor.device}, expected the CPU; call .cpu()"
                raise DeviceError(message)
        if x.dtype != torch.float32:
            message = f"{name} was given {x.dtype}, expected torch.float32; call .float() on it"
            raise InputTypeError(message)
        return cast("AnyArray", x.detach().contiguous().numpy())

    def bias_numbers(self) -> AnyArray | None:
        """Bias in float32."""
        return None if self.bias is None else cast("AnyArray", self.bias.float().numpy())

    def _apply(self, *given: Any, **options: Any) -> Any:
        self._packed = None  # torch is about to move or convert the buffers
        return super()._apply(*given, **options)

    def _load_from_state_dict(self, *given: Any, **options: Any) -> None:
        self._packed = None
        super()._load_from_state_dict(*given, **options)

    def __getstate__(self) -> dict[str, Any]:
        """Everything but what can be made anew."""
        return {**self.__dict__, "_packed": None}

    def coding(self) -> str:
        """Words for weights and rows."""
        group = "" if self.group_size is None else f" in groups of {self.group_size}"
        return f"{self.dense or f'int{self.bits}'}{group}, rows {self.activations}"


class _Linear(_PackedLayer):
    """A `torch.nn.Linear` with packed weights: float32 in and out, any leading axes."""

    in_features: int
    out_features: int

    def forward(self, x: Any) -> Any:
        """Return ``x @ weight.T + bias``."""
        import torch

        rows = self.given(x)
        if rows.ndim == 0 or rows.shape[-1] != self.in_features:
            message = f"x has shape {tuple(x.shape)}, expected (..., {self.in_features})"
            raise InputError(message)
        out = torch.empty((*rows.shape[:-1], self.out_features), dtype=torch.float32)
        if out.numel():
            coded = self.dense is None and self.activations != "float32"
            ops.qmatmul(
                rows.reshape(-1, self.in_features),
                self.packed(),
                bias=self.bias_numbers(),
                activations=self.activations,
                activation_group=self.group_size if coded else None,
                out=out.numpy().reshape(-1, self.out_features),
            )
        return out

    def extra_repr(self) -> str:
        """Sizes and coding, as torch prints them."""
        return f"in_features={self.in_features}, out_features={self.out_features}, {self.coding()}"


class _Conv(_PackedLayer):
    """A `torch.nn.Conv1d`, `Conv2d` or `Conv3d` with packed weights: float32 in and out."""

    in_channels: int
    out_channels: int
    kernel_size: tuple[int, ...]
    stride: tuple[int, ...]
    dilation: tuple[int, ...]
    groups: int
    padding: tuple[int, ...]
    around: tuple[int, ...]
    padding_mode: str
    _ready: Any

    def weight_shape(self) -> tuple[int, ...]:
        return (self.out_channels, self.in_channels // self.groups, *self.kernel_size)

    def forward(self, x: Any) -> Any:
        """Return the convolution of images, or of one."""
        import torch

        axes = len(self.kernel_size)
        single = x.dim() == axes + 1
        images = x.unsqueeze(0) if single else x
        if images.dim() != axes + 2 or images.shape[1] != self.in_channels:
            message = (
                f"x has shape {tuple(x.shape)}, expected (batch, {self.in_channels}, ...) or "
                f"({self.in_channels}, ...) with {axes} space axes"
            )
            raise InputError(message)
        self.given(images[:0])
        if any(self.around):
            mode = "constant" if self.padding_mode == "zeros" else self.padding_mode
            images = torch.nn.functional.pad(images.detach(), self.around, mode=mode)
        codes = self.dense is None and self.activations != "float32"
        answer = torch.from_numpy(
            ops.conv(
                self.given(images),
                self.ready(),
                kernel=self.kernel_size if codes else None,
                bias=self.bias_numbers(),
                stride=self.stride,
                padding=self.padding,
                dilation=self.dilation,
                groups=self.groups,
            )
        )
        return answer[0] if single else answer

    def ready(self) -> Any:
        """Return what the kernel takes: codes of 8 bits, or numbers."""
        packed = self.packed()
        if isinstance(packed, ops.QuantizedTensor) and self.activations != "float32":
            if self.bits == _WORD:
                return packed
            if self._ready is None:
                # The same numbers by the same scales: only the code that stands for zero moves.
                moved = packed.codes + np.uint8((1 << (_WORD - 1)) - (1 << (self.bits - 1)))
                self._ready = ops.QuantizedTensor.from_codes(moved, packed.scales, bits=8)
        elif self._ready is None:
            self._ready = self.weight.numpy()
        return self._ready

    def _apply(self, *given: Any, **options: Any) -> Any:
        self._ready = None
        return super()._apply(*given, **options)

    def _load_from_state_dict(self, *given: Any, **options: Any) -> None:
        self._ready = None
        super()._load_from_state_dict(*given, **options)

    def __getstate__(self) -> dict[str, Any]:
        """Everything but what can be made anew."""
        return {**super().__getstate__(), "_ready": None}

    def extra_repr(self) -> str:
        """Sizes and coding, as torch prints them."""
        return (
            f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, "
            f"stride={self.stride}, padding={self.padding}, {self.coding()}"
        )


def linear_layer(source: Any, weight: Packed, activations: str) -> Any:
    """Return a layer that stands for a `torch.nn.Linear`.

    Parameters
    ----------
    source : torch.nn.Linear
    weight : QuantizedTensor or DenseTensor
        Its weights.
    activations : str
        How rows are coded, in the words of a `Recipe`.
    """
    layer = _classes()["PackedLinear"]()
    layer.in_features, layer.out_features = source.in_features, source.out_features
    layer.hold(weight, _bias_of(source), activations)
    return layer.train(source.training)


def conv_layer(source: Any, weight: Packed, activations: str) -> Any:
    """Return a layer that stands for a `torch.nn.Conv1d`, `Conv2d` or `Conv3d`.

    Parameters
    ----------
    source : torch.nn.Conv1d, Conv2d or Conv3d
    weight : QuantizedTensor or DenseTensor
        Its weights, (outputs, all else).
    activations : str
        How images are coded, in the words of a `Recipe`.
    """
    layer = _classes()["PackedConv"]()
    for name in ("in_channels", "out_channels", "kernel_size", "stride", "dilation", "groups"):
        setattr(layer, name, getattr(source, name))
    layer.padding_mode, layer._ready = source.padding_mode, None
    before, after = conv_padding(source)
    inside = source.padding_mode == "zeros" and before == after
    layer.padding = before if inside else (0,) * len(before)
    layer.around = () if inside else pad_sizes(before, after)
    layer.hold(weight, _bias_of(source), activations)
    return layer.train(source.training)


def _bias_of(source: Any) -> AnyArray | None:
    return None if source.bias is None else cast("AnyArray", source.bias.detach().numpy())


def _numbers_of(packed: DenseTensor) -> AnyArray:
    if packed.dtype != "bfloat16":
        return packed.numbers.astype(np.float32)
    return (packed.numbers.astype(np.uint32) << 16).view(np.float32)


@functools.cache
def _classes() -> dict[str, Any]:
    """Put the classes together with torch's, once."""
    import torch

    made = {}
    bases: tuple[Any, ...] = (_Conv, _Linear)
    for name, base in zip(CLASSES, bases, strict=True):
        facts: dict[str, Any] = {
            "__module__": __name__,
            "__doc__": base.__doc__,
            "__qualname__": name,
        }
        facts["forward"] = torch.compiler.disable(base.forward)  # native code tells it nothing
        made[name] = type(name, (base, torch.nn.Module), facts)
    return made


def __getattr__(name: str) -> Any:
    if name in CLASSES:
        return _classes()[name]
    message = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(message)
