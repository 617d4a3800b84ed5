"""Bench of RingFirst against a search from left to right."""

import random

import cocotb
from cocotb.triggers import Timer

WORD, CHUNK = 64, 16
MARK_BITS = 5


def mark(bits: int) -> int:
    """Bits of a chunk before its first 1."""
    return next((i for i in range(CHUNK) if bits >> i & 1), CHUNK)


@cocotb.test()
async def first_equals_a_search(dut):
    def some() -> int:
        return random.getrandbits(WORD)

    lone = [1 << i for i in range(WORD)]
    few = [random.choice(lone) | random.choice(lone) for _ in range(300)]
    sparse = [some() & some() & some() for _ in range(300)]
    for bits in (0, *lone, *few, *sparse, *(some() for _ in range(300))):
        chunks = [bits >> begin & 0xFFFF for begin in range(0, WORD, CHUNK)]
        for chunk, head in enumerate(chunks):
            marks = [mark(other) for other in chunks]
            marks[chunk] = random.randrange(1 << MARK_BITS)  # must not matter
            dut.head.value = head
            dut.chunk.value = chunk
            dut.marks.value = sum(value << MARK_BITS * i for i, value in enumerate(marks))
            await Timer(1)
            begin = chunk * CHUNK
            at = next((i for i in range(begin, begin + WORD) if bits >> i % WORD & 1), begin + WORD)
            assert int(dut.first.value) == at, f"{bits:#x} from chunk {chunk}"
