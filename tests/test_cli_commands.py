"""The commands as a script sees them: exit codes, JSON, one-line errors."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier

import cordwood as cw
from cordwood import api, cli

COMMANDS = ("compress", "inspect", "verify", "bench", "compare")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with sources of each kind, a packed file and rows."""
    import lightgbm
    import xgboost

    folder = tmp_path_factory.mktemp("cli")
    rows = np.random.default_rng(0).normal(size=(400, 4))
    labels = (rows[:, 0] * rows[:, 1] > 0).astype(int)
    np.save(folder / "rows.npy", rows)
    np.save(folder / "text.npy", np.array([["a", "b"]]))
    np.save(folder / "flat.npy", np.zeros(3))
    np.savez(folder / "several.npz", a=rows)
    booster = xgboost.train({"nthread": 1}, xgboost.DMatrix(rows, labels), 5)
    booster.save_model(folder / "model.ubj")
    booster.save_model(folder / "model.json")
    lightgbm.train({"verbose": -1, "num_threads": 1}, lightgbm.Dataset(rows, labels), 5).save_model(
        folder / "model.txt"
    )
    forest = RandomForestClassifier(5, random_state=0).fit(rows, labels)
    (folder / "model.pkl").write_bytes(pickle.dumps(forest))
    (folder / "broken.pkl").write_bytes(b"no pickle")
    (folder / "broken.json").write_text("{}")
    cw.compress(booster).save(folder / "model.cord")
    cw.compress(forest).save(folder / "forest.cord")
    return folder


@pytest.fixture(autouse=True)
def _in_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)


def _fails(capsys: pytest.CaptureFixture[str], *argv: str) -> str:
    try:
        code = cli.main(argv)
    except SystemExit as leaving:  # argparse leaves by itself
        code = leaving.code
    captured = capsys.readouterr()
    assert code == 2
    assert captured.out == ""
    lines = [line for line in captured.err.splitlines() if ": warning: " not in line]
    assert len(lines) == 1, captured.err
    assert lines[0].startswith("cordwood: error: ")
    return lines[0]


def _facts(capsys: pytest.CaptureFixture[str], *argv: str, code: int = 0) -> Any:
    assert cli.main([*argv, "--json"]) == code
    return json.loads(capsys.readouterr().out)


# ---- compress ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["model.ubj", "model.json", "model.txt"])
def test_compress_packs_model_files(capsys: pytest.CaptureFixture[str], name: str) -> None:
    facts = _facts(capsys, "compress", name, "-o", "out.cord")
    assert facts["bytes"] == Path("out.cord").stat().st_size
    assert facts["source_bytes"] == Path(name).stat().st_size
    assert cw.load("out.cord").n_trees == 5


def test_compress_says_what_it_made(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["compress", "model.ubj", "-o", "out.cord"]) == 0
    assert "times smaller" in capsys.readouterr().out


def test_a_pickle_needs_trust(capsys: pytest.CaptureFixture[str]) -> None:
    assert "--trust-pickle" in _fails(capsys, "compress", "model.pkl", "-o", "no.cord")
    assert not Path("no.cord").exists()
    assert cli.main(["compress", "model.pkl", "-o", "out.cord", "--trust-pickle"]) == 0
    assert "warning: loading 'model.pkl' runs whatever code" in capsys.readouterr().err
    assert Path("out.cord").read_bytes() == Path("forest.cord").read_bytes()


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["missing.ubj", "-o", "no.cord"], "cannot read 'missing.ubj': No such file"),
        (["missing.pkl", "-o", "no.cord", "--trust-pickle"], "cannot read 'missing.pkl'"),
        (["broken.pkl", "-o", "no.cord", "--trust-pickle"], "cannot be loaded as a pickle"),
        (["model.cord", "-o", "no.cord"], "packed already"),
        (["rows.npy", "-o", "no.cord"], "by its suffix"),
        (["broken.json", "-o", "no.cord"], "no member 'learner'"),
        (["model.ubj", "-o", "missing/no.cord"], "cannot write"),
        (["model.ubj", "-o", "no.cord", "--recipe", "smaller"], "'smaller'"),
        (["model.ubj", "-o", "./model.ubj"], "is the source itself"),
        (["model.ubj"], "required: -o/--output"),
    ],
)
def test_compress_refuses(capsys: pytest.CaptureFixture[str], argv: list[str], words: str) -> None:
    assert words in _fails(capsys, "compress", *argv)
    assert not Path("no.cord").exists()


# ---- inspect, compare ----------------------------------------------------------------------------


def test_inspect_adds_up(capsys: pytest.CaptureFixture[str]) -> None:
    facts = _facts(capsys, "inspect", "model.cord")
    sizes = facts["sizes"]
    assert sizes["bytes_per_node"] == sizes["node_bytes"] / sizes["n_inner"]
    payload = next(s["bytes"] for s in facts["sections"] if s["name"] == "payload")
    parts = ("node_bytes", "cut_bytes", "category_bytes", "leaf_bytes")
    assert sum(sizes[part] for part in parts) <= payload
    assert facts["provenance"]["source"]["library"] == "xgboost"


def test_inspect_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["inspect", "model.cord"]) == 0
    text = capsys.readouterr().out
    for word in ("inner nodes", "thresholds", "category sets", "leaves", "engine", "provenance"):
        assert word in text


def test_inspect_refuses_other_files(capsys: pytest.CaptureFixture[str]) -> None:
    assert "first bytes" in _fails(capsys, "inspect", "model.ubj")
    Path("cut.cord").write_bytes(Path("model.cord").read_bytes()[:-1])
    _fails(capsys, "inspect", "cut.cord")


