"""Quantized values stand for the real ones up to half a step, and the arithmetic of the drain is exact."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwsim.quantize import (
    Requantize,
    calibrate,
    code_limit,
    code_limits,
    dequantize,
    integers,
    multipliers_for,
    quantize_map,
    quantize_weights,
    quantize_weights_per_channel,
    requantize_for,
    wrap32,
)

reals = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=30).map(np.array)


@st.composite
def formats(draw) -> tuple[int, bool]:
    """Bits and signedness of a map."""
    signed = draw(st.booleans())
    return draw(st.integers(1 + signed, 16)), signed


def drain(
    accumulator: int, bias: int, multiplier: int, shift: int, relu: bool, bits: int, signed: bool
) -> int:
    """One code, in Python's unbounded integers."""
    total = (accumulator + bias + 2**31) % 2**32 - 2**31
    value = (total * multiplier + 2 ** (shift - 1)) // 2**shift
    if relu and value < 0:
        value = 0
    if not signed:
        return min(max(value, 0), 2**bits - 1)
    value = min(max(value, -(2 ** (bits - 1) - 1)), 2 ** (bits - 1) - 1)
    return 2 * value - 1 if value > 0 else -2 * value


@given(reals, formats(), st.floats(1e-3, 1e3))
def test_a_value_in_range_comes_back_within_half_a_step(real, form, scale):
    bits, signed = form
    limit = code_limit(bits, signed)
    codes = quantize_map(real, scale, bits, signed)
    assert codes.dtype == np.uint16
    assert codes.max() < 1 << bits
    inside = real.clip(-limit * scale if signed else 0, limit * scale)
    assert np.abs(dequantize(codes, scale, signed) - inside).max() <= scale * 0.5 * (1 + 1e-9)


def test_rounding_is_half_to_even_and_zero_stays_zero():
    real = np.array([0.0, 0.5, 1.5, 2.5, -0.5, -1.5, 300.0, -300.0])
    assert quantize_map(real, 1.0, 8).tolist() == [0, 0, 2, 2, 0, 0, 255, 0]
    # Signed: 0, 0, 2, 2, 0, -2, 127, -127, and v > 0 -> 2v - 1, else -2v.
    assert quantize_map(real, 1.0, 8, signed=True).tolist() == [0, 0, 3, 3, 0, 4, 253, 254]


@given(st.lists(reals, min_size=1, max_size=3), formats())
def test_a_calibrated_scale_clamps_nothing_and_uses_the_whole_range(samples, form):
    bits, signed = form
    samples = samples if signed else [np.abs(sample) for sample in samples]
    scale = calibrate(samples, bits, signed)
    peak = max(np.abs(sample).max() for sample in samples)
    if peak:
        assert scale * code_limit(bits, signed) == pytest.approx(peak)
    for sample in samples:
        error = np.abs(dequantize(quantize_map(sample, scale, bits, signed), scale, signed) - sample)
        assert error.max() <= scale * 0.5 * (1 + 1e-9)


def test_a_percentile_ignores_outliers():
    sample = np.append(np.linspace(0, 1, 1000), 1e6)
    assert calibrate([sample], 8) == pytest.approx(1e6 / 255)
    assert calibrate([sample], 8, percentile=99.9) == pytest.approx(1 / 255)


def test_maps_and_weights_of_zeros_get_a_scale_of_one():
    assert calibrate([np.zeros(3)], 8) == 1.0
    weights, scale = quantize_weights(np.zeros((2, 3)))
    assert (weights.any(), scale) == (False, 1.0)
    assert quantize_weights_per_channel(np.array([[0.0, 0.0], [1.0, 2.0]]))[1].tolist() == [1.0, 2 / 127]


