"""Every operator between maps makes what its formula in docs/integers.md says, or is refused."""

from dataclasses import replace
from typing import get_args

import numpy as np
import pytest
from between_cases import KINDS, case
from hypothesis import given, settings
from hypothesis import strategies as st
from reference_between import pixel

from hwsim.between import (
    Add,
    AveragePool,
    Channels,
    Clip,
    Concatenate,
    Crop,
    MaxPool,
    Operator,
    Pad,
    Rescale,
    Reshape,
    Resize,
    Strided,
    Value,
)


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=60)
@given(data=st.data())
def test_an_operator_makes_what_its_formula_says(kind, data):
    operator, values, output = data.draw(case(kind))
    operator.check(values, output)
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    arrays = [rng.integers(value.limits[0], value.limits[1] + 1, value.shape) for value in values]
    read = [(v.shape, lambda c, y, x, a=a: int(a[c, y, x])) for v, a in zip(values, arrays, strict=True)]
    made = operator.run(arrays, output)
    assert made.dtype == np.int64
    assert made.shape == output.shape
    at = pixel(operator, read, output.shape)
    expected = [at(*place) for place in np.ndindex(output.shape)]
    assert made.ravel().tolist() == expected
    assert output.limits[0] <= min(expected)
    assert max(expected) <= output.limits[1]


def test_every_kind_of_operator_is_tested():
    assert {kind.kind for kind in get_args(Operator)} == set(KINDS)


def value(shape=(2, 4, 4), bits=8, signed=False, scale=0.5, name="x") -> Value:
    return Value(name, shape, bits, signed, scale)


READ = ("x",)
AVERAGE = AveragePool(READ, "y", 0, 255, 16, (2, 2), (2, 2), (0, 0, 0, 0), True, ((4, 1 << 14),))
ADD = Add(("x", "x"), "y", 0, 255, 16, (1 << 15, 1 << 15))
RESCALE = Rescale(READ, "y", 0, 255, 16, (3,), (4,))
SMALL = value((2, 2, 2), name="y")
SAME = value(name="y")

