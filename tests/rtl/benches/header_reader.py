"""Bench of HeaderReader: headers, right and wrong ones, of which any may be cut off by a start or a reset."""

import random

import cocotb
from cocotb.triggers import RisingEdge, Timer
from streams import Coverage, bench_case, start_clock

from hwsim.arch import LANES, Arch
from hwsim.program.image import HEADER_BYTES, MACHINE, MAGIC, VERSION

BEAT_BYTES = 32
# What a machine compares: at which byte of the page on images, and how many bytes.
PLACES = {"magic": (0, 8), "version": (8, 4), "cores": (64, 4), "columns": (68, 4), "accumulators": (72, 8),
          "weight_words": (80, 8), "map_buffer": (88, 8), "activation_bits": (96, 1), "weight_bits": (97, 1),
          "lanes": (98, 1), "skip_zeros": (99, 1), "layers": (100, 4)}  # fmt: skip


def header(arch: Arch) -> tuple[bytes, str]:
    """A header, and the field in which it is wrong, if any."""
    fields = {name: getattr(arch, name) for name in MACHINE}
    fields |= {"magic": int.from_bytes(MAGIC, "little"), "version": VERSION, "lanes": LANES}
    fields |= {"skip_zeros": int(arch.skip_zeros), "layers": random.choice([1, 2, 1 << 31])}
    text = bytearray(random.randbytes(HEADER_BYTES))
    wrong = random.choice(["", *PLACES])
    if wrong == "layers":
        fields["layers"] = 0
    elif wrong:
        fields[wrong] ^= 1 << random.randrange(8 * PLACES[wrong][1])
    for name, (at, size) in PLACES.items():
        text[at : at + size] = fields[name].to_bytes(size, "little")
    return bytes(text), wrong


@cocotb.test()
async def headers_are_read_and_judged(dut):
    case = bench_case()
    arch = Arch(**case["arch"])
    coverage = Coverage()
    await start_clock(dut, "start", "beats__valid", "beats__payload")
    came, (text, wrong) = 0, header(arch)
    beats = HEADER_BYTES // BEAT_BYTES
    for _ in range(case["cycles"]):
        start, reset, valid = random.random() < 0.04, random.random() < 0.04, random.random() < case["rate"]
        there = came == beats
        offered = text[BEAT_BYTES * came :][:BEAT_BYTES] or random.randbytes(BEAT_BYTES)
        dut.start.value, dut.rst.value, dut.beats__valid.value = start, reset, valid
        dut.beats__payload.value = int.from_bytes(offered, "little")
        await Timer(2, "ns")
        assert bool(dut.there.value) == there
        assert bool(dut.beats__ready.value) == (not there)
        assert bool(dut.wrong.value) == (there and bool(wrong)), wrong
        if there:
            assert int(dut.header.value).to_bytes(HEADER_BYTES, "little") == text
            coverage.hit("wrong", wrong)
        await RisingEdge(dut.clk)
        if start or reset:
            coverage.hit("cut off", ("reset" if reset else "start", min(came, 1)))
            came, (text, wrong) = 0, header(arch)
        elif valid and not there:
            came += 1
    coverage.require("wrong", ["", *PLACES])
    coverage.require("cut off", [(how, at) for how in ("start", "reset") for at in (0, 1)])
