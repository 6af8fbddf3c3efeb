"""What the benchmarks share: the smoke switch and the models by letter."""

from __future__ import annotations

import models
import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--smoke", action="store_true", help="small models and two batch sizes, for CI"
    )


@pytest.fixture(scope="session")
def size(request: pytest.FixtureRequest) -> models.Size:
    return models.SMOKE if request.config.getoption("--smoke") else models.FULL
