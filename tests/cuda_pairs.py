"""A model on the CPU and on the emulated device, whose answers are held to the same bits."""

from __future__ import annotations

from typing import Any

import cordwood
from cordwood.errors import InputError
from emulated_cuda import DEVICE


def pair(source: Any) -> tuple[cordwood.Model, cordwood.Model]:
    """Load a model on the CPU and on the device."""
    data = cordwood.compress(source).to_bytes()
    return cordwood.load(data), cordwood.load(data, device=DEVICE)


def answer(model: cordwood.Model, X: Any, target: str) -> Any:
    """Return an answer, or the words of the refusal."""
    try:
        return model._run(X, target)
    except InputError as refusal:
        return str(refusal)


def check(here: cordwood.Model, there: cordwood.Model, X: Any) -> None:
    """Hold every target of the device to the CPU's bits."""
    assert there._native.targets() == here._native.targets()
    for target in here._native.targets():
        expected, found = answer(here, X, target), answer(there, X, target)
        assert type(found) is type(expected), target
        if isinstance(expected, str):
            assert found == expected
            continue
        assert (found.dtype, found.shape) == (expected.dtype, expected.shape)
        assert found.tobytes() == expected.tobytes(), target


def engine(model: cordwood.Model) -> str:
    return str(model._native.engine)
