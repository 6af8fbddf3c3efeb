"""The rows `neon`, `neon_dotprod` and `neon_i8mm`, cross-built and run in an emulator.

The rung *scalar kernel to every instruction set* for a processor that runs no Python here:
``fuzz/compare_isas.cpp`` compares all rows of an AArch64 build bit for bit, and what its scalar row
answers is compared with this machine's; ``fuzz/compare_products.cpp`` does the same for products,
``fuzz/compare_floats.cpp`` for activations, functions and norms.
``fuzz/compare_attention.cpp`` draws its own calls and compares rows alone.
"""

from __future__ import annotations

import dataclasses
import itertools
import re
import struct
from typing import TYPE_CHECKING

import numpy as np
import pytest

import drawn
import native_build
from cordwood import _core
from cordwood._ops_tensor import pack_codes
from cordwood.pack import pack
from drawn_products import Case, Weights, draw_numbers, draw_rows, draw_weights

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from cordwood.ir import Graph, TreeEnsemble

PRELU = 2
WHY = "the row `neon` cannot be tried here"
ROWS = "neon_i8mm neon_dotprod neon scalar"
LINKS = [(0, 1, True), (0, 5, False), (1, 1, False), (1, 3, False), (1, 1, True), (2, 2, False),
         (2, 1, True), (3, 1, False), (3, 7, False), (4, 1, False), (4, 3, False), (5, 2, False),
         (9, 1, False), (10, 3, False), (11, 2, False), (8, 1, False)]  # fmt: skip
"""Kind, columns and complement of the links that ``compare_isas.cpp`` tries, in its order."""


def _build(root: Path, folder: str, kind: str, *targets: str) -> Path:
    options = [
        "-DCMAKE_SYSTEM_NAME=Linux", "-DCMAKE_SYSTEM_PROCESSOR=aarch64",
        f"-DCMAKE_CXX_COMPILER={native_build.tool('aarch64-linux-gnu-g++', WHY)}",
        "-DCMAKE_EXE_LINKER_FLAGS=-static", f"-DCMAKE_BUILD_TYPE={kind}", "-DCORDWOOD_FUZZ=ON",
        "-DCORDWOOD_WERROR=ON",  # a table that lacks a kernel is a warning
    ]  # fmt: skip
    return native_build.build(root, folder, targets, *options)


@pytest.fixture(scope="module")
def cross_build(root: Path) -> Path:
    """Build the kernels and the programs of ``fuzz/`` for AArch64."""
    programs = (
        *("fuzz_load", "compare_isas", "compare_products", "compare_floats"),
        *("compare_attention", "compare_images"),
    )
    return _build(root, "neon", "Release", "cordwood_kernels", *programs)


def _run(program: Path, *arguments: str) -> str:
    return native_build.run(native_build.tool("qemu-aarch64", WHY), str(program), *arguments)


def _with_trees(graph: Graph, trees: TreeEnsemble) -> Graph:
    return dataclasses.replace(graph, operators=(trees, *graph.operators[1:]))


