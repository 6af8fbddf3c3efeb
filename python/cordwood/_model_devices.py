"""Devices beside the CPU: extensions that register themselves when they are imported."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Any, Final

from cordwood import _core
from cordwood.errors import DeviceError

__all__ = ["DeviceAvailability", "bring", "cuda_available", "cuda_functions"]

_EXTENSIONS: Final = {"cuda": "cordwood._cuda"}
"""Module that registers each device which cordwood has an extension for."""

_NOT_BUILT: Final = (
    "cordwood was built without CUDA: there was no compiler for it, or CORDWOOD_CUDA was OFF; "
    "`make cuda` in a checkout builds it"
)
"""The words of csrc/runtime/backends.cpp."""


@dataclass(frozen=True)
class DeviceAvailability:
    """Whether a device can be used; true where it can.

    Attributes
    ----------
    device : str
        Name as in ``device=``.
    reason : str or None
        Why the device cannot be used and what to do, None where it can.
    """

    device: str
    reason: str | None = None

    def __bool__(self) -> bool:
        """Whether the device can be used."""
        return self.reason is None


def cuda_available() -> DeviceAvailability:
    """Say whether models can be loaded with ``device="cuda"``, and why where they cannot.

    Returns
    -------
    DeviceAvailability
        True in a condition where the device can be used. Its ``reason`` is else what a
        `DeviceError` of `load` would say: cordwood was built without CUDA, there is no driver or
        too old a one, there is no device or too old a one.

    Notes
    -----
    The first call in a process imports ``cordwood._cuda`` and starts NVIDIA's driver, some tenths
    of a second; later ones cost microseconds. CUDA does not survive a fork: processes that are
    forked afterwards cannot use the device, those that are spawned can.

    Examples
    --------
    >>> import cordwood as cw
    >>> device = "cuda" if cw.cuda_available() else "cpu"
    """
    reason = _bring("cuda")
    if reason is None:
        reason = _core.devices().get("cuda", _NOT_BUILT)
    return DeviceAvailability("cuda", reason)


def bring(device: Any) -> None:
    """Import the extension of a device, if there is one and nobody did so before.

    Parameters
    ----------
    device : str
        Name as in ``device=``. Where no extension is installed, loading a model refuses it.

    Raises
    ------
    DeviceError
        `device` is no string, or its extension is installed and does not load.
    """
    if not isinstance(device, str):
        message = f"device is {device!r}, expected a name: {', '.join(_core.devices())}"
        raise DeviceError(message)
    reason = _bring(device)
    if reason is not None:
        message = f"device {device}: {reason}"
        raise DeviceError(message)


def cuda_functions() -> Any:
    """Return the module of CUDA's devices, for its functions on arrays.

    Raises
    ------
    DeviceError
        It was not built, or does not load.
    """
    bring("cuda")
    try:
        return importlib.import_module(_EXTENSIONS["cuda"])
    except ModuleNotFoundError as error:
        message = f"device cuda: {_NOT_BUILT}"
        raise DeviceError(message) from error


def _bring(device: str) -> str | None:
    """Import the extension of a device; return why it does not load where it is installed."""
    module = _EXTENSIONS.get(device)
    if module is None or device in _core.devices():
        return None
    try:
        importlib.import_module(module)
    except ImportError as error:
        if not (isinstance(error, ModuleNotFoundError) and error.name == module):
            return f"its extension is installed and does not load: {_words(error)}"
    return None


def _words(error: ImportError) -> str:
    """Return what an error says, with its cause: a registration that was refused, for one."""
    return f"{error}: {error.__cause__}" if error.__cause__ else str(error)
