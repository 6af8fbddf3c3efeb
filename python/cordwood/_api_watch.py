"""Running nets on batches of calibration: what values hold, and how far answers lie apart."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from cordwood._api_calibration import check_read, joined
from cordwood._model_net import Net
from cordwood.ir import Role
from cordwood.ir_nets import Linear
from cordwood.pack import pack
from cordwood.passes.net_parts import net_operators, rebuilt
from cordwood.passes.quantize_products import codable

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from cordwood.ir import Graph

__all__ = ["answers_of", "error_beside", "output_error", "rows_of", "values_of", "watch"]

MOST_ROWS = 6144
"""Rows that a layer is judged by: more change codes little and take memory."""


def watch(graph: Graph, batches: list[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Return the rows that the linear layers of a net read, by name of the value."""
    wanted = {op.inputs[0] for op in graph.operators if isinstance(op, Linear) and codable(op)}
    return rows_of(graph, batches, wanted)


def rows_of(
    graph: Graph, batches: list[dict[str, np.ndarray]], names: Collection[str]
) -> dict[str, np.ndarray]:
    """Run a net up to some of its values, and return rows of them.

    Parameters
    ----------
    graph : Graph
        A net.
    batches : list of dict
        Inputs by name.
    names : collection of str
        Of values.

    Returns
    -------
    dict of str to ndarray of float32
        (rows, size of the last axis), at most `MOST_ROWS`. Which rows of a batch are kept depends
        on nothing but their number, so that those of two values, or of two nets, belong together.
    """
    rows: dict[str, list[np.ndarray]] = {name: [] for name in names}
    most = max(1, MOST_ROWS // max(1, len(batches)))
    for number, held in enumerate(values_of(graph, batches, names)):
        for name, kept in rows.items():
            flat = held[name].reshape(-1, held[name].shape[-1])
            if len(flat) > most:
                generator = np.random.default_rng(len(flat))
                flat = flat[np.sort(generator.choice(len(flat), most, replace=False))]
            kept.append(np.array(flat, np.float32))
            check_read(kept[-1], name, number)
    return {name: joined(kept, name) for name, kept in rows.items()}


def values_of(
    graph: Graph, batches: list[dict[str, np.ndarray]], names: Collection[str]
) -> Iterator[dict[str, np.ndarray]]:
    """Run a net up to some of its values, and yield them batch by batch.

    Parameters
    ----------
    graph : Graph
        A net.
    batches : list of dict
        Inputs by name.
    names : collection of str
        Of values; where there are none, nothing runs and nothing is yielded.
    """
    if not names:
        return
    net = _up_to(graph, names)
    for batch in batches:
        yield batch if net is None else {**batch, **net(batch)}


def _up_to(graph: Graph, names: Collection[str]) -> Net | None:
    """Return the part of a net that makes some values; None where they are all inputs."""
    inputs = {value.name for value in graph.values if value.role is Role.INPUT}
    if inputs >= set(names):
        return None
    roles = dict.fromkeys(names, Role.OUTPUT) | dict.fromkeys(inputs, Role.INPUT)
    values = tuple(replace(value, role=roles.get(value.name, Role.NONE)) for value in graph.values)
    short = replace(graph, values=values, form="dict", classes=None)
    return Net(pack(rebuilt(short, net_operators(short))))


def output_error(exact: Graph, small: Graph, batches: list[dict[str, np.ndarray]]) -> float:
    """Relative error of a net's answers over all batches, where the exact ones are finite."""
    return error_beside(answers_of(exact, batches), pack(small), batches)


def answers_of(graph: Graph, batches: list[dict[str, np.ndarray]]) -> list[list[np.ndarray]]:
    """Return a net's answers in floating point, for each batch."""
    net = Net(pack(graph))
    return [_floats(net, batch) for batch in batches]


def error_beside(
    exact: list[list[np.ndarray]], packed: bytes, batches: list[dict[str, np.ndarray]]
) -> float:
    """Relative error of a packed net's answers beside those of `answers_of`."""
    net = Net(packed)
    error = size = 0.0
    for answers, batch in zip(exact, batches, strict=True):
        for one, other in zip(answers, _floats(net, batch), strict=True):
            numbers = np.isfinite(one)  # answers may be masked with infinities
            apart = one[numbers].astype(np.float64) - other[numbers]
            error += float(np.square(apart).sum())
            size += float(np.square(one[numbers], dtype=np.float64).sum())
    return 0.0 if size == 0.0 else (error / size) ** 0.5


def _floats(net: Net, batch: dict[str, np.ndarray]) -> list[np.ndarray]:
    answers = net(batch)
    if isinstance(answers, dict):
        answers = tuple(answers.values())
    every = answers if isinstance(answers, tuple) else (answers,)
    return [np.asarray(answer) for answer in every if answer.dtype.kind == "f"]
