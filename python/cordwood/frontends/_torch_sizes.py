"""Sizes of an exported module: numbers, or expressions of the symbols of its inputs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Sizes", "difference"]

UNBOUNDED = 2**31
"""A larger maximum is none."""


class Sizes:
    """Gives the symbols of a program their names, and reads sizes in them.

    Parameters
    ----------
    program : ExportedProgram
        What was exported.
    named : sequence, optional
        For each input, what the caller said of its axes: a mapping or sequence of
        ``torch.export.Dim``, or None. Where it is absent, symbols of equal axes are one.
    """

    def __init__(self, program: Any, named: Sequence[Any] | None) -> None:
        self.names: dict[Any, Any] = {}
        """By torch's symbol, the one that a Graph knows."""
        self.maxima: dict[str, int] = {}
        self._hints: dict[str, int] = {}
        order = {name: i for i, name in enumerate(program.graph_signature.user_inputs)}
        for node in program.graph.nodes:
            value = node.meta.get("val")
            if node.op != "placeholder" or node.name not in order or not hasattr(value, "shape"):
                continue
            for axis, size in enumerate(value.shape):
                if type(size) is not int and size.node.expr.is_Symbol:
                    given = _given_name(named, order[node.name], axis)
                    integers = not value.is_floating_point()
                    default = _default_name(node.name, axis, integers)
                    self._name(size, given or default, f"{node.name}_{axis}", named is None)
        for symbol, limits in program.range_constraints.items():
            if symbol in self.names and limits.upper.is_Integer and limits.upper < UNBOUNDED:
                name = str(self.names[symbol])
                most = int(limits.upper)
                self.maxima[name] = min(most, self.maxima.get(name, most))

    def _name(self, size: Any, name: str, other: str, merge: bool) -> None:
        import sympy

        symbol, hint = size.node.expr, size.node.hint
        if symbol in self.names:
            return
        if name in self._hints and not (merge and self._hints[name] == hint):
            name = other
        self._hints[name] = hint
        self.names[symbol] = sympy.Symbol(name, integer=True, positive=True)

    def of(self, size: Any) -> Any:
        """Return a size as an int, or as an expression of the named symbols."""
        if isinstance(size, int):
            return int(size)
        expression = size.node.expr if hasattr(size, "node") else size
        expression = expression.xreplace(self.names)
        return int(expression) if expression.is_Integer else expression

    def shape(self, value: Any) -> tuple[Any, ...]:
        """Return the shape of a tensor's stand-in."""
        return tuple(self.of(size) for size in value.shape)

    def known(self, size: Any) -> bool:
        """Whether the size depends on the shapes of inputs alone."""
        return isinstance(size, int) or size.free_symbols <= set(self.names.values())


def difference(left: Any, right: Any) -> int | None:
    """Return left - right where that is one number."""
    if isinstance(left, int) and isinstance(right, int):
        return left - right
    import sympy

    found = sympy.expand(left - right)
    return int(found) if found.is_Integer else None


def _given_name(named: Sequence[Any] | None, number: int, axis: int) -> str | None:
    axes = named[number] if named is not None and number < len(named) else None
    if isinstance(axes, list | tuple):
        axes = dict(enumerate(axes))
    dim = axes.get(axis) if isinstance(axes, dict) else None
    name = getattr(dim, "__name__", None)
    return name if isinstance(name, str) and name.isidentifier() else None


def _default_name(name: str, axis: int, integers: bool) -> str:
    if axis == 0:
        return "batch"
    return "sequence" if axis == 1 and integers else f"{name}_{axis}"
