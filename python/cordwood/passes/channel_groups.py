"""Channels of a net that only layers with weights read: where they are made, what they touch."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeGuard

import numpy as np

from cordwood.ir_arrays import Dimension, Reduce, Reshape, Unary
from cordwood.ir_base import Role
from cordwood.ir_nets import Activation, BatchNorm, Conv, Linear, Pool
from cordwood.passes.net_parts import net_operators

if TYPE_CHECKING:
    from cordwood.ir import Graph
    from cordwood.ir_nets import NetOperator, Product

__all__ = ["ChannelGroup", "Place", "find_groups", "is_depthwise"]

_CHANNEL_AXIS = 1
_FLAT = 2


@dataclass(frozen=True)
class Place:
    """Where a value has its channels: the axis, and how many neighbours on it each one takes."""

    axis: int
    repeat: int = 1


@dataclass
class ChannelGroup:
    """Channels that a product makes and that may go.

    Parameters
    ----------
    producer : Product
        What makes them.
    channels : int
        How many there are.
    places : dict of str to Place
        Every value that has them.
    through : list of NetOperator
        Operators that pass them on, channel by channel.
    readers : list of Product
        Layers that end them.
    """

    producer: Product
    channels: int
    places: dict[str, Place] = field(default_factory=dict)
    through: list[NetOperator] = field(default_factory=list)
    readers: list[Product] = field(default_factory=list)


def find_groups(graph: Graph) -> list[ChannelGroup]:
    """Find channels that linear layers and convolutions make, and nothing but those reads.

    Between them stand activations, stored norms, pools, depthwise convolutions, means over other
    axes and flattening. Channels that meet a residual, an output or any other operator are none.
    """
    groups = []
    for step in net_operators(graph):
        if _makes(step):
            rank = len(graph.value(step.outputs[0]).shape)
            axis = rank - 1 if isinstance(step, Linear) else _CHANNEL_AXIS
            group = ChannelGroup(step, len(np.asarray(step.weight)))
            group.places[step.outputs[0]] = Place(axis)
            if _follow(graph, group):
                groups.append(group)
    return groups


def is_depthwise(step: NetOperator) -> bool:
    """Whether a convolution has a filter of its own for each channel, and makes one of each."""
    if not isinstance(step, Conv) or not isinstance(step.weight, np.ndarray) or not _plain(step):
        return False
    outputs, inputs = step.weight.shape[:2]
    one_each = step.groups == outputs and inputs == 1
    return one_each and not step.transposed and len(step.inputs) == 1


def _plain(step: Product) -> bool:
    return isinstance(step.weight, np.ndarray) and step.weight.dtype == np.float32


def _makes(step: NetOperator) -> TypeGuard[Linear | Conv]:
    if not isinstance(step, Linear | Conv) or not _plain(step) or len(step.inputs) != 1:
        return False
    return isinstance(step, Linear) or (step.groups == 1 and not step.transposed)


def _follow(graph: Graph, group: ChannelGroup) -> bool:
    """Go from value to value to all readers; false where one of them needs every channel."""
    outputs = {value.name for value in graph.values if value.role is Role.OUTPUT}
    waiting = list(group.places)
    while waiting:
        name = waiting.pop()
        if name in outputs:
            return False
        for step in net_operators(graph):
            if name not in step.inputs:
                continue
            if step.inputs[0] != name or name in step.inputs[1:]:
                return False
            if _ends(step, graph, group, name):
                group.readers.append(step)
                continue
            place = _passed(step, graph, group, name)
            if place is None:
                return False
            group.through.append(step)
            group.places[step.outputs[0]] = place
            waiting.append(step.outputs[0])
    return bool(group.readers)


def _ends(
    step: NetOperator, graph: Graph, group: ChannelGroup, name: str
) -> TypeGuard[Linear | Conv]:
    """Whether a layer with weights for each channel reads them."""
    if not isinstance(step, Linear | Conv) or not _plain(step):
        return False
    place, rank = group.places[name], len(graph.value(name).shape)
    if isinstance(step, Linear):
        return place.axis == rank - 1
    whole = step.groups == 1 and not step.transposed
    return whole and place == Place(_CHANNEL_AXIS)


def _passed(step: NetOperator, graph: Graph, group: ChannelGroup, name: str) -> Place | None:
    """Where the output of an operator has the channels; None where it mixes them."""
    place = group.places[name]
    second = place == Place(_CHANNEL_AXIS)
    if isinstance(step, Reshape):
        return _flattened(step, graph, name, group.channels) if second else None
    passes = isinstance(step, Unary)
    if isinstance(step, Activation):
        passes = second or step.slope is None or step.slope.size == 1
    elif isinstance(step, BatchNorm | Pool):
        passes = second
    elif isinstance(step, Conv):
        passes = second and is_depthwise(step) and step.groups == group.channels
    elif isinstance(step, Reduce):
        behind = step.keep_axes or min(step.axes, default=place.axis) > place.axis
        passes = behind and place.axis not in step.axes
    return place if passes else None


def _flattened(step: Reshape, graph: Graph, name: str, channels: int) -> Place | None:
    """Take (batch, channels, rest...) to (batch, channels * rest)."""
    given, made = graph.value(name).shape, graph.value(step.outputs[0]).shape
    rest = given[_CHANNEL_AXIS + 1 :]
    sizes = [size for size in rest if isinstance(size, int)]
    columns = step.shape[_CHANNEL_AXIS] if len(step.shape) == _FLAT else Dimension(0, 0)
    if len(sizes) != len(rest) or isinstance(columns, Dimension):
        return None
    repeat = math.prod(sizes)
    whole = made == (given[0], channels * repeat)
    return Place(_CHANNEL_AXIS, repeat) if whole else None
