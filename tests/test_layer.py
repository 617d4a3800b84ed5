"""The geometry of a layer equals what a plain loop over outputs and taps counts."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwsim.layer import Layer


@st.composite
def layers(draw) -> Layer:
    kind = draw(st.sampled_from(["conv", "depthwise"]))
    channels = draw(st.integers(1, 4))
    kernel = (draw(st.integers(1, 5)), draw(st.integers(1, 5)))
    stride = draw(st.integers(1, 3))
    padding = (draw(st.integers(0, kernel[0] - 1)), draw(st.integers(0, kernel[1] - 1)))
    height, width = draw(st.integers(1, 9)), draw(st.integers(1, 9))
    # Outputs from "no padding at the end" to "the last tap of the last output just meets the map".
    out = []
    for size, pad in ((height, padding[0]), (width, padding[1])):
        out.append(draw(st.integers(1, (size - 1 + pad) // stride + 1)))
    filters = channels if kind == "depthwise" else draw(st.integers(1, 4))
    return Layer("l", kind, "x", (channels, height, width), (filters, *out), kernel, stride, padding)


def loop_macs(layer: Layer, values: np.ndarray) -> int:
    """MACs with a non-zero activation, by looping over every output and tap."""
    _, height, width = layer.in_shape
    count = 0
    for r in range(layer.out_shape[1]):
        for q in range(layer.out_shape[2]):
            for kh in range(layer.kernel[0]):
                for kw in range(layer.kernel[1]):
                    y = r * layer.stride - layer.padding[0] + kh
                    x = q * layer.stride - layer.padding[1] + kw
                    if 0 <= y < height and 0 <= x < width:
                        count += int((values[:, y, x] != 0).sum())
    return count * (1 if layer.kind == "depthwise" else layer.out_shape[0])


@given(layers(), st.integers(0, 2**32 - 1))
def test_mac_counts_equal_a_loop_over_outputs_and_taps(layer, seed):
    values = np.random.default_rng(seed).integers(0, 3, layer.in_shape).astype(np.uint16)
    assert layer.nonzero_macs(values) == loop_macs(layer, values)
    assert layer.macs == loop_macs(layer, np.ones_like(values))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"kind": "pool"}, "kind must be"),
        ({"stride": 0}, "1 or more"),
        ({"kind": "depthwise"}, "as many output"),
        ({"kind": "linear"}, "1x1"),
        ({"padding": (3, 0)}, "padding only"),
        ({"out_shape": (2, 9, 4)}, "padding only"),
    ],
)
def test_shapes_that_do_not_fit_are_refused_by_name(fields, message):
    good = {
        "name": "conv1",
        "kind": "conv",
        "input": "x",
        "in_shape": (3, 6, 6),
        "out_shape": (2, 4, 4),
        "kernel": (3, 3),
    }
    Layer(**good)
    with pytest.raises(ValueError, match=f"conv1.*{message}"):
        Layer(**{**good, **fields})
