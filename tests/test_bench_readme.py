"""The README's table is what the script makes of the run that is checked in beside it."""

from __future__ import annotations

import copy
import importlib.util
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def writer() -> ModuleType:
    """Return scripts/write_readme_table.py as a module."""
    path = ROOT / "scripts" / "write_readme_table.py"
    spec = importlib.util.spec_from_file_location("write_readme_table", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_tables_are_those_of_the_stored_runs(writer: ModuleType) -> None:
    readme = writer.README.read_text(encoding="utf-8")
    assert writer.renewed(readme, writer.stored()) == readme, "run scripts/write_readme_table.py"


def test_another_run_makes_another_table(writer: ModuleType) -> None:
    readme = writer.README.read_text(encoding="utf-8")
    other = copy.deepcopy(writer.stored())
    other["demo"]["models"][0]["batches"][1]["lines"][1]["ratio"]["median"] = 1234.0
    for line in other["peers"]["A"]["batches"][0]["lines"]:
        line["ratio"]["median"] *= 4321.0
    tables = writer.renewed(readme, other)
    assert "**1,234x**" in tables
    assert "**1,234x**" not in readme
    assert tables.count("\n") == readme.count("\n")
    assert tables.splitlines() != writer.renewed(readme, writer.stored()).splitlines()
    with pytest.raises(AssertionError, match="markers for the tables"):
        writer.renewed("no table", other)


def test_the_stored_runs_were_checked(writer: ModuleType) -> None:
    runs = writer.stored()
    assert len(runs["demo"]["models"]) >= 5
    for model in runs["demo"]["models"]:
        assert model["verify"]["identical"]
    assert sorted(runs["peers"]) == list("ABCDEFG")
    for model in [*runs["demo"]["models"], *runs["peers"].values()]:
        assert model["agreements"]["cordwood"]["holds"]
        assert model["threads"] == 1


def test_no_measured_number_stands_outside_the_table(writer: ModuleType) -> None:
    readme = writer.README.read_text(encoding="utf-8")
    prose = writer.MARKED.sub("", readme)
    assert re.findall(r"\d[\d.,]*\s?(?:x|times|ms|us|MB|kB)\b", prose) == []


def test_the_demo_fits_one_screen(writer: ModuleType) -> None:
    script = (
        "import demo, json, sys\n"
        "for model in json.load(open(sys.argv[1], encoding='utf-8'))['models']:\n"
        "    print(*demo.lines(model), sep='\\n')"
    )
    run = subprocess.run(
        [sys.executable, "-c", script, str(writer.RESULTS / "demo.json")],
        cwd=ROOT / "scripts",
        capture_output=True,
        text=True,
        check=True,
    )
    lines = run.stdout.splitlines()
    assert 20 <= len(lines) <= 24
    assert max(len(line) for line in lines) <= 100
