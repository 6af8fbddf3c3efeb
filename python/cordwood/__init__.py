"""Cordwood: trained models, compressed exactly and run fast from a few dense bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cordwood._binned_rows import BinnedRows
from cordwood._core import __version__, active_isa, available_isas
from cordwood._model_devices import DeviceAvailability, cuda_available
from cordwood._model_net import Net
from cordwood._model_row_net import RowNet
from cordwood.api import compress, load
from cordwood.errors import (
    BinnedRowsError,
    CordwoodError,
    DeviceError,
    FileAccessError,
    FormatError,
    GraphError,
    InputError,
    InputTypeError,
    MissingDependencyError,
    ModelDiffersError,
    NotFittedError,
    ResourceError,
    SourceFileError,
    UnsupportedMethodError,
    UnsupportedModelError,
)
from cordwood.model import Model
from cordwood.recipe import Recipe
from cordwood.verify import verify

if TYPE_CHECKING:
    from cordwood import ops
    from cordwood._distill import Distilled, distill
    from cordwood.torch_prune import PruneReport, prune_
    from cordwood.torch_swap import SwapReport, quantize_
    from cordwood.verify import Report

__all__ = [
    "BinnedRows",
    "BinnedRowsError",
    "CordwoodError",
    "DeviceAvailability",
    "DeviceError",
    "Distilled",
    "FileAccessError",
    "FormatError",
    "GraphError",
    "InputError",
    "InputTypeError",
    "MissingDependencyError",
    "Model",
    "ModelDiffersError",
    "Net",
    "NotFittedError",
    "PruneReport",
    "Recipe",
    "Report",
    "ResourceError",
    "RowNet",
    "SourceFileError",
    "SwapReport",
    "UnsupportedMethodError",
    "UnsupportedModelError",
    "__version__",
    "active_isa",
    "available_isas",
    "compress",
    "cuda_available",
    "distill",
    "load",
    "ops",
    "prune_",
    "quantize_",
    "verify",
]

_LATER = {
    "Distilled": "cordwood._distill",
    "PruneReport": "cordwood.torch_prune",
    "Report": "cordwood.verify",
    "SwapReport": "cordwood.torch_swap",
    "distill": "cordwood._distill",
    "prune_": "cordwood.torch_prune",
    "quantize_": "cordwood.torch_swap",
}
"""Where names live that are brought when asked for."""


def __getattr__(name: str) -> Any:
    """Bring some names when asked for: who only predicts does not wait for them."""
    import importlib

    if name == "ops":
        return importlib.import_module("cordwood.ops")
    if name in _LATER:
        return getattr(importlib.import_module(_LATER[name]), name)
    message = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(message)
