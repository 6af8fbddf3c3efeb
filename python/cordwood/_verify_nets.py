"""The work of `cordwood.verify` for nets: both sides answer the same inputs."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cordwood import frontends
from cordwood._model_net_inputs import draw_inputs, read_arrays
from cordwood._verify_net_report import NetReport, OutputProof
from cordwood.errors import InputError

if TYPE_CHECKING:
    from cordwood._model_net import Net

    Arrays = dict[str, np.ndarray]

__all__ = ["prove_net"]

SIZES = ((2, 5), (1, 1), (3, 16))
"""Batch and sequence of the calls that are drawn."""

EQUAL = 1e-4
"""Largest difference that rounding explains, by the largest magnitude: sums in another order."""

LEEWAY = 2.0
"""A lossy net may lose so many times what it lost on its calibration: other inputs differ."""


def prove_net(source: Any, net: Net, X: Any, *, seed: int) -> NetReport:
    """Do the work of `cordwood.verify.verify` for a net.

    Parameters
    ----------
    source : torch.nn.Module, str, path-like or mapping
        The module; or its answers, by name, beside the inputs that gave them: an ``.npz`` file or a
        mapping of arrays.
    net : Net
        What was packed.
    X : list of batches, or None
        Inputs in the forms that calibration has. Drawn where there are none.
    seed : int
        Of the draw.

    Raises
    ------
    InputError
        The source is none of the above, or arrays that the net has are missing.
    """
    stated = net.metadata.get("recipe") or {}
    lossy = None if stated.get("name", "lossless") == "lossless" else str(stated.get("name"))
    pairs, kind, drawn = _pairs(source, net, X, seed)
    bound: float | None = EQUAL
    if lossy is not None:
        loss = stated.get("loss", {}).get("output_error")
        bound = None if loss is None else LEEWAY * float(loss)
    limit = bound if lossy is None and bound is not None else np.inf
    tallies = [_Tally(port.name, limit) for port in net.outputs]
    for number, (given, expected) in enumerate(pairs):
        for tally in tallies:
            tally.add(number, given[tally.name], expected[tally.name])
    floats = [tally for tally in tallies if tally.floats]
    size = sum(tally.size for tally in floats)
    error = sum(tally.error for tally in floats)
    return NetReport(
        source=kind,
        model="the packed net",
        batches=len(pairs),
        outputs=tuple(tally.proof() for tally in tallies),
        error=(error / size) ** 0.5 if size else 0.0,
        bound=bound,
        lossy=lossy,
        drawn=drawn,
        seed=seed,
    )


def _pairs(
    source: Any, net: Net, X: Any, seed: int
) -> tuple[list[tuple[Arrays, Arrays]], str, bool]:
    """Return both sides' answers by batch, what the source is, and whether inputs are drawn."""
    if frontends.is_module(source):
        batches = _batches(net, X, seed)
        pairs = [(_named(net, net(batch)), _asked(source, net, batch)) for batch in batches]
        return pairs, f"{type(source).__name__} of torch", X is None
    if isinstance(source, str | os.PathLike):
        held, kind = read_arrays(str(source)), f"the answers in {Path(source).name}"
    elif isinstance(source, dict):
        held, kind = {name: np.asarray(array) for name, array in source.items()}, "saved answers"
    else:
        message = (
            f"source is a {type(source).__name__}, expected the torch.nn.Module that was packed,"
            f" or an .npz file or mapping of inputs and answers by name"
        )
        raise InputError(message)
    if X is not None:
        message = "saved answers have their own inputs; leave X out"
        raise InputError(message)
    wanted = [port.name for port in (*net.inputs, *net.outputs)]
    missing = [name for name in wanted if name not in held]
    if missing:
        message = f"{kind} lack {', '.join(missing)}; expected arrays named {', '.join(wanted)}"
        raise InputError(message)
    given = {port.name: held[port.name] for port in net.inputs}
    return [(_named(net, net(given)), held)], kind, False


