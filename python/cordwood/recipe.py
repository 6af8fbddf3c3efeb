"""What a compression shall do: named presets that print, compare and travel as JSON."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from typing import Any, Literal, get_args

from cordwood._sparsity import read_pattern
from cordwood.errors import InputError

__all__ = ["PRESETS", "Recipe"]

PRESETS = {
    "lossless": "every row reaches the same leaf and every margin keeps its bits",
    "trees-small": "every row reaches the same leaf; leaves are rounded to 16 bits, within a bound",
    "trees-tiny": "leaves are rounded to 8 bits, splits that hardly matter go, within a bound",
    "int8": "products of nets in 8-bit integers: a scale for each output and each row",
    "int4": "weights of nets in 4 bits, a scale for each 64; products in integers",
    "int8-auto": "as int8, but layers whose loss is too large stay in float, within a bound",
    "net": "what its options say",
}
"""Name of each preset, and what it promises."""

WeightType = Literal["float32", "float16", "bfloat16", "int8", "int4", "int3", "int2"]
RowType = Literal["float32", "int8-dynamic", "uint8-dynamic", "int8-static", "uint8-static"]
Observer = Literal["min-max", "percentile", "mse", "entropy"]
Method = Literal["rtn", "mse", "gptq"]

_INT8 = {
    "weights": "int8",
    "activations": "uint8-dynamic",
    "method": "gptq",
    "refit": True,
    "small_tables": "float16",
}

_NET_PRESETS: dict[str, dict[str, Any]] = {
    "int8": _INT8,
    "int8-auto": {**_INT8, "max_error": 0.03},
    "int4": {
        "weights": "int4",
        "activations": "uint8-dynamic",
        "method": "gptq",
        "group_size": 64,
        "refit": True,
        "small_tables": "float16",
        "frequent_rows": True,
    },
    "net": {"weights": "int8", "activations": "float32", "method": "rtn"},
}
"""What a preset for nets says where the caller says nothing."""

KEEP = 0.77
"""Share of the splits' bytes that ``"trees-tiny"`` keeps when nothing else is said."""

_GROUP_STEP = 32

_CALIBRATED = ("refit", "small_tables", "frequent_rows", "max_error", "max_bytes", "equalize")