@given(st.integers(0, 2**32 - 1), st.integers(2, 16))
def test_weights_come_back_within_half_a_step_and_a_scale_a_channel_is_never_coarser(seed, bits):
    rng = np.random.default_rng(seed)
    real = rng.normal(size=(4, 3, 2, 2)) * rng.lognormal(sigma=2, size=(4, 1, 1, 1))
    whole, scale = quantize_weights(real, bits)
    by_channel, scales = quantize_weights_per_channel(real, bits)
    assert whole.dtype == by_channel.dtype == np.int16
    assert whole.shape == by_channel.shape == real.shape
    limit = 2 ** (bits - 1) - 1
    assert np.abs(whole).max() == limit
    assert (np.abs(by_channel).reshape(4, -1).max(axis=1) == limit).all()
    assert np.abs(whole * scale - real).max() <= scale * 0.5 * (1 + 1e-9)
    assert (
        np.abs(by_channel * scales[:, None, None, None] - real).reshape(4, -1).max(1) <= scales * 0.5001
    ).all()
    assert scales.max() == pytest.approx(scale)


@given(
    st.lists(
        st.tuples(
            st.integers(-(2**31), 2**31 - 1), st.integers(-(2**31), 2**31 - 1), st.integers(0, 2**16 - 1)
        ),
        min_size=1,
        max_size=8,
    ),
    st.integers(1, 47),
    st.booleans(),
    formats(),
)
def test_the_drain_equals_unbounded_integers(channels, shift, relu, form):
    bits, signed = form
    accumulators, bias, multiplier = (np.array(column) for column in zip(*channels, strict=True))
    requantize = Requantize(bias, multiplier, shift, relu, bits, signed, 0)
    codes = requantize.apply(accumulators.astype(np.int32)[:, None, None])
    assert codes.dtype == np.uint16
    assert codes.shape == (len(channels), 1, 1)
    assert codes.ravel().tolist() == [drain(a, b, m, shift, relu, bits, signed) for a, b, m in channels]


@given(st.data(), st.booleans(), formats())
def test_clamps_of_its_own_are_the_ends_of_what_a_drain_makes(data, relu, form):
    bits, signed = form
    largest = 2 ** (bits - signed) - 1
    ends = st.integers(-largest if signed and not relu else 0, largest)
    low, high = sorted((data.draw(ends), data.draw(ends)))
    # Sums one apart, around both ends and around 0, that come out as they are: twice each, by 1 / 2.
    sums = np.unique([end + step for end in (low, high, 0) for step in range(-3, 4)])
    one = Requantize(np.zeros(1, int), np.full(1, 2), 1, relu, bits, signed, 0, (low, high))
    assert one.bounds == (low, high)
    made = integers(one.apply(sums[None]), signed)[0].tolist()
    assert made == [min(max(total, low), high) for total in sums.tolist()]


def test_the_ends_of_a_drain_without_clamps_are_those_of_its_code():
    form = (np.zeros(1, int), np.ones(1, int), 1)
    assert Requantize(*form, True, 8, True, 0).bounds == (0, 127)
    assert Requantize(*form, False, 8, True, 0).bounds == (-127, 127)
    assert Requantize(*form, False, 8, False, 0).bounds == (0, 255)


def test_the_drain_wraps_at_32_bits_and_rounds_half_up():
    requantize = Requantize(np.array([1, 0, 0]), np.array([1, 1, 1]), 1, False, 16, True, 0)
    # 2^31 - 1 + 1 wraps to -2^31 and clamps to -32767; 3/2 and -3/2 round to 2 and -1.
    assert requantize.apply(np.array([2**31 - 1, 3, -3])).tolist() == [65534, 3, 2]
    assert wrap32(np.array([2**31, -(2**31) - 1, 2**32])).tolist() == [-(2**31), 2**31 - 1, 0]


