"""treelite: its general tree inference library, GTIL, on a model imported from the source."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cordwood.bench.peers.peer import CannotTakeModelError, Prepared, Task, Tolerance, converting
from cordwood.bench.peers.xgboost_peer import booster_of

if TYPE_CHECKING:
    from cordwood._typing import AnyArray

__all__ = ["imported", "prepare"]

TOLERANCE = Tolerance(1e-5, 0.001, "sums and links of its own; thresholds compared in their type")


def prepare(task: Task) -> Prepared:
    """Import the source model; parameters and errors as `cordwood.bench.peers.prepare`."""
    import treelite

    model, row_type = imported(task)
    threads = task.threads

    def call(rows: AnyArray) -> AnyArray:
        answer: AnyArray = treelite.gtil.predict(model, rows, nthread=threads)
        return answer

    return Prepared(
        name="treelite",
        version=treelite.__version__,
        call=call,
        row_type=row_type,
        tolerance=TOLERANCE,
    )


def imported(task: Task) -> tuple[Any, str]:
    """Return treelite's model, and the type of rows that it takes: that of its thresholds.

    Raises
    ------
    CannotTakeModelError
        treelite has no importer for the model, or the importer refuses it.
    """
    import treelite

    if task.library == "catboost":
        message = "treelite has no importer for CatBoost's models"
        raise CannotTakeModelError(message)
    with converting():
        return _import(treelite, task)


def _import(treelite: Any, task: Task) -> tuple[Any, str]:
    if task.library == "xgboost":
        booster, trees = booster_of(task.source)
        used = booster[slice(*trees)] if any(trees) else booster
        return treelite.frontend.from_xgboost(used), "float32"
    if task.library == "lightgbm":
        booster = getattr(task.source, "booster_", task.source)
        return treelite.frontend.from_lightgbm(booster), "float64"
    return treelite.sklearn.import_model(task.source), "float64"
