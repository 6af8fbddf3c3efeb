"""Which function reads which ATen operator."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from cordwood.frontends._torch_build import Step

    Reader = Callable[[Step], None]

__all__ = ["IGNORED", "READERS", "reader_of", "reads"]

READERS: dict[str, Reader] = {}
"""By ``aten.add``, or by ``aten.add.Tensor`` where overloads differ."""

IGNORED = frozenset(
    ("aten._assert_async", "aten._assert_scalar", "aten._assert_tensor_metadata",
     "aten.sym_constrain_range", "aten.sym_constrain_range_for_size", "aten.sym_size")
)  # fmt: skip
"""Operators that make no tensor: sizes, which are read off shapes, and assertions."""


def reads(*names: str) -> Callable[[Reader], Reader]:
    """Register a function as the reader of ATen operators."""

    def register(reader: Reader) -> Reader:
        READERS.update(dict.fromkeys(names, reader))
        return reader

    return register


def reader_of(target: Any) -> Reader | None:
    """Return the reader of a node's target, or None."""
    name = str(target)
    return READERS.get(name) or READERS.get(name.rpartition(".")[0])


def ignored(target: Any) -> bool:
    """Whether a node makes no tensor."""
    name = str(target)
    return name.rpartition(".")[0] in IGNORED or not name.startswith(("aten.", "cordwood."))