def _batches(net: Net, X: Any, seed: int) -> list[Arrays]:
    names = [port.name for port in net.inputs]
    if X is None:
        generator = np.random.default_rng(seed)
        return [draw_inputs(net, *size, generator=generator) for size in SIZES]
    batches = []
    for given in [X] if isinstance(X, dict | np.ndarray) else list(X):
        if isinstance(given, dict):
            batches.append({name: np.asarray(array) for name, array in given.items()})
            continue
        arrays = given if isinstance(given, tuple | list) else (given,)
        batches.append({n: np.asarray(a) for n, a in zip(names, arrays, strict=False)})
    if not batches:
        message = "X holds no batches, expected one at least"
        raise InputError(message)
    return batches


def _named(net: Net, answers: Any) -> Arrays:
    if isinstance(answers, dict):
        return answers
    every = answers if isinstance(answers, tuple) else (answers,)
    return {port.name: answer for port, answer in zip(net.outputs, every, strict=True)}


def _asked(module: Any, net: Net, batch: Arrays) -> Arrays:
    """Return what the module answers, in the order of the net's outputs."""
    import torch

    with torch.no_grad():
        answers = _flat(module(**{name: torch.as_tensor(x) for name, x in batch.items()}))
    if len(answers) != len(net.outputs):
        message = f"the module has {len(answers)} answers and the net {len(net.outputs)}"
        raise InputError(message)
    found = zip(net.outputs, answers, strict=True)
    return {port.name: answer.numpy() for port, answer in found}


def _flat(given: Any) -> list[Any]:
    if hasattr(given, "values") and callable(given.values) and not hasattr(given, "shape"):
        given = list(given.values())
    if isinstance(given, list | tuple):
        return [leaf for item in given for leaf in _flat(item)]
    return [] if given is None else [given]


class _Tally:
    """Adds up how far one output is from its source's."""

    def __init__(self, name: str, limit: float) -> None:
        self.name, self.limit = name, limit
        self.floats = False
        self.elements = self.n_differences = 0
        self.largest = self.error = self.size = 0.0
        self.place: str | None = None

    def add(self, number: int, given: np.ndarray, expected: np.ndarray) -> None:
        """Compare one batch."""
        if given.shape != expected.shape:
            message = (
                f"output {self.name!r} of batch {number}: given shape {given.shape}, expected "
                f"{expected.shape}"
            )
            raise InputError(message)
        self.floats = expected.dtype.kind == "f"
        self.elements += given.size
        apart = _apart(given, expected) if self.floats else (given != expected).astype(np.float64)
        sound = np.isfinite(apart)
        finite = np.abs(expected[np.isfinite(expected)].astype(np.float64))
        most = (float(finite.max(initial=0.0)) or 1.0) if self.floats else 1.0
        self.largest = max(self.largest, float(apart[sound].max(initial=0.0)) / most)
        self.error += float(np.square(apart[sound]).sum())
        self.size += float(np.square(finite).sum()) if self.floats else given.size
        wrong = ~sound | (apart > self.limit * most)
        self.n_differences += int(wrong.sum())
        if self.place is None and wrong.any():
            first = tuple(int(axis) for axis in np.argwhere(wrong)[0])
            self.place = (
                f"batch {number}, index {first}: given {given[first]}, expected {expected[first]}"
            )

    def proof(self) -> OutputProof:
        """Return what all batches showed."""
        return OutputProof(
            name=self.name,
            elements=self.elements,
            largest_error=self.largest,
            error=(self.error / self.size) ** 0.5 if self.size else float(self.error > 0.0),
            n_differences=self.n_differences,
            place=self.place,
        )


def _apart(given: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """Return distances; 0 where both are the same NaN or infinity, NaN where one alone is."""
    one, other = given.astype(np.float64), expected.astype(np.float64)
    with np.errstate(invalid="ignore"):
        apart = np.abs(one - other)
    same = (one == other) | (np.isnan(one) & np.isnan(other))
    found: np.ndarray = np.where(same, 0.0, apart)
    return found
