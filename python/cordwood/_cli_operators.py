"""The operators of a packed file in words, for ``cordwood inspect``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["operator_lines"]

_AGGREGATES = {0: "sum", 1: "average", 3: "weighted median"}


def operator_lines(facts: Mapping[str, Any]) -> list[str]:
    """Return one line for each operator.

    Parameters
    ----------
    facts : mapping
        What ``_core.inspect`` says of the file.
    """
    words = {"tree_ensemble": _trees, "link": _link, "decide": _decide}
    lines = ["operator        values      in words"]
    for operator in facts["operators"]:
        ids = " -> ".join(", ".join(map(str, operator[side])) for side in ("inputs", "outputs"))
        text = "; ".join(words.get(operator["name"], _of_net)(operator, facts))
        lines.append(f"{operator['name']:<15} {ids:<11} {text}")
    return lines


def _trees(operator: Mapping[str, Any], facts: Mapping[str, Any]) -> list[str]:
    about = operator["attributes"]
    tensors = [facts["tensors"][i] for i in operator["tensors"] if i is not None]
    dtype = {tensor["name"]: tensor["dtype"] for tensor in tensors}
    words = [f"{_AGGREGATES[about['aggregate']]} of {about['n_trees']:,} trees"]
    words[0] += f" in {about['accumulate_type']}"
    if len(operator["inputs"]) > 1:
        words.append(f"starts from value {operator['inputs'][1]}")
    if "linear_count" in dtype:
        words.append("linear leaves")
    if dtype["leaf_values"].startswith("int"):
        words.append(f"leaves of {dtype['leaf_values']} times each tree's weight")
    if about["missing_value"] is not None:
        words.append(f"{about['missing_value']!r} is missing")
    return words


def _link(operator: Mapping[str, Any], facts: Mapping[str, Any]) -> list[str]:
    del facts
    about = operator["attributes"]
    words = [about["kind"]]
    words += [f"scale {about['scale']!r}"] if about["scale"] != 1.0 else []
    words += [f"offset {about['offset']!r}"] if about["offset"] != 0.0 else []
    return words + (["with its complement"] if about["complement"] else [])


def _of_net(operator: Mapping[str, Any], facts: Mapping[str, Any]) -> list[str]:
    """Tell the weights of an operator of a net, and how it codes its rows."""
    about = operator["attributes"]
    tensors = [facts["tensors"][i] for i in operator["tensors"] if i is not None]
    words = [f"{tensor['dtype']} {list(tensor['shape'])}" for tensor in tensors]
    if about.get("rows", "float32") != "float32":
        group = f" in groups of {about['row_group']}" if about["row_group"] else ""
        words.append(f"rows {about['rows']}{group}")
    return words + ([about["activation"]] if about.get("activation") else [])


def _decide(operator: Mapping[str, Any], facts: Mapping[str, Any]) -> list[str]:
    del facts
    about = operator["attributes"]
    words = [about["rule"]]
    words += [] if about["rule"] == "argmax" else [f"cut {about['cut']!r}"]
    return words + ([f"in groups of {about['groups']}"] if about["groups"] else [])
