"""The emitted wrapper puts the machine into a system of LiteX: what is generated is linted, and simulated."""

import re
import sys

import pytest
from copying_kit import emit_copier
from tools import run, tool

pytestmark = pytest.mark.slow
pytest.importorskip("litex", reason="LiteX is an extra: pip install -e '.[litex]'")

# What Verilator finds in all that LiteX generates, of style alone.
STYLE = {
    "CASEINCOMPLETE", "COMBDLY", "PROCASSINIT", "UNOPTFLAT", "UNUSEDSIGNAL", "WIDTHEXPAND", "WIDTHTRUNC",
}  # fmt: skip
WRAPPED = """
from hwsim_litex import Hwsim
from litex.build.generic_platform import Pins
from litex.build.lattice import LatticePlatform
from litex.gen import LiteXModule
from migen import ClockDomain

class Wrapped(LiteXModule):
    def __init__(self, platform):
        self.cd_sys = ClockDomain()
        pins = {name: platform.request(name) for name in ("clk", "rst", "irq")}
        self.machine = Hwsim(platform, address_width=40)
        master, control = self.machine.master, self.machine.control
        platform.add_extension(master.get_ios("m_axi") + control.get_ios("s_axi"))
        self.comb += [self.cd_sys.clk.eq(pins["clk"]), self.cd_sys.rst.eq(pins["rst"])]
        self.comb += pins["irq"].eq(self.machine.ev.done.trigger)
        self.comb += master.connect_to_pads(platform.request("m_axi"), mode="master")
        self.comb += control.connect_to_pads(platform.request("s_axi"), mode="slave")

pins = [(name, 0, Pins("X")) for name in ("clk", "rst", "irq")]
platform = LatticePlatform("LFE5U-85F-6BG756C", pins, toolchain="trellis")
platform.get_verilog(Wrapped(platform), name="wrapped").write("wrapped.v")
"""


@pytest.fixture(scope="module")
def kit(tmp_path_factory):
    path = tmp_path_factory.mktemp("kit")
    emit_copier(path)
    return path


def found(text: str, file: str) -> list[tuple[str, int]]:
    """Kind and line of each of Verilator's warnings in a file."""
    warnings = re.findall(rf"^%Warning-(\w+): \S*{file}:(\d+):", text, re.MULTILINE)
    return [(kind, int(line)) for kind, line in warnings]


def test_a_system_without_a_processor_is_generated_and_linted(kit):
    code, said = run(kit, sys.executable, "hwsim_litex.py", "build")
    assert code == 0, said
    regions = (kit / "build" / "csr.csv").read_text()
    assert "memory_region,hwsim_registers,0x90000000,4096,io" in regions
    assert "csr_register,hwsim_ev_pending," in regions
    soc = kit / "build" / "gateware" / "hwsim_soc.v"
    lint = [tool("verilator-cli"), "--lint-only", "-Wall", "--top-module", "hwsim_soc"]
    _, said = run(kit, *lint, "hwsim_system.vlt", str(soc), "hwsim_system.v")
    assert set(re.findall(r"^%Error: (?!Exiting)(.*)", said, re.MULTILINE)) == set()
    warnings = found(said, "hwsim_soc.v")
    assert {kind for kind, _ in warnings} <= STYLE
    assert not found(said, "hwsim_system.v")
    instance = soc.read_text().splitlines().index("hwsim_system hwsim_system(") + 1
    assert [line for _, line in warnings if line >= instance] == []


def test_the_wrapper_passes_the_bench_of_the_machine(kit):
    (kit / "wrap.py").write_text(WRAPPED)
    code, said = run(kit, sys.executable, "wrap.py")
    assert code == 0, said
    bench = (kit / "hwsim_system_tb.v").read_text()
    (kit / "tb.v").write_text(bench.replace("  hwsim_system machine (", "  wrapped machine ("))
    files = ("tb.v", "wrapped.v", "hwsim_system.v")
    code, said = run(kit, "iverilog", "-g2005", "-s", "hwsim_system_tb", "-o", "wrapped", *files)
    assert code == 0, said
    code, said = run(kit, "vvp", "-n", "wrapped")
    assert code == 0, said
    assert re.search(r"^PASS: \d+ cycles$", said, re.MULTILINE)
