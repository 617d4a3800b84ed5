"""A trace that lacks layers says so wherever its totals stand, as loudly as one that is made up."""

import csv
import io
import json
from dataclasses import replace

import pyarrow.parquet as parquet
import pytest

import hwsim
from hwsim.machine.marks import marks, marks_of
from hwsim.machine.simulation import simulate
from hwsim.notices import SYNTHETIC
from hwsim.report.comparison import Comparison
from hwsim.report.comparison_page import comparison_page
from hwsim.report.contents import to_json
from hwsim.report.plots import timeline_plot
from hwsim.report.report_page import report_page
from hwsim.report.sweep.machines import read_machines
from hwsim.report.sweep.write import write_sweep_report
from hwsim.report.tables import layers_csv, runs_csv
from hwsim.report.timeline import timeline
from hwsim.report.write import draw_comparison, draw_report
from hwsim.reproduce.sources import Wanted, trace_entry
from hwsim.sweep import Space, sweep
from hwsim.trace.provenance import LeftOut, left_out
from traces import Tiny

# The layers of a trace of the report's fixtures have 2000 MACs an image, these 500 more.
LACKING = [
    {"layer": "attention.qk", "why": "a product of two maps", "macs": 400},
    {"layer": "attention.pv", "why": "a product of two maps", "macs": 100},
]
MARK = "Not a whole network: 2 layers are left out (20.0% of the MACs), and not in any total."


@pytest.fixture(scope="module")
def lacking(report):
    return replace(report, result=replace(report.result, provenance={"left_out": LACKING}))


def test_entries_with_and_without_a_count_are_read():
    found = left_out({"left_out": [*LACKING, "conv: dilation 2: not done", {"layer": 7}, 8]})
    assert found == (
        LeftOut("attention.qk", "a product of two maps", 400),
        LeftOut("attention.pv", "a product of two maps", 100),
        LeftOut("conv", "dilation 2: not done", None),
        LeftOut("7", "None", None),
        LeftOut("8", "", None),
    )
    assert left_out({}) == left_out({"left_out": []}) == left_out({"left_out": "x"}) == ()


def test_marks_by_hand():
    one, other = left_out({"left_out": LACKING})
    assert marks_of(False, (), 1000) == ()
    assert marks_of(True, (), 1000) == (SYNTHETIC,)
    (mark,) = marks_of(False, (other,), 900)
    assert mark == "Not a whole network: 1 layer is left out (10.0% of the MACs), and not in any total."
    assert "2 layers are left out (50.0% of the MACs)" in marks_of(True, (one, other), 500)[1]
    (mark,) = marks_of(False, (one, replace(other, macs=None)), 500)
    assert mark == "Not a whole network: 2 layers are left out, and not in any total."
    assert marks(False, 0) == ()


def test_a_whole_trace_has_no_mark_anywhere(report):
    assert report.result.marks == report.result.left_out == ()
    assert "whole network" not in report_page(report, draw_report(report))


def test_header_tables_and_plots_of_a_report_say_it(lacking):
    plots = draw_report(lacking)
    assert all(MARK in plot.svg for plot in plots)
    page = report_page(lacking, plots)
    header, tables, drawn = page.split("</header>")[0], page.count(f"<caption>{MARK}</caption>"), len(plots)
    assert f'<div class="badge">{MARK}</div>' in header
    assert (tables, page.count(MARK)) == (page.count("<table>"), 1 + page.count("<table>") + drawn)


def test_both_marks_stand_beside_each_other(lacking):
    both = replace(lacking, result=replace(lacking.result, synthetic=True))
    assert both.result.marks == (SYNTHETIC, MARK)
    page = report_page(both, draw_report(both))
    assert f"<caption>{SYNTHETIC}<br>{MARK}</caption>" in page
    assert all({SYNTHETIC, MARK} <= set(both.result.marks) and MARK in plot.svg for plot in draw_report(both))


def test_json_csv_and_text_say_it(lacking):
    document = json.loads(to_json(lacking.to_dict()))
    assert document["left_out"] == LACKING
    for text in (layers_csv(lacking.result), runs_csv(lacking.result)):
        assert {row["left_out"] for row in csv.DictReader(io.StringIO(text))} == {"2"}
    assert MARK in repr(lacking.result)
    assert MARK in lacking.result._repr_html_()


def test_a_comparison_says_which_side_lacks_layers(report, lacking):
    comparison = Comparison(replace(report.result, variant="whole"), lacking.result)
    assert comparison.marks == (f"sparse: {MARK}",)
    plots = draw_comparison(comparison)
    assert all(MARK in plot.svg for plot in plots)
    assert comparison_page(comparison, plots).count(MARK) == 1 + 2 + len(plots)  # header, tables, plots
    assert {row["left_out"] for row in csv.DictReader(io.StringIO(comparison.to_csv()))} == {"2"}
    assert comparison.to_dict()["left_out"] == 2
    assert Comparison(lacking.result, lacking.result).marks == (MARK,)