def _with_cuts(count: int, step: float, input_type: str) -> Graph:
    """Return trees on one feature whose nodes have `count` different cuts."""
    shape = drawn.Shape(seed=count, n_features=1, n_trees=count // 8 + 2, max_leaves=31,
                        input_type=input_type, zero_missing=True, zero_band=0.1)  # fmt: skip
    graph = drawn.make_graph(shape)
    trees = graph.operators[0]
    inner = trees.left >= 0
    cuts = (np.arange(inner.sum()) % count - count // 2) * step + (1.0 if step < 1e-9 else 0.0)
    threshold = np.zeros(len(inner))
    threshold[inner] = cuts
    return _with_trees(graph, dataclasses.replace(trees, threshold=threshold))


def _graphs() -> dict[str, Graph]:
    """Models of every form: sizes of trees, types, links, categories, and depths of the search."""
    graphs = {}
    for leaves in (1, 2, 3, 8, 16, 17, 32, 33, 64, 65, 128, 129, 256, 400):
        for growth in ("random", "level", "oblivious"):
            shape = drawn.Shape(
                seed=leaves, n_trees=11, max_leaves=leaves, growth=growth, n_features=5,
                n_outputs=3, head="multiclass", accumulate_type=("float32", "float64")[leaves % 2],
                input_type=("float64", "float32")[leaves % 3 % 2], vector_leaves=leaves % 5 == 2,
            )  # fmt: skip
            graphs[f"{growth}{leaves}"] = drawn.make_graph(shape)
    for rule in ("floor", "truncate", "exact"):
        for input_type in ("float32", "float64"):
            shape = drawn.Shape(seed=7, n_trees=20, max_leaves=40, n_features=5, head="binary",
                                category_rule=rule, input_type=input_type)  # fmt: skip
            graphs[f"{rule}_{input_type}"] = drawn.make_graph(shape)
    for count in (1, 2, 3, 7, 9, 20, 40, 100, 200, 255, 256, 700):
        for input_type in ("float32", "float64"):
            graphs[f"cuts{count}_{input_type}"] = _with_cuts(count, 0.5, input_type)
    graphs["cuts_with_equal_halves"] = _with_cuts(100, 2.0**-45, "float64")
    for features, leaves in ((64, 30), (100, 60), (150, 30), (150, 60)):
        shape = drawn.Shape(seed=3, n_trees=40, max_leaves=leaves, n_features=features)
        graphs[f"features{features}_{leaves}"] = drawn.make_graph(shape)
    return graphs


def _write_models(root: Path, folder: Path) -> dict[str, tuple[bytes, np.ndarray]]:
    models = {}
    for golden in sorted((root / "tests" / "golden").glob("*.cord")):
        with np.load(golden.with_suffix(".npz")) as arrays:
            models[golden.stem] = (golden.read_bytes(), arrays["rows"].astype(np.float64))
    for number, (name, graph) in enumerate(_graphs().items()):
        rows = drawn.make_rows(graph.operators[0], 1100 if number % 4 == 0 else 580, seed=number)
        models[name] = (pack(graph), np.ascontiguousarray(rows))
    for name, (data, rows) in models.items():
        (folder / f"{name}.cord").write_bytes(data)
        (folder / f"{name}.rows").write_bytes(rows.tobytes())
    return models


def _margins() -> np.ndarray:
    rng = np.random.default_rng(0)
    special = [0.0, -0.0, np.inf, -np.inf, np.nan, 5e-324, -5e-324, 1e-310, 1e308, -1e308, 709.78,
               709.79, 710.0, -708.4, -745.13, -745.14, -746.0, 36.7, -36.8, 1e-17]  # fmt: skip
    x = np.concatenate([rng.uniform(-750, 712, 400), rng.normal(0, 5, 401), np.repeat(special, 3)])
    return rng.permutation(x)


def test_all_rows_give_the_bits_of_scalar_and_of_this_machine(
    root: Path, cross_build: Path, tmp_path: Path
) -> None:
    models = _write_models(root, tmp_path)
    margins = _margins()
    (tmp_path / "links.margins").write_bytes(margins.tobytes())
    said = _run(cross_build / "tests/fuzz/compare_isas", str(tmp_path))
    assert said == f"{len(models)} models and all links agree on: {ROWS}\n"
    for name, (data, rows) in models.items():
        for target in ("margin", "leaves"):
            mine = _core.run_trees(
                data, rows, isa="scalar", engine="walk", leaves=target == "leaves"
            )
            assert (tmp_path / f"{name}.{target}").read_bytes() == mine.tobytes(), (name, target)
    answers = []
    for dtype in (np.float32, np.float64):
        with np.errstate(over="ignore", under="ignore"):
            given = margins.astype(dtype)
        for kind, columns, complement in LINKS:
            x = given[: len(given) // columns * columns].reshape(-1, columns)
            answers.append(_core.link(x, isa="scalar", kind=kind, scale=0.9, offset=0.25,
                                      complement=complement).tobytes())  # fmt: skip
    assert (tmp_path / "links.answers").read_bytes() == b"".join(answers)


def _cases() -> Iterator[Case]:
    for number, (bits, group) in enumerate(
        itertools.product((8, 4, 3, 2), (None, 32, 64, 96)), start=1
    ):
        for symmetric in (True, False):
            x_groups = group is not None and number % 2 == 0
            yield Case(bits, group, 33 + number, 60 * number, 5 + number, symmetric=symmetric,
                       x_groups=x_groups, static_scale=0.01 if number % 5 == 0 else None,
                       seed=number)  # fmt: skip


def _extreme(bits: int, zero: int | None) -> tuple[Weights, np.ndarray]:
    """All codes and activations at their ends, and more inputs than an int32 holds at once."""
    n_inputs = 65536 + 32
    codes = np.zeros((3, n_inputs), dtype=np.uint8)
    codes[1:] = (1 << bits) - 1
    zeros = None if zero is None else np.full((3, 1), zero, dtype=np.uint8)
    x = np.repeat(np.array([[1], [-1], [1]], dtype=np.float32), n_inputs, axis=1)
    return Weights(codes, np.ones((3, 1), dtype=np.float32), zeros, bits, None), x


def _write_case(  # noqa: PLR0913 - what a product is made of, each by its name
    to: Path,
    weights: Weights | tuple[str, np.ndarray],
    x: np.ndarray,
    case: Case = Case(),  # noqa: B008 - immutable
    *,
    float_rows: bool = False,
    bf16_rows: bool = False,
    form: str = "symmetric",
    zero: int = 0,
    answer: tuple[str, float, int] | None = None,
) -> np.ndarray:
    """Write a product for ``compare_products``, and return what this machine's scalar row says."""
    kinds = ("", "bfloat16", "float16", "float32")
    x_group = case.group if case.x_groups and case.group else 0
    static_scale = case.static_scale or 0.0
    if isinstance(weights, Weights):
        kind, bits, group = 0, weights.bits, weights.group or 0
        stored = pack_codes(weights.codes, weights.bits)
        scales, zeros = weights.scales, weights.zeros
        n_outputs = len(weights.codes)
        matrix = weights.matrix()
    else:
        kind, bits, group = kinds.index(weights[0]), 0, 0
        stored, scales, zeros = weights[1], np.zeros(0, dtype=np.float32), None
        n_outputs = len(stored)
        matrix = _core.QuantizedMatrix(stored, kind=weights[0])
    bias = np.linspace(-2, 2, n_outputs, dtype=np.float32)
    given_type = form if form in ("int8", "uint8") else ""
    x_flip = 128 if form in ("uint8", "affine") else 0
    answer_flip = 128 if answer and answer[0] == "uint8" else 0
    zero_bytes = b"" if zeros is None else zeros.tobytes()
    forms = {"symmetric": 0, "affine": 1, "int8": 2, "uint8": 2}
    codings = struct.pack("<IiIfiI", forms[form], zero - x_flip if form != "symmetric" else 0,
                          x_flip if given_type else 0, answer[1] if answer else 0.0,
                          answer[2] - answer_flip if answer else 0, answer_flip)  # fmt: skip
    header = struct.pack("<12If", kind, bits, group, n_outputs, x.shape[1], len(x), scales.size,
                         len(zero_bytes), stored.nbytes, float_rows, bf16_rows, x_group,
                         static_scale)  # fmt: skip
    to.write_bytes(header + codings + stored.tobytes() + scales.tobytes() + zero_bytes + x.tobytes()
                   + bias.tobytes())  # fmt: skip
    cut = _core.Cut(-3.0, 1e6)
    coding = {} if answer is None else {"coding": _core.Coding(*answer)}
    if form != "symmetric":
        dtype = "uint8" if x_flip else "int8"
        coding["x_coding"] = _core.Coding(dtype, static_scale, zero if static_scale else 0)
    mine: np.ndarray = matrix.matmul(
        x.astype(given_type) if given_type else x, bias, None, cut, float_rows=float_rows,
        bf16_rows=bf16_rows, isa="scalar", scale_group=x_group, static_scale=static_scale, **coding
    )  # fmt: skip
    return mine


def _write_codings(
    folder: Path, name: str, weights: Weights, x: np.ndarray, case: Case
) -> dict[str, np.ndarray]:
    """Write a product of uint8, of codes that reach both ends, and with codes for answers."""
    answers = {
        f"affine{name}": _write_case(folder / f"affine{name}.case", weights, x, case,
                                     form="affine", zero=200, answer=("int8", 0.05, -100))
    }  # fmt: skip
    rng = np.random.default_rng(0)
    static = dataclasses.replace(case, static_scale=0.02)
    for dtype, zero in (("int8", -128), ("int8", 127), ("uint8", 255), ("uint8", 1)):
        least = -128 if dtype == "int8" else 0
        codes = rng.integers(least, least + 256, x.shape)
        codes[: len(x) // 2] = np.where(codes[: len(x) // 2] % 2, least, least + 255)
        codes[:1] = least
        own = f"{dtype}_{zero}_{name}"
        answers[own] = _write_case(folder / f"{own}.case", weights, codes.astype(np.float32),
                                   static, form=dtype, zero=zero)  # fmt: skip
    return answers


def _write_products(folder: Path) -> dict[str, np.ndarray]:
    answers = {}
    for number, case in enumerate(_cases()):
        rng = np.random.default_rng(case.seed)
        weights, x = draw_weights(case, rng), draw_rows(case, rng)
        name = f"codes{number}"
        answers[name] = _write_case(folder / f"{name}.case", weights, x, case)
        if number % 3 == 0:
            name = f"float_rows{number}"
            answers[name] = _write_case(folder / f"{name}.case", weights, x, float_rows=True)
        answers |= _write_codings(folder, f"{number}", weights, x, case)
    for bits, zero in ((8, None), (8, 0), (8, 255), (4, None), (4, 15), (3, 0)):
        name = f"extreme{bits}_{zero}"
        weights, x = _extreme(bits, zero)
        answers[name] = _write_case(folder / f"{name}.case", weights, x)
        answers |= _write_codings(folder, name, weights, x, Case(static_scale=0.02))
    for kind in ("bfloat16", "float16", "float32"):
        stored = draw_numbers(kind, (37, 150), 0, infinite=False)[0]
        x = draw_rows(Case(n_inputs=150, n_rows=9), np.random.default_rng(0))
        answers[kind] = _write_case(folder / f"{kind}.case", (kind, stored), x)
        if kind == "bfloat16":
            name = "bfloat16_rows"
            answers[name] = _write_case(folder / f"{name}.case", (kind, stored), x, bf16_rows=True)
    return answers


def test_products_give_the_bits_of_scalar_and_of_this_machine(
    cross_build: Path, tmp_path: Path
) -> None:
    answers = _write_products(tmp_path)
    program = cross_build / "tests/fuzz/compare_products"
    said = _run(program, str(tmp_path))
    assert said == f"{len(answers)} products agree on: {ROWS}\n"
    for name, mine in answers.items():
        assert (tmp_path / f"{name}.answer").read_bytes() == mine.tobytes(), name
    for cpu, rows in (("cortex-a72", "neon scalar"), ("cortex-a76", "neon_dotprod neon scalar")):
        (tmp_path / cpu).mkdir()
        emulator = native_build.tool("qemu-aarch64", WHY)
        said = native_build.run(emulator, "-cpu", cpu, str(program), str(tmp_path / cpu))
        assert said == f"0 products agree on: {rows}\n"


def test_attention_gives_the_same_bits(cross_build: Path) -> None:
    said = _run(cross_build / "tests/fuzz/compare_attention")
    assert said == f"480 calls agree on {ROWS}\n"


def test_floats_give_the_bits_of_scalar_and_of_this_machine(
    cross_build: Path, tmp_path: Path
) -> None:
    rng = np.random.default_rng(0)
    drawn_bits = rng.integers(0, 2**32, 3000, dtype=np.uint32).view(np.float32)
    x = np.concatenate([drawn_bits, rng.normal(0, 3, 3000).astype(np.float32)])
    (tmp_path / "x.floats").write_bytes(x.tobytes())
    said = _run(cross_build / "tests/fuzz/compare_floats", str(tmp_path))
    assert said == f"{len(x)} numbers agree on: {ROWS}\n"
    theirs = np.fromfile(tmp_path / "x.answers", np.float32)
    mine = [
        _core.activate(x, isa="scalar", kind=kind, alpha=0.25, beta=1.5,
                       slopes=x if kind == PRELU else None)
        for kind in range(16)
    ]  # fmt: skip
    mine += [_core.unary(x, isa="scalar", kind=kind) for kind in (*range(10), *range(13, 21))]
    whole = np.concatenate(mine)
    assert theirs[: len(whole)].tobytes() == whole.tobytes()
    inner = 33
    axes = x[: len(x) // (25 * inner) * 25 * inner].reshape(-1, 25, inner)
    last = _core.softmax(axes, isa="scalar", log=True)
    assert theirs[-last.size :].tobytes() == last.tobytes()


def test_images_give_the_bits_of_scalar(cross_build: Path) -> None:
    program = cross_build / "tests/fuzz/compare_images"
    assert _run(program) == "400 cases agree\n"
    for cpu in ("cortex-a72", "cortex-a76"):  # neon; neon_dotprod
        emulator = native_build.tool("qemu-aarch64", WHY)
        assert native_build.run(emulator, "-cpu", cpu, str(program)) == "400 cases agree\n"


def test_hard_rows_give_the_same_bits(root: Path, cross_build: Path) -> None:
    golden = root / "tests" / "golden"
    said = _run(cross_build / "tests/fuzz/fuzz_load", "-max_total_time=0", str(golden))
    assert said.endswith("no fault found\n")


def test_kernel_objects_have_no_weak_symbol(root: Path, cross_build: Path) -> None:
    nm = native_build.tool("aarch64-linux-gnu-nm", WHY)
    debug = _build(root, "neon-debug", "Debug", "cordwood_kernels")
    for folder in (cross_build, debug):
        objects = native_build.kernel_objects(folder)
        assert any("/neon.cpp" in str(path) for path in objects)
        for path in objects:
            native_build.check_symbols(nm, path)


def test_nothing_is_fused(cross_build: Path) -> None:
    objdump = native_build.tool("aarch64-linux-gnu-objdump", WHY)
    for path in native_build.kernel_objects(cross_build):
        # Products, and the functions of kernels/math, are chains of fma by contract.
        if re.search(
            r"matmul/|kernels/(activate|attention|batch_norm|conv|unary|norms)/", str(path)
        ):
            continue
        code = native_build.run(objdump, "-d", "--no-show-raw-insn", str(path))
        assert not re.findall(r"\t(f?n?m(?:add|sub)|fml[as]l?2?)\t.*[vds]\d", code), path
