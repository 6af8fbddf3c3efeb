"""Tree models against their source libraries: one group for each model and batch size.

Within a group ours and the source run one after the other in the same process, on the same blocks
of rows and one thread. The answers of a group are compared before either is timed.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any, NamedTuple

import models
import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

import cordwood as cw
from cordwood import _core
from cordwood.bench import machine, peers
from cordwood.bench.run import library_of, openmp_limit, our_tolerance, task_of
from cordwood.measure import row_blocks

BATCHES = (1, 32, 1024, 100_000)
SMOKE_BATCHES = (1, 1024)


class Pair(NamedTuple):
    """Ours and the source, ready to answer the same rows."""

    ours: peers.Prepared
    source: peers.Prepared
    rows: np.ndarray
    facts: dict[str, Any]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    smoke = metafunc.config.getoption("--smoke")
    batches = SMOKE_BATCHES if smoke else BATCHES
    # Model by model, batch by batch, so that the two sides of a group are neighbours in time.
    cases = itertools.product(models.MODELS, batches, ("source", "cordwood"))
    metafunc.parametrize(("pair", "batch", "side"), list(cases), indirect=["pair"], scope="session")


@pytest.fixture(scope="session")
def pair(request: pytest.FixtureRequest, size: models.Size) -> Iterator[Pair]:
    case = models.load(request.param, size)
    model = cw.load(cw.compress(case.source).to_bytes(), threads=1)
    task = task_of(model, case.source)
    source = peers.prepare(library_of(case.source), task)
    rows = np.ascontiguousarray(case.rows, task.input_type)
    tolerance = our_tolerance(_core.inspect(model.to_bytes()))
    call = getattr(model, task.answer)
    ours = peers.Prepared("cordwood", cw.__version__, call, rows.dtype.name, tolerance)
    name = f"{request.param}: {task.library} {model.kind}, {model.n_trees} trees"
    facts = {"model": name, "trees": model.n_trees, "bytes": model.nbytes}
    with openmp_limit(1):
        found = peers.agreement(source.call(rows), ours.call(rows), tolerance)
        assert found.holds, f"{name}: {found.rows_off:,} of {found.rows:,} rows differ"
        yield Pair(ours, source, rows, facts)


def test_predict(benchmark: BenchmarkFixture, pair: Pair, batch: int, side: str) -> None:
    peer = pair.ours if side == "cordwood" else pair.source
    benchmark.group = f"{pair.facts['model']}, {batch:,} rows"
    benchmark.extra_info.update(pair.facts, batch=batch, peer=peer.name, peer_version=peer.version)
    benchmark.extra_info["machine"] = machine.describe().line(1)
    blocks = itertools.cycle(row_blocks(pair.rows, batch))
    call = peer.call
    answers = benchmark(lambda: call(next(blocks)))
    assert len(answers) == batch
