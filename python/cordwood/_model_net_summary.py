"""A net in words: what it reads and writes, and each operator with its type, coding and bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cordwood import _core

if TYPE_CHECKING:
    from cordwood._model_net import Net

__all__ = ["summary"]


def summary(net: Net) -> str:
    """Describe a net in lines: source, inputs, outputs, then each operator with weights.

    Parameters
    ----------
    net : Net
        Loaded.

    Returns
    -------
    str
        Bytes are those of the file; other operators are counted together.
    """
    facts = net.metadata  # data that anyone may have made
    source, recipe = _dict(facts, "source"), _dict(facts, "recipe")
    losses = _dict(recipe, "loss")
    places = facts.get("places")
    lines = [
        f"{source.get('kind', 'net')} from {source.get('library', 'an unnamed library')}"
        f" {source.get('version', '')}".rstrip(),
        f"recipe    {recipe.get('name', 'lossless')}",
        *_methods(net, facts),
        *(f"input     {port!r}" for port in net.inputs),
        *(f"output    {port!r}" for port in net.outputs),
        f"file      {net.nbytes:,} bytes; {net._native.resident_bytes:,} once loaded",
        f"runs on   {net.device}, {net._native.processor}, up to {net.threads} threads",
    ]
    lines += [f"loss      {name}: {value}" for name, value in sorted(losses.items())]
    return "\n".join(lines + _operators(net, places if isinstance(places, list) else []))


def _methods(net: Net, facts: dict[str, Any]) -> list[str]:
    """Tell what a net of rows offers; nothing of any other."""
    methods, classes = facts.get("methods"), net._native.classes
    lines = [f"methods   {', '.join(map(str, methods))}"] if isinstance(methods, list) else []
    return lines + ([] if classes is None else [f"classes   {len(classes):,}"])


def _dict(facts: dict[str, Any], key: str) -> dict[str, Any]:
    found = facts.get(key)
    return found if isinstance(found, dict) else {}


def _operators(net: Net, places: list[Any]) -> list[str]:
    inspected = _core.inspect(net.to_bytes())
    tensors = inspected["tensors"]
    lines, others = [], 0
    linear, sparse = 0, 0
    for number, operator in enumerate(inspected["operators"]):
        held = [tensors[at] for at in operator["tensors"] if at is not None]
        weights = [tensor for tensor in held if len(tensor["shape"]) > 1]
        if not weights:
            others += 1
            continue
        shape = " x ".join(str(size) for size in weights[0]["shape"])
        parts = [tensors[at] for tensor in held for at in tensor["parts"]]
        size = sum(tensor["encoded_bytes"] for tensor in (*held, *parts))
        rows = operator["attributes"].get("rows", "")
        place = places[number] if number < len(places) else ""
        kind = weights[0]["dtype"]
        place = _kept(weights[0]) + place
        linear += operator["name"] == "linear"
        sparse += weights[0]["sparsity"] != "dense"
        lines.append(
            f"  {operator['name']:<10} {kind:<9} {rows:<13} {shape:<18} {size:>12,} bytes  {place}"
        )
    told = f"; {sparse} of {linear} linear layers sparse, the others dense" if sparse else ""
    return [f"operators {len(lines)} with weights, {others} without{told}", *lines]


def _kept(weight: dict[str, Any]) -> str:
    """Tell of a sparse tensor how much of it there is."""
    if weight["sparsity"] == "dense":
        return ""
    outputs, inputs = weight["shape"]
    return f"{weight['kept'] / (outputs * inputs):.1%} kept  "
