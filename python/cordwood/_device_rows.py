"""Matrices that lie in a CUDA device's memory: what they are, and fresh arrays beside them.

CuPy's arrays, torch's tensors, and whatever else has ``__cuda_array_interface__`` or
``__dlpack__``, which CuPy sees as an array of its own. Nothing is copied, unless an array is not
aligned to its elements.
"""

from __future__ import annotations

import contextlib
import importlib
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from cordwood.errors import DeviceError, InputError, InputTypeError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["DeviceRows", "answer_address", "described", "is_on_device", "of_library", "to_host"]

_AXES: Final = 2
_CUDA: Final = (2, 13)
"""DLPack's numbers of CUDA's memory: kDLCUDA and kDLCUDAManaged."""


def is_on_device(x: Any) -> bool:
    """Whether something is an array in a CUDA device's memory.

    Parameters
    ----------
    x : object
        Anything.
    """
    if isinstance(x, np.ndarray):
        return False
    if _is_torch(x):  # whose interface raises where a gradient is wanted
        return bool(getattr(x, "is_cuda", False))
    if hasattr(x, "__cuda_array_interface__"):
        return True
    place = getattr(x, "__dlpack_device__", None)
    return place is not None and callable(place) and int(place()[0]) in _CUDA


def to_host(array: Any) -> np.ndarray:
    """Copy an array of the device, torch's or CuPy's, to the host.

    Parameters
    ----------
    array : array
        In a CUDA device's memory.
    """
    return np.asarray(array.cpu().numpy() if _is_torch(array) else array.get())


def answer_address(out: Any, shape: tuple[int, ...], dtype: np.dtype[Any]) -> int | None:
    """Return where an answer may be written, or None where `out` cannot take it.

    Parameters
    ----------
    out : object
        Anything.
    shape : tuple of int
        Of the answer.
    dtype : dtype
        Of its elements.

    Returns
    -------
    int or None
        Address of a writable C-ordered array of the device.
    """
    if not is_on_device(out):
        return None
    interface = _with_interface(out).__cuda_array_interface__
    address, read_only = interface["data"]
    fits = tuple(interface["shape"]) == shape and np.dtype(interface["typestr"]) == dtype
    fits = fits and _is_packed(shape, interface.get("strides"), dtype.itemsize)
    return int(address) if fits and not read_only and address % dtype.itemsize == 0 else None


