"""The folder tree is the architecture: imports and includes only run down it."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "python" / "cordwood"
CSRC = ROOT / "csrc"
MAX_LINES = 400

PYTHON_LEVELS = (
    ("_core",),
    ("errors", "_typing"),
    (
        "_device_rows",
        "_files",
        "_host_tensors",
        "_model_devices",
        "_progress",
        "_sparsity",
        "_threads",
    ),
    ("ir", "recipe"),
    ("_ops",),
    ("passes", "frontends"),
    ("pack",),
    ("_binned_rows", "_frames", "_rows", "_row_labels", "_row_sparse", "model"),
    ("_ops_trees", "ops"),
    ("api",),
    ("measure",),
    ("verify", "search", "distill", "torch_swap", "torch_prune", "export"),
    ("bench", "cli"),
    ("__init__",),
)
PYTHON_LEVEL = {name: level for level, names in enumerate(PYTHON_LEVELS) for name in names}
LIGHT = frozenset({"cordwood", "numpy", *sys.stdlib_module_names})

CONTRACT = re.compile(r"kernels/(\w+)/\1\.hpp")
STEP = re.compile(r"kernels/\w+/step(_\w+)?\.h(pp)?")
SHARED_C = frozenset(
    {
        "base/status.h",
        "base/attributes.h",
        "base/step.h",
        "format/layout.h",
        "format/operators.h",
        "format/net_operators.h",
    }
)


def _rooms(*names: str) -> Callable[[str, str], bool]:
    return lambda _, target: target.split("/")[0] in names


def _kernel(source: str, target: str) -> bool:
    same_operation = Path(source).parent == Path(target).parent
    # The functions of nets, written once over lanes: headers alone, with internal linkage.
    functions = target.startswith("kernels/math/") and target.endswith(".hpp")
    return target in SHARED_C or same_operation or functions


MAY_INCLUDE: dict[str, Callable[[str, str], bool]] = {
    "base": _rooms("base"),
    "format": _rooms("base", "format"),
    "kernels": _kernel,
    "edge": lambda _, t: (
        t in SHARED_C or (bool(STEP.fullmatch(t)) and t.endswith(".h")) or t.startswith("edge/")
    ),
    "plan": lambda _, t: (
        t.split("/")[0] in {"base", "format", "kernels", "plan"} or t == "runtime/backend.h"
    ),
    "runtime": _rooms("base", "format", "kernels", "plan", "runtime"),
    "cuda": lambda _, t: (
        t.split("/")[0] in {"base", "format", "plan", "cuda"}
        or bool(STEP.fullmatch(t))
        or bool(CONTRACT.fullmatch(t))
        or t == "runtime/backend.h"
    ),
    "capi": _rooms("base", "runtime", "capi"),
    "bindings": _rooms("base", "format", "kernels", "edge", "plan", "runtime", "capi", "bindings"),
}


def _native_files() -> list[Path]:
    patterns = ("*.h", "*.hpp", "*.c", "*.cpp", "*.cu", "*.cuh")
    folders = (CSRC, ROOT / "cuda")
    return sorted(path for folder in folders for p in patterns for path in folder.rglob(p))


def _native_name(path: Path) -> str:
    """``runtime/model.hpp`` for a file under csrc, ``cuda/...`` for one beside it."""
    return path.relative_to(CSRC if path.is_relative_to(CSRC) else ROOT).as_posix()


def _python_files() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def _module_of(path: Path) -> str:
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__") or "__init__"


def _level(module: str) -> int:
    """Level of a module; ``_pack_trees`` and ``ir_checks_trees`` are parts that were split off.

    Parts may stand lower than what they are parts of: ``_ops`` than ``ops``.
    """
    name = module.split(".", maxsplit=1)[0]
    words = name.lstrip("_").split("_")
    prefixes = ["_".join(words[:count]) for count in range(len(words), 0, -1)]
    of_parts = [f"_{prefix}" for prefix in prefixes if name.startswith("_")]
    known = [part for part in (*of_parts, name, *prefixes) if part in PYTHON_LEVEL]
    assert known, f"cordwood.{module} has no level: add it to PYTHON_LEVELS"
    return PYTHON_LEVEL[known[0]]


def _imports(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Line and dotted name of everything imported; ``from a import b`` is ``a.b``."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: relative import"
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)


def _own_module(dotted: str) -> str:
    """Return the module that a dotted name reaches: ``cordwood.ir.Graph`` gives ``ir``."""
    head = dotted.split(".")[1] if "." in dotted else "__init__"
    exists = head in PYTHON_LEVEL or (PACKAGE / f"{head}.py").exists()
    return head if exists else "__init__"


def test_rooms_are_found() -> None:
    assert len(_native_files()) > 5
    assert len(_python_files()) > 5


@pytest.mark.parametrize("path", _native_files(), ids=_native_name)
def test_includes_run_downward(path: Path) -> None:
    source = _native_name(path)
    allowed = MAY_INCLUDE[source.split("/")[0]]
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        include = re.match(r'\s*#\s*include\s*"([^"]+)"', line)
        if include:
            target = include[1]
            base = ROOT if target.startswith("cuda/") else CSRC
            assert (base / target).is_file(), f"{source}:{number}: {target} is not under csrc/"
            assert allowed(source, target), f"{source}:{number}: may not include {target}"


@pytest.mark.parametrize("path", _native_files(), ids=_native_name)
def test_python_types_stay_in_bindings(path: Path) -> None:
    if _native_name(path).startswith(("bindings/", "cuda/bind_", "cuda/module.cpp")):
        return
    found = re.search(r"\bpy::|pybind11|\bPython\.h\b|\bPyObject\b", path.read_text("utf-8"))
    assert found is None, f"{_native_name(path)}: {found and found[0]} outside bindings/"


@pytest.mark.parametrize("path", _python_files(), ids=_module_of)
def test_imports_run_downward(path: Path) -> None:
    module = _module_of(path)
    level = _level(module)
    for line, dotted in _imports(ast.parse(path.read_text(encoding="utf-8"))):
        if dotted.split(".")[0] == "cordwood":
            target = _own_module(dotted)
            assert _level(target) <= level, f"cordwood.{module}:{line}: may not import {dotted}"


def _runs_at_import(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Yield the statements that importing runs: no function bodies, no type checkers' blocks."""
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            continue
        inner = [item for item in ast.iter_child_nodes(node) if isinstance(item, ast.stmt)]
        yield from _runs_at_import(inner) if inner else [node]


