"""The emitted wrapper puts the machine into a system of LiteX: what is generated is linted, and simulated."""

import re
import shutil
import sys
from pathlib import Path

import pytest
from copying_kit import emit_copier
from image_page import FILE_BYTES, machine, page_bytes
from tools import run, tool

from hwsim_rtl.emit import emit_system

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

HOSTED = """
from hwsim_litex import SmallSystem
from litex.build.generic_platform import Pins, Subsignal
from litex.build.lattice import LatticePlatform
from litex.soc.interconnect import axi

class Hosted(SmallSystem):
    def __init__(self, platform):
        super().__init__(platform)
        host = axi.AXILiteInterface(data_width=32, address_width=32)
        platform.add_extension(host.get_ios("host"))
        self.comb += host.connect_to_pads(platform.request("host"), mode="slave")
        self.bus.add_master(name="host", master=host)

serial = ("serial", 0, Subsignal("tx", Pins("X")), Subsignal("rx", Pins("X")))
pins = [("clk", 0, Pins("X")), ("rst", 0, Pins("X")), serial]
platform = LatticePlatform("LFE5U-85F-6BG756C", pins, toolchain="trellis")
system = Hosted(platform)
system.finalize()
platform.get_verilog(system, name="hosted").write("hosted.v")
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


def test_a_host_on_the_bus_of_a_system_runs_the_image_of_the_page(tmp_path):
    """In Verilator, since what LiteX generates has loops in which Icarus never comes to rest."""
    emit_system(machine(), tmp_path)
    (tmp_path / "hosted.py").write_text(HOSTED)
    code, said = run(tmp_path, sys.executable, "hosted.py")
    assert code == 0, said
    image = bytes(page_bytes()[:FILE_BYTES])
    words = [int.from_bytes(image[at : at + 4], "little") for at in range(0, FILE_BYTES, 4)]
    shutil.copy(Path(__file__).with_name("hosted_tb.v"), tmp_path)
    build = [
        tool("verilator-cli"),
        "--binary",
        "--timing",
        "-Wno-lint",
        "-Wno-fatal",
        "--top-module",
        "hosted_tb",
    ]
    build += ["-MAKEFLAGS", "CFG_CXXFLAGS_PCH_I=-include"]  # which the wheel's build does not know
    code, said = run(tmp_path, *build, "hosted_tb.v", "hosted.v", "hwsim_system.v")
    assert code == 0, said[-2000:]
    for weight, ends, says in ((0xFE02_0601, 0, "PASS: "), (0xFE02_0602, 1, "FAIL: ")):
        assert words[0x10E0 // 4] == 0xFE02_0601
        given = [*words[: 0x10E0 // 4], weight, *words[0x10E0 // 4 + 1 :]]
        (tmp_path / "words.hex").write_text("".join(f"{word:08x}\n" for word in given))
        code, said = run(tmp_path, "obj_dir/Vhosted_tb")
        assert (code != 0) == ends, said
        assert says in said
