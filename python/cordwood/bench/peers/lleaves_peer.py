"""lleaves: a LightGBM model compiled to machine code by LLVM, with the options that it defaults to.

Its default options are ``fblocksize=34``, ``finline=True`` and ``fcodemodel="large"``. Compiling
takes from seconds to hours, so it has a process and a time limit of its own, and what it makes is
kept where the task names a folder.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cordwood.bench.machine import version_of
from cordwood.bench.peers.peer import CannotTakeModelError, Prepared, Task, Tolerance

if TYPE_CHECKING:
    from cordwood._typing import AnyArray

__all__ = ["compiled", "prepare"]

TOLERANCE = Tolerance(1e-12, 0.0, "float64 sums and thresholds; a link of its own")

COMPILE_SECONDS = 300
"""Longer compilations are given up."""

_COMPILE = """
import sys, lleaves
source, target, row_type = sys.argv[1:]
lleaves.Model(source).compile(cache=target, use_fp64=row_type == "float64")
"""


def prepare(task: Task) -> Prepared:
    """Compile the source in float64; parameters and errors as `cordwood.bench.peers.prepare`."""
    return compiled(task, "lleaves", "float64", TOLERANCE)


def compiled(task: Task, name: str, row_type: str, tolerance: Tolerance) -> Prepared:
    """Compile the source for rows of one type.

    Parameters
    ----------
    task : Task
        A model of LightGBM.
    name : str
        Name of the peer.
    row_type : {"float32", "float64"}
        Type of rows, thresholds and sums.
    tolerance : Tolerance
        When its answers count as the source's.

    Returns
    -------
    Prepared
        The compiled model.

    Raises
    ------
    CannotTakeModelError
        The model is not LightGBM's, or the compiler fails or takes longer than `COMPILE_SECONDS`.
    """
    import lleaves

    if task.library != "lightgbm":
        message = f"the model is {task.library}'s, and lleaves compiles only LightGBM's"
        raise CannotTakeModelError(message)
    booster = getattr(task.source, "booster_", task.source)
    text = booster.model_to_string()
    version = version_of("lleaves") or ""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "model.txt"
        source.write_text(text, encoding="utf-8")
        machine_code = _kept(task, text, version, row_type, Path(folder))
        if not machine_code.exists():
            _compile(source, machine_code, row_type)
        model: Any = lleaves.Model(str(source))
        model.compile(cache=str(machine_code), use_fp64=row_type == "float64")
    threads = task.threads

    def call(rows: AnyArray) -> AnyArray:
        answer: AnyArray = model.predict(rows, n_jobs=threads)
        return answer

    return Prepared(name, version, call, row_type, tolerance)


def _kept(task: Task, text: str, version: str, row_type: str, folder: Path) -> Path:
    """Return where the machine code lies: it belongs to one model, compiler and processor."""
    import llvmlite.binding

    facts = (text, version, row_type, llvmlite.binding.get_host_cpu_name())
    digest = hashlib.sha256("\0".join(facts).encode()).hexdigest()[:16]
    return (task.cache or folder) / f"lleaves-{digest}.o"


def _compile(source: Path, target: Path, row_type: str) -> None:
    # A compiler that is stopped, or that crashes, leaves no half file under the final name.
    target.parent.mkdir(parents=True, exist_ok=True)
    unfinished = target.with_suffix(".part")
    command = [sys.executable, "-c", _COMPILE, str(source), str(unfinished), row_type]
    try:
        subprocess.run(command, check=True, capture_output=True, text=True, timeout=COMPILE_SECONDS)
    except subprocess.TimeoutExpired as error:
        message = f"compilation is not done after {COMPILE_SECONDS} s"
        raise CannotTakeModelError(message) from error
    except subprocess.CalledProcessError as error:
        lines = str(error.stderr).strip().splitlines() or ["no message"]
        message = f"compilation fails: {lines[-1]}"
        raise CannotTakeModelError(message) from error
    unfinished.replace(target)
