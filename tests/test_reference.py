"""The integer reference of a layer equals plain loops over outputs, channels and taps."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwsim.layer import Layer
from hwsim.quantize import Requantize
from hwsim.reference import accumulate, run_layer


@st.composite
def layers(draw) -> Layer:
    kind = draw(st.sampled_from(["conv", "depthwise", "linear"]))
    channels, filters = draw(st.integers(1, 4)), draw(st.integers(1, 3))
    if kind == "linear":
        return Layer("l", kind, "x", (channels, 1, 1), (filters, 1, 1))
    kernel = (draw(st.integers(1, 4)), draw(st.integers(1, 4)))
    stride = draw(st.integers(1, 3))
    padding = tuple(draw(st.integers(0, size - 1)) for size in kernel)
    size = (draw(st.integers(1, 7)), draw(st.integers(1, 7)))
    # Up to the output whose first tap just meets the map: padding at the end as large as can be.
    out = tuple(
        draw(st.integers(1, (n - 1 + pad) // stride + 1)) for n, pad in zip(size, padding, strict=True)
    )
    filters = channels if kind == "depthwise" else filters
    return Layer("l", kind, "x", (channels, *size), (filters, *out), kernel, stride, padding)


def loop_sum(
    layer: Layer, codes: np.ndarray, weights: np.ndarray, signed: bool, at: tuple[int, int, int]
) -> int:
    """One accumulator in Python integers, wrapped to 32 bits at the end."""
    m, r, q = at
    channels, height, width = layer.in_shape
    total = 0
    for c in [m] if layer.kind == "depthwise" else range(channels):
        for ky in range(layer.kernel[0]):
            for kx in range(layer.kernel[1]):
                y = r * layer.stride - layer.padding[0] + ky
                x = q * layer.stride - layer.padding[1] + kx
                if 0 <= y < height and 0 <= x < width:
                    code = int(codes[c, y, x])
                    value = ((code + 1) // 2 if code % 2 else -code // 2) if signed else code
                    total += value * int(weights[m, 0 if layer.kind == "depthwise" else c, ky, kx])
    return (total + 2**31) % 2**32 - 2**31


@given(layers(), st.booleans(), st.integers(0, 2**32 - 1))
def test_sums_equal_plain_loops(layer, signed, seed):
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, 1 << 16, layer.in_shape).astype(np.uint16)
    weights = rng.integers(-(1 << 15), 1 << 15, layer.weight_shape).astype(np.int16)
    sums = accumulate(layer, codes, weights, signed)
    assert sums.dtype == np.int32
    expected = [loop_sum(layer, codes, weights, signed, at) for at in np.ndindex(layer.out_shape)]
    assert sums.shape == layer.out_shape
    assert sums.ravel().tolist() == expected


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
