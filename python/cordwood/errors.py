"""The exception family: one root, and children that are also the built-in error they resemble."""

from __future__ import annotations

__all__ = [
    "BinnedRowsError",
    "CordwoodError",
    "DeviceError",
    "FileAccessError",
    "FormatError",
    "GraphError",
    "InputError",
    "InputTypeError",
    "MissingDependencyError",
    "ModelDiffersError",
    "NotFittedError",
    "ResourceError",
    "SourceFileError",
    "UnsupportedMethodError",
    "UnsupportedModelError",
]


class CordwoodError(Exception):
    """Root of every error that cordwood raises."""


class GraphError(CordwoodError, ValueError):
    """A Graph breaks one of its invariants."""


class UnsupportedModelError(CordwoodError, TypeError):
    """The source model, or a setting of it, is not one that cordwood can represent."""


class NotFittedError(CordwoodError, ValueError):
    """The source model has not been fitted."""


class SourceFileError(CordwoodError, ValueError):
    """A source library's model file is not what its name or its first bytes say."""


class FormatError(CordwoodError, ValueError):
    """A ``.cord`` file is damaged, hostile, or of a version that this build cannot read.

    Attributes
    ----------
    code : str
        The name of the fault, as listed in ``docs/errors.md``.
    """

    def __init__(self, message: str, code: str = "unknown") -> None:
        super().__init__(message)
        self.code = code


class InputError(CordwoodError, ValueError):
    """Rows given to a model have the wrong shape, names or values."""


class BinnedRowsError(InputError):
    """Binned rows are another model's, or their bytes are damaged."""


class InputTypeError(CordwoodError, TypeError):
    """Rows given to a model have a type that cannot be read as numbers."""


class UnsupportedMethodError(CordwoodError, AttributeError, TypeError):
    """The source model has no such method, so neither has the packed one."""


class ResourceError(CordwoodError, RuntimeError):
    """Memory, of the host or of a device, or a thread could not be had."""


class DeviceError(CordwoodError, RuntimeError):
    """A device or an instruction set is not there, or a device failed while it was used."""


class FileAccessError(CordwoodError, OSError):
    """A file could not be read or written."""


class MissingDependencyError(CordwoodError, ImportError):
    """An optional library is needed for this call and is not installed."""


class ModelDiffersError(CordwoodError, ValueError):
    """Verification found that a packed model differs from its source."""