@dataclass(frozen=True, repr=False)
class Recipe:
    """What `compress` does to a model; two equal recipes do the same.

    Parameters
    ----------
    name : str
        A preset: ``"lossless"``; for tree models ``"trees-small"`` or ``"trees-tiny"``; for nets
        ``"int8"``, ``"int8-auto"`` or ``"int4"``. ``"net"``, which options below stand for where no
        name is given.
    keep : float, optional
        For ``"trees-tiny"`` alone: about how much of the splits' bytes stays, above 0 and up to 1;
        0.77 when absent.
    weights : {"float32", "float16", "bfloat16", "int8", "int4", "int3", "int2"}, optional
        Of nets: how weights of linear layers, convolutions and tables are held.
    group_size : int, optional
        Of nets: weights that share a scale, a multiple of 32; all of an output when absent.
    method : {"rtn", "mse", "gptq"}, optional
        Of nets: how codes of weights are chosen (``docs/quantization.md``). The last one needs
        calibration.
    activations : {"float32", "int8-dynamic", "uint8-dynamic", "int8-static", "uint8-static"}, \
optional
        Of nets: how the rows that meet coded weights are coded: by each row's own range, or by one
        that calibration shows. Images of convolutions have fixed codes, unsigned, where there is
        calibration and images are of like size, else a scale for each image.
    observer : {"min-max", "percentile", "mse", "entropy"}, optional
        Of nets: how calibration chooses the range of fixed codes; ``"mse"`` when absent.
    sparsity : str or float, optional
        Of nets, with integer weights: which weights of linear layers go, as
        :func:`cordwood.ops.prune_mask` names it: ``"2:4"`` or another ``"n:m"``,
        ``"block:16x1:0.9"``, or a share such as 0.9. Other options are then those of ``"int8"``
        where nothing is said.
    channels : float, optional
        Of nets: share of the channels inside that stays, above 0 and below 1. Weights are float32
        then where nothing is said.
    refit : bool, optional
        Of nets, with integer weights, calibration and activations that are not static: weights and
        biases of linear layers are fitted to make good what layers before them lost.
    small_tables : str, optional
        Of nets: how embedding tables of at most 1024 rows are held, one of those that `weights`
        may be; as `weights` when absent.
    frequent_rows : bool, optional
        Of nets, with calibration: rows of larger tables that calibration reads are held in 8 bits.
    max_error : float, optional
        Of nets, with calibration: the largest relative error of the answers over the calibration
        batches. Layers are raised until it is kept, those first whose bytes take away most error:
        to int8 where weights have fewer bits, and then to float32.
    max_bytes : int, optional
        Of nets, with calibration, instead of `max_error`: bytes that the file may take. Layers are
        raised, in that order, as far as they allow.
    equalize : bool, optional
        Of nets: channels between two layers with nothing but relu between them are brought to
        ranges of one size by powers of two, before codes are chosen.

    Raises
    ------
    InputError
        The name is not that of a preset, an option does not belong to it, or is none of those
        listed.

    Examples
    --------
    >>> Recipe("lossless")
    Recipe(name='lossless')
    >>> Recipe("trees-tiny", keep=0.5)
    Recipe(name='trees-tiny', keep=0.5)
    >>> Recipe.from_json(Recipe().to_json()) == Recipe()
    True
    """

    name: str = "lossless"
    keep: float | None = None
    weights: WeightType | None = None
    group_size: int | None = None
    method: Method | None = None
    activations: RowType | None = None
    observer: Observer | None = None
    sparsity: str | float | None = None
    channels: float | None = None
    refit: bool | None = None
    small_tables: WeightType | None = None
    frequent_rows: bool | None = None
    max_error: float | None = None
    max_bytes: int | None = None
    equalize: bool | None = None

    def __post_init__(self) -> None:
        """Refuse what is not known; fill in what the preset says."""
        if self.name == "lossless" and self._net_options():
            object.__setattr__(self, "name", "net")
        given: object = self.name
        if not isinstance(given, str) or given not in PRESETS:
            message = f"recipe {self.name!r} is unknown; known recipes: {_known()}"
            raise InputError(message)
        if self.name in _NET_PRESETS:
            self._fill_net()
        elif self._net_options():
            message = f"recipe {self.name!r} takes no {next(iter(self._net_options()))}"
            raise InputError(message)
        if self.name != "trees-tiny":
            if self.keep is not None:
                message = f"recipe {self.name!r} keeps all splits; keep belongs to 'trees-tiny'"
                raise InputError(message)
            return
        keep: object = KEEP if self.keep is None else self.keep
        if isinstance(keep, bool) or not isinstance(keep, int | float) or not 0.0 < keep <= 1.0:
            message = f"keep is {keep!r}, expected a share above 0 and up to 1"
            raise InputError(message)
        object.__setattr__(self, "keep", float(keep))

    def __repr__(self) -> str:
        """Show what a caller would write."""
        told = "".join(f", {name}={value!r}" for name, value in self._options().items())
        return f"Recipe(name={self.name!r}{told})"

    def __str__(self) -> str:
        """Name the preset, its options and its promise."""
        told = "".join(f", {name} {value}" for name, value in self._options().items())
        return f"{self.name}{told}: {PRESETS[self.name]}"

    @property
    def lossless(self) -> bool:
        """Whether every answer keeps its bits."""
        return self.name == "lossless"

    @classmethod
    def of(cls, recipe: str | Recipe) -> Recipe:
        """Return `recipe` itself, or the preset of that name.

        Raises
        ------
        InputError
            `recipe` is neither a Recipe nor the name of a preset.
        """
        return recipe if isinstance(recipe, Recipe) else cls(recipe)

    @property
    def for_nets(self) -> bool:
        """Whether it says what to do with a net."""
        return self.name in _NET_PRESETS

    @property
    def refits(self) -> bool:
        """Whether linear layers are fitted to each other, where there is calibration."""
        rows_as_they_come = not str(self.activations).endswith("-static")
        return bool(self.refit) and str(self.weights).startswith("int") and rows_as_they_come

    @property
    def needs_calibration(self) -> bool:
        """Whether it looks at what layers have seen."""
        static = str(self.activations).endswith("-static")
        codes = self.method == "gptq" and not self.name.startswith("int8")
        return codes or static or self.max_error is not None or bool(self.max_bytes)

    def _fill_net(self) -> None:
        """Take from the preset what is left out; refuse what is not listed."""
        preset = _NET_PRESETS[self.name]
        if self.name == "net" and self.sparsity is not None:
            preset = _NET_PRESETS["int8"]
        elif self.name == "net" and self.channels is not None:
            preset = {**preset, "weights": "float32"}
        if self.sparsity is not None:
            preset = {**preset, "refit": False, "method": "mse"}
        for name, value in preset.items():
            if getattr(self, name) is None:
                object.__setattr__(self, name, value)
        choices = {"weights": WeightType, "activations": RowType, "method": Method}
        for name, literal in {**choices, "observer": Observer}.items():
            known = get_args(literal) if name in choices else (*get_args(literal), None)
            if getattr(self, name) not in known:
                message = f"{name} is {getattr(self, name)!r}, expected one of {known}"
                raise InputError(message)
        self._check_pruning()
        self._check_calibrated()
        group: object = self.group_size
        if group is not None and (type(group) is not int or group < 1 or group % _GROUP_STEP):
            message = f"group_size is {group!r}, expected a multiple of {_GROUP_STEP} or None"
            raise InputError(message)
        if group is not None and str(self.activations).endswith("-static"):
            message = (
                f"group_size is {group} with activations {self.activations!r}: fixed codes have one"
                " scale for a whole row; take dynamic ones, or no groups"
            )
            raise InputError(message)
        if str(self.weights).startswith(("float", "bfloat")) and self.activations != "float32":
            message = (
                f"activations are {self.activations!r} with weights {self.weights!r}: coded rows"
                " need coded weights; take activations='float32', or int weights"
            )
            raise InputError(message)

    def _check_pruning(self) -> None:
        """Refuse patterns and shares that are none."""
        share: object = self.channels
        if share is not None and (not isinstance(share, float) or not 0.0 < share < 1.0):
            message = f"channels is {share!r}, expected a share above 0 and below 1"
            raise InputError(message)
        if self.sparsity is None:
            return
        read_pattern(self.sparsity)
        if self.refit:
            message = (
                f"refit is True with sparsity {self.sparsity!r}: fitting moves the weights that"
                " shall go; leave one of them out"
            )
            raise InputError(message)
        if not str(self.weights).startswith("int"):
            message = (
                f"sparsity is {self.sparsity!r} with weights {self.weights!r}: files leave out"
                " integer weights alone; take weights='int8'"
            )
            raise InputError(message)

    def _check_calibrated(self) -> None:
        """Refuse options of calibration that are not listed."""
        types = (None, *get_args(WeightType))
        for name in ("refit", "frequent_rows", "equalize"):
            chosen: object = getattr(self, name)
            if chosen is not None and type(chosen) is not bool:
                message = f"{name} is {chosen!r}, expected True or False"
                raise InputError(message)
        if self.small_tables not in types:
            message = f"small_tables is {self.small_tables!r}, expected one of {types}"
            raise InputError(message)
        self._check_most_bytes()
        error: object = self.max_error
        if error is None:
            return
        if isinstance(error, bool) or not isinstance(error, int | float) or not 0.0 < error < 1.0:
            message = f"max_error is {error!r}, expected a relative error between 0 and 1"
            raise InputError(message)
        object.__setattr__(self, "max_error", float(error))

    def _check_most_bytes(self) -> None:
        """Refuse what is no number of bytes, and two aims at once."""
        most: object = self.max_bytes
        if most is None:
            return
        if isinstance(most, bool) or not isinstance(most, int | float) or not 0 < most < 1 << 63:
            message = f"max_bytes is {most!r}, expected a number of bytes above 0"
            raise InputError(message)
        if self.max_error is not None:
            message = (
                f"max_bytes is {most!r} with max_error {self.max_error!r}, expected one of them:"
                " leave the other out"
            )
            raise InputError(message)
        object.__setattr__(self, "max_bytes", int(most))

    def _net_options(self) -> dict[str, Any]:
        names = (
            *("weights", "group_size", "method", "activations", "observer", "sparsity", "channels"),
            *_CALIBRATED,
        )
        return {name: getattr(self, name) for name in names if getattr(self, name) is not None}

    def _options(self) -> dict[str, Any]:
        keep = {} if self.keep is None else {"keep": self.keep}
        return {**keep, **self._net_options()}

    def to_dict(self) -> dict[str, Any]:
        """Return the recipe as JSON-ready facts."""
        return {"name": self.name, **self._options()}

    def to_json(self) -> str:
        """Return the recipe as canonical JSON."""
        return json.dumps(self.to_dict(), sort_keys=True, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> Recipe:
        """Read what `to_json` wrote.

        Raises
        ------
        InputError
            The text is not JSON, or not the JSON of a recipe.
        """
        try:
            facts = json.loads(text)
        except ValueError as error:
            message = f"a recipe is read from JSON, but the text is not JSON: {error}"
            raise InputError(message) from error
        known = {field.name for field in fields(cls)}
        if not isinstance(facts, dict) or not {"name"} <= set(facts) <= known:
            message = f'expected the JSON of a recipe, such as {{"name":"lossless"}}, not {text!r}'
            raise InputError(message)
        return cls(**facts)


def _known() -> str:
    return ", ".join(repr(name) for name in PRESETS)
