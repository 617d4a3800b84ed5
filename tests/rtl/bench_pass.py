"""A pass as the benches of the core and of the array drive it: payloads in, payloads out, and its cycles."""

import random
from itertools import accumulate

from amaranth.lib import data
from bench_cases import clocked_cycles
from core_cases import Case, prepare
from streams import Handshake, Stalls, random_stalls

from hwsim_rtl.core.payloads import ChannelScale, PassConfig, RowDescriptor, weight_word

# Streams that stall in a pass. For late words there is a model, and late loads cost a pass nothing.
PROFILES = (
    {"words", "weights", "scales"},
    {"rows"},
    {"coded"},
    {"index"},
    {"coded", "index"},
    {"words", "rows", "weights", "scales", "coded", "index"},
)
STALL_RATE = 0.4
LONGEST_STALL = {
    "words": 6,
    "weights": 6,
    "scales": 100,
    "rows": 30,
    "coded": 30,
    "index": 60,
}  # rare ones longer
WORD_GAPS = (0, 0, 0, 2, 7, 25)  # cycles between words that come late


class Raw(data.StructLayout):
    """Bits without fields."""

    def __init__(self, shape) -> None:
        super().__init__({"bits": data.Layout.cast(shape).size})


def bits(layout, fields) -> dict:
    """A payload with nested or signed fields, as bits."""
    return {"bits": data.Layout.cast(layout).const(fields).as_value().value}


class Pass:
    """The payloads of a pass, and what it must take."""

    def __init__(self, case: Case) -> None:
        stimulus, expected = prepare(case)
        arch, geometry = case.arch, stimulus.geometry
        self.case = case
        self.config = bits(PassConfig(arch), geometry.config(arch))["bits"]
        self.rows = [bits(RowDescriptor, row) for row in geometry.row_descriptors(arch)]
        self.words = _words(stimulus.words, stimulus.last)
        self.weights = [bits(weight_word(arch), [int(w) for w in word]) for word in stimulus.weights]
        self.scales = [
            bits(ChannelScale, {"bias": int(bias), "multiplier": int(multiplier)})
            for bias, multiplier in zip(stimulus.bias, stimulus.multiplier, strict=True)
        ]
        self.scales += [{"bits": 0}] * (arch.columns - len(self.scales))
        self.coded = _words(expected.words, expected.last)
        self.index = [
            {"words": int(entry["words"]), "nonzeros": int(entry["nonzeros"])} for entry in expected.index
        ]
        self._arrival = [0] * len(self.words) if stimulus.arrival is None else stimulus.arrival.tolist()
        self._cycles = expected.timing.cycles

    def arrival(self, late: bool) -> tuple[list[int], int]:
        """The cycles from which its words are there, and the cycles that the pass takes then."""
        if not late:
            return self._arrival, self._cycles
        arrival = list(accumulate(random.choice(WORD_GAPS) for _ in self.words))
        return arrival, clocked_cycles(self.case, arrival)


class Waits:
    """Cycles in which a pass may wait for what no model knows: rows, and its output to be taken.

    Each of them costs the pass one cycle at most: a machine that stood still in it would be no faster.
    """

    def __init__(self, rows: Handshake, *outputs: Handshake) -> None:
        self._rows, self._outputs = rows, outputs
        self._cycles = self._waited = 0

    def begin(self, cycles: int) -> None:
        """A pass begins that takes so many cycles without such waits."""
        self._cycles, self._waited = cycles, 0

    def check(self, cycle: int, done: bool) -> None:
        """Look at a cycle of the pass, counted from 0, in which it is done or not; signals are stable."""
        self._waited += self._rows.is_late or any(
            output.valid.value and not output.ready.value for output in self._outputs
        )
        latest = self._cycles - 1 + self._waited
        assert cycle <= latest - (not done), f"not done in cycle {latest}"
        assert not done or cycle >= self._cycles - 1, f"done in cycle {cycle}, not {self._cycles - 1}"


def stalls_of(name: str, stalled: set[str]) -> Stalls:
    """Stalls while ``stalled`` has the name of the stream."""
    source = random_stalls(STALL_RATE, LONGEST_STALL[name])
    return lambda: source() if name in stalled else 0


def _words(words, last) -> list[dict]:
    return [{"data": int(word), "last": int(end)} for word, end in zip(words, last, strict=True)]
