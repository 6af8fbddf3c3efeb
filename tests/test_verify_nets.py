"""Nets beside their sources: what is equal passes, what differs is named; the commands, too."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import cordwood as cw
from cordwood.cli import main
from cordwood.errors import InputError, ModelDiffersError, SourceFileError
from cordwood.verify import NetReport
from torch_zoo import NAMES, mlp, settled, torch, zoo

GOLDEN = Path(__file__).resolve().parent / "golden_nets" / "functions.cord"


def saved(path: Path) -> dict[str, np.ndarray]:
    """Return the golden net's inputs and answers by the net's own names."""
    with np.load(path.with_suffix(".npz")) as held:
        return {name.removeprefix("answer_"): array for name, array in held.items()}


@pytest.mark.parametrize("name", NAMES)
def test_a_module_and_its_net(name: str) -> None:
    module, examples, others = zoo()[name]
    net = cw.compress(module, example_inputs=examples)
    report = cw.verify(module, net, [tuple(x.numpy() for x in others)])
    assert isinstance(report, NetReport)
    assert report.passed
    assert report.bound == 1e-4
    assert not report.drawn
    assert [proof.name for proof in report.outputs] == [port.name for port in net.outputs]
    assert "equal but for rounding" in str(report)
    report.raise_if_different()
    drawn = cw.verify(module, net, seed=3) if name != "bert" else report
    assert drawn.passed
    assert json.loads(json.dumps(report.to_dict()))["passed"] is True


def small(seed: int) -> Any:
    torch.manual_seed(seed)
    return settled(mlp())


def test_another_module_is_told_by_its_first_place() -> None:
    module = small(0)
    net = cw.compress(module, example_inputs=(torch.zeros(2, 6),))
    report = cw.verify(small(1), net)
    assert isinstance(report, NetReport)
    assert not report.passed
    assert report.drawn
    assert "DIFFERENT in" in str(report)
    with pytest.raises(ModelDiffersError, match=r"output 'output' at batch 0, index \(0, 0\): giv"):
        report.raise_if_different()


def test_a_lossy_net_is_held_to_what_it_states() -> None:
    module, x = small(0), np.random.default_rng(0).normal(size=(64, 6)).astype(np.float32)
    options = {"example_inputs": (torch.zeros(2, 6),)}
    stated = cw.compress(module, "int8", calibration=[x], **options)
    report = cw.verify(module, stated, [x])
    assert isinstance(report, NetReport)
    assert report.passed
    loss = stated.metadata["recipe"]["loss"]["output_error"]
    assert report.error == pytest.approx(loss, rel=0.02)
    assert report.bound == pytest.approx(2 * loss)
    far = cw.verify(small(1), stated, [x])
    assert not far.passed
    assert "FURTHER APART than int8 stated" in str(far)
    with pytest.raises(ModelDiffersError, match="further from Sequential of torch than int8"):
        far.raise_if_different()
    silent = cw.verify(module, cw.compress(module, "int8", **options), [x])
    assert silent.passed
    assert "the file states no loss" in str(silent)


def test_saved_answers(tmp_path: Path) -> None:
    held = saved(GOLDEN)
    assert cw.verify(held, GOLDEN).passed
    np.savez(tmp_path / "answers.npz", **held)
    assert cw.verify(tmp_path / "answers.npz", cw.load(GOLDEN)).passed
    held["out_last"] = held["out_last"].copy()
    held["out_last"][1, 0] = np.nan
    report = cw.verify(held, GOLDEN)
    assert report.n_differences == 1
    assert "index (1, 0)" in str(report)
    for source, more, told in (
        ({"x": held["x"]}, None, "lack out_last, out_shares; expected arrays named x, out_last"),
        (3, None, "source is a int, expected the torch.nn.Module"),
        (held, [held["x"]], "leave X out"),
        (
            {**held, "out_last": held["out_last"][:1]},
            None,
            r"given shape \(2, 2\), expected \(1, 2",
        ),
    ):
        with pytest.raises(InputError, match=told):
            cw.verify(source, GOLDEN, more)
    (tmp_path / "one.npy").write_bytes(b"no array")
    with pytest.raises(SourceFileError, match=r"is no \.npz of plain arrays"):
        cw.verify(tmp_path / "one.npy", GOLDEN)
    np.save(tmp_path / "one.npy", held["x"])
    with pytest.raises(SourceFileError, match="holds one array"):
        cw.verify(tmp_path / "one.npy", GOLDEN)


def test_commands(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    held = saved(GOLDEN)
    np.savez("answers.npz", **held)
    assert main(["verify", "answers.npz", str(GOLDEN)]) == 0
    assert "equal but for rounding" in capsys.readouterr().out
    np.savez("wrong.npz", **{**held, "out_last": held["out_last"] + 1})
    assert main(["verify", "--json", "wrong.npz", str(GOLDEN)]) == 1
    assert json.loads(capsys.readouterr().out)["n_differences"] == 4
    module = small(0)
    cw.compress(module, example_inputs=(torch.zeros(2, 6),)).save("net.cord")
    Path("net.pkl").write_bytes(pickle.dumps(module))
    np.savez("x.npz", input=np.zeros((3, 6), np.float32))
    assert main(["verify", "net.pkl", "net.cord", "--data", "x.npz", "--trust-pickle"]) == 0
    assert "1 batches, yours" in capsys.readouterr().out

    assert main(["bench", str(GOLDEN), "--batch", "1,3", "--seconds", "0.02"]) == 0
    told = capsys.readouterr().out
    assert "x[3, 5, 6]" in told
    for more, words in (
        (["--vs", "sklearn"], "leave --vs and --source out"),
        (["--data", "x.npz"], "Missing: x"),
        (["--data", "answers.npz", "--batch", "2"], "leave batch and sequence out"),
    ):
        assert main(["bench", str(GOLDEN), *more]) == 2
        assert words in capsys.readouterr().err
    np.savez("inputs.npz", x=held["x"])
    assert main(["bench", "--json", str(GOLDEN), "--data", "inputs.npz", "--seconds", "0.02"]) == 0
    assert json.loads(capsys.readouterr().out)["timings"]["data"]["calls"] > 0
