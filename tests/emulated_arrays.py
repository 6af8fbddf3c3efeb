"""Stand-ins for CuPy and torch, whose arrays lie in the emulated device's memory."""

from __future__ import annotations

import contextlib
import sys
import types
import weakref
from collections.abc import Iterator
from typing import Any, ClassVar

import numpy as np

from emulated_cuda import Emulator, load


class Device:
    """A device by its number; as a context, the current one."""

    current = 0

    def __init__(self, number: int | None = None) -> None:
        """Name a device."""
        self.id = Device.current if number is None else number

    def __enter__(self) -> Device:
        """Make it the current one."""
        self._before = Device.current
        self._set(self.id)
        return self

    def __exit__(self, *_: object) -> None:
        """Go back to the one before."""
        self._set(self._before)

    @staticmethod
    def _set(number: int) -> None:
        assert load().set_device(number) == 0
        Device.current = number


class Block:
    """Memory of the device, given back with its last array."""

    def __init__(self, data: bytes) -> None:
        """Copy bytes to the device."""
        emulator = load()
        self.n_bytes = len(data)
        self.device = Device.current
        self.address = emulator.allocate(max(1, len(data)))
        assert self.address
        if data:
            assert emulator.copy(self.address, data, len(data)) == 0
        weakref.finalize(self, _free, emulator, self.address)

    def bytes(self) -> np.ndarray:
        """Return the bytes as they are now."""
        found = np.empty(self.n_bytes, np.uint8)
        if self.n_bytes:
            assert load().copy(found.ctypes.data, self.address, self.n_bytes) == 0
        return found


def _free(emulator: Emulator, address: int) -> None:
    emulator.free(address)


class Array:
    """A strided view of a block; just what cordwood and the tests ask of either library."""

    def __init__(
        self, block: Block, offset: int, shape: tuple[int, ...], strides: Any, dtype: Any
    ) -> None:
        """See elements of `block` from byte `offset` on."""
        self.block, self.offset, self.shape = block, offset, shape
        self.strides, self.dtype = strides, np.dtype(dtype)

    @classmethod
    def of(cls, values: Any, offset: int = 0) -> Any:
        """Copy values of the host to the device, `offset` bytes behind a fresh block's start."""
        values = np.asarray(values)
        block = Block(b"\0" * offset + values.tobytes())
        return cls(block, offset, values.shape, np.ascontiguousarray(values).strides, values.dtype)

    @property
    def address(self) -> int:
        return int(self.block.address) + self.offset

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        packed = np.empty(self.shape, self.dtype).strides == self.strides
        return {
            "version": 3, "shape": self.shape, "typestr": self.dtype.str,
            "data": (self.address, False), "strides": None if packed else self.strides,
        }  # fmt: skip

    def _view(self) -> tuple[np.ndarray, np.ndarray]:
        held = self.block.bytes()
        return held, np.ndarray(self.shape, self.dtype, held, self.offset, self.strides)

    def get(self) -> np.ndarray:
        """Return the values on the host."""
        return self._view()[1].copy()

    def __getitem__(self, index: Any) -> Any:
        """Return a view for slices, a new array for an array of numbers."""
        if isinstance(index, Array):
            self.picked()
            return self.of(self.get()[index.get()])
        held, view = self._view()
        found = view[index]
        offset = found.__array_interface__["data"][0] - held.ctypes.data
        return type(self)(self.block, offset, found.shape, found.strides, self.dtype)

    def reshape(self, size: int) -> Any:
        assert size == -1
        count = int(np.prod(self.shape))
        return type(self)(self.block, self.offset, (count,), (self.dtype.itemsize,), self.dtype)

    def picked(self) -> None:
        """Do nothing: the library alone knows its streams."""

    @property
    def T(self) -> Any:  # noqa: N802
        return type(self)(self.block, self.offset, self.shape[::-1], self.strides[::-1], self.dtype)


class CupyArray(Array):
    """As ``cupy.ndarray``."""

    pickings: ClassVar[list[Any]] = []

    def picked(self) -> None:
        """Remember the stream that elements were picked in."""
        self.pickings.append(sys.modules["cupy"].streams.stack[-1])

    @property
    def device(self) -> Device:
        return Device(self.block.device)

    def copy(self) -> Any:
        return self.of(self.get())


