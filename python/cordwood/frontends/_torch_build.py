"""Builds a Graph from an exported module, operator by operator.

Each node of the program becomes values of the Graph. What depends on no input and on no symbolic
size is evaluated with torch once, and only where something reads it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from cordwood.errors import UnsupportedModelError
from cordwood.frontends._torch_constants import Constants
from cordwood.frontends._torch_sizes import difference
from cordwood.ir import Value
from cordwood.ir_arrays import Cast, Concat, Constant, Dimension, Expand, Reduce, Reshape
from cordwood.ir_nets import NetOperator

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cordwood.frontends._torch_sizes import Sizes
    from cordwood.ir_arrays import Size

__all__ = ["Build", "Step", "place_of", "refuse"]


class Refused(Exception):  # noqa: N818  # caught in this front end, and told as UnsupportedModelError
    """One operator of the module cannot be read."""


def refuse(reason: str) -> NoReturn:
    """Refuse the operator that is being read."""
    raise Refused(reason)


def place_of(node: Any) -> str:
    """Return the path of the module that a node comes from; empty for the outermost."""
    stack = node.meta.get("nn_module_stack") or {}
    paths = [path for path, _ in stack.values() if not str(path).startswith("_")]
    return str(paths[-1]).removeprefix("L['self'].") if paths else ""


@dataclass(frozen=True)
class Known:
    """A value of the Graph that is being built, with sizes that can be compared."""

    name: str
    dtype: str
    shape: tuple[Any, ...]


class Build:
    """Values and operators so far.

    Parameters
    ----------
    program : ExportedProgram
        What is read.
    sizes : Sizes
        Names of its symbols.
    """

    def __init__(self, program: Any, sizes: Sizes) -> None:
        self.sizes = sizes
        self.constants = Constants(program)
        self.operators: list[NetOperator] = []
        self.values: dict[str, Known] = {}
        self.made: dict[Any, Any] = {}
        """By node: name of its value, or a list of names where the node has several outputs."""
        self.place = ""
        self.late: dict[Any, str] = {}
        """By node: why its value cannot be made, told only where something reads it."""
        self._arrays: dict[Any, str] = {}

    def add(self, name: str, dtype: str, shape: Sequence[Any]) -> str:
        """Add a value, under a name that is not taken."""
        own, number = name, 1
        while own in self.values:
            own, number = f"{name}_{number}", number + 1
        self.values[own] = Known(own, dtype, tuple(shape))
        return own

    def emit(
        self, operator: type, inputs: Sequence[str], target: Sequence[str], **rest: Any
    ) -> str:
        """Add an operator; returns the first of the values that it writes."""
        self.operators.append(
            operator(inputs=tuple(inputs), outputs=tuple(target), place=self.place, **rest)
        )
        return target[0]

    def dtype(self, name: str) -> str:
        """Return the type of a value."""
        return self.values[name].dtype

    def shape(self, name: str) -> tuple[Any, ...]:
        """Return the shape of a value."""
        return self.values[name].shape

    def constant(self, array: Any, key: Any = None, name: str = "constant") -> str:
        """Return the value of an array; one value for each `key`."""
        array = np.asarray(array)
        key = (array.dtype.name, array.shape, array.tobytes()) if key is None else key
        if key not in self._arrays:
            target = self.add(name, array.dtype.name, array.shape)
            self._arrays[key] = self.emit(Constant, (), (target,), tensor=array)
        return self._arrays[key]

    def refer(self, inputs: list[str], size: Any) -> Size:
        """Return a size as an operator's attribute; what lends its shape joins `inputs`.

        None where no value has an axis of such a size.
        """
        if isinstance(size, int):
            return size
        lenders = [name for name in (*inputs, *self.values) if name]
        for exact in (True, False):
            for name in lenders:
                for axis, own in enumerate(self.shape(name)):
                    plus = None if isinstance(own, int) else difference(size, own)
                    if plus is not None and (plus == 0) >= exact:
                        if name not in inputs:
                            inputs.append(name)
                        return Dimension(inputs.index(name), axis, plus)
        return None

    def refer_sum(self, inputs: list[str], size: Any) -> Size:
        """Return a size as `refer` does; where no value has it, join values whose sizes add up."""
        found = self.refer(inputs, size)
        terms = None if found is not None else size.as_coefficients_dict()
        if terms is None or not all(count.is_Integer and count > 0 for count in terms.values()):
            return found
        parts = []
        for term, count in terms.items():
            ones = self.constant(np.ones(1, bool))
            own = int(count) if term.is_Integer else term
            if not isinstance(own, int) and self.refer([], own) is None:
                return None
            parts += [self.expand(ones, (own,))] * (1 if isinstance(own, int) else int(count))
        joined = self.add("length", "bool", (size,))
        inputs.append(self.emit(Concat, parts, (joined,), axis=0))
        return Dimension(len(inputs) - 1, 0, 0)

    def reshape(self, source: str, shape: Sequence[Any], name: str = "reshape") -> str:
        """Return the value in another shape."""
        shape = tuple(shape)
        if shape == self.shape(source):
            return source
        inputs, sizes = [source], []
        open_axes = sum(not isinstance(size, int) for size in shape)
        for size in shape:
            # One axis is inferred, which costs nothing, unless the value itself lends the size.
            own = size in self.shape(source) or open_axes > 1
            sizes.append(self.refer(inputs, size) if own else None)
            if isinstance(size, int):
                sizes[-1] = size
        if sizes.count(None) > 1:
            refuse(f"a view has two sizes that no other value has: {shape}")
        target = self.add(name, self.dtype(source), shape)
        return self.emit(Reshape, inputs, (target,), shape=tuple(sizes))

    def expand(self, source: str, shape: Sequence[Any], name: str = "expand") -> str:
        """Return the value broadcast to a shape."""
        shape = tuple(shape)
        own = (1,) * (len(shape) - len(self.shape(source))) + self.shape(source)
        if own == shape:
            return self.reshape(source, shape)
        inputs: list[str] = [source]
        sizes: list[Size] = []
        for axis, (size, before) in enumerate(zip(shape, own, strict=True)):
            found = None if size == before else self.refer(inputs, size)
            if found is None and size != before:
                return self._expand_multiple(source, own, shape, axis)
            sizes.append(1 if found is None and before == 1 else found)
        target = self.add(name, self.dtype(source), shape)
        return self.emit(Expand, inputs, (target,), shape=tuple(sizes))

    def _expand_multiple(self, source: str, own: Any, shape: Any, axis: int) -> str:
        """Repeat an axis to several times a size: along two axes, which are then joined."""
        times, size = shape[axis].as_coeff_Mul()
        if times == 1 or not times.is_Integer:
            refuse(f"it repeats an axis to {shape[axis]}, a size that no other value has")
        apart = self.reshape(source, (*own[:axis], 1, 1, *own[axis + 1 :]))
        wide = self.expand(apart, (*shape[:axis], int(times), size, *shape[axis + 1 :]))
        return self.reshape(wide, shape)

    def cast(self, source: str, dtype: str) -> str:
        """Return the value in another type."""
        if self.dtype(source) == dtype:
            return source
        target = self.add("cast", dtype, self.shape(source))
        return self.emit(Cast, (source,), (target,))

    def size_value(self, size: Any, dtype: str) -> str:
        """Return a size as a value: as many ones, added up."""
        ones = self.expand(self.constant(np.ones(1, np.dtype(dtype))), (size,))
        target = self.add("size", dtype, ())
        return self.emit(Reduce, (ones,), (target,), kind="sum", axes=(0,))

    def graph_values(self, roles: dict[str, Any]) -> tuple[Value, ...]:
        """Return the values with their symbols as text."""
        return tuple(
            Value(v.name, v.dtype, tuple(s if isinstance(s, int) else str(s) for s in v.shape),
                  **({"role": roles[v.name]} if v.name in roles else {}))
            for v in self.values.values()
        )  # fmt: skip


class Step:
    """One node of the program, its arguments by the names of the operator's schema."""

    def __init__(self, build: Build, node: Any) -> None:
        self.build = build
        self.node = node
        self.arguments: dict[str, Any] = {}
        schema = getattr(node.target, "_schema", None)
        if schema is None:
            return
        for number, argument in enumerate(schema.arguments):
            given = node.args[number] if number < len(node.args) else argument.default_value
            self.arguments[argument.name] = node.kwargs.get(argument.name, given)

    def __getitem__(self, name: str) -> Any:
        """Return an argument: a node, a number, a list or None."""
        return self.arguments[name]

    def get(self, name: str, default: Any = None) -> Any:
        """Return an argument that not every operator of the family has."""
        return self.arguments.get(name, default)

    @property
    def dtype(self) -> str:
        """Type of the output."""
        return type_name(self.meta(self.node).dtype)

    @property
    def shape(self) -> tuple[Any, ...]:
        """Shape of the output."""
        return self.build.sizes.shape(self.meta(self.node))

    def meta(self, node: Any) -> Any:
        """Return the stand-in of a node's output, the first of several."""
        value = node.meta["val"]
        return value[0] if isinstance(value, list | tuple) else value

    def name(self, argument: str) -> str:
        """Return the name of a value that an argument is; a constant becomes one."""
        return self.name_of(self[argument])

    def name_of(self, given: Any) -> str:
        """Return the name of the value of a node."""
        build = self.build
        if given in build.late:
            refuse(build.late[given])
        if given in build.made:
            name = build.made[given]
            return str(name[0]) if isinstance(name, list) else str(name)
        if given in build.constants:
            array = build.constants.array(given)
            if not isinstance(array, np.ndarray):
                refuse("it reads a bfloat16 tensor as a value; call .float() on the module first")
            return build.constant(array, given, "constant_" + given.name)
        return refuse("it reads what an operator that is not supported makes")

    def number(self, argument: str) -> float | None:
        """Return an argument that must be a plain number, or None."""
        given = self[argument]
        if given is None or isinstance(given, bool | int | float):
            return given
        return refuse(f"its {argument} depends on a size or a value, expected a number")

    def numbers(self, argument: str, count: int) -> tuple[int, ...]:
        """Return one number for each of `count` axes."""
        given = self[argument]
        found = [given] * count if isinstance(given, int) else list(given)
        if not all(isinstance(size, int) for size in found):
            refuse(f"its {argument} depends on a size, expected numbers")
        return tuple(found * count if len(found) == 1 else found)

    def size(self, given: Any) -> Any:
        """Return a size: an int, or an expression."""
        return self.build.sizes.of(given.meta["val"] if hasattr(given, "meta") else given)

    def array(self, argument: str) -> Any:
        """Return a parameter: an array or `Bfloat16`, or None where it is absent."""
        given = self[argument]
        if given is None:
            return None
        if given not in self.build.constants:
            refuse(f"its {argument} depends on the inputs, expected a parameter of the module")
        return self.build.constants.array(given)

    def parameter(self, argument: str) -> Any:
        """Return a small parameter as float32, or None."""
        given = self[argument]
        return None if given is None else self.build.constants.float32(given, argument)

    def has_parameter(self, argument: str) -> bool:
        """Whether an argument is a constant or absent."""
        return self[argument] is None or self[argument] in self.build.constants

    def axis(self, argument: str, rank: int) -> int:
        """Return an axis that counts from the front."""
        return int(self[argument]) % max(rank, 1)

    def write(self, operator: type, inputs: Sequence[str], **rest: Any) -> None:
        """Add an operator whose output is this node's value."""
        target = self.build.add(self.node.name, self.dtype, self.shape)
        self.build.made[self.node] = self.build.emit(operator, inputs, (target,), **rest)

    def step(self, operator: type, inputs: Sequence[str], shape: Any = None, **rest: Any) -> str:
        """Add an operator on the way, whose type is that of its last input."""
        build = self.build
        dtype = rest.pop("dtype", None) or build.dtype(inputs[-1])
        shape = build.shape(inputs[0]) if shape is None else shape
        target = build.add(f"{self.node.name}_part", dtype, shape)
        return build.emit(operator, inputs, (target,), **rest)

    def alias(self, name: str) -> None:
        """Let this node's value be one that is there already."""
        self.build.made[self.node] = name


def type_name(dtype: Any) -> str:
    """Return the NumPy name of a torch type."""
    return str(dtype).removeprefix("torch.")


def unsupported(module: Any, reasons: Sequence[str]) -> UnsupportedModelError:
    """Return the error that lists everything that cannot be read."""
    listed = "\n".join(f"  {reason}" for reason in reasons)
    return UnsupportedModelError(
        f"{type(module).__name__} cannot be read; not supported ({len(reasons)}):\n{listed}"
    )
