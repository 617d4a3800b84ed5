"""Kernels compute the layer before they are timed; times, records and joins are what they say."""

import json
import os
import socket
import subprocess
import sys
from dataclasses import replace
from itertools import count

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from in_memory import InMemory
from random_layers import layers

from hwsim.arch import Arch
from hwsim.errors import KernelError, MeasureError, NoWeightsError, TraceError
from hwsim.layer import Layer
from hwsim.machine.simulation import simulate
from hwsim.measure import cpu, join, kernel_names, measure, read_measured, run
from hwsim.measure.kernels import NumpyDense
from hwsim.measure.problem import Problem, pad
from hwsim.measure.record import KernelInfo, KernelTiming
from hwsim.reference import accumulate
from hwsim.trace import MapInfo, open_trace
from hwsim.trace.shipped import shipped_trace

torch = pytest.importorskip("torch")
from hwsim.measure import cuda  # noqa: E402
from hwsim.measure.torch_kernels import Convolution, Gather, QuantizedConvolution  # noqa: E402


class MemoryTrace(InMemory):
    """Three layers in memory, one of each kind, with weights of one scale or one a filter."""

    network, synthetic, images = "tiny", False, 2
    layers = (
        Layer("conv", "conv", "a", (3, 9, 8), (5, 5, 4), (3, 3), stride=(2, 2), padding=(1, 1)),
        Layer("dw", "depthwise", "b", (5, 6, 5), (5, 6, 5), (3, 3), padding=(1, 1)),
        Layer("fc", "linear", "c", (40, 1, 1), (7, 1, 1)),
    )
    maps = {  # noqa: RUF012
        "a": MapInfo("a", (3, 9, 8), 8, 0, False, 0.25),
        "b": MapInfo("b", (5, 6, 5), 12, 0, True, 0.01),
        "c": MapInfo("c", (40, 1, 1), 16, 0, False, 1e-3),
    }

    def map(self, name: str, image: int) -> np.ndarray:
        if not 0 <= image < self.images:
            raise TraceError(f"memory has no image {image}")
        rng = np.random.default_rng((ord(name), image))
        info = self.maps[name]
        values = rng.integers(0, 1 << info.bits, info.shape, dtype=np.uint16)
        return np.where(rng.random(info.shape) < 0.4, values, 0).astype(np.uint16)

    def weights(self, layer: Layer) -> np.ndarray:
        return np.random.default_rng(len(layer.name)).integers(-127, 128, layer.weight_shape, dtype=np.int16)

    def weight_scale(self, layer: Layer) -> float | np.ndarray:
        return 0.01 if layer.kind == "linear" else np.linspace(0.01, 0.02, layer.out_shape[0])


class Synthetic(MemoryTrace):
    synthetic = True

    def weights(self, layer: Layer) -> np.ndarray:
        raise NoWeightsError("memory has no weights")


@st.composite
def problems(draw) -> tuple[Layer, np.ndarray, np.ndarray]:
    """A layer of any kind that is measured, codes of 8 bits and weights."""
    layer = draw(layers(transposed=False))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    kept = rng.random(layer.in_shape) < draw(st.sampled_from([0.0, 0.3, 1.0]))
    codes = np.where(kept, rng.integers(0, 256, layer.in_shape), 0)
    return layer, codes.astype(np.uint16), rng.integers(-127, 128, layer.weight_shape)


@settings(max_examples=150)
@given(problems())
def test_the_matrix_problem_is_the_layer(case):
    layer, codes, weights = case
    padded = pad(layer, codes)
    assert padded.dtype == np.float32
    reference = Problem(layer, weights.astype(float), (padded,)).reference(padded)
    np.testing.assert_array_equal(reference, accumulate(layer, codes, weights))


KERNELS = [*cpu.kernels(), Gather("cpu"), Convolution("cpu", "fp16")]


@pytest.mark.parametrize("kernel", KERNELS, ids=lambda kernel: kernel.info.name)
@settings(max_examples=60)
@given(case=problems())
def test_every_kernel_computes_the_layer(kernel, case):
    layer, codes, weights = case
    # On CPUs with AMX, oneDNN's dilated bf16 convolutions read memory that nobody wrote. Their outputs are
    # never timed, which another test shows.
    assume(kernel.info.precision != "bf16" or max(layer.dilation) == 1)
    problem = Problem(layer, weights * 0.01, (pad(layer, codes * 0.02),))
    with cpu.threads(1):
        operand = kernel.convert(problem, kernel.load(problem.maps[0]))
        assert run._error(kernel, problem, kernel.weights(problem), operand, 0) <= 1


