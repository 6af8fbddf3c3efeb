"""Files of nets of every released format version stay readable, and answer what they always did."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import cordwood as cw

FILES = sorted((Path(__file__).resolve().parent / "golden_nets").glob("*.cord"))


def test_there_are_files() -> None:
    assert [path.stem for path in FILES] == ["coded_rows", "functions", "tokens_and_images"]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_answers_stay(path: Path) -> None:
    with np.load(path.with_suffix(".npz"), allow_pickle=False) as stored:
        held = dict(stored)
    net = cw.load(path)
    found = net({port.name: held[port.name] for port in net.inputs})
    wanted = {name: held[f"answer_{name}"] for name in (port.name for port in net.outputs)}
    assert found.keys() == wanted.keys()
    for name, answer in found.items():
        assert answer.dtype == wanted[name].dtype
        if path.stem == "coded_rows":
            # The oracle codes no rows: what is held is what they come near to.
            apart = np.linalg.norm(answer - wanted[name].astype(np.float64))
            assert apart < 0.05 * np.linalg.norm(wanted[name]) or answer.dtype.kind != "f"
        elif answer.dtype.kind == "f":
            np.testing.assert_allclose(answer, wanted[name], rtol=1e-4, atol=1e-5)
        else:
            np.testing.assert_array_equal(answer, wanted[name])
