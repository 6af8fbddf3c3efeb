"""Tensors of torch in the host's memory, for NumPy to read."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from cordwood.errors import InputTypeError

__all__ = ["as_host_array"]


def as_host_array(values: Any, subject: str) -> np.ndarray:
    """Make an array of what lies on the host.

    Parameters
    ----------
    values : array_like or tensor of torch
        A tensor is read in place, without its gradient; bfloat16 widens to float32, exactly.
    subject : str
        First words of the message, such as ``"value is"``.

    Raises
    ------
    InputTypeError
        Its own library gives it to NumPy in no form.
    ValueError
        Nested sequences are of unequal length.
    """
    try:
        return np.asarray(_plain(values))
    except (RuntimeError, TypeError) as error:
        message = f"{subject} a {type(values).__name__} that makes no NumPy array: {error}"
        raise InputTypeError(message) from error


def _plain(values: Any) -> Any:
    torch = sys.modules.get("torch")
    if torch is None or not isinstance(values, torch.Tensor):
        return values
    tensor = values.detach()
    return tensor.float() if tensor.dtype == torch.bfloat16 else tensor
