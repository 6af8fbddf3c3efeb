"""Convolutions of images: every row gives the oracle's bits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import cordwood
import oracle_images as oracle
from cordwood import _core
from oracle_images import Window

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

ISAS = cordwood.available_isas()
FLOATS, DYNAMIC, STATIC, UNSIGNED = 0, 1, 2, 4
"""Row codings of ``csrc/format/net_operators.h``."""


@dataclass(frozen=True)
class Case:
    """A convolution. Axes beyond ``axes`` are not used."""

    seed: int = 0
    batch: int = 1
    axes: int = 2
    channels: int = 3
    outputs: int = 10
    groups: int = 1
    kernel: tuple[int, int, int] = (3, 3, 3)
    size: tuple[int, int, int] = (6, 5, 7)
    stride: tuple[int, int, int] = (1, 1, 1)
    dilation: tuple[int, int, int] = (1, 1, 1)
    before: tuple[int, int, int] = (0, 0, 0)
    after: tuple[int, int, int] = (0, 0, 0)
    transposed: bool = False
    bias: bool = True
    residual: bool = False
    cut: tuple[float, float] | None = None
    zero: int = 0
    extreme: bool = False

    def window(self) -> Window:
        return Window(
            stride=self.stride[: self.axes],
            dilation=self.dilation[: self.axes],
            pad_before=self.before[: self.axes],
            pad_after=self.after[: self.axes],
            output_padding=tuple(
                min(1, s - 1) if self.transposed else 0 for s in self.stride[: self.axes]
            ),
            groups=self.groups,
            transposed=self.transposed,
        )

    def possible(self) -> bool:
        kernel, size = self.kernel[: self.axes], self.size[: self.axes]
        return min(oracle.output_size(size, kernel, self.window())) > 0


axis = st.integers(1, 3)


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Draw small convolutions of every form."""
    groups = draw(st.sampled_from([1, 1, 1, 2, 3]))
    depthwise = draw(st.integers(0, 3)) == 0
    channels = draw(st.sampled_from([1, 2, 3, 4, 5, 8, 16, 17, 33]))
    outputs = draw(st.sampled_from([1, 2, 10, 16, 17, 33, 48, 64]))
    triple = st.tuples(axis, axis, axis)
    pads = st.tuples(*[st.integers(0, 4)] * 3)
    case = Case(
        seed=draw(st.integers(0, 1000)),
        batch=draw(st.integers(1, 2)),
        axes=draw(st.integers(1, 3)),
        channels=channels if depthwise else channels * groups,
        outputs=channels if depthwise else outputs * groups,
        groups=channels if depthwise else groups,
        kernel=draw(st.tuples(axis, st.integers(1, 5), axis)),
        size=draw(st.tuples(*[st.integers(1, 9)] * 3)),
        stride=draw(triple),
        dilation=draw(triple),
        before=draw(pads),
        after=draw(pads),
        transposed=draw(st.booleans()),
        bias=draw(st.booleans()),
        residual=draw(st.booleans()),
        cut=draw(st.sampled_from([None, (0.0, np.inf), (0.0, 6.0)])),
        zero=draw(st.sampled_from([0, 3, 128, 255])),
        extreme=draw(st.booleans()),
    )
    if case.axes == 3:
        case = Case(**{**case.__dict__, "size": (min(case.size[0], 3), *case.size[1:])})
    return case


