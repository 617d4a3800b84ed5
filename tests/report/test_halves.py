"""What each flag of a machine wins: four runs of one trace, in table, page, JSON and CSV."""

import csv
import io
import json
from dataclasses import replace

import pytest

import hwsim
from hwsim.machine.simulation import halves, simulate_machines
from hwsim.report.comparison import Comparison
from hwsim.report.comparison_page import comparison_page
from hwsim.report.contents import to_json
from hwsim.report.halves import HALVES_COLUMNS, KEYS, half_rows
from hwsim.report.write import write_comparison
from traces import Tiny

ARCH = hwsim.Arch(cores=2, columns=4, map_buffer=64, bytes_per_cycle=4)
FLAGS = [(False, False), (True, False), (False, True), (True, True)]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return Tiny().write(tmp_path_factory.mktemp("trace") / "tiny.zarr.zip")


@pytest.fixture(scope="module")
def comparison(place):
    a = simulate_machines(place, halves(ARCH))
    b = simulate_machines(place, halves(ARCH.replace(cores=1)))
    return Comparison(a[3], b[1], machine_a="two", machine_b="one", halves_a=tuple(a), halves_b=tuple(b))


def test_every_row_is_the_run_of_the_machine_with_those_flags(place, comparison):
    for side, cores in (("a", 2), ("b", 1)):
        rows = json.loads(to_json(comparison.to_dict()))["halves"][side]
        assert [(row["skip_zeros"], row["compress"]) for row in rows] == FLAGS
        for row in rows:
            arch = ARCH.replace(cores=cores, skip_zeros=row["skip_zeros"], compress=row["compress"])
            numbers = hwsim.simulate(place, arch).overall()
            assert {key: row[key] for key in KEYS} == {key: numbers[key] for key in KEYS}


def test_the_halves_are_apart_from_both_and_from_neither(comparison):
    neither, skipping, coded, both = comparison.halves()[:4]
    assert neither["speedup"] == 1
    assert neither["maps_saved"] == neither["dram_saved"] == 0
    # Raw maps cross the channel as those of the baseline do, however fast the machine.
    assert skipping["dram_maps"] == neither["dram_maps"] != both["dram_maps"] == coded["dram_maps"]
    assert both["speedup"] > 1
    assert len({(row["cycles"], row["dram_bytes"]) for row in (neither, skipping, coded, both)}) == 4
    assert [row["what"] for row in comparison.halves()] == [
        f"{side}: {what}"
        for side in ("two", "one")
        for what in (
            "neither: the dense baseline",
            "zeros skipped, maps raw",
            "maps in SEG, no zero skipped",
            "both",
        )
    ]


def test_csv_and_page_have_the_rows(comparison, tmp_path):
    names = [path.name for path in write_comparison(comparison, tmp_path)]
    assert "compare_halves.csv" in names
    with (tmp_path / "compare_halves.csv").open(newline="") as file:
        lines = list(csv.DictReader(file))
    assert [line["side"] for line in lines] == ["a"] * 4 + ["b"] * 4
    for line, row in zip(lines, comparison.halves(), strict=True):
        assert all(float(line[key]) == row[key] for key in KEYS)
        assert (line["skip_zeros"], line["synthetic"]) == (str(row["skip_zeros"]).lower(), "false")
    page = comparison_page(comparison, [])
    for row in comparison.halves():
        for column in HALVES_COLUMNS:
            assert f">{column.show(row[column.key])}</td>" in page


def test_a_comparison_without_halves_says_nothing_of_them(comparison, tmp_path):
    alone = replace(comparison, halves_a=(), halves_b=())
    assert alone.halves() == []
    assert "What skipping wins" not in comparison_page(alone, [])
    assert "compare_halves.csv" not in [path.name for path in write_comparison(alone, tmp_path)]


def test_the_keys_of_the_table_are_in_the_rows(comparison):
    (row, *_) = half_rows(comparison.halves_a)
    assert {column.key for column in HALVES_COLUMNS} <= set(row)
    assert io.StringIO(comparison.halves_csv()).readline().startswith("side,what,skip_zeros,compress,cycles")
