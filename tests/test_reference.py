"""The integer reference of a layer equals plain loops over outputs, channels and taps."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from random_layers import layers

from hwsim.layer import Layer
from hwsim.quantize import Requantize
from hwsim.reference import accumulate, run_layer


def loop_sums(layer: Layer, codes: np.ndarray, weights: np.ndarray, signed: bool) -> np.ndarray:
    """Every accumulator in Python integers, wrapped to 32 bits at the end."""
    filters, channels = layer.out_shape[0] // layer.groups, layer.in_shape[0] // layer.groups
    totals = np.zeros(layer.out_shape, object)
    walked = layer.in_shape if layer.transposed else layer.out_shape
    for at in np.ndindex(walked[1:]):
        for tap in np.ndindex(layer.kernel):
            other = tuple(
                at[axis] * layer.stride[axis] - layer.padding[axis] + tap[axis] * layer.dilation[axis]
                for axis in (0, 1)
            )
            read, made = (at, other) if layer.transposed else (other, at)
            inside = [0 <= i < n for i, n in zip(read, layer.in_shape[1:], strict=True)]
            inside += [0 <= i < n for i, n in zip(made, layer.out_shape[1:], strict=True)]
            if not all(inside):
                continue
            for m in range(layer.out_shape[0]):
                for c in range(channels):
                    code = int(codes[m // filters * channels + c, *read])
                    value = ((code + 1) // 2 if code % 2 else -code // 2) if signed else code
                    totals[m, *made] += value * int(weights[m, c, *tap])
    return (totals + 2**31) % 2**32 - 2**31


@given(layers(), st.booleans(), st.integers(0, 2**32 - 1))
def test_sums_equal_plain_loops(layer, signed, seed):
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, 1 << 16, layer.in_shape).astype(np.uint16)
    weights = rng.integers(-(1 << 15), 1 << 15, layer.weight_shape).astype(np.int16)
    sums = accumulate(layer, codes, weights, signed)
    assert sums.dtype == np.int32
    assert sums.shape == layer.out_shape
    np.testing.assert_array_equal(sums, loop_sums(layer, codes, weights, signed))


def test_sums_wrap_at_32_bits():
    layer = Layer("l", "linear", "x", (2, 1, 1), (1, 1, 1))
    codes, weights = np.full(layer.in_shape, 65535, np.uint16), np.full(layer.weight_shape, 32767, np.int16)
    assert accumulate(layer, codes, weights).item() == 2 * 65535 * 32767 - 2**32


def test_a_layer_is_its_sums_through_its_drain():
    layer = Layer("l", "conv", "x", (1, 2, 2), (2, 2, 2))
    codes = np.array([[[0, 1], [2, 200]]], np.uint16)
    weights = np.array([3, -1], np.int16).reshape(layer.weight_shape)
    requantize = Requantize(np.array([1, 5]), np.array([2, 4]), 2, True, 8, False, 0)
    # (3x + 1) / 2 rounded half up, clamped to 255; (5 - x) clamped at 0.
    assert run_layer(layer, codes, weights, requantize).tolist() == [[[1, 2], [4, 255]], [[5, 4], [3, 0]]]


def test_arrays_of_another_shape_are_refused():
    layer = Layer("l", "conv", "x", (1, 2, 2), (2, 2, 2))
    with pytest.raises(ValueError, match=r"layer l takes a map of \(1, 2, 2\)"):
        accumulate(layer, np.zeros((1, 2, 3), np.uint16), np.zeros(layer.weight_shape, np.int16))
    with pytest.raises(ValueError, match=r"weights of \(2, 1, 1, 1\)"):
        accumulate(layer, np.zeros((1, 2, 2), np.uint16), np.zeros((1, 1, 1, 1), np.int16))
