"""A simulated network equals the clocked array; its numbers add up; wrong requests are refused."""

from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference_array import run_chain

from hwsim.arch import DECODE_LATENCY, Arch
from hwsim.errors import ArchError, TraceError
from hwsim.layer import Layer
from hwsim.mapping import map_blocks, map_layer
from hwsim.simulation import simulate


@dataclass
class MemoryTrace:
    """What simulate needs of a trace, in memory."""

    layers: tuple[Layer, ...]
    values: dict[str, np.ndarray]  # (images, C, H, W)
    order: int
    bits: int
    title = "memory"
    network = "random"
    variant = "test"
    synthetic = True
    weight_bits = 8

    @property
    def provenance(self) -> dict:
        return {}

    @property
    def images(self) -> int:
        return len(next(iter(self.values.values())))

    @property
    def maps(self) -> dict:
        return {
            name: SimpleNamespace(name=name, shape=values.shape[1:], bits=self.bits, order=self.order)
            for name, values in self.values.items()
        }

    def map(self, name: str, image: int) -> np.ndarray:
        return self.values[name][image]


@st.composite
def chains(draw, images: int = 1) -> MemoryTrace:
    """One to three layers, each reading what the one before makes."""
    shape = (draw(st.integers(1, 6)), draw(st.integers(1, 6)), draw(st.integers(1, 8)))
    order, bits = draw(st.integers(0, 8)), draw(st.integers(2, 16))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    layers, values = [], {}
    for i in range(draw(st.integers(1, 3))):
        depthwise = draw(st.booleans())
        kernel = (draw(st.integers(1, 3)), draw(st.integers(1, 3)))
        stride = draw(st.integers(1, 2))
        padding = tuple(draw(st.integers(0, k - 1)) for k in kernel)
        sizes = zip(shape[1:], padding, strict=True)
        out = tuple(draw(st.integers(1, (size - 1 + pad) // stride + 1)) for size, pad in sizes)
        filters = shape[0] if depthwise else draw(st.integers(1, 7))
        kind = "depthwise" if depthwise else "conv"
        layers.append(
            Layer(f"l{i}", kind, f"m{i}", shape, (filters, *out), kernel, stride, padding, output=f"m{i + 1}")
        )
        map_ = rng.integers(1, 2**bits, (images, *shape))
        values[f"m{i}"] = np.where(rng.random(map_.shape) < draw(st.sampled_from([0.0, 0.3, 1.0])), map_, 0)
        values[f"m{i}"] = values[f"m{i}"].astype(np.uint16)
        shape = layers[-1].out_shape
    return MemoryTrace(tuple(layers), values, order, bits)


machines = st.builds(
    Arch,
    cores=st.integers(1, 4),
    columns=st.sampled_from([1, 2, 4]),
    run_max=st.sampled_from([1, 4, 16]),
    fifo_depth=st.sampled_from([DECODE_LATENCY + 1, 16]),
    weight_words=st.sampled_from([63, 100, 9216]),  # 63: the largest pass of these layers
    map_buffer=st.sampled_from([0, 100, 400, 100_000]),
    bytes_per_cycle=st.sampled_from([1, 7, 32, 64]),
    dram_latency=st.sampled_from([0, 20, 100]),
    row_split=st.sampled_from(["balanced", "contiguous"]),
)


@settings(max_examples=120)
@given(chains(), machines)
def test_every_layer_starts_and_ends_as_in_the_clocked_array(trace, arch):
    assert_as_clocked(trace, arch)


def assert_as_clocked(trace: MemoryTrace, arch: Arch) -> None:
    result = simulate(trace, arch)
    for mode, machine in (("skipping", arch), ("dense", arch.dense())):
        blocks = map_blocks(trace.layers, machine)
        maps = [trace.map(layer.input, 0) for layer in trace.layers]
        mappings = []
        for layer, values in zip(trace.layers, maps, strict=True):
            nonzeros = np.count_nonzero(values, axis=(0, 2))
            everything = np.full(values.shape[1], values.shape[0] * values.shape[2])
            counts = nonzeros if machine.skip_zeros else everything
            mappings.append(map_layer(layer, machine, counts, blocks[layer.input]))
        used = [blocks[layer.input] for layer in trace.layers]
        spans, traffic = run_chain(trace.layers, maps, used, mappings, machine, trace.order, trace.bits)
        runs = result.runs(mode)
        assert [(run.start, run.end) for run in runs] == spans
        assert [run.dram for run in runs] == traffic


@pytest.mark.parametrize("weight_words", [6, 7, 11, 12, 13, 18, 47, 48, 53, 54, 1000])
@pytest.mark.parametrize("bytes_per_cycle", [1, 16])
def test_weights_run_ahead_as_far_as_the_ring_has_room(weight_words, bytes_per_cycle):
    # A long pass of 6 words, then many short ones of 1 word, then of 6: all kinds of room.
    rng = np.random.default_rng(0)
    shapes = [(6, 12, 16), (1, 12, 16), (6, 1, 1)]
    layers, values = [], {}
    for i, (shape, out) in enumerate(zip(shapes, [(1, 12, 16), (20, 1, 1), (20, 1, 1)], strict=True)):
        layers.append(Layer(f"l{i}", "conv", f"m{i}", shape, out, output=f"m{i + 1}"))
        values[f"m{i}"] = rng.integers(1, 200, (1, *shape)).astype(np.uint16)
    arch = Arch(
        cores=1, columns=1, weight_words=weight_words, bytes_per_cycle=bytes_per_cycle, dram_latency=400
    )
    assert_as_clocked(MemoryTrace(tuple(layers), values, 3, 8), arch)


@settings(max_examples=60)
@given(chains(images=2), machines)
def test_every_core_cycle_has_one_cause(trace, arch):
    result = simulate(trace, arch)
    for mode in ("skipping", "dense"):
        for run in result.runs(mode):
            assert sum(run.causes.values()) == run.cycles * arch.cores
            assert min(run.causes.values()) >= 0
            assert run.end - run.start == run.cycles


@settings(max_examples=40)
@given(chains(images=3), machines)
def test_an_image_takes_the_same_alone_and_among_others(trace, arch):
    together = simulate(trace, arch)
    alone = simulate(trace, arch, images=[1])
    assert list(alone.layers) == [layer for layer in together.layers if layer.image == 1]


def small_trace(**fields) -> MemoryTrace:
    layer = Layer("conv1", "conv", "m0", (2, 4, 4), (3, 4, 4), (3, 3), padding=(1, 1))
    values = {"m0": np.ones((1, 2, 4, 4), np.uint16)}
    return MemoryTrace(**{"layers": (layer,), "values": values, "order": 0, "bits": 8, **fields})


def test_work_is_counted_by_hand():
    trace = small_trace()
    trace.values["m0"][0, 0] = 0  # one of two channels is zero
    (run,) = simulate(trace).runs("skipping")
    assert run.macs == 2 * 3 * 100  # 10 x 10 valid taps along y and x
    assert run.nonzero_macs == run.macs // 2
    assert (run.elements, run.nonzeros) == (32, 16)


def test_ratios_in_a_row_are_those_of_the_sums():
    result = simulate(small_trace(), Arch(cores=2))
    (row,) = result.per_layer()
    assert row["speedup"] == result.speedup == result.total("dense") / result.total("skipping")
    assert row["efficiency"] == pytest.approx(row["speedup"] / row["ideal_speedup"])


@pytest.mark.parametrize(
    ("arch", "images", "error", "message"),
    [
        (Arch(activation_bits=4), None, ArchError, "map m0 has 8 bits"),
        (Arch(weight_bits=4), None, ArchError, "8-bit weights"),
        (Arch(accumulators=8), None, ArchError, "conv1 needs 4 rows of 4 accumulators"),
        (Arch(weight_words=17), None, ArchError, "conv1 needs 18 weight words"),
        (Arch(energy={"macs": 1.0}), None, ArchError, "no event 'macs'"),
        (Arch(), [1], TraceError, "no image 1"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(arch, images, error, message):
    with pytest.raises(error, match=message) as caught:
        simulate(small_trace(), arch, images)
    assert "\n" not in str(caught.value)
