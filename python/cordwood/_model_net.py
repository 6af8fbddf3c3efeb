"""Net: a packed net ready to run; arrays in, arrays out."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from cordwood import _core
from cordwood._model_net_inputs import as_array
from cordwood._model_packed import Packed
from cordwood.errors import FormatError, InputError

if TYPE_CHECKING:
    from cordwood._model_packed import Check, Device

__all__ = ["Net", "Port", "form_of"]

_FORMS = ("single", "tuple", "dict", "rows")


class Port:
    """An input or an output of a net.

    Attributes
    ----------
    name : str
        By which callers pass or get it.
    dtype : numpy.dtype
        Element type.
    shape : tuple of int or None
        Sizes; None where a size varies from call to call.
    most : tuple of int or None
        The largest size of each axis; None where there is no bound.
    """

    def __init__(
        self,
        name: str,
        dtype: np.dtype[Any],
        shape: tuple[int | None, ...],
        most: tuple[int | None, ...],
    ) -> None:
        self.name, self.dtype, self.shape, self.most = name, dtype, shape, most

    def __repr__(self) -> str:
        """Name, type and shape."""
        sizes = ", ".join("?" if size is None else str(size) for size in self.shape)
        return f"{self.name}: {self.dtype}[{sizes}]"


class Net(Packed):
    """A packed net.

    `cordwood.compress` and `cordwood.load` make one. It never changes: threads share it freely.

    Parameters
    ----------
    data : bytes
        A ``.cord`` file that holds a net.
    device : {"cpu", "cuda"}, default="cpu"
        Where it runs.
    threads : int, optional
        Threads that a call may use, at most 1024; all permitted cores when absent. No answer
        depends on it. With 1 no thread is ever started.
    check : {"all", "structure"}, default="all"
        ``"structure"`` leaves out the checksum of the tensors.

    Attributes
    ----------
    inputs, outputs : tuple of Port
        Names, types and shapes, in the order of a call and of its answers.

    Raises
    ------
    FormatError
        The bytes are no file of a version that this build reads.
    DeviceError
        The device is not there.
    InputError
        `threads` or `check` is none of the above.
    """

    _native: _core.Net

    def __init__(
        self,
        data: bytes,
        *,
        device: Device = "cpu",
        threads: int | None = None,
        check: Check = "all",
    ) -> None:
        self._load(_core.Net, data, device=device, threads=threads, check=check)
        self.inputs = tuple(Port(*port) for port in self._native.inputs)
        self.outputs = tuple(Port(*port) for port in self._native.outputs)
        self._form = form_of(self._native.provenance)
        if self._form == "single" and len(self.outputs) != 1:
            message = (
                f"section provenance: form 'single' of {len(self.outputs)} outputs, expected "
                f"'tuple' or 'dict'"
            )
            raise FormatError(message, code="provenance_invalid")
        self._answer = self._caller()

    def _caller(self, seconds: np.ndarray | None = None) -> Any:
        """Make the builtin that answers calls; it adds each operator's time to `seconds`."""
        door = _Door(self.inputs)
        return self._native.caller(
            door.in_order,
            door.prepare,
            form="dict" if self._form == "rows" else self._form,
            threads=self._threads,
            seconds=seconds,
        )

    def __call__(self, *arrays: Any, **named: Any) -> Any:
        """Run the net.

        Parameters
        ----------
        *arrays : array-like
            Inputs in order; or one mapping of names to arrays.
        **named : array-like
            Inputs by name.

        Returns
        -------
        ndarray, tuple of ndarray, or dict of str to ndarray
            As the source returned it. Arrays are fresh and belong to the caller.

        Raises
        ------
        InputError
            An input is missing, unknown, given twice or of the wrong shape; a size passes its
            declared maximum; a number in it is refused (NaN where rows are coded, an index outside
            its table).
        InputTypeError
            An input is not an array of numbers, or of a kind that would lose what it says.

        Notes
        -----
        Arrays of the input's type in C order are read where they lie; others are converted once.
        """
        return self._answer(*arrays, **named)

    def _facts_text(self) -> str:
        return self._native.provenance

    def summary(self, *arrays: Any, **named: Any) -> str:
        """Describe the net: its inputs and outputs, and each operator with its type and bytes.

        Parameters
        ----------
        *arrays, **named : array_like
            Inputs as a call takes them; given any, each operator's time on them is told.
        """
        from cordwood._model_net_summary import operator_times, summary

        seconds = None
        if arrays or named:
            count = len(_core.inspect(self._data)["operators"])
            seconds = operator_times(self._caller, count, arrays, named)
        return summary(self, seconds)

    def __repr__(self) -> str:
        """Name the inputs, the outputs and the size."""
        inputs = ", ".join(map(repr, self.inputs))
        outputs = ", ".join(map(repr, self.outputs))
        return f"<cordwood.Net ({inputs}) -> ({outputs}), {self.nbytes:,} bytes>"

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle as bytes; the threads asked for are resolved anew where it is read."""
        return _restore, (type(self), self._data, self._device, self._requested_threads)


class _Door:
    """What a call does where inputs are not ready as they are; it knows nothing of the net."""

    def __init__(self, inputs: tuple[Port, ...]) -> None:
        self._inputs = inputs

    def in_order(self, arrays: tuple[Any, ...], named: dict[str, Any]) -> tuple[Any, ...]:
        """Bring inputs into order: positions first, then names; or those of the only mapping."""
        if len(arrays) == 1 and isinstance(arrays[0], dict) and not named:
            return self._places((), arrays[0])
        given = self._places(arrays, named)
        if len(given) == 1 and isinstance(given[0], dict):
            return self._places((), given[0])
        return given

    def _places(self, arrays: tuple[Any, ...], named: dict[str, Any]) -> tuple[Any, ...]:
        """Give each input its place.

        Raises
        ------
        InputError
            One is missing, unknown or given twice.
        """
        names = [port.name for port in self._inputs]
        unknown = sorted(set(named) - set(names))
        twice = sorted(set(named) & set(names[: len(arrays)]))
        missing = [name for name in names[len(arrays) :] if name not in named]
        if unknown or twice or missing or len(arrays) > len(names):
            message = (
                f"inputs are {', '.join(names)}; {len(arrays)} were given in order and by name "
                f"{', '.join(named) or 'none'}. Missing: {', '.join(missing) or 'none'}; unknown: "
                f"{', '.join(unknown) or 'none'}; given twice: {', '.join(twice) or 'none'}"
            )
            raise InputError(message)
        return (*arrays, *(named[name] for name in names[len(arrays) :]))

    def prepare(self, given: Any, place: int) -> np.ndarray:
        """Make an array of an input that cannot be read where it lies."""
        port = self._inputs[place]
        array = as_array(given, f"input {port.name!r}", port.dtype)
        return np.array(array, dtype=port.dtype, order="C", copy=True)


def _restore(kind: type[Net], data: bytes, device: Device, threads: int | None) -> Net:
    return kind(data, device=device, threads=threads)


def form_of(provenance: str) -> str:
    """Read how outputs reach the caller; the file is data that anyone may have made.

    Raises
    ------
    FormatError
        It says something else.
    """
    facts = json.loads(provenance or "{}")
    form = facts.get("form", "tuple") if isinstance(facts, dict) else None
    if form not in _FORMS:
        message = f"section provenance: form {form!r}, expected one of {_FORMS}"
        raise FormatError(message, code="provenance_invalid")
    return str(form)
