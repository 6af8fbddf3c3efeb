"""daal4py: oneDAL's boosted trees, on what ``daal4py.mb.convert_model`` makes of the source.

It takes the Boosters of XGBoost and LightGBM, and scikit-learn's models by way of treelite.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cordwood.bench.machine import version_of
from cordwood.bench.peers.peer import (
    CannotTakeModelError,
    Prepared,
    Task,
    Tolerance,
    converting,
    refuse_large,
)
from cordwood.bench.peers.treelite_peer import imported
from cordwood.bench.peers.xgboost_peer import booster_of

if TYPE_CHECKING:
    from cordwood._typing import AnyArray

__all__ = ["prepare"]

TOLERANCE = Tolerance(
    1e-5, 0.01, "float32 thresholds and sums; float64 rows become float32, so rows can stray"
)


def prepare(task: Task) -> Prepared:
    """Convert the source model; parameters and errors as `cordwood.bench.peers.prepare`."""
    import daal4py

    if task.library == "catboost":
        message = "daal4py gives probabilities of CatBoost's classifiers, and margins are asked for"
        raise CannotTakeModelError(message)
    refuse_large(task)
    daal4py.daalinit(task.threads)
    with converting():
        model = daal4py.mb.convert_model(_source(task))
    # A regressor has no predict_proba; asking for it raises AttributeError.
    call: Any = getattr(model, "predict_proba", model.predict)

    def answer(rows: AnyArray) -> AnyArray:
        found: AnyArray = call(rows)
        return found

    return Prepared("daal4py", version_of("daal4py") or "", answer, "float32", TOLERANCE)


def _source(task: Task) -> Any:
    if task.library == "xgboost":
        booster, trees = booster_of(task.source)
        return booster[slice(*trees)] if any(trees) else booster
    if task.library == "lightgbm":
        return getattr(task.source, "booster_", task.source)
    return imported(task)[0]
