"""A net in words: what it reads and writes, and each operator with its type, coding and bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

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
        Of each operator with weights: type, coding of its rows, shape, bytes in the file, the
        relative error that its codes bring where the recipe told one, and the module it comes from.
        Other operators are counted together.
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
    places = places if isinstance(places, list) else []
    own = {f"layer {place or 'without a name'}" for place in places}
    lines += [f"loss      {name}: {losses[name]}" for name in sorted(losses) if name not in own]
    return "\n".join(lines + _operators(net, places, losses))


def _methods(net: Net, facts: dict[str, Any]) -> list[str]:
    """Tell what a net of rows offers; nothing of any other."""
    methods, classes = facts.get("methods"), net._native.classes
    lines = [f"methods   {', '.join(map(str, methods))}"] if isinstance(methods, list) else []
    return lines + ([] if classes is None else [f"classes   {len(classes):,}"])


def _dict(facts: dict[str, Any], key: str) -> dict[str, Any]:
    found = facts.get(key)
    return found if isinstance(found, dict) else {}


def _operators(net: Net, places: list[Any], losses: dict[str, Any]) -> list[str]:
    inspected = _core.inspect(net.to_bytes())
    tensors = inspected["tensors"]
    lines, others = [], 0
    linear, sparse = 0, 0
    products, in_integers = 0, 0
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
        error = losses.get(f"layer {place or 'without a name'}")
        error = f"{error:.5f}" if isinstance(error, float) else ""
        place = _kept(weights[0]) + place
        if operator["name"] == "linear":
            linear += 1
            count = int(np.prod(weights[0]["shape"]))
            products += count
            in_integers += count if "int8" in rows else 0
        sparse += weights[0]["sparsity"] != "dense"
        lines.append(
            f"  {operator['name']:<10} {kind:<9} {rows:<13} {shape:<18} {size:>12,} bytes"
            f"  {error:<8} {place}".rstrip()
        )
    told = f"; {sparse} of {linear} linear layers sparse, the others dense" if sparse else ""
    share = f"{in_integers / products:.1%} of the multiply-adds of a row in integers"
    return [
        f"operators {len(lines)} with weights, {others} without{told}",
        *([f"linear    {share}"] if products else []),
        *lines,
    ]


def _kept(weight: dict[str, Any]) -> str:
    """Tell of a sparse tensor how much of it there is."""
    if weight["sparsity"] == "dense":
        return ""
    outputs, inputs = weight["shape"]
    return f"{weight['kept'] / (outputs * inputs):.1%} kept  "
