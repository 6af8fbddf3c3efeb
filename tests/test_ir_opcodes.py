"""One list of operators, in three places: the table, the Graph and the file format."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, get_args

import pytest

from cordwood import ir, ir_trees
from cordwood._pack_nets import PACKERS
from cordwood.ir import Opcode

if TYPE_CHECKING:
    from pathlib import Path

GRAPH = {code.name.lower(): int(code) for code in Opcode}


def test_table_lists_every_operator(root: Path) -> None:
    page = (root / "docs/graph.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\d+) \| `(\w+)` \| (yes|no) \|", page, re.MULTILINE)
    assert {name: int(number) for number, name, _ in rows} == GRAPH
    assert [int(number) for number, _, _ in rows] == sorted(GRAPH.values())
    known = (ir.TreeEnsemble, ir.Link, ir.Decide, *PACKERS)
    classes = {op.opcode.name.lower() for op in known}
    assert {name for _, name, packed in rows if packed == "yes"} == classes


def test_every_operator_has_its_section(root: Path) -> None:
    page = (root / "docs/graph.md").read_text(encoding="utf-8")
    sections = re.findall(r"^### (\d+) `(\w+)`$", page, re.MULTILINE)
    assert {name: int(number) for number, name in sections} == GRAPH
    assert len(sections) == len(GRAPH)


def test_file_format_numbers_them_alike(root: Path) -> None:
    header = (root / "csrc/format/operators.h").read_text(encoding="utf-8")
    found = re.findall(r"\bCORDWOOD_OP_(\w+) = (\d+)", header)
    assert {name.lower(): int(number) for name, number in found} == GRAPH


@pytest.mark.parametrize(
    ("choice", "prefix", "rename"),
    [
        (ir_trees.Aggregate, "AGGREGATE", {}),
        (ir.LinkKind, "LINK", {}),
        (ir.DecideRule, "DECIDE", {}),
        (ir_trees.CategoryRule, "CATEGORY", {}),
        (ir_trees.IntegerCast, "INTEGER", {"float32": "via_float32"}),
    ],
)
def test_choices_are_numbered_alike(
    root: Path, choice: object, prefix: str, rename: dict[str, str]
) -> None:
    """Each choice of an attribute has one number in the header, and the page states it."""
    header = (root / "csrc/format/operators.h").read_text(encoding="utf-8")
    page = (root / "docs/graph.md").read_text(encoding="utf-8")
    for name in get_args(choice):
        written = rename.get(name, name).upper()
        number = re.search(rf"\bCORDWOOD_{prefix}_{written} = (\d+)", header)
        assert number, f"CORDWOOD_{prefix}_{written} is missing from operators.h"
        assert f"`{name}` ({number[1]})" in " ".join(page.split()), (
            f"graph.md does not give {name} as {number[1]}"
        )
