"""Layers that take more bits, so that a net's answers stay within an error or its file in bytes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from cordwood import _progress
from cordwood._api_watch import answers_of, error_beside
from cordwood.errors import InputError
from cordwood.ir_nets import Attention, Quantized
from cordwood.pack import pack
from cordwood.passes.quantize_products import codable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np

    from cordwood.ir import Graph, Operator
    from cordwood.passes.quantize_products import LayerLoss

    Batches = list[dict[str, np.ndarray]]

__all__ = ["keep_within", "spend_bytes"]

RANKING_BATCHES = 2
"""Batches that layers are ranked on, a net for each layer; the promise is measured on all. They lie
apart, since calibration may be in the order of its lengths."""

FACTS_BYTES = 2048
"""Bytes of a file that are left to what it says of itself, besides a line or two for each layer."""

LINE_BYTES = 48
"""Bytes of a line on a layer in the file, its name apart."""

LEAST_SHARE = 1e-4
"""Share of the squared error that a step has to take away: below it bytes are better saved."""

_VERBS = {"int8": "raised", "float32": "kept"}


class Quantize(Protocol):
    """Quantise a net, some values' operators in other weights; unfinished, each by itself."""

    def __call__(
        self, raised: Mapping[str, str], finished: bool
    ) -> tuple[Graph, list[LayerLoss]]: ...


@dataclass(frozen=True)
class Step:
    """A layer raised: by how much that shrinks the squared error, and for how many bytes."""

    at: int
    place: str
    weights: str
    error: float
    gain: float
    nbytes: int

    @property
    def worth(self) -> float:
        """Error taken away for each byte."""
        return self.gain / max(self.nbytes, 1)


def keep_within(
    graph: Graph, most: float, batches: Batches, quantize: Quantize, kinds: Sequence[str]
) -> tuple[Graph, list[LayerLoss], dict[str, float]]:
    """Raise as few layers as the error of the answers demands.

    How many of the ordered steps are needed is found by halving on nets whose layers are quantised
    each by itself. A finished net errs less than such a one: the error that halving looks for is
    larger by the ratio of the two that was last seen.

    Parameters
    ----------
    graph : Graph
        The float net.
    most : float
        Largest relative error of the answers over all batches.
    batches : list of dict
        Inputs by name.
    quantize : callable
        Of the net.
    kinds : sequence of str
        Weights that layers may be raised to, the last ``"float32"``.

    Returns
    -------
    Graph, list of LayerLoss, dict of str to float
        The net, the losses of its layers, and what each raised one would have cost alone.
    """
    exact = answers_of(graph, batches)
    small, losses = quantize({}, True)
    error = error_beside(exact, pack(small), batches)
    if error <= most:
        return small, losses, {}
    forms = _forms(graph, quantize, kinds)
    steps = _steps(graph, forms, batches)
    count = 0
    while error > most and count < len(steps):
        beside = error_beside(exact, pack(_mixed(forms, steps[:count])), batches)
        allowed = most * max(beside / error, 1.0)
        low, high = count + 1, len(steps)
        while low < high:
            middle = (low + high) // 2
            mixed = pack(_mixed(forms, steps[:middle]))
            if error_beside(exact, mixed, batches) <= allowed:
                high = middle
            else:
                low = middle + 1
        count = low
        small, losses = quantize(_raised(graph, steps[:count]), True)
        error = error_beside(exact, pack(small), batches)
    return small, losses, _facts(steps[:count])


def spend_bytes(
    graph: Graph, most: int, batches: Batches, quantize: Quantize, kinds: Sequence[str]
) -> tuple[Graph, list[LayerLoss], dict[str, float]]:
    """Raise the layers that take away most error for their bytes, as long as the file has room.

    Parameters and what is returned are those of `keep_within`, but for `most`: bytes of the file.

    Raises
    ------
    InputError
        The net takes more bytes with no layer raised.
    """
    forms = _forms(graph, quantize, kinds)
    lines = sum(_line_bytes(operator) for operator in graph.operators if codable(operator))
    least = len(pack(forms[""])) + FACTS_BYTES + lines
    if least > most:
        message = (
            f"max_bytes is {most}, but the net takes {least} bytes with no layer raised; expected"
            " as many at least: allow more bytes, or take a Recipe with fewer bits"
        )
        raise InputError(message)
    steps = [step for step in _steps(graph, forms, batches) if step.nbytes > 0]
    alone = {step.at: step.error**2 for step in steps}
    least_gain = LEAST_SHARE * sum(alone.values())
    taken: list[Step] = []
    room = most - least
    passed: set[int] = set()
    for step in steps:
        price = step.nbytes + _line_bytes(graph.operators[step.at])
        if step.gain > least_gain and price <= room and step.at not in passed:
            taken.append(step)
            room -= price
        else:  # the layer's next step starts where this one would have ended
            passed.add(step.at)
    small, losses = quantize(_raised(graph, taken), True)
    return small, losses, _facts(taken)


