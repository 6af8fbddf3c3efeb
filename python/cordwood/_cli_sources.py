"""What commands are given: source models, packed models, rows."""

from __future__ import annotations

import io
import pickle
from pathlib import Path
from typing import Any, Final

import numpy as np

from cordwood._files import read_bytes
from cordwood.errors import InputError, InputTypeError, MissingDependencyError, SourceFileError

__all__ = ["is_pickle", "read_rows", "read_source", "source_beside", "source_to_compress"]

PICKLES: Final = (".joblib", ".pickle", ".pkl")
MODEL_FILES: Final = (".json", ".ubj", ".txt")


def is_pickle(path: str) -> bool:
    """Tell by the suffix whether loading a file runs code."""
    return Path(path).suffix.lower() in PICKLES


def source_to_compress(path: str, *, trust_pickle: bool) -> Any:
    """Return what `cordwood.compress` takes: the path of a model file, or an unpickled model.

    Parameters
    ----------
    path : str
        A ``.json`` or ``.ubj`` of XGBoost, a ``.txt`` of LightGBM, or a pickle.
    trust_pickle : bool
        Whether a pickle may be loaded, which runs the code in it.

    Raises
    ------
    SourceFileError
        It is a pickle that is not trusted, or one that cannot be loaded.
    FileAccessError
        It cannot be read.
    """
    if not is_pickle(path):
        return path
    if not trust_pickle:
        message = (
            f"{path!r} is a pickle, and loading one runs the code in it; if you trust where it"
            " comes from, add --trust-pickle"
        )
        raise SourceFileError(message)
    read_bytes(path)  # a missing file gets the message of one
    try:
        return _unpickle(path)
    except ImportError as error:
        message = f"{path!r} needs {error.name or error}, which is not installed"
        raise MissingDependencyError(message) from error
    except Exception as error:
        # Anything at all can come out of somebody else's pickle.
        message = f"{path!r} cannot be loaded as a pickle: {type(error).__name__}: {error}"
        raise SourceFileError(message) from error


def _unpickle(path: str) -> Any:
    try:
        import joblib
    except ImportError:
        if path.endswith(".joblib"):
            raise
        with Path(path).open("rb") as file:
            return pickle.load(file)
    return joblib.load(path)


def source_beside(packed: str) -> str | None:
    """Return the model file that lies beside a packed one and differs in its suffix alone.

    Pickles are never picked up unasked: loading one runs code.

    Raises
    ------
    InputError
        There are several.
    """
    found = [str(Path(packed).with_suffix(suffix)) for suffix in MODEL_FILES]
    found = [path for path in found if Path(path).is_file()]
    if len(found) > 1:
        message = f"{' and '.join(found)} may both be the source of {packed!r}: add --source PATH"
        raise InputError(message)
    return found[0] if found else None


def read_source(path: str, *, trust_pickle: bool) -> Any:
    """Return a source model that can predict: an estimator or a Booster.

    Parameters and errors are those of `source_to_compress`; besides:

    Raises
    ------
    MissingDependencyError
        The library of a model file is not installed.
    SourceFileError
        The library cannot read the file.
    InputError
        The suffix is not known.
    """
    suffix = Path(path).suffix.lower()
    if is_pickle(path):
        return source_to_compress(path, trust_pickle=trust_pickle)
    if suffix not in MODEL_FILES:
        known = ", ".join((*MODEL_FILES, *PICKLES))
        message = f"cannot tell the library of {path!r} by its suffix; known are {known}"
        raise InputError(message)
    read_bytes(path)
    library = "lightgbm" if suffix == ".txt" else "xgboost"
    try:
        return _load_booster(library, path)
    except ImportError as error:
        message = f"running {path!r} needs {library}, which is not installed: pip install {library}"
        raise MissingDependencyError(message) from error
    except Exception as error:
        # Each library has its own exception, which does not derive from a common one.
        reason = (str(error).strip().splitlines() or ["no reason given"])[0]
        message = f"{library} cannot read {path!r}: {reason}"
        raise SourceFileError(message) from error


def _load_booster(library: str, path: str) -> Any:
    if library == "lightgbm":
        import lightgbm

        return lightgbm.Booster(model_file=path)
    import xgboost

    return xgboost.Booster(model_file=path)


def read_rows(path: str) -> np.ndarray:
    """Return the rows of a ``.npy`` file; a file of Python objects is not loaded.

    Raises
    ------
    FileAccessError
        It cannot be read.
    InputError
        It is no ``.npy`` file, or not a table with rows.
    InputTypeError
        Its elements are not numbers.
    """
    read_problem = f"{path!r} is not a .npy file of numbers; write one with numpy.save(path, rows)"
    data = read_bytes(path)
    try:
        rows = np.load(io.BytesIO(data), allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise InputError(read_problem) from error
    if not isinstance(rows, np.ndarray):
        raise InputError(read_problem)
    if rows.dtype.kind not in "fiub":
        message = f"{path!r} holds {rows.dtype}, expected floats, integers or booleans"
        raise InputTypeError(message)
    if rows.ndim != 2 or not len(rows):  # noqa: PLR2004 - rows are a table
        message = f"{path!r} has shape {rows.shape}, expected (n_rows, n_features) with some rows"
        raise InputError(message)
    return rows
