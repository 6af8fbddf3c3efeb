"""lleaves once more, in float32: its fastest mode, where rows and thresholds lose digits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cordwood.bench.peers.lleaves_peer import compiled
from cordwood.bench.peers.peer import Tolerance

if TYPE_CHECKING:
    from cordwood.bench.peers.peer import Prepared, Task

__all__ = ["prepare"]

TOLERANCE = Tolerance(
    1e-5, 0.01, "float32 sums; float64 thresholds and rows become float32, so rows can stray"
)


def prepare(task: Task) -> Prepared:
    """Compile the source in float32; parameters and errors as `cordwood.bench.peers.prepare`."""
    return compiled(task, "lleaves32", "float32", TOLERANCE)
