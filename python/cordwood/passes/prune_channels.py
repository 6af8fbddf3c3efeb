"""Channels that go: smaller layers, and the layers that read them made to do without.

Which channels go is judged by what the layers that read them would lose: a channel's variance over
rows seen times the squared weights that read it; without rows, its own squared weights times those.
Each channel that goes is then replaced by its least squares from those that stay, folded into the
weights and the bias that read it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from cordwood.ir_arrays import Reshape
from cordwood.ir_nets import Activation, BatchNorm, Conv, NetOperator
from cordwood.passes.channel_groups import find_groups
from cordwood.passes.net_parts import net_operators, rebuilt
from cordwood.passes.quantize_products import LayerLoss

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cordwood.ir import Graph
    from cordwood.ir_nets import Product
    from cordwood.passes.channel_groups import ChannelGroup, Place

__all__ = ["judged_values", "prune_channels"]

DAMPING = 1e-3
STEP = 8
"""Channels of a layer that has two steps of them or more stay a multiple of it: whole registers."""

MOST_FITTED = 4096
"""Numbers of a row up to which channels that go are fitted; beyond it, their means are taken."""


def judged_values(graph: Graph) -> dict[str, int]:
    """Return the values whose channels may go, as layers read them, with the axis of each."""
    return {
        reader.inputs[0]: group.places[reader.inputs[0]].axis
        for group in find_groups(graph)
        for reader in group.readers
    }


def prune_channels(
    graph: Graph, share: float, seen: Mapping[str, np.ndarray]
) -> tuple[Graph, list[LayerLoss]]:
    """Take channels out of a net.

    Parameters
    ----------
    graph : Graph
        A net with float32 weights.
    share : float
        Of each layer's channels, what stays at least.
    seen : mapping of str to ndarray
        By name of `judged_values`: rows, (rows, channels). May be empty.

    Returns
    -------
    Graph, list of LayerLoss
        The net, and what each layer that reads fewer channels has lost: the relative error of its
        outputs, or the share of the scores that is gone. An empty list where no channel may go; the
        net is then unchanged.
    """
    steps = {step.outputs[0]: step for step in net_operators(graph)}
    shapes: dict[str, tuple[int | str, ...]] = {}
    losses = []
    for group in find_groups(graph):
        count = _count(group.channels, share)
        if count == group.channels:
            continue
        scores = _scores(group, steps, seen)
        stays = np.sort(np.argsort(-scores, kind="stable")[:count])
        producer: Any = steps[group.producer.outputs[0]]
        steps[producer.outputs[0]] = _taken(producer, stays)
        for step in group.through:
            steps[step.outputs[0]] = _passing(steps[step.outputs[0]], stays, group)
        for reader in group.readers:
            before: Any = steps[reader.outputs[0]]
            name = before.inputs[0]
            going = _Going(stays, group.channels, group.places[name], seen.get(name))
            steps[before.outputs[0]], error = going.leave(before)
            lost = np.delete(scores, stays).sum() / max(float(scores.sum()), 1e-30)
            losses.append(LayerLoss(before.place, float(lost) ** 0.5 if error is None else error))
        for name, place in group.places.items():
            shapes[name] = _shape(graph.value(name).shape, place, count)
    if not losses:
        return graph, []
    values = tuple(
        replace(value, shape=shapes.get(value.name, value.shape)) for value in graph.values
    )
    return rebuilt(replace(graph, values=values), steps.values()), losses


def _count(channels: int, share: float) -> int:
    step = STEP if channels >= 2 * STEP else 1
    return min(channels, max(1, math.ceil(channels * share / step)) * step)


def _shape(shape: tuple[int | str, ...], place: Place, count: int) -> tuple[int | str, ...]:
    return (*shape[: place.axis], count * place.repeat, *shape[place.axis + 1 :])


def _matrix(weight: np.ndarray) -> np.ndarray:
    """Turn the weights of a reader into (outputs and kernel positions, channels) in float64."""
    wide = weight.reshape(*weight.shape[:2], -1).astype(np.float64)
    return np.moveaxis(wide, 1, 2).reshape(-1, weight.shape[1])


def _scores(
    group: ChannelGroup, steps: Mapping[str, NetOperator], seen: Mapping[str, np.ndarray]
) -> np.ndarray:
    """How much readers would miss each channel."""
    producer: Any = steps[group.producer.outputs[0]]
    own = np.square(producer.weight.reshape(group.channels, -1), dtype=np.float64).sum(axis=1)
    scores = np.zeros(group.channels)
    for reader in group.readers:
        step: Any = steps[reader.outputs[0]]
        rows = seen.get(step.inputs[0])
        read = np.square(_matrix(step.weight)).sum(axis=0)
        repeat = group.places[step.inputs[0]].repeat
        if rows is None:
            read = read * np.repeat(own, repeat)
        elif _has_border(step):
            read = read * np.square(rows, dtype=np.float64).mean(axis=0)
        else:
            read = read * rows.var(axis=0, dtype=np.float64)
        scores += read.reshape(group.channels, repeat).sum(axis=1)
    return scores


def _has_border(step: Product) -> bool:
    """Whether zeros around an image are read: no constant can stand for a channel there."""
    return isinstance(step, Conv) and any((*step.pad_before, *step.pad_after))


def _taken(step: Any, stays: np.ndarray) -> NetOperator:
    """Leave a product the outputs that stay."""
    bias = None if step.bias is None else step.bias[stays]
    changed: NetOperator = replace(step, weight=np.ascontiguousarray(step.weight[stays]), bias=bias)
    return changed


def _passing(step: NetOperator, stays: np.ndarray, group: ChannelGroup) -> NetOperator:
    """Leave an operator between the channels that stay."""
    if isinstance(step, BatchNorm):
        return replace(step, factor=step.factor[stays], offset=step.offset[stays])
    if isinstance(step, Activation) and step.slope is not None and step.slope.size > 1:
        return replace(step, slope=step.slope[stays])
    if isinstance(step, Conv):
        return _taken(replace(step, groups=len(stays)), stays)
    if isinstance(step, Reshape) and isinstance(step.shape[1], int):
        repeat = group.places[step.outputs[0]].repeat
        return replace(step, shape=(step.shape[0], len(stays) * repeat))
    return step


@dataclass(frozen=True)
class _Going:
    """Channels that a layer reads no more."""

    stays: np.ndarray
    channels: int
    place: Place
    rows: np.ndarray | None

    def leave(self, step: Any) -> tuple[NetOperator, float | None]:
        """Return the layer without them, and the relative error of its outputs where known."""
        numbers = np.arange(self.channels * self.place.repeat).reshape(self.channels, -1)
        kept = numbers[self.stays].reshape(-1)
        gone = np.delete(numbers, self.stays, axis=0).reshape(-1)
        weight = step.weight.astype(np.float64)
        left, bias, error = weight[:, kept], step.bias, None
        if self.rows is not None:
            fit, constant = self._fit(kept, gone, border=_has_border(step))
            left = left + np.moveaxis(np.tensordot(fit, weight[:, gone], (1, 1)), 0, 1)
            if constant.any():
                added = np.tensordot(constant, weight[:, gone], (0, 1)).reshape(len(weight), -1)
                added = added.sum(axis=1)
                bias = (added if bias is None else bias + added).astype(np.float32)
            rows = self.rows.astype(np.float64)
            missing = rows[:, gone] - rows[:, kept] @ fit - constant
            matrix = _matrix(step.weight)
            size = float(np.linalg.norm(rows @ matrix.T))
            lost = float(np.linalg.norm(missing @ matrix[:, gone].T))
            error = 0.0 if size == 0.0 else lost / size
        changed = replace(step, weight=np.ascontiguousarray(left, dtype=np.float32), bias=bias)
        return changed, error

    def _fit(
        self, kept: np.ndarray, gone: np.ndarray, *, border: bool
    ) -> tuple[np.ndarray, np.ndarray]:
        """Least squares of the channels that go from those that stay, and a constant."""
        assert self.rows is not None
        rows = self.rows.astype(np.float64)
        mean = np.zeros(rows.shape[1]) if border else rows.mean(axis=0)
        if rows.shape[1] > MOST_FITTED:
            return np.zeros((len(kept), len(gone))), mean[gone]
        rows = rows - mean
        matrix = rows[:, kept].T @ rows[:, kept]
        matrix += np.eye(len(kept)) * max(DAMPING * float(np.diagonal(matrix).mean()), 1e-12)
        fit = np.linalg.solve(matrix, rows[:, kept].T @ rows[:, gone])
        return fit, mean[gone] - mean[kept] @ fit
