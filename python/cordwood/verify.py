"""Verification: three independent proofs that a packed model answers as its source does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cordwood._verify_net_report import NetReport, OutputProof
    from cordwood._verify_report import Difference, Report, RowProof, StructureProof

__all__ = [
    "Difference",
    "NetReport",
    "OutputProof",
    "Report",
    "RowProof",
    "StructureProof",
    "verify",
]

_NETS = frozenset({"NetReport", "OutputProof"})
_RECORDS = frozenset(__all__) - {"verify"} - _NETS


def verify(
    source: Any, model: Any, X: Any = None, *, probes: int = 20_000, seed: int = 0
) -> Report | NetReport:
    """Prove that a packed model answers as its source, or say where it does not.

    Parameters
    ----------
    source : object
        What `cordwood.compress` was given: a fitted estimator, a Booster, the path of a model file,
        or a torch module. It is not changed. For a net also saved inputs and answers by name: a
        mapping of arrays, or the path of an ``.npz`` file.
    model : Model, Net, str or path-like
        The packed model, or its ``.cord`` file.
    X : array-like of shape (n_rows, n_features), optional
        Rows of your own to compare, and to start probes from. A frame counts as the array of its
        numbers. For a net a list of batches, in the forms that calibration has.
    probes : int, default=20000
        About how many rows to make of each number type. A model with more borders than fit is
        probed at nodes drawn by chance, and the report says how many of how many. 0 makes none.
    seed : int, default=0
        Seed of every draw.

    Returns
    -------
    Report or NetReport
        What was compared and what differs. `Report.raise_if_different` makes an error of it.

    Raises
    ------
    InputError, InputTypeError
        An argument cannot be used: a Graph of another kind, a negative number, rows of the wrong
        shape.
    UnsupportedModelError, NotFittedError, SourceFileError, FileAccessError
        The source, or the file, cannot be read.

    Notes
    -----
    *Structure*: the packed bytes are walked beside the structure that the front end read, every
    region of every tree. *Probes*: rows on each threshold and beside it are answered by the source
    library itself, so that a misread front end is found. *Rows*: yours, likewise. The library of a
    model file is asked where it is installed. Structure takes seconds for six million nodes; the
    time of the rest is mostly the source library's. A *net* and its source answer the same inputs,
    drawn where none are given: a lossless one to 1e-4 of an output's largest magnitude, a lossy one
    to twice the loss that its file states.

    Examples
    --------
    >>> import cordwood as cw
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.ensemble import RandomForestClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> forest = RandomForestClassifier(10, random_state=0).fit(X, y)
    >>> cw.verify(forest, cw.compress(forest), X).identical
    True
    """
    from cordwood import _verify_run

    return _verify_run.prove(source, model, X, probes=probes, seed=seed)


def __getattr__(name: str) -> Any:
    """Bring the records when asked for: who only predicts does not wait for them."""
    if name in _NETS:
        from cordwood import _verify_net_report

        return getattr(_verify_net_report, name)
    if name in _RECORDS:
        from cordwood import _verify_report

        return getattr(_verify_report, name)
    message = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(message)