def draw_arrays(case: Case) -> dict[str, Any]:
    """Draw weights, images and what is added to them."""
    rng = np.random.default_rng(case.seed)
    kernel, size = case.kernel[: case.axes], case.size[: case.axes]
    if case.transposed:
        shape = (case.channels, case.outputs // case.groups, *kernel)
    else:
        shape = (case.outputs, case.channels // case.groups, *kernel)
    ends = [0, 255] if case.extreme else np.arange(256)
    answer = (case.batch, case.outputs, *oracle.output_size(size, kernel, case.window()))
    return {
        "weights": rng.standard_normal(shape).astype(np.float32),
        "codes": rng.choice(ends, shape).astype(np.uint8),
        "scales": rng.uniform(0.001, 0.01, case.outputs).astype(np.float32),
        "x": rng.standard_normal((case.batch, case.channels, *size)).astype(np.float32),
        "x_codes": rng.choice(ends, (case.batch, case.channels, *size)).astype(np.uint8),
        "bias": rng.standard_normal(case.outputs).astype(np.float32) if case.bias else None,
        "residual": rng.standard_normal(answer).astype(np.float32) if case.residual else None,
        "residual_codes": rng.integers(0, 256, answer).astype(np.uint8),
    }


def build(case: Case, arrays: dict[str, Any], rows: int, scale: float = 0.0) -> _core.Convolution:
    """Lay out the weights."""
    window = case.window()
    return _core.Convolution(
        arrays["weights"] if rows == FLOATS else arrays["codes"],
        None if rows == FLOATS else arrays["scales"],
        stride=window.stride, dilation=window.dilation, pad_before=window.pad_before,
        pad_after=window.pad_after, output_padding=window.output_padding, groups=case.groups,
        transposed=case.transposed, rows=rows, row_scale=scale,
        row_zero=case.zero if rows == UNSIGNED else 0,
    )  # fmt: skip


def last(x: NDArray[Any]) -> NDArray[Any]:
    """Put channels last, packed."""
    return np.ascontiguousarray(np.moveaxis(x, 1, -1))


def first(x: NDArray[Any]) -> NDArray[Any]:
    return np.moveaxis(x, -1, 1)


def same(got: Floats, wanted: Floats, *where: object) -> None:
    np.testing.assert_array_equal(got, wanted, err_msg=str(where))
    zero = wanted == 0
    np.testing.assert_array_equal(np.signbit(got[zero]), np.signbit(wanted[zero]), str(where))


def cut_of(case: Case) -> _core.Cut | None:
    return None if case.cut is None else _core.Cut(*case.cut)


def check_floats(case: Case) -> None:
    """Compare float32 weights, with both layouts of images."""
    arrays = draw_arrays(case)
    plan = build(case, arrays, FLOATS)
    y = oracle.convolve_floats(arrays["x"], arrays["weights"], case.window())
    if case.bias:
        y = y + oracle.spread(arrays["bias"], y.ndim)
    wanted = oracle.finish(y, arrays["residual"], case.cut)
    residual = arrays["residual"]
    for isa in ISAS:
        common = {"bias": arrays["bias"], "cut": cut_of(case), "isa": isa}
        got = plan.run(arrays["x"], residual=residual, **common)
        same(got, wanted, isa, case)
        got = plan.run(
            last(arrays["x"]), residual=None if residual is None else last(residual),
            channels_first=False, out_channels_first=False, threads=2, **common,
        )  # fmt: skip
        same(first(got), wanted, isa, "channels last", case)


def signed_weights(arrays: dict[str, Any]) -> NDArray[np.int64]:
    return np.asarray(arrays["codes"].astype(np.int64) - 128)


def check_dynamic(case: Case) -> None:
    """Compare int8 codes with a scale for each image, from float32 images."""
    arrays = draw_arrays(case)
    plan = build(case, arrays, DYNAMIC)
    codes, x_scales = oracle.encode_images(arrays["x"])
    sums = oracle.convolve_codes(codes, signed_weights(arrays), case.window(), 0)
    y = oracle.finish_codes(sums, arrays["scales"], x_scales, arrays["bias"])
    wanted = oracle.finish(y, arrays["residual"], case.cut)
    for isa in ISAS:
        common = {"bias": arrays["bias"], "cut": cut_of(case), "isa": isa}
        got = plan.run(arrays["x"], residual=arrays["residual"], **common)
        same(got, wanted, isa, case)
        if arrays["residual"] is None:
            got = plan.run(last(arrays["x"]), channels_first=False, **common)
            same(got, wanted, isa, "channels last", case)


def check_codes(case: Case) -> None:
    """Compare codes in and codes out, with a residual of codes."""
    arrays = draw_arrays(case)
    plan = build(case, arrays, UNSIGNED, scale=0.02)
    weights, x_codes = signed_weights(arrays), arrays["x_codes"].astype(np.int64)
    sums = oracle.convolve_codes(x_codes, weights, case.window(), case.zero)
    x_scales = np.full(case.batch, 0.02, dtype=np.float32)
    bias = arrays["bias"] if case.bias else np.zeros(case.outputs, dtype=np.float32)
    bias = bias - np.float32(100) * np.float32(0.03)
    y = oracle.finish_codes(sums, arrays["scales"], x_scales, bias)
    y = oracle.add_codes(y, arrays["residual_codes"], 0.03)
    y = oracle.finish(y, None, case.cut)
    inverse = np.float32(1) / np.float32(0.05)
    for isa in ISAS:
        common = {"kind": "uint8", "channels_first": False, "scale": 0.02, "zero": case.zero,
                  "bias": arrays["bias"], "cut": cut_of(case), "isa": isa,
                  "residual": last(arrays["residual_codes"]), "residual_kind": "uint8",
                  "residual_scale": 0.03, "residual_zero": 100}  # fmt: skip
        x = last(arrays["x_codes"])
        got = plan.run(x, out_channels_first=False, **common)
        same(first(got), y, isa, case)
        for kind, zero, least in (("uint8", 7, 0), ("int8", -9, -128), ("uint8", 128, 0)):
            got = plan.run(x, out_channels_first=False, out_kind=kind, out_scale=0.05,
                           out_zero=zero, threads=2, **common)  # fmt: skip
            wanted = oracle.encode(y, inverse, least, least + 255, zero)
            np.testing.assert_array_equal(first(got), wanted, err_msg=str((isa, kind, case)))


@given(cases())
@example(Case(channels=1, outputs=1, kernel=(7, 7, 1), size=(2, 2, 1), before=(6, 6, 0),
              after=(6, 6, 0)))  # fmt: skip
@example(Case(channels=16, outputs=33, size=(9, 26, 1), before=(1, 1, 0), after=(1, 1, 0)))
@example(Case(channels=33, outputs=33, groups=33, size=(9, 9, 1), before=(1, 1, 0)))
@example(Case(channels=5, outputs=64, kernel=(1, 1, 1), size=(7, 7, 1), residual=True))
@example(Case(channels=4, outputs=16, size=(5, 5, 1), stride=(2, 2, 1), transposed=True))
@example(Case(channels=64, outputs=64, size=(4, 4, 1), extreme=True, zero=255))
def test_every_row_gives_the_oracles_bits(case: Case) -> None:
    if not case.possible():
        with pytest.raises(cordwood.CordwoodError, match="too small"):
            build(case, {**_weights_only(case)}, FLOATS).run(_images_only(case))
        return
    check_floats(case)
    check_dynamic(case)
    check_codes(case)


def _weights_only(case: Case) -> dict[str, Any]:
    kernel = case.kernel[: case.axes]
    outputs, channels = case.outputs, case.channels
    own = (channels, outputs // case.groups) if case.transposed else (
        outputs, channels // case.groups)  # fmt: skip
    return {"weights": np.zeros((*own, *kernel), dtype=np.float32)}


def _images_only(case: Case) -> Floats:
    return np.zeros((case.batch, case.channels, *case.size[: case.axes]), dtype=np.float32)


def _small(**changes: Any) -> Case:
    return Case(**{"channels": 8, "outputs": 16, "size": (6, 8, 1), "before": (1, 1, 0),
                   "after": (1, 1, 0), **changes})  # fmt: skip


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("channels", [8, 5])
def test_images_may_stand_in_their_border(isa: str, channels: int) -> None:
    case = _small(channels=channels, zero=9)
    arrays = draw_arrays(case)
    plan = build(case, arrays, UNSIGNED, scale=0.02)
    x = last(arrays["x_codes"])
    common = {"kind": "uint8", "channels_first": False, "scale": 0.02, "zero": 9, "isa": isa,
              "out_kind": "uint8", "out_channels_first": False, "out_scale": 0.05}  # fmt: skip
    wanted = plan.run(x, **common)
    wide = np.full((1, 8, 10, channels), 9, dtype=np.uint8)
    wide[:, 1:-1, 1:-1] = x
    answer = np.full((1, 9, 11, 16), 77, dtype=np.uint8)
    plan.run(wide[:, 1:-1, 1:-1], bordered=True, out=answer[:, 1:-2, 2:-1], **common)
    np.testing.assert_array_equal(answer[:, 1:-2, 2:-1], wanted)
    answer[:, 1:-2, 2:-1] = 77
    assert (answer == 77).all()


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("rows", [FLOATS, DYNAMIC])
@pytest.mark.parametrize("cut", [(0.0, np.inf), (0.0, 6.0), (-1.0, 0.0)])
def test_cuts_leave_nan_and_take_zeros_to_a_bound_of_zero(
    isa: str, rows: int, cut: tuple[float, float]
) -> None:
    arrays = draw_arrays(case := _small(outputs=21, batch=3, residual=True))
    arrays["x"][0] = 0.0
    residual = np.full_like(arrays["residual"], -0.0)
    residual[1, ::4] = np.nan
    plan = build(case, arrays, rows)
    ending = {"bias": np.full(21, -0.0, np.float32), "residual": residual, "isa": isa}
    plain = plan.run(arrays["x"], **ending)
    same(plan.run(arrays["x"], cut=_core.Cut(*cut), **ending), oracle.finish(plain, None, cut))
    assert np.isnan(plain[1]).any()


@pytest.mark.parametrize("rows", [FLOATS, DYNAMIC])
@pytest.mark.parametrize("batch", [1, 3, 9])
def test_threads_change_no_bit(rows: int, batch: int) -> None:
    case = _small(channels=32, outputs=40, size=(40, 33, 1), batch=batch)
    arrays = draw_arrays(case)
    plan = build(case, arrays, rows)
    one = plan.run(arrays["x"], threads=1)
    for threads in (2, 3):
        np.testing.assert_array_equal(plan.run(arrays["x"], threads=threads), one)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("threads", [1, 2])
def test_the_first_image_that_cannot_be_coded_is_named(bad: float, threads: int) -> None:
    case = _small(batch=5)
    arrays = draw_arrays(case)
    arrays["x"][2, 3, 4, 5] = arrays["x"][4, 0, 0, 0] = bad
    plan = build(case, arrays, DYNAMIC)
    with pytest.raises(cordwood.CordwoodError, match="image 2 holds NaN or an infinity"):
        plan.run(arrays["x"], threads=threads)


def test_what_does_not_fit_is_refused() -> None:
    case = _small()
    arrays = draw_arrays(case)
    plan = build(case, arrays, UNSIGNED, scale=0.02)
    x = last(arrays["x_codes"])
    with pytest.raises(cordwood.CordwoodError, match="zero point 5 as bytes"):
        plan.run(x, kind="uint8", channels_first=False, scale=0.02, zero=5)
    with pytest.raises(cordwood.CordwoodError, match="of which 8 channels"):
        plan.run(arrays["x"][:, :7])
    with pytest.raises(cordwood.CordwoodError, match="scale of codes is positive"):
        plan.run(arrays["x"], out_kind="uint8", out_channels_first=False)
    with pytest.raises(cordwood.CordwoodError, match="static scale of activations is positive"):
        build(case, arrays, STATIC)
    with pytest.raises(cordwood.CordwoodError, match="groups divide both"):
        build(_small(groups=3), arrays, FLOATS)
    floats = build(case, arrays, FLOATS)
    with pytest.raises(cordwood.CordwoodError, match="codes for float32 weights"):
        floats.run(x, kind="uint8", channels_first=False)
