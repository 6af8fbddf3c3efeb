"""The benchmark of products: every candidate answers rightly, and its lines say what was timed."""

from __future__ import annotations

import json

import numpy as np
import pytest

import cordwood as cw
from cordwood import cli
from cordwood.bench import ops as bench
from cordwood.bench import ops_peers


def test_lines_of_a_small_run() -> None:
    result = bench.run_ops(shapes=[(64, 128)], rows=(1, 3), peers=["onnxruntime"], budget_s=0.01)
    names = {(line.name, line.kind, line.rows) for line in result.lines}
    expected = {
        (name, kind, rows)
        for name in ("cordwood", "onnxruntime")
        for kind in ("int8", "int4")
        for rows in (1, 3)
    }
    assert names == expected
    assert not result.refused
    for line in result.lines:
        assert line.seconds > 0
        assert (line.share is None) == (result.peak_operations_s is None)
        assert line.error < (0.03 if line.kind == "int8" else 0.15)
    text = bench.render_ops(result)
    assert "int4 weights, 64 x 128" in text
    json.dumps(result.to_dict())


def test_a_wrong_answer_is_not_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(
        ops_peers._PREPARE, "torch", lambda p: lambda x: np.zeros((len(x), len(p.w)))
    )
    result = bench.run_ops(shapes=[(32, 64)], rows=(2,), peers=["torch"], budget_s=0.01)
    assert {line.name for line in result.lines} == {"cordwood"}
    assert result.refused["torch int8 32x64 2"].startswith("its answer is 100.0% off")


def test_a_missing_peer_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(_: ops_peers.Product) -> ops_peers.Multiply:
        raise ModuleNotFoundError(name="openvino")

    monkeypatch.setitem(ops_peers._PREPARE, "openvino", missing)
    result = bench.run_ops(shapes=[(32, 64)], rows=(2,), peers=["openvino"], budget_s=0.01)
    assert "pip install openvino" in result.refused["openvino int8"]


def test_an_unknown_peer_is_refused() -> None:
    with pytest.raises(cw.InputError, match="no peer 'blas'"):
        bench.run_ops(shapes=[(32, 64)], rows=(1,), peers=["blas"], budget_s=0.01)


def test_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["bench", "--ops", "--shapes", "64x64", "--batch", "2", "--seconds", "0.01"]
    assert cli.main(arguments) == 0
    assert "int8 weights, 64 x 64" in capsys.readouterr().out
    assert cli.main([*arguments, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["threads"] == 1


def test_a_model_or_products_must_be_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["bench"]) != 0
    assert "or --ops" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        cli.main(["bench", "--ops", "--shapes", "64"])
