"""The same numbers in every table, and causes that add up."""

import csv
import io
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwsim.machine.result import CAUSES
from hwsim.report import text
from hwsim.report.bounds import BOUND_COLUMNS
from hwsim.report.tables import (
    CAUSE_MEANINGS,
    LAYER_COLUMNS,
    columns_within,
    layers_csv,
    mapping_words,
    runs_csv,
    to_csv,
)
from hwsim.report.traffic import LAYER_TRAFFIC_COLUMNS


def read(document: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(document)))


def test_a_row_averages_counts_over_images_and_takes_ratios_of_sums(result):
    first, second = result.per_layer()
    assert first["cycles"] == 110
    assert first["speedup"] == 401 / 220
    assert first["density"] == 110 / 200
    assert first["core_cycles_decode"] == 35
    assert first["largest_stall"] == "decode"
    assert second["cycles"] == 50.5
    assert second["mac_ratio"] == 2000 / 200


def test_the_total_covers_all_layers_and_images(result):
    total = result.overall()
    assert total["cycles"] == (100 + 51 + 120 + 50) / 2
    assert total["speedup"] == (200 + 50 + 201 + 50) / 321
    assert total["dram_bytes"] == (4 * 72 + 321) / 2
    assert total["energy_uj"] == pytest.approx(321 * 28 / 2 / 1e6, rel=1e-12, abs=0)
    assert total["largest_stall"] == "weights"


def test_the_causes_of_every_run_in_csv_sum_to_cycles_times_cores(result):
    rows = read(runs_csv(result))
    assert len(rows) == 8
    for row in rows:
        assert (
            sum(int(row[f"core_cycles_{cause}"]) for cause in CAUSES)
            == int(row["cycles"]) * result.arch.cores
        )


def test_the_causes_of_every_layer_in_csv_sum_to_cycles_times_cores(result):
    for row in read(layers_csv(result)):
        assert (
            sum(float(row[f"core_cycles_{cause}"]) for cause in CAUSES)
            == float(row["cycles"]) * result.arch.cores
        )
        assert sum(float(row[f"cause_{cause}"]) for cause in CAUSES) == pytest.approx(1)


def test_csv_holds_the_numbers_of_the_rows(result):
    for row, line in zip(result.per_layer(), read(layers_csv(result)), strict=True):
        assert line["layer"] == row["layer"]
        assert all(float(line[key]) == row[key] for key in ("cycles", "dram_bytes", "speedup", "energy_uj"))
        assert (line["images"], line["synthetic"]) == ("2", "false")


def test_csv_says_that_a_trace_is_synthetic(synthetic):
    assert {row["synthetic"] for row in read(layers_csv(synthetic.result))} == {"true"}
    assert {row["synthetic"] for row in read(runs_csv(synthetic.result))} == {"true"}


@given(st.text(), st.floats(allow_nan=False, allow_infinity=False), st.integers())
def test_csv_reads_back(name, number, whole):
    (row,) = read(to_csv([{"name": name, "number": number, "whole": whole, "none": None}]))
    assert row["name"].replace("'", "") == text.label(name, 1000).replace("'", "")
    assert float(row["number"]) == number
    assert int(row["whole"]) == whole
    assert row["none"] == ""


FORMULAS = (
    *("=1+1", "+1", "-1", "@SUM(A1)", "=cmd|' /C calc'!A0", " =1", "\uff1d1+1", '="a",1'),
    *("\t=1", "\r=1", "\n=1"),
)


@pytest.mark.parametrize("name", FORMULAS)
def test_no_name_is_a_formula_in_a_spreadsheet(name):
    document = to_csv([{"layer": name, name: -1.5, "least": -3}])
    (titles, cells) = csv.reader(io.StringIO(document))
    for cell in (titles[1], cells[0]):
        assert cell.lstrip(" ")[0] not in "=+-@\uff1d\t\r\n"
        assert text.label(name) in cell
    assert cells[1:] == ["-1.5", "-3"]  # numbers stay numbers


@pytest.mark.parametrize("name", ["a;=1+1", "a;b; -1", ";@x", "a;\uff1d1", "a;+1;=2"])
def test_no_name_is_a_formula_where_a_semicolon_ends_a_cell(name):
    lines = csv.reader(io.StringIO(to_csv([{"layer": name, name: 1}])), delimiter=";")
    assert not any(cell.lstrip(" ")[:1] in tuple("=+-@\uff1d") for line in lines for cell in line)