REFUSED = {
    "two inputs": (Clip(("x", "x"), "y", 0, 9), [value(), value()], SAME, "reads 2 values, not 1"),
    "one summand": (ADD, [value()], SAME, "reads 1 values, not 2"),
    "summands of two shapes": (ADD, [value(), SMALL], SAME, "adds values of its own shape"),
    "clamps beyond the range": (Clip(READ, "y", 0, 256), [value()], SAME, "must clamp within 0 .. 255"),
    "clamps below the range": (Clip(READ, "y", -1, 9), [value()], SAME, "must clamp within 0 .. 255"),
    "clamps turned": (Clip(READ, "y", 9, 8), [value()], SAME, "not to 9 .. 8"),
    "a clip of another scale": (Clip(READ, "y", 0, 9), [value(scale=1.0)], SAME, "keeps the scale"),
    "no shift": (replace(RESCALE, shift=0), [value()], SAME, "must shift by 1 .. 47"),
    "a multiplier too large": (
        replace(ADD, multipliers=(1, -(1 << 16))), [value()] * 2, SAME, "+-65535"
    ),
    "an offset too large": (replace(RESCALE, offsets=(1 << 48,)), [value()], SAME, "offsets within"),
    "channels without a factor": (
        replace(RESCALE, multipliers=(3,) * 3, offsets=(4,) * 3), [value()], SAME, "each channel"
    ),
    "offsets that are missing": (replace(RESCALE, multipliers=(3, 3)), [value()], SAME, "each channel"),
    "a rescale of another shape": (RESCALE, [value()], SMALL, "keeps the shape"),
    "a clip of another shape": (Clip(READ, "y", 0, 9), [value()], SMALL, "keeps the shape"),
    "a window of nothing": (replace(AVERAGE, kernel=(0, 2)), [value()], SMALL, "a window and a stride of 1"),
    "padding alone before": (
        replace(AVERAGE, padding=(2, 0, 0, 0)), [value()], SMALL, "axis y that sees padding only"
    ),
    "padding alone behind": (
        replace(AVERAGE, stride=(2, 4)), [value()], SMALL, "axis x that sees padding only"
    ),
    "a pool of channels": (AVERAGE, [value((3, 4, 4))], SMALL, "keeps the channels"),
    "counts that are missing": (
        replace(AVERAGE, multipliers=()), [value()], SMALL, "for each of [4] places"
    ),
    "counts that are not met": (
        replace(AVERAGE, multipliers=((2, 1), (4, 1))), [value()], SMALL, "not [2, 4]"
    ),
    "more rows than a network has": (
        replace(AVERAGE, stride=(1, 1)),
        [value((1, 1 << 17, 4))], value((1, 1 << 17, 1), name="y"), "makes more than 65536"
    ),
    "windows of too many sizes": (
        replace(AVERAGE, kernel=(100, 100), stride=(1, 1), padding=(99, 99, 0, 0), count_padding=False),
        [value((1, 100, 100))], value((1, 100, 100), name="y"), "too many different sizes"
    ),
    "a sum too large": (
        replace(AVERAGE, kernel=(200, 200), stride=(200, 200), multipliers=((40000, 1),)),
        [value((2, 400, 400), bits=16)], SMALL, "whose sum does not fit 32 bits"
    ),
    "a maximum of another scale": (
        MaxPool(READ, "y", (2, 2), (2, 2), (0, 0, 0, 0)), [value(scale=1.0)], SMALL, "x must have its scale"
    ),
    "a part with a larger range": (
        Concatenate(("x", "x"), "y"), [value(bits=9)] * 2, value((4, 4, 4), name="y"), "no larger range"
    ),
    "parts with too many channels": (Concatenate(("x", "x"), "y"), [value()] * 2, SAME, "the channels of"),
    "channels that are not there": (Channels(READ, "y", (0, 2)), [value()], SAME, "x does not have"),
    "channels too few": (Channels(READ, "y", (0,)), [value()], SAME, "keeps height and width"),
    "a shape of more values": (Reshape(READ, "y"), [value()], SMALL, "keeps the number of values"),
    "axes twice": (Reshape(READ, "y", (0, 1, 1)), [value()], SAME, "must take three axes"),
    "a crop behind the end": (Crop(READ, "y", (0, 3)), [value()], SMALL, "what lies behind x"),
    "a crop before the start": (Crop(READ, "y", (-1, 0)), [value()], SMALL, "must start inside"),
    "a pad of less": (Pad(READ, "y", (0, 0, 0)), [value()], SMALL, "has no room for x"),
    "a pad beyond": (Pad(READ, "y", (0, 1, 0)), [value()], SAME, "has no room for x"),
    "loops that make too few": (Strided(READ, "y", 0, (2, 3), (1, 1)), [value()], SMALL, "as many integers"),
    "loops without a stride": (Strided(READ, "y", 0, (8,), ()), [value()], SMALL, "loops"),
    "loops behind the end": (Strided(READ, "y", 25, (8,), (1,)), [value()], SMALL, "x does not have"),
    "loops before the start": (Strided(READ, "y", 6, (8,), (-1,)), [value()], SMALL, "x does not have"),
    "rows that are not there": (Resize(READ, "y", (0, 769), (0, 1)), [value()], SMALL, "outside of x"),
    "rows too few": (Resize(READ, "y", (0,), (0, 1)), [value()], SMALL, "a place for every row"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_does_not_fit_is_refused(case):
    operator, values, output, told = REFUSED[case]
    with pytest.raises(ValueError, match="the operator that makes y") as error:
        operator.check(values, output)
    assert told in str(error.value)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"name": ""}, "printable"),
        ({"name": "a\nb"}, "printable"),
        ({"shape": (0, 1, 1)}, "is empty"),
        ({"shape": (1 << 11, 1 << 11, 1 << 10)}, "more than 2\\^31"),
        ({"bits": 17}, "not 17"),
        ({"bits": 1, "signed": True}, "not 1"),
        ({"scale": float("nan")}, "finite"),
        ({"scale": 0.0}, "above 0"),
    ],
)
def test_values_out_of_range_are_refused(changes, told):
    with pytest.raises(ValueError, match=told):
        replace(value(), **changes)
