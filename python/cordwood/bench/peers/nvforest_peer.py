"""nvForest, the library that was cuML's FIL, on a CPU: what treelite imports of the source model.

Nodes lie depth first and the chunk size is its own choice, as it does by default.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from cordwood.bench.peers.peer import Prepared, Task, Tolerance, converting
from cordwood.bench.peers.treelite_peer import imported

if TYPE_CHECKING:
    from cordwood._typing import AnyArray

__all__ = ["prepare"]

TOLERANCE = Tolerance(1e-5, 0.001, "sums and links of its own; thresholds compared in their type")


def prepare(task: Task) -> Prepared:
    """Import the source model; parameters and errors as `cordwood.bench.peers.prepare`."""
    import nvforest

    model, row_type = imported(task)
    with converting():
        forest: Any = nvforest.load_from_treelite_model(model, device="cpu")
        row_type = np.dtype(forest.forest.get_dtype()).name
    ask: Any = getattr(forest, "predict_proba", forest.predict)

    def call(rows: AnyArray) -> AnyArray:
        answer: AnyArray = ask(rows)
        return answer

    # Its threads are OpenMP's, which the run limits.
    return Prepared("nvforest", nvforest.__version__, call, row_type, TOLERANCE)
