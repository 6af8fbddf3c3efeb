"""One benchmark: ours and the peers in turns, each answer checked before its time counts."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from cordwood import _core
from cordwood._pack_sizes import tree_sizes
from cordwood.bench import machine as machines
from cordwood.bench import peers as peer_room
from cordwood.bench.peers import (
    Agreement,
    CannotTakeModelError,
    Prepared,
    Task,
    Tolerance,
    agreement,
)
from cordwood.bench.result import OURS, Batch, Line, Result
from cordwood.errors import InputError
from cordwood.measure import (
    Candidate,
    FreshProcess,
    fresh_process,
    race,
    row_blocks,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from cordwood.measure import Clock
    from cordwood.model import Model

__all__ = [
    "BATCHES",
    "fresh",
    "library_of",
    "openmp_limit",
    "our_tolerance",
    "run",
    "task_of",
]

BATCHES = (1, 32, 1024, 100_000)
CHECKED_ROWS = 10_000
"""Rows on which peers are compared with the source; ours is compared on all."""

LINK_TOLERANCE = {
    "float32": Tolerance(1e-6, 0.0, "the source's link rounds in float32; margins are bit-equal"),
    "float64": Tolerance(1e-14, 0.0, "the source's link is its C library's; margins are bit-equal"),
}
NO_LINK = Tolerance(0.0, 0.0, "bit for bit")

FRESH_STEPS = {
    "library": "import cordwood",
    "load": "model = cordwood.load({path!r}, threads=1)",
    "first answer": "model.predict(numpy.zeros((1, {n_features})))",
}


def run(
    model: Model,
    rows: Any,
    *,
    source: Any = None,
    peers: Sequence[str] = (),
    batches: Sequence[int] = BATCHES,
    budget_s: float = 1.0,
    cold: Mapping[str, FreshProcess] | None = None,
    cache: Path | None = None,
) -> Result:
    """Time a packed model, and others with it.

    Parameters
    ----------
    model : Model
        What is timed; its `threads` holds for every peer.
    rows : ndarray of shape (n_rows, n_features)
        Real rows. Where a batch needs more, they are repeated.
    source : object, optional
        The source library's model. It is timed too, and every answer is held against its.
    peers : sequence of str
        Among `cordwood.bench.peers.NAMES`; other than cordwood they need `source`.
    batches : sequence of int
        Rows of a call.
    budget_s : float
        Seconds for each batch size; slow peers take longer, as each has three rounds at least.
    cold : mapping of str to FreshProcess, optional
        What `fresh` returned, to stand in the same result.
    cache : Path, optional
        Folder for machine code that a peer takes long to make.

    Returns
    -------
    Result
        Peers that cannot take the model, or answer wrongly, are listed with the reason.

    Raises
    ------
    InputError
        A peer is unknown, or needs the source and there is none; a batch is below one.
    MissingDependencyError
        A peer is not installed.
    """
    named = tuple(name for name in dict.fromkeys(peers) if name != OURS)
    peer_room.check_names(named)
    if named and source is None:
        message = f"peers {', '.join(named)} need the source model, which was not given"
        raise InputError(message)
    facts = _core.inspect(model.to_bytes())
    attributes = facts["operators"][0]["attributes"]
    rows = np.ascontiguousarray(rows, dtype=attributes["input_type"])
    task = None if source is None else replace(task_of(model, source), cache=cache)
    answer = task.answer if task else _best_answer(model)
    ours = Prepared(
        OURS, _core.__version__, getattr(model, answer), rows.dtype.name, our_tolerance(facts)
    )
    with openmp_limit(model.threads):
        prepared, agreements, refused = _admit(ours, task, named, rows)
    # Once more: a limit reaches only the libraries that are loaded when it is set.
    with openmp_limit(model.threads):
        timed = tuple(_batch(batch, prepared, rows, model, budget_s) for batch in batches)
    return Result(
        machine=machines.describe(peer.name for peer in prepared if peer.name != OURS),
        threads=model.threads,
        clock=_clock(model.threads),
        model=_model_facts(model, facts),
        agreements=agreements,
        refused=refused,
        batches=timed,
        fresh=dict(cold or {}),
    )


def fresh(
    model_path: Path,
    n_features: int,
    *,
    library: str | None = None,
    source_path: Path | None = None,
    repeats: int = 5,
) -> dict[str, FreshProcess]:
    """Measure what a new process pays from its start to its first answer.

    Parameters
    ----------
    model_path : Path
        The packed file.
    n_features : int
        Columns of its rows.
    library : {"sklearn", "xgboost", "lightgbm", "catboost"}, optional
        Library of the source.
    source_path : Path, optional
        File that this library loads.
    repeats : int
        Processes of each kind.

    Returns
    -------
    dict of str to FreshProcess
        Of ``"cordwood"``, and of `library` where a file was given.
    """
    results = {OURS: _fresh(FRESH_STEPS, model_path, n_features, repeats)}
    if library is not None and source_path is not None:
        steps = peer_room.fresh_steps(library, source_path)
        results[library] = _fresh(steps, source_path, n_features, repeats)
    return results


def _fresh(steps: Mapping[str, str], path: Path, n_features: int, repeats: int) -> FreshProcess:
    place = {"path": str(path.resolve()), "n_features": n_features}
    filled = {name: code.format(**place) for name, code in steps.items()}
    return fresh_process({"numpy": "import numpy", **filled}, repeats=repeats)


def library_of(source: Any) -> str:
    """Name the library that a source model belongs to.

    Raises
    ------
    InputError
        It belongs to none of `cordwood.bench.peers.SOURCES`.
    """
    modules = [base.__module__.partition(".")[0] for base in type(source).__mro__]
    for library in ("xgboost", "lightgbm", "catboost", "sklearn"):
        if library in modules:
            return library
    message = (
        f"the source is a {type(source).__name__}, expected a fitted estimator or a Booster of"
        f" {', '.join(peer_room.SOURCES)}"
    )
    raise InputError(message)


def task_of(model: Model, source: Any) -> Task:
    """Put the question: which model, which method, on what rows.

    Parameters
    ----------
    model : Model
        The packed model; its `threads` holds for every peer.
    source : object
        What it was packed from.

    Returns
    -------
    Task
        What `cordwood.bench.peers.prepare` takes.

    Raises
    ------
    InputError
        The source belongs to no library that is known here.
    """
    attributes = _core.inspect(model.to_bytes())["operators"][0]["attributes"]
    answer = _best_answer(model) if hasattr(source, "predict_proba") else "predict"
    return Task(
        source=source,
        library=library_of(source),
        answer="predict_proba" if answer == "predict_proba" else "predict",
        n_features=model.n_features_in_,
        n_inner=int(attributes["n_inner"]),
        input_type=str(attributes["input_type"]),
        threads=model.threads,
    )


def _best_answer(model: Model) -> str:
    return "predict_proba" if "predict_proba" in model.methods else "predict"


def our_tolerance(facts: Mapping[str, Any]) -> Tolerance:
    """Return how far cordwood's answers may be from the source's: behind a link, the last bits.

    Parameters
    ----------
    facts : mapping
        What ``_core.inspect`` says of the file.
    """
    links = [step["attributes"]["kind"] for step in facts["operators"] if step["name"] == "link"]
    if all(kind == "identity" for kind in links):
        return NO_LINK
    return LINK_TOLERANCE[facts["operators"][0]["attributes"]["accumulate_type"]]


def _admit(
    ours: Prepared, task: Task | None, named: tuple[str, ...], rows: np.ndarray
) -> tuple[list[Prepared], dict[str, Agreement], dict[str, str]]:
    """Let in who answers as the source does; keep the reasons of the others."""
    admitted, agreements, refused = [ours], {}, {}
    if task is not None:
        source = peer_room.prepare(task.library, task)
        expected = source.call(source.held(rows))
        agreements[OURS] = agreement(expected, ours.call(rows), ours.tolerance)
        if not agreements[OURS].holds:
            refused[OURS] = _disagreement(agreements[OURS], timed=True)
        admitted.append(source)
        checked = rows[:CHECKED_ROWS]
        for name in (name for name in named if name != task.library):
            try:
                peer = peer_room.prepare(name, task)
                answers = peer.call(peer.held(checked))
            except CannotTakeModelError as error:
                refused[name] = str(error)
                continue
            agreements[name] = agreement(expected[:CHECKED_ROWS], answers, peer.tolerance)
            if agreements[name].holds:
                admitted.append(peer)
            else:
                refused[name] = _disagreement(agreements[name], timed=False)
    return admitted, agreements, refused


def _disagreement(found: Agreement, *, timed: bool) -> str:
    consequence = "its times mean nothing" if timed else "it is not timed"
    if found.largest is None:
        return f"answers of another shape, or not finite where the source's are: {consequence}"
    return (
        f"{found.rows_off:,} of {found.rows:,} answers differ by more than"
        f" {found.tolerance.difference:g} (at most {found.largest:.2g}): {consequence}"
    )


def _batch(
    batch: int, prepared: Sequence[Prepared], rows: np.ndarray, model: Model, budget_s: float
) -> Batch:
    by_type = {
        name: row_blocks(rows.astype(name, copy=False), batch)
        for name in {peer.row_type for peer in prepared}
    }
    candidates = [
        Candidate(peer.name, peer.call, [peer.held(block) for block in by_type[peer.row_type]])
        for peer in prepared
    ]
    result = race(candidates, budget_s=budget_s, min_rounds=3)
    clock = _clock(model.threads)
    row_trees = batch * max(1, model.n_trees)
    lines = tuple(
        Line(
            name=name,
            timing=timing,
            seconds=timing.spread(clock).median,
            ratio=result.ratio(name, OURS, clock),
            ns_per_row_tree=timing.spread(clock).median * 1e9 / row_trees,
        )
        for name, timing in result.timings.items()
    )
    return Batch(batch, len(candidates[0].blocks), lines)


def _clock(threads: int) -> Clock:
    """On one thread CPU time is wall time without the neighbours."""
    return "cpu" if threads == 1 else "wall"


def _model_facts(model: Model, facts: Mapping[str, Any]) -> dict[str, Any]:
    source = model.metadata["source"]
    sizes = tree_sizes(facts)
    return {
        "kind": model.kind,
        "library": source.get("library"),
        "library_version": source.get("version"),
        "features": model.n_features_in_,
        "trees": model.n_trees,
        "inner_nodes": sizes.n_inner if sizes else 0,
        "bytes": model.nbytes,
        "bytes_per_node": round(sizes.bytes_per_node, 3) if sizes else None,
    }


@contextlib.contextmanager
def openmp_limit(threads: int) -> Iterator[None]:
    """Hold libraries to so many threads that only listen to OpenMP's own setting."""
    try:
        from threadpoolctl import threadpool_limits
    except ImportError:  # comes with scikit-learn, the only one that needs it
        yield
        return
    with threadpool_limits(threads):
        yield
