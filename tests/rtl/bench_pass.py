"""A pass as the benches of the core and of the array drive it: payloads in, payloads out, and its cycles."""

import random
from collections.abc import Iterable
from itertools import accumulate, repeat

from amaranth.lib import data
from bench_cases import clocked_cycles
from cocotb.triggers import Event
from core_cases import Case, prepare
from streams import Handshake, Stalls, no_stalls, random_stalls

from hwsim.arch import Arch
from hwsim_rtl.core.payloads import ChannelScale, PassConfig, RowDescriptor, weight_load

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


def loads_of(words: list[list[int]], arch: Arch) -> list[dict]:
    """Loads of weight words, two a load; the last one may have a word of zeros."""
    whole = words + [[0] * arch.columns] * (len(words) % 2)
    return [bits(weight_load(arch), pair) for pair in zip(whole[::2], whole[1::2], strict=True)]


class Pass:
    """The payloads of a pass, and ``cycles``, which it must take when words come as the case has them."""

    def __init__(self, case: Case) -> None:
        stimulus, expected = prepare(case)
        arch, geometry = case.arch, stimulus.geometry
        self.case = case
        self.config = bits(PassConfig(arch), geometry.config(arch))["bits"]
        self.rows = [bits(RowDescriptor, row) for row in geometry.row_descriptors(arch)]
        self.words = _words(stimulus.words, stimulus.last)
        self.weights = loads_of(stimulus.weights.tolist(), arch)
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
        self.cycles = expected.timing.cycles

    def comes_early(self, number: int, stalled: set[str]) -> bool:
        """Whether its words and rows are offered before it starts: every other one, unless words are late."""
        return number % 2 == 0 and "words" not in stalled and not any(self._arrival)

    def arrival(self, late: bool) -> tuple[list[int], int]:
        """The cycles from which its words are there, and the cycles that the pass takes then."""
        if not late:
            return self._arrival, self.cycles
        arrival = list(accumulate(random.choice(WORD_GAPS) for _ in self.words))
        return arrival, clocked_cycles(self.case, arrival)


class Starts:
    """The cycles in which the passes of a core began, as they become known."""

    def __init__(self, passes: int) -> None:
        self._known = [Event() for _ in range(passes)]
        self._cycles: list[int] = []

    def tell(self, cycle: int) -> None:
        """The next pass began."""
        self._known[len(self._cycles)].set()
        self._cycles.append(cycle)

    async def of(self, number: int) -> int:
        """Wait until the pass has begun."""
        await self._known[number].wait()
        return self._cycles[number]


async def feed(
    port: Handshake,
    lots: Iterable[tuple[list[dict], list[int] | None]],
    starts: Starts,
    stalls: Stalls = no_stalls,
) -> None:
    """Send what passes need: payloads, and the cycle of the pass from which each is there.

    None in the place of the cycles: they are offered early, as soon as those of the pass before are taken.
    """
    for number, (payloads, arrival) in enumerate(lots):
        begins: Iterable[int] = repeat(0)
        if arrival is not None:
            begin = await starts.of(number)
            begins = [begin + cycle for cycle in arrival]
        await port.put(payloads, stalls, begins)


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
