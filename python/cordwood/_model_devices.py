"""Devices beside the CPU: extensions that register themselves when they are imported."""

from __future__ import annotations

import importlib
from typing import Any, Final

from cordwood import _core
from cordwood.errors import DeviceError

__all__ = ["bring"]

_EXTENSIONS: Final = {"cuda": "cordwood._cuda"}
"""Module that registers each device which cordwood has an extension for."""


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
    module = _EXTENSIONS.get(device)
    if module is None or device in _core.devices():
        return
    try:
        importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name != module:
            raise _broken(device, error) from error
    except ImportError as error:
        raise _broken(device, error) from error


def _broken(device: str, error: ImportError) -> DeviceError:
    return DeviceError(f"device {device}: its extension is installed and does not load: {error}")