def test_compare_tells_files_apart(capsys: pytest.CaptureFixture[str]) -> None:
    assert _facts(capsys, "compare", "model.cord", "model.cord") == {
        "identical": True,
        "bytes": {
            "first": Path("model.cord").stat().st_size,
            "second": Path("model.cord").stat().st_size,
        },
        "differences": {},
    }
    facts = _facts(capsys, "compare", "model.cord", "forest.cord", code=1)
    assert not facts["identical"]
    assert "provenance" in facts["differences"]
    assert cli.main(["compare", "model.cord", "forest.cord"]) == 1
    assert "the files differ" in capsys.readouterr().out


# ---- verify --------------------------------------------------------------------------------------


def test_verify_passes_and_fails(capsys: pytest.CaptureFixture[str]) -> None:
    facts = _facts(capsys, "verify", "model.ubj", "model.cord", "--data", "rows.npy")
    assert facts["identical"]
    assert cli.main(["verify", "model.ubj", "model.cord"]) == 0
    assert "routing proved identical" in capsys.readouterr().out
    assert cli.main(["verify", "model.pkl", "forest.cord", "--trust-pickle"]) == 0
    assert cli.main(["verify", "model.txt", "model.cord"]) == 1


# ---- bench ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["--data", "rows.npy", "--vs", "treelite"], "may both be the source"),
        (["--data", "rows.npy", "--vs", "m2cgen", "--source", "model.ubj"], "unknown peer"),
        (["--data", "missing.npy"], "cannot read 'missing.npy'"),
        (["--data", "model.ubj"], "not a .npy file"),
        (["--data", "several.npz"], "not a .npy file"),
        (["--data", "text.npy"], "expected floats, integers or booleans"),
        (["--data", "flat.npy"], "expected (n_rows, n_features)"),
        (["--data", "rows.npy", "--source", "rows.npy"], "by its suffix"),
        (["--data", "rows.npy", "--source", "broken.json"], "xgboost cannot read 'broken.json'"),
        (["--data", "rows.npy", "--batch", "1,0"], "'0' is not a whole number of at least 1"),
        (["--data", "rows.npy", "--seconds", "nan"], "'nan' is not a number of seconds"),
        (["--data", "rows.npy", "--threads", "two"], "'two' is not a whole number"),
        ([], "--data with rows for it, or --ops"),
    ],
)
def test_bench_refuses(capsys: pytest.CaptureFixture[str], argv: list[str], words: str) -> None:
    assert words in _fails(capsys, "bench", "model.cord", *argv)


def test_bench_races_the_source(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from cordwood.bench import run

    steps = {"library": "pass"}
    monkeypatch.setattr(run, "FRESH_STEPS", steps)
    monkeypatch.setattr(run.peer_room, "fresh_steps", lambda *_: steps)
    argv = ("bench", "model.cord", "--data", "rows.npy", "--batch", "1,64", "--seconds", "0.01")
    facts = _facts(capsys, *argv, "--source", "model.ubj", "--vs", "xgboost,treelite")
    assert [batch["rows"] for batch in facts["batches"]] == [1, 64]
    names = [line["name"] for line in facts["batches"][0]["lines"]]
    assert names == ["cordwood", "xgboost", "treelite"]
    assert set(facts["fresh"]) == {"cordwood", "xgboost"}
    # Without --source the model file of the same name is taken, where there is just one.
    shutil.copy("model.cord", "alone.cord")
    assert "beside 'alone.cord'" in _fails(
        capsys, "bench", "alone.cord", *argv[2:], "--vs", "xgboost"
    )
    shutil.copy("model.ubj", "alone.ubj")
    beside = _facts(capsys, "bench", "alone.cord", *argv[2:], "--vs", "xgboost")
    assert [line["name"] for line in beside["batches"][0]["lines"]] == ["cordwood", "xgboost"]
    # The times of a model that answers something else mean nothing, and the exit code says so.
    assert cli.main([*argv, "--source", "model.txt"]) == 1


# ---- all -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", COMMANDS)
def test_help_explains_exit_codes(capsys: pytest.CaptureFixture[str], command: str) -> None:
    with pytest.raises(SystemExit) as leaving:
        cli.main([command, "--help"])
    assert leaving.value.code == 0
    text = capsys.readouterr().out
    assert "exit codes:" in text
    assert "--json" in text


def test_usage_errors_are_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert "invalid choice: 'export'" in _fails(capsys, "export")
    assert "COMMAND" in _fails(capsys)


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["--version"])
    assert capsys.readouterr().out == f"cordwood {cw.__version__}\n"


def test_installed_command_survives_a_closed_pipe() -> None:
    command = [str(Path(sys.executable).parent / "cordwood"), "inspect", "model.cord"]
    reading, writing = os.pipe()
    os.close(reading)
    run = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writing)
    assert (run.returncode, run.stderr) == (2, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_output_that_cannot_be_written_is_no_failed_check() -> None:
    with Path("/dev/full").open("w") as full:
        command = [str(Path(sys.executable).parent / "cordwood"), "inspect", "model.cord"]
        run = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert run.returncode == 2
    assert run.stderr == "cordwood: error: cannot write the output: No space left on device\n"


def test_a_fault_is_no_failed_check(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        message = "something else"
        raise ZeroDivisionError(message)

    monkeypatch.setattr(api, "load", fail)
    assert cli.main(["inspect", "model.cord"]) == 3
    assert "ZeroDivisionError: something else" in capsys.readouterr().err
