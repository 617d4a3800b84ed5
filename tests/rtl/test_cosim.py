"""A core in compiled simulation equals the cycle model to the cycle and the integer reference to the bit."""

import pytest
from core_cases import cases, prepare
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hwsim.arch import Arch
from rtl.cosim import build

MACHINES = {
    "four lanes": Arch(columns=4, accumulators=256, weight_words=640, fifo_depth=8),
}


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
