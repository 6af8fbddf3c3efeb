"""Say what travels to a machine with a GPU: this checkout and one folder, in bytes of a tar.

    python scripts/gpu_size.py [FOLDER]

The checkout is what git tracks or would track. The status is 1 where the whole is too much; what
takes it there takes 64 MiB.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "gpu_wheels"
MOST_BYTES = 60 << 20

_BLOCK = 512
_LONGEST_NAME = 100


def tar_bytes(files: Iterable[tuple[str, int]]) -> int:
    """Return the bytes of a tar of files, each a name and a size, before it fills its last record.

    Examples
    --------
    >>> tar_bytes([("empty", 0), ("one", 1)])
    2560
    """
    total = 2 * _BLOCK  # the end
    for name, size in files:
        total += _BLOCK + -(-size // _BLOCK) * _BLOCK
        if len(name) > _LONGEST_NAME:  # a member of its own
            total += _BLOCK + -(-(len(name) + 1) // _BLOCK) * _BLOCK
    return total


def checkout_files(root: Path = ROOT) -> list[tuple[str, int]]:
    """Return names and sizes of what git tracks or would track, and has not been deleted."""
    listed = subprocess.run(
        ["git", "-C", str(root), "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    names = sorted(set(listed.stdout.split("\0")) - {""})
    return [(name, (root / name).lstat().st_size) for name in names if (root / name).exists()]


def folder_files(folder: Path) -> list[tuple[str, int]]:
    """Return names and sizes of what lies in a folder."""
    found = sorted(path for path in folder.rglob("*") if path.is_file())
    return [(str(path.relative_to(folder.parent)), path.stat().st_size) for path in found]


def travelling_bytes(folder: Path) -> int:
    """Return the bytes of a tar of the checkout and a folder beside it."""
    checkout = [
        (name, size)
        for name, size in checkout_files()
        if folder not in (ROOT / name).parents  # once
    ]
    return tar_bytes([*checkout, *folder_files(folder)])


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("folder", type=Path, nargs="?", default=FOLDER)
    folder = parser.parse_args(arguments).folder.resolve()
    total = travelling_bytes(folder)
    print(f"the checkout and {folder.name}: {total:,} bytes, of {MOST_BYTES:,}")
    if total > MOST_BYTES:
        print(f"{total - MOST_BYTES:,} bytes too many: leave out models by name", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
