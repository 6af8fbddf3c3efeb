"""What values of a net hold while calibration runs through it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from cordwood._api_calibration import check_read, joined
from cordwood._model_net import Net
from cordwood.ir import Role, Value
from cordwood.pack import pack
from cordwood.passes.observers import Seen

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cordwood.ir import Graph

__all__ = ["observe"]

MOST_NUMBERS = 1 << 17
"""Numbers that are kept of a value: more move a range by less than a code."""


def observe(
    graph: Graph, batches: list[dict[str, np.ndarray]], names: Iterable[str]
) -> dict[str, Seen]:
    """Run a net, and keep what the named values held.

    Parameters
    ----------
    graph : Graph
        A net.
    batches : list of dict
        Inputs by name.
    names : iterable of str
        Values of type float32.

    Returns
    -------
    dict of str to Seen
    """
    wanted = set(names)
    values = tuple(
        Value(value.name, value.dtype, value.shape, Role.OUTPUT)
        if value.name in wanted and value.role is Role.NONE
        else value
        for value in graph.values
    )
    net = Net(pack(replace(graph, values=values, form="dict", classes=None)))
    kept: dict[str, list[np.ndarray]] = {name: [] for name in wanted}
    low, high = dict.fromkeys(wanted, 0.0), dict.fromkeys(wanted, 0.0)
    most = max(1, MOST_NUMBERS // len(batches))
    generator = np.random.default_rng(0)
    for number, batch in enumerate(batches):
        answers = {**batch, **net(batch)}
        for name in wanted:
            flat = np.asarray(answers[name], np.float32).reshape(-1)
            if not flat.size:
                continue
            check_read(flat, name, number)
            low[name] = min(low[name], float(flat.min()))
            high[name] = max(high[name], float(flat.max()))
            if flat.size > most:
                flat = flat[generator.integers(0, flat.size, most)]
            kept[name].append(np.array(flat))
    return {
        name: Seen(joined(parts, name), low[name], high[name]) for name, parts in kept.items()
    }
