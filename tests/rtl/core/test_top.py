"""An array of two cores behind AXI4-Stream ports, and what is emitted of it."""

import re
from itertools import pairwise

from simulate import run_bench

from hwsim.arch import Arch
from rtl.emit import emit
from rtl.top import Top

FIELDS = {"cores": 2, "columns": 4, "accumulators": 256, "weight_words": 640, "fifo_depth": 8}


def test_two_cores_take_the_cycles_of_the_model_and_share_their_loads():
    run_bench(Top(Arch(**FIELDS)), "top", arch=FIELDS)


def test_emitted_verilog_has_axi_ports_and_a_note_of_every_field(tmp_path):
    verilog, core, note = emit(Arch(cores=1, columns=2, accumulators=64, weight_words=64), tmp_path)
    text = verilog.read_text()
    head = re.search(r"module hwsim_top\((.*?)\);", text, re.DOTALL).group(1)
    ports = {port.strip() for port in head.split(",")}
    for name in ("weights", "scales", "passes_0", "words_0", "rows_0"):
        assert {f"s_axis_{name}_t{suffix}" for suffix in ("data", "valid", "ready")} <= ports
    for name in ("coded_0", "index_0"):
        assert {f"m_axis_{name}_t{suffix}" for suffix in ("data", "valid", "ready")} <= ports
    assert {"s_axis_words_0_tlast", "m_axis_coded_0_tlast", "clk", "rst", "done", "error"} <= ports
    assert "toplevel: hwsim_top" in core.read_text()
    width = int(re.search(r"input \[(\d+):0\] s_axis_passes_0_tdata", text).group(1)) + 1
    rows = re.findall(
        r"^\| (\d+):(\d+) \|", note.read_text().split("s_axis_passes_N\n")[1].split("##")[0], re.M
    )
    covered = sorted((int(low), int(high)) for high, low in rows)
    assert covered[0][0] == 0
    assert all(after[0] == before[1] + 1 for before, after in pairwise(covered))
    assert width - 8 < covered[-1][1] + 1 <= width
