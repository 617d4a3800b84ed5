"""Random values for the benches of decoders and encoder, and segments that are none."""

import random
from collections.abc import Mapping, Sequence

import cocotb
from cocotb.task import Task
from cocotb.triggers import RisingEdge
from golden.symbols import WORD, seg, segment_bits
from streams import StreamPort, random_stalls


def all_runs(longest: int, bits: int) -> list[int]:
    """A run of zeros of every length up to ``longest``, each once before the largest value and once before a
    smaller one."""
    runs = [(run, value) for run in range(longest + 1) for value in ((1 << bits) - 1, 1 << run % bits)]
    return [value for run, end in runs for value in (*[0] * run, end)]


def random_values(count: int, bits: int) -> list[int]:
    """Values below 2^bits, of one random density; magnitudes of every length, with the two ends often."""
    density = random.choice([0.0, 0.02, 0.2, 0.6, 1.0])
    ends = random.choice([0.1, 0.9])

    def nonzero() -> int:
        if random.random() < ends:
            return random.choice([1, (1 << bits) - 1])
        return random.randrange(1, 1 << random.randint(1, bits))

    return [nonzero() if random.random() < density else 0 for _ in range(count)]


def faults(order: int | None, bits: int) -> list[tuple[str, list[int], str]]:
    """Segments that are no legal code of their values, padded.

    Those named "code" are wrong at their first value.

    Returns:
        Of each, what is wrong, the values, and the bits that are there instead.
    """
    values = [(1 << bits) - 1, 0, 1, 0, 0, 2, 3, *[0] * 60, 1]
    if order is None:
        values = values[:64]
    good = segment_bits(values, order, bits)
    fills = values if order is None else [0] * (-sum(len(seg(v, order)) for v in values) % WORD) + values
    found = [
        ("the last word missing", values, good[:-WORD]),
        ("a word too many", values, good + "1" * WORD),
        ("a word too many behind full words", fills, segment_bits(fills, order, bits) + "0" * WORD),
        ("two words too many", values, good + "0" * 2 * WORD),
    ]
    if order is not None:
        code, tail = seg((1 << bits) - 1, order), "1" * (-len(good) % WORD)
        zeros = 17  # before the first one of a code that is longer than the largest value's bits
        hidden = "0" * (zeros + 1) + "1" + "0" * (zeros + max(order, 1) - 1) + "1"
        found += [
            ("code: one zero too many", values, "0" + code + good),
            ("code: no one at all", values, "0" * len(good)),
            ("code: value out of range", values, seg(1 << bits, order) + good[len(code) :] + tail),
            ("code: of a small number behind many zeros", values, hidden + good),
        ]
    return [(name, whole, string + "0" * (-len(string) % WORD)) for name, whole, string in found]


async def encoded(
    dut,
    ports: Sequence[StreamPort],
    stream: Sequence[dict],
    words: int,
    segments: int,
    rates: Mapping[str, float],
    quiet: int,
) -> list:
    """Send values to an encoder and take all that it makes.

    Args:
        dut: the encoder.
        ports: of values, words and index.
        stream: the values.
        words, segments: how many words, and entries of the index, must come.
        rates: of stalls, by the name of each port.
        quiet: cycles behind them in which nothing may follow.

    Returns:
        What each port gives: of values when each was offered and taken, of the others when each came, and it.
    """
    values_port, words_port, index_port = ports
    jobs: list[Task] = [
        cocotb.start_soon(values_port.put(stream, random_stalls(rates["values"]))),
        cocotb.start_soon(words_port.get(words, random_stalls(rates["words"]))),
        cocotb.start_soon(index_port.get(segments, random_stalls(rates["index"]))),
    ]
    found = [await job for job in jobs]
    for _ in range(quiet):
        await RisingEdge(dut.clk)
        assert not dut.words__valid.value
        assert not dut.index__valid.value
    return found
