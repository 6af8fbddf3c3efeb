"""The work of `cordwood.verify`: read both sides, run the proofs, report."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cordwood import _core, api, frontends
from cordwood._model_net import Net
from cordwood._rows import RowsDoor
from cordwood._verify_compare import prove_refusals, prove_rows
from cordwood._verify_head import compare_head
from cordwood._verify_lossy import Allowance
from cordwood._verify_packed import PackedTrees
from cordwood._verify_probes import Batch, make_probes
from cordwood._verify_report import Report, StructureProof
from cordwood._verify_sources import find_reference
from cordwood._verify_structure import prove_structure
from cordwood._verify_tally import Tally
from cordwood.errors import InputError, InputTypeError
from cordwood.ir import Graph, TreeEnsemble
from cordwood.model import Model

if TYPE_CHECKING:
    from cordwood._typing import AnyArray, Float64Array
    from cordwood._verify_net_report import NetReport

__all__ = ["prove"]

FOREIGN = frozenset({"n_features", "n_outputs", "operators", "values"})
"""Differences of two models whose answers cannot be laid side by side."""

MOST_BASE_ROWS = 10_000
"""About how many of the caller's rows probes start from."""


def prove(source: Any, model: Any, X: Any, *, probes: int, seed: int) -> Report | NetReport:
    """Do the work of `cordwood.verify.verify`, which explains the parameters."""
    if probes < 0:
        message = f"probes is {probes}, expected 0 or more rows"
        raise InputError(message)
    packed = _load(model)
    if isinstance(packed, Net):
        from cordwood._verify_nets import prove_net

        return prove_net(source, packed, X, seed=seed)
    graph = source if isinstance(source, Graph) else frontends.read(source)
    allowance = Allowance.of(packed, graph)
    structure = _prove_structure(graph, packed, allowance)
    reference, note = find_reference(source)
    facts = graph.provenance
    own = None
    if X is not None:
        door = RowsDoor(
            graph.trees.n_features,
            input_type=graph.trees.input_type,
            feature_names=graph.feature_names,
            labels=graph.categories,
            unseen=graph.unseen,
            absent=graph.sparse,
            library=facts.get("library"),
        )
        own = door.dense(X)
    library = reference.name if reference is not None else facts.get("library", "a Graph")
    report: dict[str, Any] = {
        "source": f"{facts.get('kind', type(source).__name__)} of {library}",
        "model": f"the packed {packed.kind}",
        "structure": structure,
        "seed": seed,
        "note": note,
        "lossy": None if allowance is None else allowance.recipe,
    }
    if any(item.kind in FOREIGN for item in structure.differences):
        reference = None
        report["note"] = "this is another kind of model; its answers were not compared"
    if reference is not None:
        if probes:
            made = make_probes(graph.trees, _base_rows(graph, own), most_rows=probes, seed=seed)
            tally = Tally()
            prove_rows(reference, packed, graph, made.batches, tally, allowance)
            prove_refusals(reference, packed, graph, tally)
            report |= {
                "probes": tally.proof(),
                "probed_nodes": made.reached,
                "sampled_nodes": made.sampled,
                "inner_nodes": made.inner,
            }
        if own is not None:
            tally = Tally()
            prove_rows(reference, packed, graph, [Batch(own)], tally, allowance)
            report["rows"] = tally.proof()
    return Report(**report)


def _prove_structure(graph: Graph, model: Model, allowance: Allowance | None) -> StructureProof:
    data = model.to_bytes()
    file = _core.inspect(data)
    places = [i for i, record in enumerate(file["operators"]) if record["name"] == "tree_ensemble"]
    ensembles = [op for op in graph.operators if isinstance(op, TreeEnsemble)]
    if not places or not ensembles:
        message = "verify compares tree models; the source or the file has no tree_ensemble"
        raise InputError(message)
    proofs = []
    # From the last, which answers, to those that it starts from.
    for trees, place in zip(reversed(ensembles), reversed(places), strict=False):
        packed = PackedTrees(data, place)
        head = compare_head(graph, trees, packed, file)
        proofs.append(prove_structure(graph, trees, packed, head, allowance))
    return StructureProof(
        trees=sum(proof.trees for proof in proofs),
        nodes=sum(proof.nodes for proof in proofs),
        regions=sum(proof.regions for proof in proofs),
        n_differences=sum(proof.n_differences for proof in proofs),
        differences=tuple(item for proof in proofs for item in proof.differences),
    )


def _load(model: Any) -> Model | Net:
    if isinstance(model, Model | Net):
        return model
    if isinstance(model, str | os.PathLike):
        return api.load(Path(model))
    message = f"model is a {type(model).__name__}, expected a cordwood.Model or a .cord file's path"
    raise InputTypeError(message)


def _base_rows(graph: Graph, rows: AnyArray | None) -> Float64Array | None:
    """Return some of the caller's rows as the trees see them, held in float64."""
    if rows is None:
        return None
    some = rows[:: max(1, len(rows) // MOST_BASE_ROWS)]
    with np.errstate(over="ignore", under="ignore"):
        return np.asarray(some.astype(graph.trees.input_type), np.float64)