@given(st.integers(0, 2**32 - 1), formats(), st.booleans())
def test_a_drain_made_from_scales_is_right_up_to_its_rounding(seed, form, relu):
    rng = np.random.default_rng(seed)
    bits, signed = form
    weight_scale, in_scale, out_scale = rng.lognormal(-4, 1, 5), rng.lognormal(), rng.lognormal()
    accumulators = rng.integers(-(2**20), 2**20, (5, 7))
    bias = rng.normal(size=5) * 100
    requantize = requantize_for(
        weight_scale, in_scale, out_scale, bias, relu=relu, bits=bits, signed=signed, order=3
    )
    unit = weight_scale[:, None] * in_scale
    real = accumulators * unit + bias[:, None]
    limit = code_limit(bits, signed) * out_scale
    exact = real.clip(0 if relu or not signed else -limit, limit)
    got = dequantize(requantize.apply(accumulators), out_scale, signed)
    # Half a step of the result, half a unit of the bias, and the multiplier's rounding.
    rounding = (
        0.5 * out_scale
        + 0.5 * unit
        + np.abs(accumulators + requantize.bias[:, None]) * out_scale * (2.0 ** -(requantize.shift + 1))
    )
    assert (np.abs(got - exact) <= rounding * (1 + 1e-6)).all()
    assert requantize.multiplier.max() >= 2**15 or requantize.shift == 47


def test_scales_become_the_nearest_bias_and_multiplier():
    requantize = requantize_for(
        np.array([0.5, 0.25]), 1.0, 0.5, np.array([0.4, -0.4]), relu=True, bits=8, signed=False, order=2
    )
    # Units of 0.5 and 0.25: biases 0.8 and -1.6; ratios 1 and 0.5, the first as 2^15 / 2^15.
    assert requantize.bias.tolist() == [1, -2]
    assert (requantize.multiplier.tolist(), requantize.shift) == ([2**15, 2**14], 15)
    assert (requantize.relu, requantize.bits, requantize.signed, requantize.order) == (True, 8, False, 2)
    tiny = requantize_for(2.0**-40, 1.0, 1.0, np.zeros(1), relu=True, bits=8)
    assert (tiny.multiplier.tolist(), tiny.shift, tiny.signed, tiny.order) == ([2**7], 47, False, 0)


@pytest.mark.parametrize(
    ("ratios", "multipliers", "shift"),
    [
        ([32767.0, 1.0], [65534, 2], 1),  # the largest takes 16 bits
        ([32767.4, 0.0], [65535, 0], 1),
        ([2.0, -32767.5], [4, -65535], 1),  # of magnitude
        ([65535 / 2**20], [65535], 20),
        ([65535.4 / 2**20], [65535], 20),
        ([65535.6 / 2**20], [32768], 19),
        ([2.0**-47], [1], 47),
        ([2.0**-48], [0], 47),  # half to even
    ],
)
def test_ratios_share_the_largest_shift_with_which_all_take_16_bits(ratios, multipliers, shift):
    found = multipliers_for(np.array(ratios))
    assert (found[0].tolist(), found[1], found[0].dtype) == (multipliers, shift, np.int64)


@pytest.mark.parametrize("ratios", [[32768.0], [1.0, -32768.0]])
def test_a_ratio_that_takes_more_than_16_bits_is_refused(ratios):
    with pytest.raises(ValueError, match="the ratio of scales 32768 is too large"):
        multipliers_for(np.array(ratios))


def test_integers_and_limits_of_codes_by_hand():
    assert [
        code_limits(bits, signed) for bits, signed in ((1, False), (2, True), (16, False), (16, True))
    ] == [
        (0, 1),
        (-1, 1),
        (0, 65535),
        (-32767, 32767),
    ]
    codes = np.array([0, 1, 2, 3, 65534], np.uint16)
    assert integers(codes, signed=False).tolist() == [0, 1, 2, 3, 65534]
    assert integers(codes, signed=True).tolist() == [0, 1, -1, 2, -32767]
    assert integers(codes, signed=False).dtype == integers(codes, signed=True).dtype == np.int64
    assert dequantize(codes, 0.5).tolist() == [0, 0.5, 1, 1.5, 32767]
    assert dequantize(codes, 0.5, signed=True).tolist() == [0, 0.5, -0.5, 1, -16383.5]


def test_the_largest_of_the_percentiles_of_all_samples_counts():
    # The median of 0, 1, 2, 3, 4 is 2, that of 0, 10, 20 is 10.
    samples = [np.arange(5.0), np.array([0.0, -10.0, 20.0])]
    assert calibrate(samples, 4, percentile=50) == 10 / 15
    assert calibrate(samples, 4, signed=True) == 20 / 7


