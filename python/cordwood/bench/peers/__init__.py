"""Peers by name: the source libraries themselves, and whoever else runs their models.

Each module has one function ``prepare(task)`` that returns a `Prepared` peer, or raises
`CannotTakeModelError` with the reason. Conversion happens there, outside any timing.
"""

from __future__ import annotations

import importlib
from importlib.util import find_spec
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
    from collections.abc import Callable, Iterable, Mapping
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
    "absent",
    "agreement",
    "check_names",
    "fresh_steps",
    "loader",
    "prepare",
]

SOURCES: Final = ("sklearn", "xgboost", "lightgbm", "catboost")
"""Peers that run the source model itself."""

_PACKAGES: Final = {
    "sklearn": "scikit-learn",
    "xgboost": "xgboost",
    "lightgbm": "lightgbm",
    "onnxruntime": "onnxruntime",
    "treelite": "treelite",
    "lleaves": "lleaves",
    "lleaves32": "lleaves",
    "daal4py": "scikit-learn-intelex",
    "nvforest": "nvforest-cu13",
    "catboost": "catboost",
}
"""Name to give pip for each peer."""

_MODULES: Final = {"lleaves32": "lleaves"}
"""What is imported for a peer, where that is not its name."""

_NATIVE_SUFFIXES: Final = (".json", ".ubj", ".txt", ".cbm")

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


def absent(names: Iterable[str]) -> dict[str, str]:
    """Say which peers are not installed; nothing is imported.

    Parameters
    ----------
    names : iterable of str
        Among `NAMES`.

    Returns
    -------
    dict of str to str
        Message of the `MissingDependencyError` that `prepare` would raise, by peer.
    """
    modules = {name: _MODULES.get(name, name) for name in names}
    return {
        name: _not_installed(name, module)
        for name, module in modules.items()
        if find_spec(module) is None
    }


def _not_installed(name: str, module: str) -> str:
    package = _PACKAGES.get(module, module)
    return f"peer {name!r} needs {module!r}, which is not installed: pip install {package}"


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
        raise MissingDependencyError(_not_installed(name, missing)) from error
    except ImportError as error:
        message = f"peer {name!r} is installed but cannot be imported: {error}"
        raise MissingDependencyError(message) from error
    return prepared


def fresh_steps(library: str, path: Path) -> Mapping[str, str]:
    """Return the code by which a new process of a source library loads a file and answers.

    Parameters
    ----------
    library : {"sklearn", "xgboost", "lightgbm", "catboost"}
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
    library : {"sklearn", "xgboost", "lightgbm", "catboost"}
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
