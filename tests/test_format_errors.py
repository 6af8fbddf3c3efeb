"""``docs/errors.md``, the status list, and the exceptions say the same."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from cordwood import _core, errors

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def page(root: Path) -> str:
    return (root / "docs" / "errors.md").read_text(encoding="utf-8")


def test_each_status_is_explained_once(page: str) -> None:
    rows = re.findall(r"^\| (\d+) \| `(\w+)` \| [^|]+ \| [^|]+ \|$", page, re.MULTILINE)
    assert [(name, int(number)) for number, name in rows] == list(_core.status_codes().items())


def test_status_header_lists_what_the_extension_does(root: Path) -> None:
    header = (root / "csrc" / "base" / "status.h").read_text(encoding="utf-8")
    listed = {name: int(number) for name, number in re.findall(r"X\((\w+), (\d+)\)", header)}
    assert listed == _core.status_codes()


def test_numbers_ascend_within_the_header() -> None:
    numbers = list(_core.status_codes().values())
    assert numbers == sorted(set(numbers))


def test_each_exception_is_explained_with_its_bases(page: str) -> None:
    rows = re.findall(r"^\| `(\w+Error)` \| ([^|]+) \|", page, re.MULTILINE)
    assert [name for name, _ in rows] == [
        name for name in errors.__dict__ if name.endswith("Error")
    ]
    for name, bases in rows:
        found = [base.__name__ for base in getattr(errors, name).__bases__]
        stated = re.findall(r"`(\w+)`", bases)
        assert [base for base in found if base != "CordwoodError"] == stated


def test_running_statuses_name_their_exception(page: str) -> None:
    rows = re.findall(r"^\| (3\d\d) \| `\w+` \| [^|]*\(`(\w+)`\)", page, re.MULTILINE)
    assert len(rows) == sum(number >= 300 for number in _core.status_codes().values())
    assert {name for _, name in rows} <= set(errors.__all__)