def test_two_of_which_one_pays_for_its_pools_are_not_to_be_compared(report):
    free, charged = replace(report.result, variant="free"), replace(report.result, variant="paid", chain=True)
    words = "Do not compare cycles: pools and the like take time in paid alone."
    for comparison in (Comparison(free, charged), Comparison(charged, free)):
        assert comparison.marks == (words,)
        assert words in comparison_page(comparison, [])
    assert Comparison(charged, charged).marks == ()


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    path = tmp_path_factory.mktemp("trace") / "tiny.zarr.zip"
    return Tiny().write(path, provenance={"seed": 0, "left_out": LACKING})


def test_a_timeline_says_it(place):
    shown = timeline(hwsim.open_trace(place), hwsim.Arch(cores=2), 0, "conv")
    assert shown.marks == hwsim.simulate(place).marks != ()
    assert shown.marks[0] in timeline_plot(shown).svg


@pytest.mark.parametrize(
    "command",
    [("run",), ("compare",), ("compare", "--peer", "scnn"), ("measure", "--repeats", 3), ("widths",)],
    ids=lambda command: " ".join(map(str, command)),
)
def test_tables_for_a_text_or_a_spreadsheet_say_it(hwsim, place, command):
    name, *options = command
    places = (place, place) if command == ("compare",) else (place,)
    (mark,) = simulate(place).marks
    asked = (name, *places, *options, "--images", 1, "--quiet")
    code, out, _ = hwsim(*asked, "--format", "md")
    assert (code, out.startswith(f"**{mark}**\n\n| ")) == (0, True)
    rows = list(csv.DictReader(io.StringIO(hwsim(*asked, "--format", "csv")[1])))
    assert rows
    assert {(row["synthetic"], row["left_out"]) for row in rows} == {("false", "2")}


def test_a_table_of_measurements_says_it_in_every_form(hwsim, place):
    asked = ("measure", place, "--images", 1, "--repeats", 3)
    assert simulate(place).marks[0] in hwsim(*asked)[1]
    document = json.loads(hwsim(*asked, "--format", "json")[1])
    assert (document["synthetic"], document["left_out"]) == (False, 2)


def test_files_of_published_machines_and_of_widths_say_it(hwsim, place, tmp_path):
    for command, file in ((("compare", "--peer", "scnn"), "peers.csv"), (("widths",), "widths.csv")):
        name, *options = command
        code, _, _ = hwsim(name, place, *options, "--images", 1, "--quiet", "--out", tmp_path)
        with (tmp_path / file).open(newline="") as lines:
            rows = list(csv.DictReader(lines))
        assert code == 0
        assert {row["left_out"] for row in rows} == {"2"}


def test_exports_say_it_where_their_formats_can_and_the_command_always(hwsim, place, tmp_path):
    (mark,) = simulate(place).marks
    for name in ("accelergy", "timeline", "scalesim", "ramulator2", "dramsim3"):
        code, out, _ = hwsim("export", place, name, "-o", tmp_path / name)
        assert (code, out.startswith(f"{mark}\n")) == (0, True)
    for file in ("architecture", "ERT", "action_counts"):
        lines = (tmp_path / "accelergy" / f"{file}.yaml").read_text().splitlines()
        assert (lines[0], lines[1].startswith("#")) == (f"# {mark}", False)
    assert json.loads((tmp_path / "timeline").read_text())["otherData"]["marks"] == [mark]


def test_rows_summary_page_and_plots_of_a_sweep_say_it(place, tmp_path):
    folder = tmp_path / "sweep"
    points, _ = sweep([str(place)], Space.parse({"space": {"cores": [1, 2]}}), folder, workers=1)
    assert {row["left_out"] for row in parquet.read_table(points).to_pylist()} == {2}
    with hwsim.open_trace(place) as trace:
        share = 500 / (500 + sum(layer.macs for layer in trace.layers))
    mark = f"Not a whole network: 2 layers are left out ({share:.1%} of the MACs), and not in any total."
    assert read_machines(folder).marks == (mark,)
    write_sweep_report(folder)
    assert f'<div class="badge">{mark}</div>' in (folder / "sweep.html").read_text(encoding="utf-8")
    assert json.loads((folder / "summary.json").read_text())["left_out"] == 2
    assert all(mark in plot.read_text(encoding="utf-8") for plot in folder.glob("*.svg"))


def test_a_sweep_over_two_traces_says_the_share_of_both_or_none(place, tmp_path):
    whole = Tiny().write(tmp_path / "whole.zarr.zip")
    unknown = Tiny().write(tmp_path / "unknown.zarr.zip", provenance={"left_out": ["gemm: too large"]})
    with hwsim.open_trace(whole) as trace:
        macs = sum(layer.macs for layer in trace.layers)
    for other, words in (
        (whole, f"2 layers are left out ({500 / (500 + 2 * macs):.1%}"),
        (unknown, "3 layers are left out,"),
    ):
        folder = tmp_path / other.name.split(".")[0]
        sweep([str(place), str(other)], Space.parse({"space": {"cores": [2]}}), folder, workers=1)
        (mark,) = read_machines(folder).marks
        assert words in mark


def test_a_row_of_the_reproduction_has_it_as_a_note(place):
    entry = trace_entry(str(place), Wanted(say=lambda _: None))
    assert hwsim.simulate(place).marks[0] in entry.notes