@dataclass(frozen=True)
class DeviceRows:
    """A matrix of the device as native code reads it: a model's rows, weights, a mask.

    Attributes
    ----------
    array : object
        The caller's array, or a view of it, of torch or CuPy: its library also makes the answers.
    address : int
        Of the first element.
    shape, strides : tuple of two ints
        Rows and columns; bytes from one to the next.
    dtype : dtype
        Of the elements, a number type of NumPy.
    stream : int
        The stream that work on the array is ordered by, as CUDA counts them.
    """

    array: Any
    address: int
    shape: tuple[int, int]
    strides: tuple[int, int]
    dtype: np.dtype[Any]
    stream: int

    @classmethod
    def of(
        cls, x: Any, name: str = "X", axes: str = "(n_rows, n_features)", *, halves: bool = False
    ) -> DeviceRows:
        """Read an array of the device in place.

        Parameters
        ----------
        x : array of shape (n_rows, n_features)
            In the device's memory.
        name, axes : str
            What messages call it, and its two axes.
        halves : bool
            Whether it may be of float16.

        Raises
        ------
        InputError
            It has another number of axes.
        InputTypeError
            Its elements are not numbers that rows may have.
        DeviceError
            Only DLPack is offered and CuPy is not installed, which reads that.
        """
        array = _with_interface(x)
        stream = _stream_of(array, x)
        array = _aligned(array, stream)
        interface = array.__cuda_array_interface__
        shape = tuple(int(size) for size in interface["shape"])
        if len(shape) != _AXES:
            message = f"{name} has {len(shape)} axes, expected {_AXES}: {axes}"
            raise InputError(message)
        dtype = np.dtype(interface["typestr"])
        is_number = dtype.kind in "biuf" and dtype.itemsize in {1, 2, 4, 8}
        if not is_number or (dtype == np.float16 and not halves):
            floats = "float16, float32 or float64" if halves else "float32 or float64"
            message = f"{name} has dtype {dtype}, expected a bool, integer, {floats}"
            raise InputTypeError(message)
        if not dtype.isnative:
            message = f"{name} has dtype {dtype}, which is in the other byte order; convert it"
            raise InputTypeError(message)
        strides = interface.get("strides")
        if strides is None:
            strides = (shape[1] * dtype.itemsize, dtype.itemsize)
        return cls(
            array,
            int(interface["data"][0]),
            (shape[0], shape[1]),
            (int(strides[0]), int(strides[1])),
            dtype,
            stream,
        )

    @property
    def ordinal(self) -> int:
        """Number of the device."""
        if _is_torch(self.array):
            return int(str(self.array.device).partition(":")[2] or 0)
        return int(self.array.device.id)

    def place(self) -> contextlib.AbstractContextManager[None]:
        """Make the array's device the current one, and CuPy's stream that of the work on it."""
        return _place(self.array, self.stream)

    def meets(self, address: int, n_bytes: int) -> bool:
        """Whether some bytes of the device lie between the first and the last of the rows."""
        if 0 in self.shape:
            return False
        steps = [(n - 1) * step for n, step in zip(self.shape, self.strides, strict=True)]
        first = self.address + sum(step for step in steps if step < 0)
        end = self.address + sum(step for step in steps if step > 0) + self.dtype.itemsize
        return address < end and first < address + n_bytes

    def new(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Any:
        """Return an uninitialised C-ordered array of the same library on the same device."""
        if _is_torch(self.array):
            torch = sys.modules["torch"]
            kind = getattr(torch, dtype.name)
            return torch.empty(shape, dtype=kind, device=self.array.device)
        with self.place():
            return _cupy("an answer").empty(shape, dtype=dtype)

    def packed(self, *dtypes: np.dtype[Any], turned: bool = False) -> DeviceRows:
        """Return the matrix, or its transpose, C-ordered and converted from one dtype to the next.

        Parameters
        ----------
        *dtypes : dtype
            At least one; the last is that of the result.
        turned : bool
            Whether rows become columns.
        """
        if self.dtype == dtypes[-1] and not turned and self.is_packed:
            return self
        array = self.array.T if turned else self.array
        if _is_torch(array):
            torch = sys.modules["torch"]
            for dtype in dtypes:
                array = array.to(getattr(torch, dtype.name))
            return DeviceRows.of(array.contiguous(), halves=True)
        with self.place():
            for dtype in dtypes:
                array = array.astype(dtype, copy=False)
            return DeviceRows.of(_cupy("weights").ascontiguousarray(array), halves=True)

    @property
    def is_packed(self) -> bool:
        """Whether the elements lie side by side, row by row."""
        size = self.dtype.itemsize
        return self.strides == (self.shape[1] * size, size)

    @property
    def is_read_only(self) -> bool:
        """Whether nobody may write to the array."""
        return bool(self.array.__cuda_array_interface__["data"][1])

    def like(self, values: np.ndarray) -> Any:
        """Return values of the host as an array of the same library on the same device."""
        if _is_torch(self.array):
            torch = sys.modules["torch"]
            return torch.from_numpy(values.copy()).to(self.array.device, non_blocking=True)
        with self.place():
            return _cupy("labels").asarray(values)


def _is_torch(array: Any) -> bool:
    return type(array).__module__.partition(".")[0] == "torch"


def of_library(x: Any) -> Any:
    """Return an array of torch or CuPy that shares the memory of `x`: they convert and transpose.

    Parameters
    ----------
    x : array
        In a CUDA device's memory; bfloat16 becomes float32, which NumPy has a name for.
    """
    if _is_torch(x):
        torch = sys.modules["torch"]
        return x.float() if x.dtype == torch.bfloat16 else x
    cupy = _cupy("arrays of other libraries")
    if isinstance(x, cupy.ndarray):
        return x
    # Either way CuPy's current stream waits for what the array's library has under way.
    return cupy.asarray(x) if hasattr(x, "__cuda_array_interface__") else cupy.from_dlpack(x)


def _with_interface(x: Any) -> Any:
    """Return an array of torch or CuPy, with ``__cuda_array_interface__``."""
    if not _is_torch(x):
        return of_library(x)
    array = x.detach()
    if not hasattr(array, "__cuda_array_interface__"):
        message = f"X is a tensor of the layout {x.layout}, expected a dense one; call to_dense()"
        raise InputTypeError(message)
    return array


def _is_packed(shape: tuple[int, ...], strides: tuple[int, ...] | None, step: int) -> bool:
    """Whether elements of `step` bytes lie in C order; axes of one element may step anyhow."""
    if strides is None or 0 in shape:
        return True
    for size, stride in zip(reversed(shape), reversed(strides), strict=True):
        if size > 1 and stride != step:
            return False
        step *= size
    return True


@contextlib.contextmanager
def _place(array: Any, stream: int) -> Iterator[None]:
    """As DeviceRows.place(): memory that CuPy hands out is ordered by its current stream."""
    if _is_torch(array):
        with sys.modules["torch"].cuda.device(array.device):
            yield
        return
    cuda = _cupy("an answer").cuda
    with array.device:
        if stream == cuda.get_current_stream(array.device.id).ptr:
            yield
            return
        with cuda.ExternalStream(stream, array.device.id):
            yield


def described(x: Any) -> str:
    """Say what something is, for a message: shape and type of an array of the device."""
    if not is_on_device(x):
        return f"a {type(x).__name__} of the host"
    interface = _with_interface(x).__cuda_array_interface__
    return f"a {np.dtype(interface['typestr'])} array of shape {tuple(interface['shape'])}"


def _aligned(array: Any, stream: int) -> Any:
    """Return an array whose elements lie on multiples of their size: a copy where they do not."""
    interface = array.__cuda_array_interface__
    size = np.dtype(interface["typestr"]).itemsize
    places = (int(interface["data"][0]), *(interface.get("strides") or ()))
    if all(place % size == 0 for place in places):
        return array
    with _place(array, stream):
        return array.clone() if _is_torch(array) else array.copy()


def _stream_of(array: Any, given: Any) -> int:
    """Return the stream of work on an array: its library's current one, or the caller's own."""
    if _is_torch(array):
        torch = sys.modules["torch"]
        return int(torch.cuda.current_stream(array.device).cuda_stream)
    own = getattr(given, "__cuda_stream__", None)
    if own is not None:
        return int(own()[1])
    return int(_cupy("rows").cuda.get_current_stream(array.device.id).ptr)


def _cupy(what: str) -> Any:
    try:
        return importlib.import_module("cupy")
    except ImportError as error:
        message = (
            f"{what} on a CUDA device need CuPy, which is not installed: "
            "pip install 'cordwood[cuda]', or pass the rows as a torch tensor"
        )
        raise DeviceError(message) from error
