"""A core of two lanes in compiled simulation: every event of the recurrence, every word of the reference."""

import pytest
from core_cases import Case, cases, prepare
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lane_cases import lane_pass

from hwsim.arch import Arch
from hwsim_rtl.cosim.lanes import LaneSimulator, LaneStimulus, build_lanes

MACHINES = {
    "four columns": Arch(columns=4, accumulators=256, weight_words=640),
    "eight narrow columns": Arch(
        columns=8, accumulators=264, weight_words=600, activation_bits=9, weight_bits=5, run_max=5
    ),
}


@pytest.fixture(scope="module", params=MACHINES)
def machine(request):
    return build_lanes(MACHINES[request.param])


def check(machine: LaneSimulator, case: Case, period: int, late: int) -> None:
    """Every event of a pass, and every word."""
    stimulus, expected = prepare(case)
    lanes = lane_pass(case, late)
    timing = lanes.recurrence(period)
    outcome = machine.run_pass(
        LaneStimulus(
            config=lanes.config,
            map_rows=lanes.map_rows,
            rows=stimulus.geometry.row_descriptors(machine.arch),
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
    )
    assert not outcome.error
    assert outcome.served.tolist() == timing.served
    assert outcome.symbols.tolist() == timing.symbols
    assert outcome.chosen.tolist() == timing.chosen
    assert outcome.cycles == timing.cycles
    assert outcome.words.tolist() == expected.words.tolist()
    assert outcome.last.tolist() == expected.last.tolist()
    assert outcome.index.tolist() == expected.index.tolist()
    assert outcome.taps == expected.timing.tap_cycles


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_any_pass_has_the_events_of_the_recurrence_and_the_words_of_the_reference(machine, data):
    case = data.draw(cases(machine.arch))
    check(machine, case, data.draw(st.integers(2, 20)), data.draw(st.sampled_from([0, 0, 30, 1000])))
