"""The cycle model equals a clocked reference: same cycles, same symbols, same drain times, same causes."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from layers import any_layer
from reference_core import order_of_draining, run_pass, seg, segments_of

from hwsim.arch import DECODE_LATENCY, DRAIN_LATENCY, MAC_LATENCY, Arch
from hwsim.layer import Kind, Layer
from hwsim.machine.passes import CAUSES, NO_STREAM, Stream, time_pass
from hwsim.machine.rows import input_rows
from hwsim.machine.symbols import coded_symbols, raw_skipping_symbols, raw_symbols

LATENCIES = (DECODE_LATENCY, MAC_LATENCY, DRAIN_LATENCY)


@dataclass(frozen=True)
class Case:
    """A pass: everything that its timing depends on."""

    layer: Layer
    arch: Arch
    owned: tuple[int, ...]
    channels: range
    block: int
    out_channels: int
    order: int
    bits: int
    density: float
    stream: tuple[int, int, int] | None  # request, latency, bytes a cycle
    seed: int

    @property
    def values(self) -> np.ndarray:
        rng = np.random.default_rng(self.seed)
        values = rng.integers(1, 2**self.bits, self.layer.in_shape) >> rng.integers(0, self.bits)
        return np.where(rng.random(values.shape) < self.density, values, 0).astype(np.uint16)


@st.composite
def cases(draw) -> Case:
    depthwise = draw(st.booleans())
    columns = draw(st.sampled_from([1, 2, 4, 8]))
    channels = draw(st.integers(1, 12))
    shape = (channels, draw(st.integers(1, 9)), draw(st.integers(1, 24)))
    kind: Kind = "depthwise" if depthwise else "conv"
    filters = channels if depthwise else draw(st.integers(1, 9))
    layer = draw(any_layer(kind, shape, filters, most_kernel=5))
    block = draw(st.sampled_from([b for b in (1, 2, 4, 8) if b <= columns]))
    span = range(channels)
    if depthwise:
        first = draw(st.integers(0, (channels - 1) // block)) * block
        span = range(first, min(first + block, channels))
    rows = draw(st.sets(st.integers(0, layer.out_shape[1] - 1), min_size=1))
    owned = tuple(row for row in order_of_draining(layer) if row in rows)
    arch = Arch(
        columns=columns,
        run_max=draw(st.integers(1, 16)),
        fifo_depth=draw(st.integers(DECODE_LATENCY + 1, DECODE_LATENCY + 6)),
        skip_zeros=draw(st.booleans()),
        compress=draw(st.booleans()),
        dram_efficiency=draw(st.sampled_from([100, 81, 7])),
    )
    return Case(
        layer=layer,
        arch=arch,
        owned=owned,
        channels=span,
        block=block,
        out_channels=len(span) if depthwise else draw(st.integers(1, columns)),
        order=draw(st.integers(0, 15)),
        bits=draw(st.integers(1, 16)),
        density=draw(st.sampled_from([0.0, 0.02, 0.2, 0.6, 1.0])),
        stream=draw(
            st.none()
            | st.tuples(st.integers(-40, 40), st.integers(0, 60), st.sampled_from([1, 3, 8, 32, 64]))
        ),
        seed=draw(st.integers(0, 2**32 - 1)),
    )


def outcomes(case: Case):
    """(model, reference, events of the model) of a case."""
    layer, arch, values = case.layer, case.arch, case.values
    order = case.order if arch.compress else None
    starts = range(0, layer.in_shape[0], case.block)
    parts = [
        [
            segments_of(
                values, [y], range(c, min(c + case.block, layer.in_shape[0])), case.block, order, case.bits
            )
            for c in starts
        ]
        for y in range(layer.in_shape[1])
    ]
    words = np.array([[len(part[0].words) for part in row] for row in parts], np.int32)
    if arch.compress:
        used = np.unique(values)
        lengths = np.zeros(65536, np.uint8)
        lengths[used] = [len(seg(int(v), case.order)) for v in used]
        symbols = coded_symbols(values, case.block, lengths, arch.run_max if arch.skip_zeros else 0)
    elif arch.skip_zeros:
        symbols = raw_skipping_symbols(values, case.block, case.bits)
    else:
        symbols = raw_symbols(values.shape, case.block, case.bits)

    rows = input_rows(layer, np.array(case.owned))
    blocks = [c // case.block for c in range(case.channels.start, case.channels.stop, case.block)]
    # Segments come from an earlier fetch, from the last one, or were there. Between two of them lie beats of
    # somebody else's.
    request, latency, rate = case.stream or (0, 0, 1)
    begin, gap, earlier = 1000, 2, 70
    requests = np.full(words.shape, NO_STREAM, np.int64)
    before = np.zeros(words.shape, np.int64)
    there: list[int] = []  # of every word of the pass, counted from its begin
    beats = 0
    for y in rows.y:
        for b in blocks:
            fetch = (y + b + case.seed) % 4 if case.seed % 4 else 0
            if fetch == 3 or case.stream is None:
                there += [0] * words[y, b]
                continue
            asked = request - (earlier if fetch == 2 else 0)
            requests[y, b], before[y, b] = begin + asked, beats
            for word in range(words[y, b]):
                loaded = -(-(beats + word // 4 + 1) * 32 * 100 // (rate * case.arch.dram_efficiency))
                there.append(max(0, asked + latency + loaded))
            beats += -(-words[y, b] // 4) + gap
    stream = Stream(requests, before, begin, latency, case.arch.replace(bytes_per_cycle=rate).dram_rate)

    events = np.full((values.size, 4), -7, np.int64)
    model = time_pass(
        layer,
        symbols,
        arch,
        rows,
        segments=range(blocks[0], blocks[-1] + 1),
        out_channels=case.out_channels,
        words=words,
        stream=None if case.stream is None else stream,
        events=events,
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
        fifo_depth=arch.fifo_depth,
        latencies=LATENCIES,
        arrival=there.__getitem__,
    )
    return model, reference, events[: model.symbols]


@settings(max_examples=300)
@given(cases())
def test_model_equals_the_clocked_reference(case):
    assert_equal(case)


@settings(max_examples=150)
@given(
    cases(),
    st.integers(1, 4),
    st.sampled_from([0.05, 0.1, 0.3]),
    st.tuples(st.integers(-60, 0), st.integers(0, 20), st.sampled_from([3, 8, 16])),
)
def test_waits_for_late_words_and_for_runs_of_zeros_are_told_apart(case, run_max, density, stream):
    arch = case.arch.replace(skip_zeros=True, run_max=run_max)
    assert_equal(replace(case, arch=arch, density=density, stream=stream))


def assert_equal(case: Case) -> None:
    model, reference, events = outcomes(case)
    assert model.cycles == reference.cycles
    assert events.tolist() == reference.events
    assert model.drained.tolist() == reference.drained
    assert model.symbols == reference.symbols
    assert model.words == reference.words
    assert sum(model.causes.values()) == model.cycles
    assert model.causes == {cause: reference.causes[cause] for cause in CAUSES}


@settings(max_examples=50)
@given(cases())
def test_a_map_on_chip_never_waits_for_dram(case):
    model, _, _ = outcomes(replace(case, stream=None))
    assert model.causes["dram"] == 0


def test_a_starved_pass_waits_for_dram_and_for_nothing_else_of_note():
    layer = Layer("l", "conv", "x", (16, 4, 16), (8, 4, 16))
    slow = Case(layer, Arch(columns=8), (0, 1, 2, 3), range(16), 8, 8, 4, 8, 1.0, (0, 200, 1), 0)
    model, reference, _ = outcomes(slow)
    assert model.cycles == reference.cycles
    assert model.causes["dram"] > 200 + 300  # the latency, and more
    assert model.causes["decode"] + model.causes["taps"] < 15


@pytest.mark.parametrize("density", [0.2, 0.6, 1.0])
def test_a_1x1_layer_costs_one_cycle_a_nonzero_value(density):
    layer = Layer("l", "conv", "x", (64, 8, 32), (8, 8, 32))
    case = Case(layer, Arch(columns=8), tuple(range(8)), range(64), 8, 8, 6, 8, density, None, 5)
    model, _, _ = outcomes(case)
    assert model.causes["compute"] == np.count_nonzero(case.values)
    long_runs = model.symbols - model.causes["compute"]  # symbols without a value
    fill = 1 + 2 + DECODE_LATENCY  # first words, first item
    assert model.cycles - model.causes["compute"] - model.causes["drain"] <= long_runs + fill


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
