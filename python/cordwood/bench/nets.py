"""Time a packed net by itself, by the sizes that its inputs may have."""

from __future__ import annotations

import itertools
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from cordwood import _core
from cordwood._model_net_inputs import SEQUENCE, draw_inputs
from cordwood.bench.machine import Machine, describe
from cordwood.errors import InputError
from cordwood.measure import Candidate, Timing, race

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cordwood._model_net import Net

__all__ = ["NetResult", "render_net", "run_net"]

BATCHES = (1, 8, 32)
"""Sizes of axis 0 where nothing is said."""

DRAWS = 4
"""Inputs that calls take in turn."""


@dataclass(frozen=True)
class NetResult:
    """Times of calls of a net.

    Attributes
    ----------
    machine : Machine
        Where it ran.
    net : str
        Its inputs, outputs and bytes.
    isa : str
        Instruction set that ran it.
    threads : int
        Of each call.
    shapes : dict of str to str
        Shapes of the inputs, by case.
    timings : dict of str to Timing
        By case.
    """

    machine: Machine
    net: str
    isa: str
    threads: int
    shapes: dict[str, str]
    timings: dict[str, Timing]

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-ready facts."""
        return asdict(self)


def run_net(
    net: Net,
    *,
    data: Mapping[str, np.ndarray] | None = None,
    batches: Sequence[int] | None = None,
    sequences: Sequence[int] | None = None,
    threads: int = 1,
    budget_s: float = 1.0,
) -> NetResult:
    """Time calls of a net, each size in turns with the others.

    Parameters
    ----------
    net : Net
        Loaded with the threads that calls may use.
    data : mapping of str to ndarray, optional
        Inputs by name; drawn where there are none.
    batches, sequences : sequence of int, optional
        Sizes of axis 0, and of the other axes that vary, for inputs that are drawn.
    threads : int
        What the net was loaded with.
    budget_s : float
        Seconds for each size.

    Raises
    ------
    InputError
        Sizes are given beside data, or what is given does not fit the net.
    """
    if data is not None and (batches or sequences):
        message = "inputs have sizes of their own; leave batch and sequence out where data is given"
        raise InputError(message)
    cases: dict[str, list[dict[str, np.ndarray]]] = {}
    if data is not None:
        cases["data"] = [dict(data)]
    else:
        generator = np.random.default_rng(0)
        free = any(size is None for port in net.inputs for size in port.shape[1:])
        for batch, sequence in itertools.product(batches or BATCHES, sequences or (SEQUENCE,)):
            name = f"{batch} x {sequence}" if free else f"{batch}"
            made = [draw_inputs(net, batch, sequence, generator=generator) for _ in range(DRAWS)]
            cases.setdefault(name, made)
    for inputs in cases.values():
        net(inputs[0])  # what does not fit is told before anything is timed
    candidates = [
        Candidate(
            name,
            lambda inputs: net(*inputs),
            [tuple(one[port.name] for port in net.inputs) for one in blocks],
        )
        for name, blocks in cases.items()
    ]
    timed = race(candidates, budget_s=budget_s * len(cases))
    shapes = {
        name: ", ".join(f"{key}{list(array.shape)}" for key, array in blocks[0].items())
        for name, blocks in cases.items()
    }
    return NetResult(describe(), repr(net), _core.active_isa(), threads, shapes, timed.timings)


def render_net(result: NetResult) -> str:
    """Lay out the times as lines without a trailing newline."""
    lines = [
        result.machine.line(result.threads),
        f"{result.net}, {result.isa}",
        "",
        f"{'case':<12} {'a call':>10}  {'quartiles':<21} {'CPU':>10}  inputs",
    ]
    for name, timing in result.timings.items():
        wall, cpu = timing.wall, timing.cpu
        quartiles = f"{_time(wall.low)} to {_time(wall.high)}"
        lines.append(
            f"{name:<12} {_time(wall.median):>10}  {quartiles:<21} {_time(cpu.median):>10}  "
            f"{result.shapes[name]}"
        )
    return "\n".join(lines)


def _time(seconds: float) -> str:
    for unit, factor in (("s", 1.0), ("ms", 1e3), ("us", 1e6)):
        if seconds * factor >= 1.0 or unit == "us":
            return f"{seconds * factor:.3g} {unit}"
    raise AssertionError(seconds)
