"""The cycle model equals a simulation that steps through cycles, in every event of a pass."""

from dataclasses import dataclass, replace
from operator import itemgetter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from layers import any_layer
from reference_core import run_pass
from reference_rows import order_of_draining
from reference_segments import seg, segments_of

from hwsim import open_trace
from hwsim.arch import DRAIN_LATENCY, LINE_WORDS, MAC_LATENCY, Arch
from hwsim.codec.seg_lengths import code_lengths
from hwsim.layer import Kind, Layer
from hwsim.machine.passes import (
    CAUSES,
    EVENT_FIELDS,
    NO_STREAM,
    SERVED_FIELDS,
    PassTiming,
    Stream,
    time_pass,
)
from hwsim.machine.rows import input_rows
from hwsim.machine.storage import raw_segments, store_map
from hwsim.machine.symbols import raw_symbols, stored_symbols
from hwsim.trace.shipped import shipped_trace


@dataclass(frozen=True)
class Case:
    """A pass behind slots; ``late``: lines come up to so many cycles after the start, perhaps in order."""

    layer: Layer
    arch: Arch
    owned: tuple[int, ...]
    channels: range
    block: int
    out_channels: int
    order: int
    bits: int
    density: float
    period: int
    late: int
    in_order: bool
    packed: bool  # segments follow each other, instead of having places of the largest size
    seed: int


