"""What decoder and encoder must do, on strings of '0' and '1'. Shares no code with ``rtl``."""

from dataclasses import dataclass

WORD = 64
WINDOW = 4


def seg(value: int, order: int) -> str:
    """SEG_order of a value."""
    if order > 0:
        return "1" if value == 0 else "0" + _exp_golomb(value - 1, order)
    return _exp_golomb(value, 0)


def _exp_golomb(value: int, order: int) -> str:
    digits = bin(value + 2**order)[2:]
    return "0" * (len(digits) - 1 - order) + digits


def segment_bits(values: list[int], order: int | None, raw_bits: int) -> str:
    """The codes of a segment, padded; ``order`` None: raw values."""
    bits = "".join(f"{v:0{raw_bits}b}" if order is None else seg(v, order) for v in values)
    return bits + "0" * (-len(bits) % WORD)


def words_of(bits: str) -> list[dict]:
    """The words of one segment."""
    ends = range(WORD, len(bits) + 1, WORD)
    return [{"data": int(bits[end - WORD : end], 2), "last": int(end == len(bits))} for end in ends]


@dataclass
class Symbol:
    """A symbol: ``run`` zeros, then ``value`` if there is one; ``length`` bits of its segment."""

    run: int
    value: int | None
    length: int
    ends: bool


def symbols_of(
    values: list[int], order: int | None, raw_bits: int, run_max: int, skip_zeros: bool
) -> list[Symbol]:
    """A segment as docs/architecture.md cuts it into symbols; ``order`` None: raw."""
    symbols = []
    if order is None or not skip_zeros:
        for i, value in enumerate(values):
            length = raw_bits if order is None else len(seg(value, order))
            skipped = skip_zeros and value == 0
            symbols.append(Symbol(int(skipped), None if skipped else value, length, i == len(values) - 1))
        return symbols
    at = 0
    while at < len(values):
        zeros = 0
        while at + zeros < len(values) and values[at + zeros] == 0:
            zeros += 1
        if zeros <= run_max and at + zeros < len(values):
            value = values[at + zeros]
            at += zeros + 1
            symbols.append(Symbol(zeros, value, zeros + len(seg(value, order)), at == len(values)))
        else:
            run = min(zeros, 3 * run_max)
            at += run
            symbols.append(Symbol(run, None, run, at == len(values)))
    return symbols


@dataclass
class Timing:
    """When the words entered and the symbols were consumed."""

    entered: list[int]
    consumed: list[int]


def decode_times(segments: list[list[Symbol]], there: list[int], credits: list[bool], first: int) -> Timing:
    """E and T of a lane, as docs/architecture.md has them.

    Args:
        segments: the symbols of each segment.
        there: A, the cycle from which each word is there.
        credits: for each cycle, whether a symbol may be consumed.
        first: the first cycle of the lane; every second one from there on is its own.
    """
    entered: list[int] = []
    left: list[int] = []
    consumed: list[int] = []

    def turn(cycle: int) -> int:
        return cycle + (first - cycle) % 2

    def enter(upto: int) -> None:
        while len(entered) <= upto:
            i = len(entered)
            earliest = max(there[i], first, entered[i - 1] + 1 if i else 0)
            entered.append(turn(max(earliest, left[i - WINDOW] + 1 if i >= WINDOW else 0)))

    start = 0
    for symbols in segments:
        words = -(-sum(symbol.length for symbol in symbols) // WORD)
        last = start + words - 1
        bit = 0
        for symbol in symbols:
            enter(min(start + bit // WORD + 1, last))
            earliest = entered[min(start + bit // WORD + 1, last)] + 1
            cycle = turn(max(earliest, consumed[-1] + 1 if consumed else 0))
            while not credits[cycle]:
                cycle += 2
            consumed.append(cycle)
            bit += symbol.length
            gone = last + 1 if symbol.ends else start + bit // WORD
            left.extend([cycle] * (gone - len(left)))
        start = last + 1
    enter(start - 1)
    return Timing(entered, consumed)
