"""A space file becomes the machines that it says, each once, or is refused in one line."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwsim.sweep import Space, SweepError

GRID = {
    "machine": {"cores": 4},
    "space": {
        "fifo_depth": [16, 32, 16],
        "columns": [8, 16],
        "bytes_per_cycle": {"low": 4, "high": 64, "steps": 3, "scale": "log"},
    },
}


def test_a_grid_is_the_product_of_its_fields_each_machine_once():
    points = Space.parse(GRID).points()
    expected = {(f, c, b) for f in (16, 32) for c in (8, 16) for b in (4, 16, 64)}
    assert {(p["fifo_depth"], p["columns"], p["bytes_per_cycle"]) for p in points} == expected
    assert len(points) == len(expected)


def test_fields_that_need_a_new_mapping_change_slowest():
    columns = [point["columns"] for point in Space.parse(GRID).points()]
    assert columns == sorted(columns)


def test_the_machine_of_a_point_has_the_fixed_and_the_swept_fields():
    space = Space.parse(GRID)
    arch = space.arch(space.points()[0])
    assert (arch.cores, arch.columns, arch.bytes_per_cycle) == (4, 8, 4)


@given(st.sampled_from(["latin", "sobol"]), st.integers(1, 70), st.integers(0, 5))
def test_samples_are_as_many_as_asked_repeatable_and_within_the_range(method, count, seed):
    fields = {
        "space": {"clock_mhz": {"low": 100.0, "high": 1000.0}, "fifo_depth": [16, 32, 64]},
        "search": {"method": method, "points": count, "seed": seed},
    }
    points = Space.parse(fields).points()
    assert points == Space.parse(fields).points()
    assert len(points) == count
    assert all(100 <= point["clock_mhz"] <= 1000 and point["fifo_depth"] in (16, 32, 64) for point in points)


def test_latin_samples_fall_one_into_each_slice():
    fields = {
        "space": {"clock_mhz": {"low": 100.0, "high": 900.0}},
        "search": {"method": "latin", "points": 8},
    }
    slices = sorted(math.floor((p["clock_mhz"] - 100) / 100) for p in Space.parse(fields).points())
    assert slices == list(range(8))


def test_constraints_look_at_the_columns_that_are_there():
    space = Space.parse({**GRID, "constraints": {"cycles": {"max": 100}, "sram_bytes": {"min": 5}}})
    assert space.admits({"sram_bytes": 5})
    assert not space.admits({"sram_bytes": 4})
    assert not space.admits({"sram_bytes": 9, "cycles": 101})


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({}, "space"),
        ({"space": {}}, "space"),
        ({"space": {"colums": [8]}}, "colums"),
        ({"space": {"columns": []}}, "columns"),
        ({"space": {"columns": [8, 12]}}, "power of two"),
        ({"space": {"columns": {"low": 8, "high": 32, "steps": 4}}}, "power of two"),
        ({"space": {"clock_mhz": {"low": 9, "high": 3, "steps": 2}}}, "low must be below high"),
        ({"space": {"clock_mhz": {"low": 0, "high": 3, "steps": 2, "scale": "log"}}}, "above 0"),
        ({"space": {"clock_mhz": {"low": 1, "high": 3}}}, "needs steps"),
        ({"space": {"columns": [8]}, "machine": {"columns": 8}}, "both fixed"),
        ({"space": {"columns": [8]}, "machine": {"cores": 0}}, "cores"),
        ({"space": {"columns": [8]}, "search": {"method": "sobol"}}, "needs points"),
        ({"space": {"columns": [8]}, "search": {"methd": "grid"}}, "methd"),
        ({"space": {"columns": [8]}, "constraints": {"cycles": {"below": 3}}}, "below"),
    ],
)
def test_a_space_that_makes_no_sense_is_refused_in_one_line(fields, message):
    with pytest.raises(SweepError, match=message) as error:
        Space.parse(fields, "space.toml")
    assert "\n" not in str(error.value)
    assert "space.toml" in str(error.value)


@pytest.mark.parametrize(("text", "message"), [(None, "give a TOML file"), ("[space", "not TOML")])
def test_a_file_that_is_none_is_refused_by_name(tmp_path, text, message):
    path = tmp_path / "machines.toml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(SweepError, match=rf"machines\.toml.*{message}"):
        Space.from_toml(path)


def test_a_grid_too_large_to_enumerate_says_what_to_do():
    fields = {name: list(range(20, 400)) for name in ("fifo_depth", "dram_latency", "bytes_per_cycle")}
    with pytest.raises(SweepError, match=r"54872000 points.*sobol"):
        Space.parse({"space": fields}).points()
