"""The CPU probe agrees with what the operating system says the processor can do."""

from __future__ import annotations

from pathlib import Path

import pytest

import cordwood

WANTED = {
    "scalar": "",
    "avx2": "avx2 fma f16c bmi1 bmi2",
    "avxvnni": "avx2 fma f16c bmi1 bmi2 avx_vnni",
    "avx512": "avx2 fma f16c bmi1 bmi2 avx512f avx512dq avx512bw avx512vl",
    "avx512icl": "avx2 fma f16c bmi1 bmi2 avx512f avx512dq avx512bw avx512vl avx512cd "
    "avx512_vnni avx512vbmi avx512_vbmi2 gfni",
}
WANTED["avx512bf16"] = WANTED["avx512icl"] + " avx512_bf16"


def _kernel_flags() -> set[str]:
    path = Path("/proc/cpuinfo")
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    flags = [line.partition(":")[2].split() for line in lines if line.startswith("flags")]
    if not flags:
        pytest.skip("no x86 flags in /proc/cpuinfo on this machine")
    return set(flags[0])


def test_rows_are_available_where_the_processor_has_all_they_need() -> None:
    flags = _kernel_flags()
    expected = {row for row, needs in WANTED.items() if flags.issuperset(needs.split())}
    assert set(cordwood.available_isas()) == expected
