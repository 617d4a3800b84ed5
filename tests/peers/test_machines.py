"""Published machines take what a brute-force reading of their papers takes, and every slot has one use."""

import numpy as np
import pytest
import reference_peers as brute
from hypothesis import given, settings
from hypothesis import strategies as st

from hwsim.errors import PeerError
from hwsim.layer import Kind, Layer
from hwsim.peers import Cnvlutin, Scnn, Systolic, peers_named


@st.composite
def cases(draw, most_channels: int = 40) -> tuple[Layer, np.ndarray, np.ndarray]:
    """(layer, non-zero activations, weights)."""
    depthwise = draw(st.booleans())
    channels = draw(st.integers(1, most_channels))
    size = [draw(st.integers(1, 6)) for _ in range(2)]
    kernel = (draw(st.integers(1, 3)), draw(st.integers(1, 3)))
    stride = draw(st.integers(1, 2))
    padding = tuple(draw(st.integers(0, k - 1)) for k in kernel)
    out = [draw(st.integers(1, (n - 1 + p) // stride + 1)) for n, p in zip(size, padding, strict=True)]
    filters = channels if depthwise else draw(st.integers(1, 20))
    kind: Kind = "depthwise" if depthwise else "conv"
    layer = Layer("l", kind, "x", (channels, *size), (filters, *out), kernel, (stride,) * 2, padding)
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    density = draw(st.sampled_from([0.0, 0.3, 0.7, 1.0]))
    weight_density = draw(st.sampled_from([0.0, 0.5, 1.0]))
    shape = (filters, 1 if depthwise else channels, *kernel)
    return layer, rng.random(layer.in_shape) < density, (rng.random(shape) < weight_density).astype(np.int8)


def assert_every_slot_has_one_use(machine, run):
    parts = (run.useful, run.zeros, run.fragmentation, run.synchronisation, run.conflicts)
    assert min(parts) >= 0
    assert sum(parts) == run.slots == run.cycles * machine.multipliers


@settings(max_examples=60)
@given(cases(), st.integers(1, 5), st.integers(1, 5))
def test_systolic_folds_take_the_clocked_array_s_cycles(case, rows, columns):
    layer, nonzero, weights = case
    machine = Systolic(rows, columns)
    run = machine.run(layer, nonzero, weights)
    depthwise = layer.kind == "depthwise"
    depth = layer.kernel[0] * layer.kernel[1] * (1 if depthwise else layer.in_shape[0])
    folds = 0
    for _ in range(layer.in_shape[0] if depthwise else 1):
        for _ in range(0, layer.out_shape[1] * layer.out_shape[2], rows):
            for _ in range(0, 1 if depthwise else layer.out_shape[0], columns):
                folds += 1
    assert run.cycles == folds * brute.systolic_fold(depth, rows, columns)
    assert run.useful == brute.useful(layer, nonzero, weights)
    assert_every_slot_has_one_use(machine, run)


@settings(max_examples=60)
@given(cases())
def test_cnvlutin_takes_the_cycles_of_its_slowest_lane_in_every_window(case):
    layer, nonzero, weights = case
    machine = Cnvlutin()
    run = machine.run(layer, nonzero, weights)
    assert run.cycles == brute.cnvlutin(layer, nonzero)
    assert run.useful == brute.useful(layer, nonzero, weights)
    assert_every_slot_has_one_use(machine, run)


def test_cnvlutin_gives_each_lane_a_slice_of_many_channels():
    # 320 channels are 20 bricks for 16 lanes: the slowest lane has two of them.
    layer = Layer("l", "conv", "x", (320, 1, 1), (16, 1, 1), (1, 1))
    nonzero = np.zeros((320, 1, 1), bool)
    assert Cnvlutin().run(layer, nonzero).cycles == brute.cnvlutin(layer, nonzero) == 2  # two empty bricks
    nonzero[:] = True
    assert Cnvlutin().run(layer, nonzero).cycles == brute.cnvlutin(layer, nonzero) == 32


@settings(max_examples=40)
@given(cases(most_channels=5), st.integers(1, 3), st.integers(1, 3), st.booleans())
def test_scnn_takes_the_cycles_of_its_slowest_element_in_every_group(case, rows, columns, conflicts):
    layer, nonzero, weights = case
    machine = Scnn(rows, columns, conflicts)
    run = machine.run(layer, nonzero, weights)
    assert run.cycles == brute.scnn(layer, nonzero, weights, rows, columns, conflicts)
    assert run.useful == brute.useful(layer, nonzero, weights)
    assert_every_slot_has_one_use(machine, run)


@pytest.mark.parametrize("conflicts", [False, True])
def test_scnn_works_in_groups_when_its_accumulators_do_not_hold_all_channels(conflicts):
    # A tile of 16 x 16 with its halo has 18 x 18 = 324 sums: three channels of 1024 accumulators.
    layer = Layer("l", "conv", "x", (2, 16, 16), (7, 16, 16), (3, 3), 1, (1, 1))
    rng = np.random.default_rng(7)
    nonzero, weights = rng.random((2, 16, 16)) < 0.4, (rng.random((7, 2, 3, 3)) < 0.6).astype(np.int8)
    run = Scnn(1, 1, conflicts).run(layer, nonzero, weights)
    assert run.cycles == brute.scnn(layer, nonzero, weights, 1, 1, conflicts)


def test_weights_that_are_not_given_are_dense():
    layer = Layer("l", "conv", "x", (20, 4, 4), (5, 4, 4), (3, 3), 1, (1, 1))
    nonzero = np.random.default_rng(1).random(layer.in_shape) < 0.5
    ones = np.ones((5, 20, 3, 3), np.int8)
    for machine in peers_named(("systolic", "cnvlutin", "scnn"), 256):
        assert machine.run(layer, nonzero) == machine.run(layer, nonzero, ones)


@pytest.mark.parametrize(
    ("names", "multipliers", "words"),
    [
        (("eyeriss",), 256, "no published machine 'eyeriss': there are cnvlutin, scnn, systolic"),
        (("cnvlutin",), 300, "300 is no multiple"),
        (("scnn",), 24, "24 is no multiple"),
    ],
)
def test_what_cannot_be_is_told_in_one_line(names, multipliers, words):
    with pytest.raises(PeerError, match=words):
        peers_named(names, multipliers)