@given(case=problems())
def test_no_two_products_of_the_8_bit_kernel_exceed_16_bits(case):
    """CPUs without VNNI saturate such sums."""
    layer, codes, weights = case
    problem = Problem(layer, weights * 0.01, (pad(layer, codes * 0.02),))
    kernel = QuantizedConvolution("cpu")
    maps = kernel.convert(problem, kernel.load(problem.maps[0])).int_repr()
    filters = torch.ops.quantized.conv2d_unpack(kernel.weights(problem)[0])[0].int_repr()
    assert 2 * int(maps.max()) * int(filters.abs().max()) < 1 << 15


AVX2_ONLY = {
    "ONEDNN_MAX_CPU_ISA": "AVX2",
    "ATEN_CPU_CAPABILITY": "avx2",
    "FBGEMM_ENABLE_INSTRUCTIONS": "AVX2",
}
LARGEST_OPERANDS = """
import sys
import numpy as np
import torch
from hwsim.layer import Layer
from hwsim.measure import run
from hwsim.measure.problem import Problem, pad
from hwsim.measure.torch_kernels import QuantizedConvolution

torch.backends.quantized.engine = sys.argv[1]
kernel = QuantizedConvolution("cpu")
for layer in (
    Layer("c", "conv", "m", (40, 6, 6), (40, 4, 4), (3, 3)),
    Layer("d", "depthwise", "m", (40, 6, 6), (40, 4, 4), (3, 3)),
    Layer("l", "linear", "m", (300, 1, 1), (7, 1, 1)),
):
    problem = Problem(layer, np.ones(layer.weight_shape), (pad(layer, np.ones(layer.in_shape)),))
    operand = kernel.convert(problem, kernel.load(problem.maps[0]))
    print(layer.kind, run._error(kernel, problem, kernel.weights(problem), operand, 0))
"""


@pytest.mark.parametrize(
    "engine", sorted({"onednn", "fbgemm"} & {*torch.backends.quantized.supported_engines})
)
def test_the_8_bit_kernel_is_right_without_dot_products_of_bytes(engine):
    """The libraries are held to AVX2, whatever this CPU has."""
    command = [sys.executable, "-c", LARGEST_OPERANDS, engine]
    done = subprocess.run(command, env=os.environ | AVX2_ONLY, capture_output=True, text=True, check=True)
    errors = dict(line.split() for line in done.stdout.splitlines())
    assert set(errors) == {"conv", "depthwise", "linear"}
    assert all(float(error) <= 1 for error in errors.values()), errors


@pytest.mark.parametrize("kernel", KERNELS, ids=lambda kernel: kernel.info.name)
def test_a_kernel_that_forgets_a_tap_is_caught(kernel):
    layer = Layer("l", "conv", "m", (8, 8, 8), (4, 6, 6), (3, 3))
    rng = np.random.default_rng(3)
    maps = (pad(layer, rng.random(layer.in_shape)),)
    weights = rng.uniform(0.5, 1, layer.weight_shape)
    without = weights.copy()
    without[:, 2, 1, 1] = 0
    right, wrong = Problem(layer, weights, maps), Problem(layer, without, maps)
    with cpu.threads(1):
        operand = kernel.convert(right, kernel.load(maps[0]))
        loaded = kernel.weights(wrong)
        assert run._error(kernel, right, loaded, operand, 0) > 1


def sequence_clock():
    """A clock that runs the work and says 1, 2, 3, ... seconds."""
    numbers = count(1)

    def clock(work) -> float:
        work()
        return float(next(numbers))

    return clock


def tiny_problem(images: int = 2) -> Problem:
    trace = MemoryTrace()
    layer = trace.layers[0]
    maps = tuple(pad(layer, trace.map("a", image) * 0.25) for image in range(images))
    return Problem(layer, trace.weights(layer) * 0.01, maps)


def test_times_are_quartiles_of_the_rounds_after_the_warm_up_per_input(monkeypatch):
    monkeypatch.setattr(run, "SECONDS", 1e6)
    timing = run._time(NumpyDense(), tiny_problem(), 5, sequence_clock())
    # Two rounds of warm-up took 1 and 2 s, then 3 .. 7 s; converting takes 8, 9, then 10 .. 14 s.
    assert timing.rounds == 5
    sets = timing.input_sets
    assert (timing.lower_us, timing.median_us, timing.upper_us) == pytest.approx(
        (4e6 / sets, 5e6 / sets, 6e6 / sets)
    )
    assert timing.convert_us == pytest.approx(12e6)


