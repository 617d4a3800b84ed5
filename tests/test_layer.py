"""The geometry of a layer equals what plain loops over pixels and taps count."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from random_layers import layers

from hwsim.layer import Layer


def products_of_pixels(layer: Layer) -> np.ndarray:
    """Of every pixel of the map, how many products with a tap add to an output of one filter, (H, W)."""
    _, height, width = layer.in_shape
    _, rows, columns = layer.out_shape
    counts = np.zeros((height, width), int)
    outer = [(height, width), (rows, columns)][not layer.transposed]  # each of these pixels has all taps
    for at in np.ndindex(outer):
        for tap in np.ndindex(layer.kernel):
            y, x = (
                at[axis] * layer.stride[axis] - layer.padding[axis] + tap[axis] * layer.dilation[axis]
                for axis in (0, 1)
            )
            if layer.transposed:
                counts[at] += 0 <= y < rows and 0 <= x < columns
            elif 0 <= y < height and 0 <= x < width:
                counts[y, x] += 1
    return counts


@given(layers(), st.integers(0, 2**32 - 1))
def test_mac_counts_equal_a_loop_over_pixels_and_taps(layer, seed):
    values = np.random.default_rng(seed).integers(0, 3, layer.in_shape).astype(np.uint16)
    products, filters = products_of_pixels(layer), layer.out_shape[0] // layer.groups
    assert layer.nonzero_macs(values) == ((values != 0) * products).sum() * filters
    assert layer.macs == products.sum() * layer.in_shape[0] * filters


@given(layers())
def test_published_macs_count_every_tap_of_every_pixel(layer):
    pixels = layer.in_shape[1:] if layer.transposed else layer.out_shape[1:]
    channels = layer.in_shape[0] // layer.groups
    assert layer.published_macs == np.prod(pixels) * np.prod(layer.kernel) * layer.out_shape[0] * channels
    assert layer.published_macs >= layer.macs


def test_what_changes_nothing_is_said_in_one_way():
    layer = Layer("l", "conv", "x", (2, 5, 5), (2, 3, 3), (1, 3), stride=2, dilation=(4, 1), padding=(0, 1))
    assert (layer.stride, layer.dilation) == ((2, 2), (1, 1))
    depthwise = Layer("l", "depthwise", "x", (3, 5, 5), (3, 5, 5))
    assert depthwise.groups == 3
    assert depthwise == Layer("l", "depthwise", "x", (3, 5, 5), (3, 5, 5), groups=3)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"kind": "pool"}, "kind must be"),
        ({"stride": 0}, "1 or more"),
        ({"kind": "depthwise"}, "as many output"),
        ({"kind": "linear"}, "1x1"),
        ({"groups": 2}, "2 groups do not divide"),
        ({"dilation": (0, 1)}, "1 or more"),
        ({"padding": (3, 0)}, "padding only"),
        ({"out_shape": (2, 9, 4)}, "padding only"),
        ({"kernel": (4097, 1)}, "side is at most 4096"),
        ({"kernel": (2**63, 1)}, "side is at most 4096"),
        *(({name: (2**63, 1)}, "any other size") for name in ("stride", "padding", "dilation")),
        ({"in_shape": (3, 2**63, 6)}, "any other size"),
        ({"out_shape": (2, 4, 10**400)}, "any other size"),
        ({"transposed": True, "out_shape": (2, 9, 4)}, "no tap reaches"),
        ({"transposed": True, "padding": (8, 0)}, "no tap reaches"),
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


def test_counting_macs_takes_the_memory_of_a_side_and_not_of_its_square():
    tracemalloc.start()
    layer = Layer("l", "conv", "x", (1, 1 << 20, 1), (1, 1 << 20, 1), (4001, 1), padding=(2000, 0))
    macs, valid = layer.macs, layer.taps(0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert macs == valid.sum() == 4001 * (1 << 20) - 2000 * 2001
    assert peak < 40 << 20
