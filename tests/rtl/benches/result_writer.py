"""Bench of ResultWriter: results of all sizes to a memory that takes its time, cut off at any moment."""

import random

import cocotb
from cocotb.triggers import RisingEdge, Timer
from streams import Coverage, bench_case, random_stalls, start_clock

BEAT_BYTES, WORD_BYTES = 32, 8
WHOLE = (1 << BEAT_BYTES) - 1 << 8 * BEAT_BYTES  # every byte of the beat is written


def beat_of(line: int, half: int) -> int:
    """What goes to memory of a line: its words with their highest byte first."""
    data = (line >> 8 * BEAT_BYTES * half & (1 << 8 * BEAT_BYTES) - 1).to_bytes(BEAT_BYTES, "little")
    turned = b"".join(data[at : at + WORD_BYTES][::-1] for at in range(0, BEAT_BYTES, WORD_BYTES))
    return int.from_bytes(turned, "little")


@cocotb.test()
async def results_go_to_memory(dut):
    case = bench_case()
    coverage = Coverage()
    names = ("start", "address", "size", "line", "writes__ready", "write_data__ready", "written")
    await start_clock(dut, *names)
    for _ in range(case["results"]):
        size, address = random.choice([1, 2, 3, random.randint(1, 40)]), random.getrandbits(35)
        lines = [random.getrandbits(16 * BEAT_BYTES) for _ in range(size // 2 + 1)]
        due = [beat_of(lines[beat // 2], beat % 2) for beat in range(size)]
        dut.address.value, dut.size.value = address, size
        cut = random.choice([None, None, random.randint(0, 2 * size + 8)])
        stalls = [random_stalls(case["stalls"]) for _ in range(3)]
        dut.start.value = 1
        asked, sent, cycle, begins = False, 0, 0, 0
        waits = [stall() for stall in stalls]
        held = None
        while True:
            dut.writes__ready.value = waits[0] == 0
            dut.write_data__ready.value = asked and waits[1] == 0
            gives = sent == size and waits[2] == 0
            dut.written.value = gives
            dut.rst.value = cycle == cut
            await Timer(2, "ns")
            assert bool(dut.busy.value) == (cycle > 0)
            asks, offers = bool(dut.writes__valid.value), bool(dut.write_data__valid.value)
            assert not (asks and asked), "a second request"
            assert not (offers and not asked), "a beat before its request"
            if asks:
                assert int(dut.writes__payload.value) == address | size << 35
            if offers:
                assert sent < size, "more beats than were asked for"
                assert int(dut.write_data__payload.value) == due[sent] | WHOLE
            assert held is None or held == (asks, offers), "valid fell before ready"
            read = int(dut.reads.value)
            await RisingEdge(dut.clk)
            dut.start.value = 0
            dut.line.value = lines[read] if read < len(lines) else random.getrandbits(16 * BEAT_BYTES)
            if cycle == cut:
                coverage.hit("cut off", ("asked" if asked else "not asked", sent > 0))
                break
            cycle += 1
            takes = [asks and waits[0] == 0, offers and waits[1] == 0]
            held = (asks, offers) if (asks, offers) != tuple(takes) else None
            if takes[0]:
                asked, begins = True, cycle
            sent += takes[1]
            if takes[1] and not case["stalls"]:  # two beats in four cycles
                assert cycle - begins == 4 * ((sent - 1) // 2) + 3 + (sent - 1) % 2
            for wire in range(2):
                if takes[wire]:
                    waits[wire] = stalls[wire]()
                elif (asks, offers)[wire] and waits[wire]:
                    waits[wire] -= 1
            if gives:
                break
            if sent == size:
                waits[2] = max(0, waits[2] - 1)
        dut.rst.value = dut.written.value = dut.writes__ready.value = dut.write_data__ready.value = 0
        await Timer(2, "ns")
        assert not dut.busy.value
        coverage.hit("size", min(3, size))
        for _ in range(random.randint(0, 2)):
            await RisingEdge(dut.clk)
            await Timer(2, "ns")
            assert not dut.writes__valid.value
            assert not dut.write_data__valid.value
    coverage.require("size", [1, 2, 3])
    coverage.require("cut off", [("not asked", False), ("asked", False), ("asked", True)])