def test_a_slow_kernel_has_fewer_rounds_but_three():
    timing = run._time(NumpyDense(), tiny_problem(), 50, sequence_clock())
    assert timing.rounds == 3


def test_inputs_are_used_in_turn_and_lie_apart():
    seen = []

    class Recorder(Convolution):
        def run(self, weights, operand):
            seen.append(operand)
            return super().run(weights, operand)

    timing = run._time(Recorder("cpu", "fp32"), tiny_problem(), 1, cpu.clock)
    one_round = seen[-timing.input_sets :]
    assert timing.input_sets == run.MAX_SETS
    assert len({operand.data_ptr() for operand in one_round}) == timing.input_sets
    assert timing.input_bytes == sum(operand.nbytes for operand in one_round)
    np.testing.assert_array_equal(one_round[0], one_round[2])
    assert (one_round[0] != one_round[1]).any()


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda outputs: outputs * 1.001, "its outputs are wrong"),
        (lambda outputs: outputs * np.nan, "its outputs are wrong: inf"),
    ],
)
def test_a_wrong_kernel_is_not_timed(damage, reason):
    class Wrong(NumpyDense):
        def outputs(self, problem, product):
            return damage(super().outputs(problem, product))

    def never(work):
        raise AssertionError("timed")

    timing = run._time(Wrong(), tiny_problem(), 5, never)
    assert timing.not_measured.startswith(reason)
    assert timing.median_us is None


def test_a_kernel_that_cannot_run_a_layer_says_why():
    class Fails(NumpyDense):
        def run(self, weights, operand):
            raise KernelError("no such\nlayer")

    timing = run._time(Fails(), tiny_problem(), 5, cpu.clock)
    assert timing.not_measured == "it cannot run this layer here: no such layer"


def test_a_trace_is_measured_layer_by_layer():
    calls = []
    threads = torch.get_num_threads()
    measured = measure(MemoryTrace(), repeats=2, progress=lambda done, of: calls.append((done, of)))
    assert calls == [(1, 3), (2, 3), (3, 3)]
    assert torch.get_num_threads() == threads
    assert [layer.name for layer in measured.layers] == ["conv", "dw", "fc"]
    assert [kernel.name for kernel in measured.kernels] == list(kernel_names())
    assert (measured.images, measured.weights, measured.machine.threads) == ((0, 1), "of the trace", 1)
    trace = MemoryTrace()
    for layer in measured.layers:
        name = {"conv": "a", "dw": "b", "fc": "c"}[layer.name]
        assert layer.density == np.mean([trace.map(name, image) != 0 for image in (0, 1)])
        for timing in layer.timings:
            if (layer.name, timing.kernel) == ("dw", "torch_int8"):
                assert "negative values" in timing.not_measured
            else:
                assert timing.median_us > 0, timing


