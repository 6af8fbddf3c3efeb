"""The machine a number belongs to: processor, instruction set, cores, versions. No host name."""

from __future__ import annotations

import os
import platform
from dataclasses import asdict, dataclass, field
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Machine", "describe"]

_DISTRIBUTIONS = {
    "sklearn": ("scikit-learn",),
    "xgboost": ("xgboost", "xgboost-cpu"),
    "daal4py": ("scikit-learn-intelex", "daal4py"),
    "nvforest": ("nvforest-cu13", "nvforest-cu12"),
}
"""Distributions that bring a module, where the names differ."""


@dataclass(frozen=True)
class Machine:
    """Where a benchmark ran.

    Attributes
    ----------
    cpu : str
        Model name of the processor.
    isa : str
        Instruction-set row that cordwood runs on.
    cores : int
        Cores that this process may use.
    memory_bytes : int or None
        Physical memory, where the system tells.
    system : str
        Kernel and architecture.
    versions : dict of str to str
        Python, NumPy, cordwood and whatever else takes part.
    """

    cpu: str
    isa: str
    cores: int
    memory_bytes: int | None
    system: str
    versions: dict[str, str] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-ready facts."""
        return asdict(self)

    def line(self, threads: int) -> str:
        """Say it in one line."""
        versions = ", ".join(f"{name} {version}" for name, version in self.versions.items())
        plural = "s" if threads != 1 else ""
        return f"{self.cpu} ({self.cores} cores), {self.isa}, {threads} thread{plural}; {versions}"


def describe(modules: Iterable[str] = ()) -> Machine:
    """Describe this machine.

    Parameters
    ----------
    modules : iterable of str
        Import names of libraries whose versions shall stand beside Python's and NumPy's.

    Returns
    -------
    Machine
        Versions of modules that are not installed are left out.
    """
    from cordwood import _core

    versions = {"python": platform.python_version()}
    for module in ("cordwood", "numpy", *modules):
        found = version_of(module)
        if found is not None:
            versions[module] = found
    return Machine(
        cpu=_cpu(),
        isa=str(_core.active_isa()),
        cores=int(_core.permitted_cores()),
        memory_bytes=_memory(),
        system=f"{platform.system()} {platform.machine()}",
        versions=versions,
    )


def version_of(module: str) -> str | None:
    """Return the installed version of a module, or None; nothing is imported."""
    names = _DISTRIBUTIONS.get(module, (module,))
    versions = (found.version for name in names for found in metadata.distributions(name=name))
    return next(versions, None)


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, "") or platform.processor() or platform.machine()


def _memory() -> int | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return None
