"""scikit-learn: the estimator's own method, on a copy whose ``n_jobs`` is the task's threads."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from cordwood.bench.peers.peer import EXACT, CannotTakeModelError, Prepared, Task

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["load", "prepare"]


def load(path: Path) -> Any:
    """Load a pickled estimator, which runs the code in the file."""
    import joblib

    return joblib.load(path)


def prepare(task: Task) -> Prepared:
    """Make the source estimator ready; parameters and errors as `cordwood.bench.peers.prepare`."""
    import sklearn

    if task.library != "sklearn":
        message = f"the model is {task.library}'s, and scikit-learn runs only its own"
        raise CannotTakeModelError(message)
    source = copy.copy(task.source)
    # Rows come without names; a warning for each call would be timed, too.
    vars(source).pop("feature_names_in_", None)
    # Boosting has no n_jobs: it follows OpenMP's limit, which the run sets.
    if hasattr(source, "n_jobs"):
        source.n_jobs = task.threads
    call: Any = getattr(source, task.answer)
    return Prepared(
        name="sklearn",
        version=sklearn.__version__,
        call=call,
        row_type=task.input_type,
        tolerance=EXACT,
    )
