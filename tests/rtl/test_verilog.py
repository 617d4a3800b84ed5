"""Equal modules are written once, under plain names, and nothing else changes."""

import re

from amaranth import Cat, Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from simulate import run_verilog

from hwsim_rtl.bits.leading import LeadingCount
from hwsim_rtl.verilog import to_verilog


class Counts(wiring.Component):
    """Zeros before the first 1 of each of four words of a width, and ones of a fifth."""

    def __init__(self, width: int) -> None:
        self.width = width
        zeros = {f"words{number}": In(width) for number in range(4)}
        super().__init__({**zeros, "ones": In(width), "counts": Out(5 * width.bit_length())})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        parts = [LeadingCount(self.width) for _ in range(4)] + [LeadingCount(self.width, of=1)]
        m.submodules += parts
        words = [self.words0, self.words1, self.words2, self.words3, self.ones]
        # Each sees its word in two halves, so that what crosses has no name.
        half = self.width // 2
        m.d.comb += [
            part.bits.eq(Cat(word[:half], word[half:])) for part, word in zip(parts, words, strict=True)
        ]
        m.d.comb += self.counts.eq(Cat(part.count for part in parts))
        return m


def modules(text: str) -> list[str]:
    return re.findall(r"^module (\\?\S+?) ?\(", text, re.MULTILINE)


def test_equal_modules_are_written_once_and_different_ones_are_not():
    assert modules(to_verilog((Counts(8), "counts"))) == ["counts", "counts_U", "counts_U_2"]


def test_names_of_modules_and_ports_need_no_escape():
    text = to_verilog((Counts(8), "counts"))
    assert all(re.fullmatch(r"\w+", name) for name in modules(text))
    assert "$" not in "".join(re.findall(r"^  (?:in|out)put .*;$", text, re.MULTILINE))


def test_what_is_shared_behaves_as_before():
    run_verilog(to_verilog((Counts(8), "Counts")), "Counts", "counts", width=8)