def test_a_synthetic_trace_gets_random_weights_and_says_so():
    measured = measure(Synthetic(), images=[1], kernels=["numpy_fp32"], repeats=1)
    assert measured.weights == "random, seed 0: the trace has none"
    assert measured.images == (1,)
    first, again = (run._weights(Synthetic(), Synthetic.layers[0])[0] for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert np.abs(first).max() <= 1
    assert len(np.unique(first)) > 50


def test_without_torch_numpy_and_scipy_remain_and_the_record_says_so(monkeypatch):
    monkeypatch.setattr(cpu, "has_torch", lambda: False)
    measured = measure(MemoryTrace(), repeats=1)
    assert [kernel.name for kernel in measured.kernels] == ["numpy_fp32", "scipy_csr_fp32"]
    assert any("torch is not installed" in note for note in measured.notes)
    assert "torch" not in measured.machine.libraries
    with pytest.raises(MeasureError, match="needs torch"):
        measure(MemoryTrace(), device="cuda")


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"device": "cuda"}, MeasureError, "no CUDA device"),
        ({"device": "tpu"}, MeasureError, "no device 'tpu'"),
        ({"kernels": ["numpy"]}, MeasureError, "no kernel 'numpy' on cpu; there are numpy_fp32,"),
        ({"repeats": 0}, MeasureError, "1 or more, not 0 and 1"),
        ({"threads": 0}, MeasureError, "1 or more"),
        ({"images": []}, MeasureError, "no images"),
        ({"images": [7]}, TraceError, "no image 7"),
    ],
)
def test_what_cannot_be_measured_is_refused_in_one_line(arguments, error, message, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(error, match=message) as caught:
        measure(MemoryTrace(), **arguments)
    assert "\n" not in str(caught.value)


def test_layers_of_a_captured_trace_without_weights_get_random_ones_and_are_named(monkeypatch):
    def some(self, layer):
        if layer.name == Synthetic.layers[0].name:
            raise NoWeightsError("none")
        return MemoryTrace.weights(self, layer)

    monkeypatch.setattr(Synthetic, "synthetic", False)
    monkeypatch.setattr(Synthetic, "weights", some)
    measured = measure(Synthetic(), images=[1], kernels=["numpy_fp32"], repeats=1)
    name = Synthetic.layers[0].name
    assert measured.weights == f"of the trace; random, seed 0, for {name}: the trace has none"


def test_damaged_weights_are_not_made_up(monkeypatch):
    def damaged(self, layer):
        raise TraceError("weights do not match their checksum")

    monkeypatch.setattr(Synthetic, "weights", damaged)
    with pytest.raises(TraceError, match="checksum"):
        measure(Synthetic(), repeats=1)


def test_device_events_count_in_milliseconds(monkeypatch):
    log = []

    class Event:
        def __init__(self, enable_timing):
            assert enable_timing

        def record(self):
            log.append("record")

        def synchronize(self):
            log.append("wait")

        def elapsed_time(self, end):
            assert end is not self
            return 250.0

    monkeypatch.setattr(torch.cuda, "Event", Event)
    monkeypatch.setattr(torch.cuda, "synchronize", lambda: log.append("idle"))
    assert cuda.clock(lambda: log.append("work")) == 0.25
    assert log == ["idle", "record", "work", "record", "wait"]


@pytest.fixture(scope="module")
def measured():
    return measure(MemoryTrace(), kernels=["numpy_fp32", "scipy_csr_fp32", "torch_bf16"], repeats=2)


def test_a_record_is_read_back_as_it_was_and_names_no_host(measured, tmp_path):
    path = tmp_path / "m.json"
    measured.to_json(path)
    assert read_measured(path) == measured
    assert socket.gethostname() not in path.read_text()


def break_times(document):
    document["layers"][1]["timings"][0]["median_us"] = -1.0


def swap_kernels(document):
    document["layers"][0]["timings"].reverse()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.pop("date"), "date: Field required"),
        (lambda d: d.update(extra=1), "extra: Unexpected keyword"),
        (lambda d: d["layers"][0].update(density="0.5"), "layers.0.density"),
        (lambda d: d["machine"].update(device="tpu"), "machine.device"),
        (lambda d: d.update(schema=2), "has schema 2, this version reads up to 1"),
        (lambda d: d.update(schema="1"), "holds no measurements"),
        (break_times, "negative"),
        (swap_kernels, "does not have the timings"),
    ],
)
def test_a_damaged_record_is_refused_in_one_line(measured, change, message, tmp_path):
    path = tmp_path / "m.json"
    measured.to_json(path)
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))
    with pytest.raises(MeasureError, match=message) as caught:
        read_measured(path)
    assert "\n" not in str(caught.value)


def test_files_that_are_no_record_are_refused(tmp_path):
    for content in (b"", b"[]", b"{}", b"\xff\xfe", b"[" * 100_000):
        (tmp_path / "m.json").write_bytes(content)
        with pytest.raises(MeasureError):
            read_measured(tmp_path / "m.json")
    with pytest.raises(MeasureError, match="No such file"):
        read_measured(tmp_path / "missing.json")


def test_a_record_that_cannot_be_written_is_told(measured, tmp_path):
    with pytest.raises(MeasureError, match="No such file"):
        measured.to_json(tmp_path / "missing" / "m.json")


def timed(kernel: str, median: float, convert: float) -> KernelTiming:
    return KernelTiming(kernel, "", median, median, median, convert, 1, 1, 1, 0.0)


