"""What a benchmark found: plain frozen records, ready to print or to store."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from cordwood.bench.machine import Machine
    from cordwood.bench.peers import Agreement
    from cordwood.measure import Clock, FreshProcess, Spread, Timing

__all__ = ["OURS", "Batch", "Line", "Result"]

OURS: Final = "cordwood"
"""Name of the candidate that all others are held against."""


@dataclass(frozen=True)
class Line:
    """One peer at one batch size.

    Attributes
    ----------
    name : str
        Peer, or ``"cordwood"``.
    timing : Timing
        Per call.
    seconds : float
        Median per call, by the clock of the result.
    ratio : Spread
        Its time over cordwood's, round by round.
    ns_per_row_tree : float
        `seconds` by rows and trees.
    """

    name: str
    timing: Timing
    seconds: float
    ratio: Spread
    ns_per_row_tree: float


@dataclass(frozen=True)
class Batch:
    """All peers at one batch size.

    Attributes
    ----------
    rows : int
        Rows of a call.
    blocks : int
        Different blocks of rows that the calls went through.
    lines : tuple of Line
        Cordwood first.
    """

    rows: int
    blocks: int
    lines: tuple[Line, ...]

    def line(self, name: str) -> Line:
        """Return the line of one peer."""
        return next(line for line in self.lines if line.name == name)


@dataclass(frozen=True)
class Result:
    """A whole benchmark, ready to print or to store.

    Attributes
    ----------
    machine : Machine
        Where it ran.
    threads : int
        Threads of every peer.
    clock : {"cpu", "wall"}
        What ratios and seconds are read from: CPU time on one thread, wall time on more.
    model : dict
        Kind, library, trees, bytes and engine of the packed model.
    agreements : dict of str to Agreement
        By peer, cordwood included; against the source.
    refused : dict of str to str
        Why a peer was not timed.
    batches : tuple of Batch
        The timings.
    fresh : dict of str to FreshProcess
        Cold start of cordwood and of the source library, where asked for.
    """

    machine: Machine
    threads: int
    clock: Clock
    model: dict[str, Any]
    agreements: dict[str, Agreement]
    refused: dict[str, str]
    batches: tuple[Batch, ...]
    fresh: dict[str, FreshProcess] = field(default_factory=dict)

    @property
    def passed(self) -> bool:
        """Whether cordwood's own answers agree with the source's, where one was given."""
        return OURS not in self.refused

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-ready facts."""
        return asdict(self)