@st.composite
def cases(draw) -> Case:
    depthwise = draw(st.booleans())
    columns = draw(st.sampled_from([1, 2, 4, 8]))
    block = draw(st.sampled_from([b for b in (1, 2, 4, 8) if b <= columns]))
    channels, width = draw(st.integers(1, 5 * block)), draw(st.integers(1, 24))
    kind: Kind = "depthwise" if depthwise else "conv"
    filters = channels if depthwise else draw(st.integers(1, columns))
    layer = draw(any_layer(kind, (channels, draw(st.integers(1, 9)), width), filters, most_kernel=5))
    rows = draw(st.sets(st.integers(0, layer.out_shape[1] - 1), min_size=1))
    span = range(channels)
    if depthwise:  # one segment a row, or two halves
        first = draw(st.integers(0, (channels - 1) // block)) * block
        span = range(first, min(first + block * draw(st.integers(1, 2)), channels))
    arch = Arch(
        columns=columns,
        run_max=draw(st.integers(1, 16)),
        skip_zeros=draw(st.booleans()),
        compress=draw(st.booleans()),
    )
    return Case(
        layer=layer,
        arch=arch,
        owned=tuple(row for row in order_of_draining(layer) if row in rows),
        channels=span,
        block=block,
        out_channels=len(span) if depthwise else filters,
        order=draw(st.integers(0, 15)),
        bits=draw(st.integers(1, 16)),
        density=draw(st.sampled_from([0.0, 0.02, 0.2, 0.6, 1.0])),
        period=draw(st.integers(1, 20)),
        late=draw(st.sampled_from([0, 0, 30, 1000])),
        in_order=draw(st.booleans()),
        packed=draw(st.booleans()),
        seed=draw(st.integers(0, 2**32 - 1)),
    )


def values_of(case: Case) -> np.ndarray:
    """The map of a random case, uint16 (C, H, W)."""
    rng = np.random.default_rng(case.seed)
    values = rng.integers(1, 2**case.bits, case.layer.in_shape) >> rng.integers(0, case.bits)
    return np.where(rng.random(values.shape) < case.density, values, 0).astype(np.uint16)


def assert_equal(case: Case, values: np.ndarray) -> PassTiming:
    """Every symbol, item, slot and drain of a pass is the same in recurrence and simulation."""
    layer, arch = case.layer, case.arch
    order = case.order if arch.compress else None
    blocks = [range(c, min(c + case.block, len(values))) for c in range(0, len(values), case.block)]
    words = np.zeros((layer.in_shape[1], len(blocks)), np.int32)
    raw = np.zeros(words.shape, bool)
    for y, b in np.ndindex(words.shape):
        (segment,) = segments_of(values, [y], blocks[b], case.block, order, case.bits)
        words[y, b], raw[y, b] = len(segment.words), segment.raw
    if arch.compress or arch.skip_zeros:
        used = np.unique(values)
        lengths = np.zeros(65536, np.uint8)
        lengths[used] = [len(seg(int(v), case.order)) for v in used]
        run_max = arch.run_max if arch.skip_zeros else 0
        symbols = stored_symbols(values, case.block, raw, lengths, case.bits, run_max)
    else:
        symbols = raw_symbols(values.shape, case.block, case.bits)
    places = raw_segments(values.shape, case.block, case.bits).line_places()
    if case.packed:
        places = np.cumsum(words.ravel()).reshape(words.shape) - words
    lines = int((places + words).max()) // LINE_WORDS + 1
    there = np.random.default_rng(case.seed).integers(0, case.late + 1, lines)
    if case.in_order:
        there.sort()
    events = np.full((values.size, len(EVENT_FIELDS)), 7)  # nothing of it stays
    served = np.full((int(words.sum()) + words.size, len(SERVED_FIELDS)), -1)
    model = time_pass(
        layer,
        symbols,
        arch,
        input_rows(layer, np.array(case.owned)),
        segments=range(case.channels.start // case.block, -(-case.channels.stop // case.block)),
        out_channels=case.out_channels,
        words=words,
        places=places,
        period=case.period,
        there=there if case.late else None,
        events=events,
        served=served,
    )
    reference = run_pass(
        layer,
        values,
        case.owned,
        channels=case.channels,
        block=case.block,
        out_channels=case.out_channels,
        columns=arch.columns,
        order=order,
        bits=case.bits,
        skip_zeros=arch.skip_zeros,
        run_max=arch.run_max,
        period=case.period,
        latencies=(MAC_LATENCY, DRAIN_LATENCY),
        places=places,
        there=there.__getitem__,
    )
    decoded, taken, occupied, useful, lane, chosen = events[: model.symbols].T
    assert sorted(zip(lane.tolist(), decoded.tolist(), strict=True)) == sorted(reference.symbols)
    items = [tuple(item) for item in np.stack([lane, chosen, taken, occupied], axis=1).tolist()]
    assert sorted((item for item in items if item[1] >= 0), key=itemgetter(1)) == reference.taken
    without = np.stack([taken, occupied, useful, chosen])[:, chosen < 0].T  # an item
    assert {tuple(each) for each in without.tolist()} <= {(-1, 0, 0, -1)}
    lines = model.words // LINE_WORDS
    assert list(map(tuple, served[:lines, :2].tolist())) == reference.served
    assert (served[lines:] == -1).all()
    assert model.drained.tolist() == reference.drained
    assert model.cycles == reference.cycles
    assert model.causes == {cause: reference.labels.count(cause) for cause in CAUSES}
    assert sum(model.causes.values()) == model.cycles
    assert model.tap_cycles == occupied[useful == 1].sum() == model.causes["compute"]
    return model


@settings(max_examples=300, deadline=None)
@given(cases())
def test_recurrence_equals_the_stepped_simulation(case):
    timing = assert_equal(case, values_of(case))
    assert case.late or timing.causes["dram"] == 0  # a map on chip never waits for the channel


@pytest.mark.parametrize(("period", "late"), [(17, 0), (3, 400), (4, 1500)])
def test_waits_for_drains_and_for_late_lines_are_told_apart(period, late):
    # Few values a row, and long drains behind each: items wait for a drain, while further lines are late.
    layer = Layer("l", "conv", "x", (3, 9, 20), (8, 9, 20))
    for seed in range(20):
        case = Case(
            layer=layer,
            arch=Arch(columns=8),
            owned=tuple(range(9)),
            channels=range(3),
            block=1,
            out_channels=8,
            order=4,
            bits=8,
            density=0.1,
            period=period,
            late=late,
            in_order=True,
            packed=False,
            seed=seed,
        )
        assert_equal(case, values_of(case))


@pytest.mark.parametrize("machine", [Arch(), Arch().dense()], ids=["skipping", "dense"])
@pytest.mark.parametrize(
    ("name", "layer_name", "owned"),
    [
        ("lenet5_digits/sparse", "conv2", (0, 3, 4)),
        ("lenet5_digits/sparse", "fc1", (0,)),
        ("lenet5_digits/sparse", "fc3", (0,)),
        ("mobilenet_v1_cifar10/baseline", "conv2.dw", (0, 1, 2, 5)),
        ("resnet18_cifar10/l1_fatrelu", "layer3.0.downsample.0", (0, 7)),
        ("resnet18_cifar10/l1_fatrelu", "layer4.1.conv1", (1, 3)),
    ],
)
def test_passes_of_real_layers_are_equal(name, layer_name, owned, machine):
    with open_trace(shipped_trace(name)) as trace:
        layer = next(layer for layer in trace.layers if layer.name == layer_name)
        info, values = trace.maps[layer.input], trace.map(layer.input, 0)
    depthwise = layer.kind == "depthwise"
    columns = machine.columns
    case = Case(
        layer=layer,
        arch=machine,
        owned=owned,
        channels=range(columns) if depthwise else range(len(values)),
        block=columns // 2 if depthwise else columns,
        out_channels=min(columns, layer.out_shape[0]),
        order=info.order,
        bits=info.bits,
        density=0.0,
        period=machine.cores + 1,
        late=0,
        in_order=False,
        packed=False,
        seed=0,
    )
    assert_equal(case, values)


@pytest.mark.parametrize(("segments", "cycles_each"), [(1, 2), (2, 1), (8, 1)])
def test_one_lane_takes_a_symbol_every_two_cycles_and_both_together_one_a_cycle(segments, cycles_each):
    values = np.full((8 * segments, 1, 30), 5, np.uint16)
    layer = Layer("l", "conv", "x", values.shape, (8, 1, 30))
    stored = store_map(values, 8, 2, 4, True)
    timing = time_pass(
        layer,
        stored_symbols(values, 8, stored.raw, code_lengths(2), 4, 16),
        Arch(),
        input_rows(layer, np.array([0])),
        segments=range(segments),
        out_channels=8,
        words=stored.words,
        places=stored.line_places(),
    )
    drain = 8 * 30 + MAC_LATENCY + DRAIN_LATENCY
    assert 0 <= timing.cycles - drain - cycles_each * values.size < 60  # the fill, and waits for slots


SQUARE = Case(
    layer=Layer("l", "conv", "x", (64, 8, 32), (8, 8, 32)),
    arch=Arch(columns=8),
    owned=tuple(range(8)),
    channels=range(64),
    block=8,
    out_channels=8,
    order=6,
    bits=8,
    density=1.0,
    period=2,
    late=0,
    in_order=True,
    packed=False,
    seed=5,
)


@pytest.mark.parametrize("density", [0.2, 0.6, 1.0])
def test_a_1x1_layer_costs_one_cycle_a_nonzero_value(density):
    case = replace(SQUARE, density=density)
    values = values_of(case)
    timing = assert_equal(case, values)
    assert timing.causes["compute"] == np.count_nonzero(values)
    # Beside them, but for the drains: symbols without a value, and about two cycles a segment, of which each
    # begins with a line of its own.
    others = timing.cycles - timing.causes["compute"] - timing.causes["drain"]
    assert others <= timing.symbols - timing.causes["compute"] + 2 * 64


def test_a_starved_pass_waits_for_dram_and_for_nothing_else_of_note():
    """Lines come one after the other, with gaps of some 100 cycles between them."""
    case = replace(SQUARE, late=40_000)
    on_chip, starved = (assert_equal(each, values_of(each)) for each in (SQUARE, case))
    assert starved.cycles > 39_000
    waited = starved.cycles - on_chip.cycles
    assert starved.causes["dram"] == pytest.approx(waited, rel=0.1)


@pytest.mark.parametrize(
    ("rate", "expected"),
    [
        # Two cycles a beat, which is asked for at 100, has 10 more to come, and is seen from cycle 110.
        ((16, 1), {(0, 0): 2, (0, 1): 4, (1, 0): 0, (2, 0): 0, (2, 2): 2, (3, 0): 16, (3, 1): 18}),
        # Three bytes in two cycles: 21 1/3 a beat, each filled up to whole cycles.
        ((3, 2), {(0, 0): 22, (0, 1): 43, (1, 0): 0, (2, 0): 76, (3, 0): 171}),
    ],
)
def test_a_beat_is_there_when_the_channel_has_brought_it_and_all_before_it(rate, expected):
    requests = np.array([[100, NO_STREAM], [90, 100]])
    stream = Stream(requests, np.array([[0, 5], [3, 7]]), 110, 10, rate)
    segments, beats = np.array(list(expected)).T
    assert stream.arrivals(segments, beats).tolist() == list(expected.values())


def test_a_beat_of_a_map_that_comes_in_its_order_is_there_when_it_was_taken():
    taken = np.array([100, 103, 109, 111, 112, 119, 130, 131, 150, 155])
    requests = np.full((2, 2), 90)
    stream = Stream(requests, np.array([[0, 5], [3, 7]]), 110, 10, (32, 1), taken)
    # Beats 0 and 3, 5 and 7, 4, and 9 of all, as seen from cycle 110.
    expected = {(0, 0): 0, (0, 3): 1, (1, 0): 9, (1, 2): 21, (2, 1): 2, (3, 2): 45}
    segments, beats = np.array(list(expected)).T
    assert stream.arrivals(segments, beats).tolist() == list(expected.values())
