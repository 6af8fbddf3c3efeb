"""XGBoost: ``Booster.inplace_predict``, the fastest way that the library offers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from cordwood.bench.peers.peer import EXACT, CannotTakeModelError, Prepared, Task

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from cordwood._typing import AnyArray

__all__ = ["FRESH_STEPS", "booster_of", "load", "prepare"]

FRESH_STEPS: Final = {
    "library": "import xgboost",
    "load": "model = xgboost.Booster({{'nthread': 1}}, model_file={path!r})",
    "first answer": (
        "model.inplace_predict(numpy.zeros((1, {n_features}), numpy.float32),"
        " validate_features=False)"
    ),
}


def load(path: Path) -> Any:
    """Load a model file."""
    import xgboost

    return xgboost.Booster(model_file=str(path))


def prepare(task: Task) -> Prepared:
    """Make the source Booster ready; parameters and errors as `cordwood.bench.peers.prepare`."""
    import xgboost

    if task.library != "xgboost":
        message = f"the model is {task.library}'s, and XGBoost runs only its own"
        raise CannotTakeModelError(message)
    return Prepared(
        name="xgboost",
        version=xgboost.__version__,
        call=_predictor(task.source, task.threads),
        row_type=task.input_type,
        tolerance=EXACT,
    )


def booster_of(source: Any) -> tuple[Any, tuple[int, int]]:
    """Return a model's Booster and the rounds that it predicts with, ``(0, 0)`` for all.

    A wrapper that stopped early predicts up to its best round; a Booster uses all it has.
    """
    if not hasattr(source, "get_booster"):
        return source, (0, 0)
    stopped = getattr(source, "early_stopping_rounds", None) is not None
    return source.get_booster(), (0, source.best_iteration + 1) if stopped else (0, 0)


def _predictor(source: Any, threads: int) -> Callable[[Any], AnyArray]:
    """Predict as a wrapper does, but without its checks."""
    booster, trees = booster_of(source)
    booster = booster.copy()  # the caller's own keeps its threads
    booster.set_param({"nthread": threads})

    def call(rows: AnyArray) -> AnyArray:
        answer: AnyArray = booster.inplace_predict(
            rows, iteration_range=trees, validate_features=False
        )
        return answer

    return call
