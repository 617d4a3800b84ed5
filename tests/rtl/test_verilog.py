"""Equal modules are written once, under plain names, and nothing else changes."""

import re
import subprocess

import pytest
from amaranth import Cat, Module, Signal
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


class Waits(wiring.Component):
    """A bit that says whether another one, which is 0 until ``goes`` is seen by a clock, is still 0."""

    def __init__(self) -> None:
        super().__init__({"goes": In(1), "waits": Out(1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        went = Signal()
        with m.If(self.goes):
            m.d.sync += went.eq(1)
        with m.If(~went):
            m.d.comb += self.waits.eq(1)
        return m


class Halves(wiring.Component):
    """Of two bits one is a register and the other depends on it, so that a block drives half of a word."""

    def __init__(self) -> None:
        super().__init__({"goes": In(1), "halves": Out(2)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        went = Signal()
        m.d.sync += went.eq(self.goes)
        m.d.comb += self.halves[0].eq(went)
        with m.If(~went):
            m.d.comb += self.halves[1].eq(1)
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


@pytest.mark.parametrize("language", ["-g2005", "-g2012"])
@pytest.mark.parametrize(("device", "known"), [(Waits(), "1"), (Halves(), "10")])
def test_what_is_combinational_is_known_before_any_input_changes(tmp_path, device, known, language):
    (out,) = (name for name in device.signature.members if name != "goes")
    bench = f"""
    module bench;
      wire [{len(known) - 1}:0] said;
      device dut(.clk(1'b0), .rst(1'b0), .goes(1'b0), .{out}(said));
      initial #1 $display("%b", said);
    endmodule
    """
    (tmp_path / "bench.v").write_text(to_verilog((device, "device")) + bench)
    build = ["iverilog", language, "-o", "run", "bench.v"]
    subprocess.run(build, cwd=tmp_path, check=True, capture_output=True)
    said = subprocess.run(["vvp", "run"], cwd=tmp_path, check=True, capture_output=True, text=True).stdout
    assert said == f"{known}\n"
