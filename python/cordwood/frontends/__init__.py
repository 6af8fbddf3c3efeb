"""Front ends: each reads the models of one library into a Graph.

The library of a source is told from the modules of its classes, so that none is imported to find
out. A front end imports its own library inside its functions.
"""

from __future__ import annotations

import importlib
import os
from typing import TYPE_CHECKING, Any, Final

from cordwood import _files
from cordwood.errors import InputError, SourceFileError, UnsupportedModelError

if TYPE_CHECKING:
    from cordwood.ir import Graph

__all__ = ["is_module", "read", "read_module"]

_LIBRARIES: Final = ("lightgbm", "xgboost", "sklearn")
"""Libraries with a front end of the same name. The wrappers of the first two derive from
scikit-learn's classes, but their own come first in the order of bases."""

_SUFFIXES: Final = {".json": "xgboost", ".ubj": "xgboost", ".txt": "lightgbm"}
"""Front end of each model file."""

_SUPPORTED: Final = (
    "scikit-learn's decision trees, forests, GradientBoosting, HistGradientBoosting and "
    "multi-layer perceptrons; XGBoost's and LightGBM's Boosters and estimators; their model files "
    "(.json and .ubj of XGBoost, .txt of LightGBM)"
)


def read(source: Any) -> Graph:
    """Read a trained model, or the file of one, with the front end of its library.

    Parameters
    ----------
    source : object
        A fitted estimator, a Booster, or the path (str or path-like) of a model file.

    Returns
    -------
    Graph
        The same model.

    Raises
    ------
    UnsupportedModelError
        No front end reads such an object or file.
    SourceFileError
        The file is not what its name says.
    FileAccessError
        The file cannot be read.
    InputError
        The path is empty.
    """
    if isinstance(source, str | os.PathLike):
        return _read_file(source)
    if isinstance(source, type):
        message = (
            f"got the class {source.__qualname__}, expected a fitted object of a class that is "
            f"supported: {_SUPPORTED}"
        )
        raise UnsupportedModelError(message)
    for base in type(source).__mro__:
        library = base.__module__.partition(".")[0]
        if library in _LIBRARIES:
            graph: Graph = _front_end(library).read(source)
            return graph
    kind = f"{type(source).__module__}.{type(source).__qualname__}"
    message = f"cannot read a {kind}; supported are {_SUPPORTED}"
    raise UnsupportedModelError(message)


def is_module(source: object) -> bool:
    """Whether this is a torch module; torch is not imported to find out."""
    return any(
        base.__module__.partition(".")[0] == "torch" and base.__name__ == "Module"
        for base in type(source).__mro__
    )


def read_module(module: Any, example_inputs: Any, dynamic_shapes: Any = None) -> Graph:
    """Read a torch module in evaluation mode (`cordwood.frontends.torch`)."""
    graph: Graph = _front_end("torch").read_module(module, example_inputs, dynamic_shapes)
    return graph


def _read_file(source: Any) -> Graph:
    if not os.fspath(source):
        message = "the path is empty, expected that of a model file (.json, .ubj or .txt)"
        raise InputError(message)
    path = _files.as_path(source)
    suffix = path.suffix.lower()
    if suffix == ".cord":
        message = f"{str(path)!r} is packed already; use cordwood.load"
        raise SourceFileError(message)
    library = _SUFFIXES.get(suffix)
    if library is None:
        message = (
            f"cannot tell the library of {str(path)!r} by its suffix; supported are {_SUPPORTED}"
        )
        raise UnsupportedModelError(message)
    graph: Graph = _front_end(library).read_file(path)
    return graph


def _front_end(library: str) -> Any:
    return importlib.import_module(f"cordwood.frontends.{library}")