# Of the layer "first", under their titles; means of two images, worked out from tests/report/conftest.py.
SHOWN = {
    "layer": "first",
    "kind": "conv",
    "MACs": "1.00 k",
    "density": "55.0 %",
    "dense cycles": "200",
    "cycles": "110",
    "speedup": f"1.82{text.TIMES}",
    "MAC ratio": f"1.82{text.TIMES}",
    "efficiency": "100.2 %",
    "beyond by": "compute",
    "DRAM": "182 B",
    "dense DRAM": "272 B",
    "maps saved": "43.4 %",  # 236 bytes of 417
    "energy": "3.08 nJ",  # 110 cycles x 28 pJ
    "dense energy": "5.61 nJ",
    "in registers": "400 pJ",  # 1000 MACs x 0.4 pJ; no other event is counted
    "largest stall": "decode",
    "its share": "8.0 %",
}
TRAFFIC = {
    "layer": "first",
    "dense weights": "64 B",
    "weights": "64 B",
    **{f"{of}{kind}": "0 B" for kind in ("scales", "programs", "index") for of in ("dense ", "")},
    "dense maps in": "200 B",
    "maps in": "110 B",
    "dense maps out": "8 B",
    "maps out": "8 B",
    **{f"{of}{kind}": "0 B" for kind in ("pooled", "residuals") for of in ("dense ", "")},
    "dense all": "272 B",
    "all": "182 B",
    "maps saved": "43.4 %",
    "saved": "33.2 %",  # 364 bytes of 545
}
BOUNDS = {
    "layer": "first",
    "dense least cycles": "32",  # 1000 MACs of 4 x 8 multipliers
    "dense cycles": "200",
    "dense busy": "15.6 %",  # 2000 of 401 x 32
    "least cycles": "18",  # 500 and 600 MACs: 16 and 19
    "cycles": "110",
    "busy": "15.6 %",  # 1100 of 220 x 32
    "speedup": f"1.82{text.TIMES}",
    "MAC ratio": f"1.82{text.TIMES}",
    "beyond by": "compute",
    "dense channel": "9",  # 272.5 bytes at 32 a cycle
    "channel": "6",
    "dense waits for DRAM": "0.0 %",
    "waits for DRAM": "6.8 %",  # 60 of 880 core-cycles
    "speedup less DRAM": f"1.96{text.TIMES}",  # 1604 / 820
}


@pytest.mark.parametrize(
    ("columns", "expected"),
    [(LAYER_COLUMNS, SHOWN), (LAYER_TRAFFIC_COLUMNS, TRAFFIC), (BOUND_COLUMNS, BOUNDS)],
)
def test_every_title_stands_over_its_own_number(result, columns, expected):
    row, _ = result.per_layer()
    shown = {column.title: column.show(row[column.key]) for column in columns}
    assert shown == expected
    assert len(shown) == len(columns)


def test_every_cause_has_a_meaning():
    assert tuple(CAUSE_MEANINGS) == CAUSES


@given(st.integers(0, 200))
def test_a_narrow_terminal_keeps_the_needed_columns(width):
    chosen = columns_within(LAYER_COLUMNS, lambda left: 10 * len(left), width)
    assert len(chosen) == min(max(width // 10, 1), len(LAYER_COLUMNS))
    assert chosen == [column for column in LAYER_COLUMNS if column in chosen]
    dropped = [column.need for column in LAYER_COLUMNS if column not in chosen]
    assert max(dropped, default=0) <= min(column.need for column in chosen)


def test_a_terminal_that_narrows_loses_what_can_be_worked_out_first_and_keeps_speed_to_the_end():
    leaving: dict[int, list[str]] = {}
    for column in LAYER_COLUMNS:
        leaving.setdefault(column.need, []).append(column.title)
    assert [titles for _, titles in sorted(leaving.items())] == [
        ["kind"],
        ["MACs", "efficiency", "dense DRAM", "dense energy", "in registers"],
        ["beyond by", "maps saved", "energy"],
        ["dense cycles"],
        ["DRAM", "largest stall", "its share"],
        ["density"],
        ["MAC ratio"],
        ["speedup"],
        ["cycles"],
        ["layer"],
    ]


@pytest.mark.parametrize(
    ("pictures", "words"),
    [
        (0, "as if no value were zero: the trace has no row counts of calibration pictures"),
        (1, "by the non-zeros of 1 calibration picture"),
        (2, "by the non-zeros of 2 calibration pictures"),
    ],
)
def test_by_what_rows_are_dealt_out_is_said(result, pictures, words):
    assert mapping_words(replace(result, calibration_pictures=pictures)) == words