def _forms(graph: Graph, quantize: Quantize, kinds: Sequence[str]) -> dict[str, Graph]:
    """Return the net as the recipe says, by "", and with all layers in each of the kinds."""
    forms = {"": quantize({}, False)[0]}
    names = [op.writes()[0] for op in graph.operators if codable(op)]
    for kind in kinds:
        whole = kind == "float32"
        forms[kind] = graph if whole else quantize(dict.fromkeys(names, kind), False)[0]
    return forms


def _steps(graph: Graph, forms: dict[str, Graph], batches: Batches) -> list[Step]:
    """Return the steps in order: all of the first kind before those of the next.

    Errors of layers that are quantised alone, the others in float32, hardly depend on each other:
    their squares add up.
    """
    count = min(RANKING_BATCHES, len(batches))
    some = [batches[(2 * number + 1) * len(batches) // (2 * count)] for number in range(count)]
    exact = answers_of(graph, some)
    whole = len(pack(graph))
    found = []
    for at, operator in enumerate(graph.operators):
        if not codable(operator) and forms[""].operators[at] is operator:
            continue
        before: tuple[float, int] | None = None
        last: Operator | None = None
        for kind, form in forms.items():
            changed = form.operators[at]
            if before is not None and _holds_the_same(last, changed):
                continue
            error, size = 0.0, whole
            if changed is not operator:
                packed = pack(_with(graph, {at: changed}))
                error, size = error_beside(exact, packed, some), len(packed)
            if before is None:
                alone = error
            else:
                gain = before[0] ** 2 - error**2
                if gain <= 0.0 and kind != "float32":
                    continue
                found.append(Step(at, _place(operator), kind, alone, gain, size - before[1]))
            before, last = (error, size), changed
        _progress.reached(0.4 + 0.4 * at / len(graph.operators), "ranking layers")
    order = list(forms)
    # Attention takes no bytes either way, but time: it is kept in float32 where nothing else helps.
    return sorted(
        found, key=lambda step: (order.index(step.weights), step.nbytes <= 0, -step.worth)
    )


def _line_bytes(operator: Operator) -> int:
    return len(_place(operator).encode()) + LINE_BYTES


def _place(operator: Operator) -> str:
    return getattr(operator, "place", "") or operator.writes()[0]


def _holds_the_same(one: Operator | None, other: Operator) -> bool:
    """Whether two forms of a layer have weights of one type, as small tables have in any recipe."""
    if isinstance(one, Attention) and isinstance(other, Attention):
        return one.rows == other.rows
    held: list[object] = []
    for form in (one, other):
        weight: object = getattr(form, "table", getattr(form, "weight", None))
        if isinstance(weight, Quantized):
            held.append((weight.bits, weight.group_size))
        else:
            held.append(getattr(weight, "dtype", None))
    return bool(held[0] == held[1])


def _with(graph: Graph, changed: Mapping[int, Operator]) -> Graph:
    """Return a net with other operators at some places."""
    operators = tuple(changed.get(at, step) for at, step in enumerate(graph.operators))
    return replace(graph, operators=operators)


def _mixed(forms: dict[str, Graph], steps: Sequence[Step]) -> Graph:
    """Return the net with some layers raised, each quantised by itself."""
    return _with(forms[""], {step.at: forms[step.weights].operators[step.at] for step in steps})


def _raised(graph: Graph, steps: Sequence[Step]) -> dict[str, str]:
    """Return the weights of raised layers by the name of what they make."""
    return {graph.operators[step.at].writes()[0]: step.weights for step in steps}


def _facts(steps: Sequence[Step]) -> dict[str, float]:
    """Name the raised layers, each with the error that it would have made alone."""
    last = {step.at: step for step in steps}.values()
    return {f"{_VERBS[step.weights]} {step.place}": step.error for step in last}
