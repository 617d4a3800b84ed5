"""Bench of Packer: pieces of any length, in segments of any number of pieces, under random stalls."""

import random

import cocotb
from cocotb.triggers import RisingEdge
from golden.symbols import words_of
from streams import Coverage, StreamPort, bench_case, random_stalls, start_clock

from hwsim_rtl.bits.packer import Piece
from hwsim_rtl.bits.word import Word


@cocotb.test(timeout_time=2, timeout_unit="ms")
async def words_equal_the_padded_strings(dut):
    max_length, low_bits = bench_case()["max_length"], bench_case()["low_bits"]
    await start_clock(dut, "pieces__valid", "words__ready")
    pieces_port = StreamPort(dut, "pieces", Piece(max_length, low_bits))
    words_port = StreamPort(dut, "words", Word)
    cover = Coverage()
    for number in range(bench_case()["passes"]):
        rates = [random.choice([0.0, 0.3, 0.8]) if number % 2 else 0.0 for _ in range(2)]
        pieces, words, fills = [], [], []
        for _ in range(12):
            bits = ""
            for left in reversed(range(random.choice([1, 1, 2, 5, 30]))):
                length = random.choice([1, max_length, random.randint(1, max_length)])
                if left == 0 and random.random() < 0.3:  # a segment that ends with a word
                    length = -len(bits) % 64 or length
                    length = length if length <= max_length else 1
                low = random.getrandbits(min(length, low_bits))
                pieces.append({"low": low, "length": length, "last": int(left == 0)})
                fills.append((len(bits) // 64 < (len(bits) + length) // 64, left == 0, len(bits) + length))
                bits += f"{low:0{length}b}"
                cover.hit("length", length)
            cover.hit("last piece", "fills" if len(bits) % 64 == 0 else "does not fill")
            cover.hit("last piece crosses", len(bits) % 64 and len(bits) // 64 > (len(bits) - length) // 64)
            words += words_of(bits + "0" * (-len(bits) % 64))
        sender = cocotb.start_soon(pieces_port.put(pieces, random_stalls(rates[0])))
        received = await words_port.get(len(words), random_stalls(rates[1]))
        sent = await sender
        assert [word for _, word in received] == words
        await RisingEdge(dut.clk)
        await RisingEdge(dut.clk)
        assert not dut.words__valid.value, "a word too many"
        if not rates[1]:
            expected = []
            for (fill, last, bits), (_, taken) in zip(fills, sent, strict=True):
                if fill and not (last and bits % 64 == 0):
                    expected.append(taken + 1)
                if last:
                    expected.append(taken + 2)
            assert [cycle for cycle, _ in received] == expected
        if not any(rates):
            assert sent[-1][1] - sent[0][1] == len(pieces) - 1, "not one piece a cycle"
            cover.hit("back to back")
    cover.require("length", [1, max_length])
    cover.require("last piece", ["fills", "does not fill"])
    cover.require("last piece crosses")
    cover.require("back to back")
