"""A stand-in for CuPy whose arrays lie in the emulated device's memory.

As small as cordwood's functions on arrays need it. Each conversion goes over the host.
"""

from __future__ import annotations

import types
import weakref
from typing import Any

import numpy as np

from emulated_cuda import load


class Device:
    """The one device there is; as a context, nothing changes."""

    id = 0

    def __enter__(self) -> Device:
        """Make it the current one."""
        return self

    def __exit__(self, *_: object) -> None:
        """Go back to it."""


class ndarray:  # noqa: N801 - CuPy's name
    """An array of the device, of any strides."""

    device = Device()

    def __init__(self, values: Any, offset: int = 0, *, read_only: bool = False) -> None:
        """Copy values of the host to memory of their own, behind `offset` bytes."""
        values = np.ascontiguousarray(values).reshape(np.shape(values))
        access = load()
        self._block = access.allocate(max(1, offset + values.nbytes))
        assert self._block
        weakref.finalize(self, access.free, self._block)
        self._set(self._block + offset, values.shape, values.strides, values.dtype)
        self._read_only = read_only
        if values.nbytes:
            assert access.copy(self.address, values.ctypes.data, values.nbytes) == 0

    def _set(self, address: int, shape: Any, strides: Any, dtype: np.dtype[Any]) -> None:
        self.address, self.shape, self.strides, self.dtype = address, shape, strides, dtype

    def _view(self, address: int, shape: Any, strides: Any) -> ndarray:
        view = object.__new__(ndarray)
        view._owner, view._read_only = self, self._read_only
        view._set(address, tuple(shape), tuple(strides), self.dtype)
        return view

    @property
    def nbytes(self) -> int:
        return int(np.prod(self.shape)) * self.dtype.itemsize

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        return {
            "version": 3, "shape": self.shape, "typestr": self.dtype.str,
            "data": (self.address, self._read_only), "strides": self.strides,
        }  # fmt: skip

    @property
    def T(self) -> ndarray:  # noqa: N802 - CuPy's name
        return self._view(self.address, self.shape[::-1], self.strides[::-1])

    def reshape(self, *shape: int) -> ndarray:
        known = np.empty(self.shape, self.dtype).reshape(*shape)
        return self._view(self.address, known.shape, known.strides)

    def astype(self, dtype: Any, *, copy: bool = True) -> ndarray:
        if self.dtype == dtype and not copy:
            return self
        with np.errstate(over="ignore"):
            return ndarray(self.get().astype(dtype))

    def copy(self) -> ndarray:
        return ndarray(self.get())

    def get(self) -> np.ndarray:
        """Copy to the host."""
        reach = sum((n - 1) * stride for n, stride in zip(self.shape, self.strides, strict=True))
        held = np.empty(0 if 0 in self.shape else reach + self.dtype.itemsize, np.uint8)
        if held.nbytes:
            assert load().copy(held.ctypes.data, self.address, held.nbytes) == 0
        return np.ndarray(self.shape, self.dtype, held.tobytes(), 0, self.strides).copy()

    def __getitem__(self, at: Any) -> Any:
        return self.get()[at]

    def __setitem__(self, at: Any, values: ndarray) -> None:
        assert at is Ellipsis
        held = np.ascontiguousarray(values.get().astype(self.dtype))
        assert load().copy(self.address, held.ctypes.data, held.nbytes) == 0

    def __array__(self, *_: object, **__: object) -> np.ndarray:
        message = "no implicit way to the host"
        raise TypeError(message)


class Foreign:
    """An array of a library that nobody knows."""

    def __init__(self, array: ndarray) -> None:
        """Show an array's memory by its interface alone."""
        self.array = array
        self.__cuda_array_interface__ = array.__cuda_array_interface__


class Shared:
    """An array that only DLPack describes."""

    def __init__(self, array: ndarray) -> None:
        """Say that it lies on a device."""
        self.array = array

    def __dlpack_device__(self) -> tuple[int, int]:
        return (2, 0)

    def __dlpack__(self) -> ndarray:
        return self.array


def module(stream: int = 0) -> types.ModuleType:
    """Make a module to stand in ``sys.modules["cupy"]``, whose current stream is `stream`."""
    made = types.ModuleType("cupy")
    made.__dict__.update(
        ndarray=ndarray,
        empty=lambda shape, dtype: ndarray(np.zeros(shape, dtype)),
        asarray=_asarray,
        ascontiguousarray=_packed,
        from_dlpack=lambda array: array.__dlpack__(),
        cuda=types.SimpleNamespace(
            Device=Device, get_current_stream=lambda _: types.SimpleNamespace(ptr=stream)
        ),
    )
    return made


def _asarray(values: Any) -> ndarray:
    return values.array if isinstance(values, Foreign) else ndarray(values)


def _packed(array: ndarray) -> ndarray:
    packed = np.empty(array.shape, array.dtype).strides
    return array if array.strides == packed else ndarray(array.get())
