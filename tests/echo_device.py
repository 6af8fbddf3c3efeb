"""The device of ``echo_backend.c`` from Python: build it, change its table, register it."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from cordwood import _core

SOURCE = Path(__file__).with_name("echo_backend.c")
INCLUDE = SOURCE.parent.parent / "csrc"
STRICT = ("-Wall", "-Wextra", "-Wpedantic", "-Werror")

CAPSULE = b"cordwood.backend"
FUNCTIONS = (
    "availability", "load", "release", "describe", "context_create", "context_free", "run", "stage",
)  # fmt: skip

OPTIONAL = ("load_binned", "bin", "shape_net", "run_net", "run_there")
"""Functions that a device may lack, as this one does."""

_kept: list[Any] = []
"""Tables and names that capsules point at: a registered one must stay."""


class Table(ctypes.Structure):
    """``struct cordwood_backend``, its functions as addresses."""

    _fields_ = (
        ("abi_version", ctypes.c_uint32),
        ("struct_bytes", ctypes.c_uint32),
        ("name", ctypes.c_char_p),
        *((function, ctypes.c_void_p) for function in (*FUNCTIONS, *OPTIONAL)),
    )


def compiler(*names: str) -> str:
    """Path of the first of these compilers that there is."""
    found = next((path for name in names if (path := shutil.which(name))), None)
    if found is None:
        pytest.skip(f"no compiler here: none of {', '.join(names)} is on PATH")
    return found


def build(folder: Path) -> Path:
    """Compile the device as strict C11 against nothing but the header and what it includes."""
    library = folder / "echo_backend.so"
    command = [compiler("cc", "gcc", "clang"), "-std=c11", *STRICT, "-shared", "-fPIC"]
    command += ["-O1", "-I", str(INCLUDE), str(SOURCE), "-o", str(library)]
    made = subprocess.run(command, capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stderr
    return library


def open_library(path: str) -> ctypes.CDLL:
    library = ctypes.CDLL(path)
    library.echo_table.restype = ctypes.POINTER(Table)
    library.echo_unplug.argtypes = [ctypes.c_char_p]
    return library


def changed(library: ctypes.CDLL, **fields: Any) -> Table:
    """Return a copy of the device's table with some fields set otherwise."""
    table = Table.from_buffer_copy(library.echo_table().contents)
    for name, value in fields.items():
        setattr(table, name, value)
    return table


def capsule(table: Table, name: bytes = CAPSULE) -> Any:
    new = ctypes.pythonapi.PyCapsule_New
    new.restype = ctypes.py_object
    new.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]
    _kept.append((table, name))
    return new(ctypes.addressof(table), name, None)


def register(path: str, **fields: Any) -> ctypes.CDLL:
    """Register the device, under its own name unless `fields` say otherwise."""
    library = open_library(path)
    _core.register_backend(capsule(changed(library, **fields)))
    return library
