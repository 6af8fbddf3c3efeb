"""CatBoost: margins of its own oblivious trees, on rows that its Pool holds already.

A Pool is the fastest way in. Making one of an array is left out of the clock, which spares CatBoost
time that its users pay.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from cordwood.bench.peers.peer import EXACT, CannotTakeModelError, Prepared, Task

if TYPE_CHECKING:
    from pathlib import Path

    from cordwood._typing import AnyArray

__all__ = ["FRESH_STEPS", "load", "prepare"]

FRESH_STEPS: Final = {
    "library": "import catboost",
    "load": "model = catboost.CatBoost().load_model({path!r})",
    "first answer": (
        "model.predict(numpy.zeros((1, {n_features}), numpy.float32),"
        " prediction_type='RawFormulaVal', thread_count=1)"
    ),
}


def load(path: Path) -> Any:
    """Load a model file."""
    import catboost

    return catboost.CatBoost().load_model(str(path))


def prepare(task: Task) -> Prepared:
    """Make the source model ready; parameters and errors as `cordwood.bench.peers.prepare`."""
    import catboost

    if task.library != "catboost":
        message = f"the model is {task.library}'s, and CatBoost runs only its own"
        raise CannotTakeModelError(message)
    source, threads = task.source, task.threads

    def call(rows: Any) -> AnyArray:
        answer: AnyArray = source.predict(
            rows, prediction_type="RawFormulaVal", thread_count=threads
        )
        return answer

    def pool(rows: AnyArray) -> Any:
        return catboost.Pool(rows)

    return Prepared("catboost", catboost.__version__, call, task.input_type, EXACT, pool)