def test_rows_hold_mac_ratio_simulated_and_measured_side_by_side(measured):
    result = simulate(MemoryTrace(), Arch(cores=2))
    times = [timed("numpy_fp32", 8.0, 2.0), timed("scipy_csr_fp32", 2.0, 18.0), timed("torch_bf16", 1.0, 1.0)]
    first = replace(measured.layers[0], timings=tuple(times))
    broken = replace(measured.layers[1], timings=(times[0], KernelTiming("scipy_csr_fp32", "no"), times[2]))
    rows = join(result, replace(measured, layers=(first, broken, measured.layers[2])))
    assert [row["layer"] for row in rows] == ["conv", "dw", "fc"]
    simulated = result.per_layer()[0]
    assert rows[0]["mac_ratio"] == simulated["mac_ratio"]
    assert rows[0]["simulated_speedup"] == simulated["speedup"]
    assert rows[0]["cpu_speedup"] == 4.0
    assert rows[0]["cpu_converted_speedup"] == 0.5
    assert (rows[0]["cpu_dense_kernel"], rows[0]["cpu_sparse_us"]) == ("numpy_fp32", 2.0)
    assert rows[0]["cuda_speedup"] is None
    assert rows[0]["cuda_dense_kernel"] is None
    assert (rows[1]["cpu_speedup"], rows[1]["cpu_sparse_us"], rows[1]["cpu_dense_us"]) == (None, None, 8.0)
    assert join(result, [], "fp32")[0]["cpu_speedup"] is None
    assert join(result, measured, "bf16")[0]["cpu_sparse_us"] is None


def test_the_fastest_kernel_stands_for_its_side_with_and_without_conversion(measured):
    kernels = tuple(
        KernelInfo(name, sparse, "fp32", "made up")
        for name, sparse in (("slow", False), ("quick", False), ("csr", True), ("gather", True))
    )
    # Dense, the quick kernel converts for long; sparse, the one that is fastest alone is not in all.
    times = (
        timed("slow", 12.0, 1.0),
        timed("quick", 8.0, 9.0),
        timed("csr", 4.0, 2.0),
        timed("gather", 2.0, 24.0),
    )
    layers = tuple(replace(layer, timings=times) for layer in measured.layers)
    row = join(simulate(MemoryTrace(), Arch(cores=2)), replace(measured, kernels=kernels, layers=layers))[0]
    assert (row["cpu_dense_kernel"], row["cpu_dense_us"], row["cpu_dense_converted_us"]) == ("quick", 8, 13)
    assert (row["cpu_sparse_kernel"], row["cpu_sparse_us"], row["cpu_sparse_converted_us"]) == (
        "gather",
        2,
        6,
    )
    assert (row["cpu_speedup"], row["cpu_converted_speedup"]) == (8 / 2, 13 / 6)


def test_every_map_is_held_against_the_error_allowed_for_itself():
    problem = tiny_problem(1)
    both = replace(problem, maps=(np.zeros_like(problem.maps[0]), *problem.maps))  # of the first one, none
    timing = run._time(NumpyDense(), both, 1, cpu.clock)
    assert timing.not_measured == ""
    assert 0 < timing.error <= 1


def test_measurements_of_another_trace_are_not_joined(measured):
    result = simulate(MemoryTrace(), Arch(cores=2))
    for change, message in (
        ({"network": "other"}, "network other, not tiny"),
        ({"variant": "other"}, "variant other"),
        ({"layers": measured.layers[:2]}, "layers"),
        ({"layers": tuple(replace(layer, density=0.5) for layer in measured.layers)}, "densities"),
    ):
        with pytest.raises(MeasureError, match=message):
            join(result, replace(measured, **change))
    other_images = replace(
        measured, images=(0,), layers=tuple(replace(la, density=0.5) for la in measured.layers)
    )
    assert len(join(result, other_images)) == 3
    with pytest.raises(MeasureError, match="two measurements of device cpu"):
        join(result, [measured, measured])


def test_torch_is_imported_only_when_it_is_used():
    code = "import sys, hwsim.measure; assert 'torch' not in sys.modules and 'scipy' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    ("name", "file"),
    [("l1_fatrelu", "measured_cpu.json"), ("baseline", "measured_cpu_baseline.json")],
)
def test_the_shipped_measurements_are_of_the_shipped_traces(name, file):
    path = shipped_trace(f"resnet18_cifar10/{name}")
    measured = read_measured(path.with_name(file))
    with open_trace(path) as trace:
        rows = join(simulate(trace, images=measured.images), measured)
    assert measured.machine.threads == 1
    assert all(row["cpu_speedup"] > 0 and row["cuda_speedup"] is None for row in rows)