@pytest.mark.parametrize("path", _python_files(), ids=_module_of)
def test_heavy_libraries_are_imported_inside_functions(path: Path) -> None:
    statements = list(_runs_at_import(ast.parse(path.read_text(encoding="utf-8")).body))
    for line, dotted in _imports(ast.Module(statements, [])):
        assert dotted.split(".")[0] in LIGHT, f"cordwood.{_module_of(path)}:{line}: {dotted}"


def test_files_are_short() -> None:
    suffixes = {".py", ".pyi", ".h", ".hpp", ".c", ".cpp", ".cu", ".cuh"}
    folders = ("python", "csrc", "cuda", "tests", "benchmarks", "examples", "scripts")
    paths = (path for name in folders for path in (ROOT / name).rglob("*"))
    lines = {
        path.relative_to(ROOT).as_posix(): len(path.read_text(encoding="utf-8").splitlines())
        for path in paths
        if path.suffix in suffixes
    }
    assert {name: count for name, count in lines.items() if count > MAX_LINES} == {}


IMPORT_ALL = """
import importlib, inspect, pkgutil, cordwood
functions = [n for n in cordwood.__all__ if inspect.isfunction(getattr(cordwood, n))]
for module in pkgutil.walk_packages(cordwood.__path__, "cordwood."):
    if module.name != "cordwood.__main__":
        importlib.import_module(module.name)
assert {"compress", "load"} <= set(functions), functions
shadowed = [n for n in functions if not inspect.isfunction(getattr(cordwood, n))]
assert not shadowed, f"a submodule of the same name hides {shadowed}"
"""

IMPORT_LIGHT = """
import sys, cordwood
heavy = {"sklearn", "xgboost", "lightgbm", "pandas", "polars", "scipy", "torch", "onnx", "joblib"}
assert not heavy & set(sys.modules), heavy & set(sys.modules)
"""


@pytest.mark.parametrize("script", [IMPORT_ALL, IMPORT_LIGHT], ids=["every-module", "light"])
def test_import_in_a_fresh_process(script: str) -> None:
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", script], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
