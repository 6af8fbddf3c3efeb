"""Peers by name: the source libraries themselves, ONNX Runtime, treelite.

Each module has one function ``prepare(task)`` that returns a `Prepared` peer, or raises
`CannotTakeModelError` with the reason. Conversion happens there, outside any timing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Final

from cordwood.bench.peers.peer import (
    Agreement,
    CannotTakeModelError,
    Prepared,
    Task,
    Tolerance,
    agreement,
)
from cordwood.errors import InputError, MissingDependencyError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path
    from types import ModuleType

__all__ = [
    "NAMES",
    "SOURCES",
    "Agreement",
    "CannotTakeModelError",
    "Prepared",
    "Task",
    "Tolerance",
    "agreement",
    "check_names",
    "fresh_steps",
    "loader",
    "prepare",
]

SOURCES: Final = ("sklearn", "xgboost", "lightgbm")
"""Peers that run the source model itself."""

_PACKAGES: Final = {
    "sklearn": "scikit-learn",
    "xgboost": "xgboost",
    "lightgbm": "lightgbm",
    "onnxruntime": "onnxruntime",
    "treelite": "treelite",
}
"""Name to give pip for each peer."""

_NATIVE_SUFFIXES: Final = (".json", ".ubj", ".txt")

_IMPORTED: Final = {"sklearn": "sklearn.ensemble"}
"""What is imported of a library to predict with it, where that is not its name."""

_PICKLE_STEPS: Final = {
    "library": "",
    "load": "model = joblib.load({path!r})",
    # A Booster of XGBoost takes rows in place; whatever else is pickled has predict.
    "first answer": (
        "getattr(model, 'inplace_predict', model.predict)"
        "(numpy.zeros((1, {n_features}), numpy.float32))"
    ),
}

NAMES: Final = tuple(_PACKAGES)
"""Every peer."""


def check_names(names: tuple[str, ...]) -> None:
    """Refuse a peer that nobody knows.

    Raises
    ------
    InputError
        A name is not among `NAMES`.
    """
    unknown = [name for name in names if name not in _PACKAGES]
    if unknown:
        message = f"unknown peer {unknown[0]!r}; known are {', '.join(NAMES)}"
        raise InputError(message)


def prepare(name: str, task: Task) -> Prepared:
    """Make a peer ready to answer.

    Parameters
    ----------
    name : str
        One of `NAMES`.
    task : Task
        The source model and how it is asked.

    Returns
    -------
    Prepared
        Takes blocks of rows.

    Raises
    ------
    CannotTakeModelError
        The peer cannot run this model; the message is the reason.
    MissingDependencyError
        The peer, or its converter, is not installed.
    InputError
        The name is unknown.
    """
    check_names((name,))
    try:
        module: ModuleType = importlib.import_module(f"cordwood.bench.peers.{name}_peer")
        prepared: Prepared = module.prepare(task)
    except ModuleNotFoundError as error:
        missing = (error.name or name).partition(".")[0]
        package = _PACKAGES.get(missing, missing)
        message = f"peer {name!r} needs {missing!r}, which is not installed: pip install {package}"
        raise MissingDependencyError(message) from error
    except ImportError as error:
        message = f"peer {name!r} is installed but cannot be imported: {error}"
        raise MissingDependencyError(message) from error
    return prepared


def fresh_steps(library: str, path: Path) -> Mapping[str, str]:
    """Return the code by which a new process of a source library loads a file and answers.

    Parameters
    ----------
    library : {"sklearn", "xgboost", "lightgbm"}
        Whose model the file holds.
    path : Path
        The library's own model file, or a pickle, which runs the code in it.

    Returns
    -------
    mapping of str to str
        Steps for `cordwood.measure.fresh_process`; ``{path}`` and ``{n_features}`` are to be
        filled in.
    """
    if path.suffix.lower() not in _NATIVE_SUFFIXES:
        return {**_PICKLE_STEPS, "library": f"import {_IMPORTED.get(library, library)}, joblib"}
    steps: Mapping[str, str] = importlib.import_module(
        f"cordwood.bench.peers.{library}_peer"
    ).FRESH_STEPS
    return steps


def loader(library: str) -> Callable[[Path], Any]:
    """Return the call by which a source library loads a model file.

    Parameters
    ----------
    library : {"sklearn", "xgboost", "lightgbm"}
        Whose file it is; a file of scikit-learn's is a pickle, and loading it runs its code.

    Returns
    -------
    callable
        Path to model.
    """
    load: Callable[[Path], Any] = importlib.import_module(
        f"cordwood.bench.peers.{library}_peer"
    ).load
    return load
