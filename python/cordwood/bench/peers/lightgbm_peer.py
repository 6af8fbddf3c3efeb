"""LightGBM: ``Booster.predict`` on NumPy rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from cordwood.bench.peers.peer import EXACT, CannotTakeModelError, Prepared, Task

if TYPE_CHECKING:
    from pathlib import Path

    from cordwood._typing import AnyArray

__all__ = ["FRESH_STEPS", "load", "prepare"]

FRESH_STEPS: Final = {
    "library": "import lightgbm",
    "load": "model = lightgbm.Booster(model_file={path!r})",
    "first answer": "model.predict(numpy.zeros((1, {n_features})), num_threads=1)",
}


def load(path: Path) -> Any:
    """Load a model file."""
    import lightgbm

    return lightgbm.Booster(model_file=str(path))


def prepare(task: Task) -> Prepared:
    """Make the source Booster ready; parameters and errors as `cordwood.bench.peers.prepare`."""
    import lightgbm

    if task.library != "lightgbm":
        message = f"the model is {task.library}'s, and LightGBM runs only its own"
        raise CannotTakeModelError(message)
    # The wrapper's own method calls the Booster's, so the Booster's is the shorter way.
    booster: Any = getattr(task.source, "booster_", task.source)
    threads = task.threads

    def call(rows: AnyArray) -> AnyArray:
        answer: AnyArray = booster.predict(rows, num_threads=threads)
        return answer

    return Prepared(
        name="lightgbm",
        version=lightgbm.__version__,
        call=call,
        row_type=task.input_type,
        tolerance=EXACT,
    )