def test_unsigned_integers_are_taken_for_bias_and_multiplier():
    values = np.array([7, 9], np.uint8)
    requantize = Requantize(values, values, 1, True, 1, False, 15)
    assert (requantize.bias.dtype, requantize.multiplier.tolist()) == (np.int32, [7, 9])


BIAS, MULTIPLIER = np.array([0, 0]), np.array([1, 1])


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"bias": np.array([0.5, 1])}, "bias must be integers"),
        ({"bias": np.array([[0, 0]])}, "bias must be integers of shape"),
        ({"bias": np.array([], int)}, "bias must be integers of shape"),
        ({"bias": np.array([0, -(2**31) - 1])}, "bias must be within"),
        ({"bias": np.array([0, 2**31])}, "bias must be within"),
        ({"multiplier": np.array([0, 2**16])}, "multiplier must be within 0 .. 65535"),
        ({"multiplier": np.array([0, -1])}, "multiplier must be within 0 .. 65535"),
        ({"multiplier": np.array([1])}, "one value for each output channel"),
        ({"shift": 0}, "shift must be 1 .. 47"),
        ({"shift": 48}, "shift must be 1 .. 47"),
        ({"order": 16}, "order 0 .. 15"),
        ({"order": -1}, "order 0 .. 15"),
        ({"bits": 17}, "bits must be"),
        ({"bits": 1, "signed": True}, "bits must be"),
        ({"clamps": (5, 4)}, "clamps must be two integers within 0 .. 255, the lower one first"),
        ({"clamps": (0, 256)}, "clamps must be two integers within 0 .. 255"),
        ({"clamps": (-1, 4)}, "clamps must be two integers within 0 .. 255"),
        ({"clamps": (-1, 4), "signed": True}, "clamps must be two integers within 0 .. 127"),
        ({"clamps": (-128, 4), "signed": True, "relu": False}, "within -127 .. 127"),
    ],
)
def test_a_drain_that_the_machine_lacks_is_refused(fields, message):
    good = {
        "bias": BIAS,
        "multiplier": MULTIPLIER,
        "shift": 8,
        "relu": True,
        "bits": 8,
        "signed": False,
        "order": 0,
    }
    Requantize(**good)
    with pytest.raises(ValueError, match=message):
        Requantize(**{**good, **fields})


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: quantize_map(np.array([np.nan]), 1.0, 8), "finite"),
        (lambda: quantize_map(np.zeros(1), 0.0, 8), "scale must be finite and above 0"),
        (lambda: quantize_map(np.zeros(1), 1.0, 0), "bits must be"),
        (lambda: quantize_weights(np.array([np.inf])), "finite"),
        (lambda: quantize_weights(np.ones(1), 1), "bits must be"),
        (lambda: calibrate([], 8), "a sample or more"),
        (lambda: calibrate([np.ones(1)], 8, percentile=0), "percentile"),
        (lambda: calibrate([np.ones(1)], 8, percentile=100.5), "percentile"),
        (lambda: quantize_map(np.zeros(1), np.inf, 8), "scale must be finite and above 0"),
        (lambda: quantize_map(np.zeros(1), 1.0, 17), "bits must be"),
        (lambda: requantize_for(1.0, 1.0, 1e-9, np.zeros(1), relu=True, bits=8), "ratio of scales"),
        (
            lambda: requantize_for(1e-9, 1.0, 1.0, np.array([0.0, 9.0]), relu=True, bits=8),
            "bias of channel 1",
        ),
        (
            lambda: requantize_for(1.0, 1.0, 1.0, np.array([0.0, -(2.0**31)]), relu=True, bits=8),
            "bias of channel 1 does not fit 32 bits",
        ),
        (lambda: requantize_for(0.0, 1.0, 1.0, np.zeros(1), relu=True, bits=8), "scale must be finite"),
    ],
)
def test_values_that_cannot_be_quantized_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_the_largest_bias_of_32_bits_is_taken():
    assert requantize_for(1.0, 1.0, 1.0, np.array([2.0**31 - 1]), relu=True, bits=8).bias == 2**31 - 1
