"""A core of two lanes in compiled simulation: every event of the recurrence, every word of the reference."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from core_cases import Case, Expected, cases, handful, prepare
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lane_cases import Events, lane_pass

from hwsim.arch import Arch
from hwsim.errors import CosimError
from hwsim_rtl.cosim.lanes import LaneOutcome, LaneSimulator, LaneStimulus, build_lanes

MACHINES = {
    "four columns": Arch(columns=4, accumulators=256, weight_words=640),
    "eight narrow columns": Arch(
        columns=8, accumulators=264, weight_words=600, activation_bits=9, weight_bits=5, run_max=5
    ),
}
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
    return build_lanes(MACHINES[request.param])


def pass_of(case: Case, period: int, late: int = 0, **changes: Any) -> tuple[LaneStimulus, Events, Expected]:
    """A pass for the simulator, with ``changes``; what the recurrence and the reference have of it."""
    stimulus, expected = prepare(case)
    lanes = lane_pass(case, late)
    timing = lanes.recurrence(period)
    given = LaneStimulus(
        config=lanes.config,
        map_rows=lanes.map_rows,
        rows=stimulus.geometry.row_descriptors(case.arch),
        lines=lanes.lines,
        there=lanes.there,
        first_index=lanes.first_index,
        period=period,
        weights=stimulus.weights,
        bias=stimulus.bias,
        multiplier=stimulus.multiplier,
        most_words=len(expected.words) + 1,
        segments=len(expected.index) + 1,
        most_cycles=timing.cycles + 1000,
    )
    return replace(given, **changes), timing, expected


def same_words(outcome: LaneOutcome, expected: Expected) -> None:
    """Words and index are those of the reference."""
    assert outcome.words.tolist() == expected.words.tolist()
    assert outcome.last.tolist() == expected.last.tolist()
    assert outcome.index.tolist() == expected.index.tolist()


def check(machine: LaneSimulator, case: Case, period: int, late: int) -> None:
    """Every event of a pass, and every word."""
    stimulus, timing, expected = pass_of(case, period, late)
    outcome = machine.run_pass(stimulus)
    assert not outcome.error
    assert outcome.served.tolist() == timing.served
    assert outcome.symbols.tolist() == timing.symbols
    assert outcome.chosen.tolist() == timing.chosen
    assert outcome.cycles == timing.cycles
    same_words(outcome, expected)
    assert outcome.taps == expected.timing.tap_cycles


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_any_pass_has_the_events_of_the_recurrence_and_the_words_of_the_reference(machine, data):
    case = data.draw(cases(machine.arch))
    check(machine, case, data.draw(st.integers(2, 20)), data.draw(st.sampled_from([0, 0, 30, 1000])))


@pytest.mark.slow
@pytest.mark.parametrize(("columns", "bits", "weight_bits", "run_max"), ODD_MACHINES)
def test_machines_of_odd_widths_are_equal_too(columns, bits, weight_bits, run_max):
    widths = {"columns": columns, "activation_bits": bits, "weight_bits": weight_bits, "run_max": run_max}
    odd = build_lanes(Arch(**widths, accumulators=264, weight_words=900))

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
    with pytest.raises(CosimError, match="the pass is not done"):
        machine.run_pass(replace(stimulus, there=np.full(len(stimulus.lines), 1 << 40)))
    check(machine, case, 3, 0)