class Tensor(Array):
    """As ``torch.Tensor`` on a device."""

    requires_grad = False
    is_cuda = True
    layout = "strided"
    device = "cuda:0"

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        if self.layout != "strided":  # as torch does, and below
            raise AttributeError
        if self.requires_grad:
            message = "Can't get __cuda_array_interface__ on Variable that requires grad."
            raise RuntimeError(message)
        return super().__cuda_array_interface__

    def detach(self) -> Any:
        found = type(self)(self.block, self.offset, self.shape, self.strides, self.dtype)
        found.layout = self.layout
        return found

    def clone(self) -> Any:
        return self.of(self.get())

    def to(self, device: str, *, non_blocking: bool) -> Any:
        assert (device, non_blocking) == ("cuda:0", True)
        return self


Tensor.__module__ = "torch"


class Capsule:
    """An array that has DLPack's methods alone."""

    def __init__(self, array: CupyArray) -> None:
        """Hold what CuPy makes of it."""
        self.array = array

    def __dlpack_device__(self) -> tuple[int, int]:
        """Return CUDA's number and the device's."""
        return (2, 0)

    def __dlpack__(self, **_: Any) -> Any:
        """Return what stands for the capsule."""
        return self.array


class Foreign:
    """An array of a third library, which names its stream in its interface."""

    device = "a word, as other libraries have it"

    def __init__(self, array: CupyArray, stream: int | None) -> None:
        """Hold an array and a stream."""
        self.array, self.stream = array, stream

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        return {**self.array.__cuda_array_interface__, "stream": self.stream}


class Streamed(Foreign):
    """An array that has a stream of its own."""

    def __cuda_stream__(self) -> tuple[int, int]:
        """Return the protocol's version and the stream."""
        assert self.stream is not None
        return (0, self.stream)


class Streams:
    """CuPy's current stream."""

    def __init__(self, stream: int) -> None:
        """Begin with a stream."""
        self.stack = [stream]
        self.waited: list[int] = []

    def current(self, _: int) -> Any:
        return types.SimpleNamespace(ptr=self.stack[-1])

    @contextlib.contextmanager
    def external(self, stream: int, device: int) -> Iterator[None]:
        """Make a stream the current one."""
        assert device == Device.current
        self.stack.append(stream)
        yield
        self.stack.pop()

    def asarray(self, values: Any) -> Any:
        """Share the memory of an array of the device, and wait for the stream that it names."""
        if not isinstance(values, Foreign):
            return CupyArray.of(values)
        if values.stream is not None:
            self.waited.append(values.stream)
        return values.array


def cupy_module(stream: Any = None) -> types.ModuleType:
    """Return a module in place of CuPy, with this current stream."""
    module = types.ModuleType("cupy")
    streams = Streams(stream or 0)
    members = {
        "ndarray": CupyArray,
        "empty": lambda shape, dtype: CupyArray.of(np.zeros(shape, dtype)),
        "asarray": streams.asarray,
        "streams": streams,
        "from_dlpack": lambda capsule: capsule.__dlpack__(),
        "cuda": types.SimpleNamespace(
            Device=Device,
            get_current_stream=streams.current,
            ExternalStream=streams.external,
        ),
    }
    for name, member in members.items():
        setattr(module, name, member)
    return module


def torch_module(stream: Any = None) -> types.ModuleType:
    """Return a module in place of torch, with this current stream."""
    module = types.ModuleType("torch")
    current = types.SimpleNamespace(cuda_stream=stream or 0)

    def empty(shape: tuple[int, ...], *, dtype: np.dtype[Any], device: str) -> Tensor:
        assert device == "cuda:0"
        made: Tensor = Tensor.of(np.zeros(shape, dtype))
        return made

    members = {
        "Tensor": Tensor,
        "empty": empty,
        "from_numpy": Tensor.of,
        "cuda": types.SimpleNamespace(
            current_stream=lambda _: current, device=lambda place: Device(int(place[5:]))
        ),
        **{name: np.dtype(name) for name in ("float32", "float64", "int32", "int64")},
    }
    for name, member in members.items():
        setattr(module, name, member)
    return module
