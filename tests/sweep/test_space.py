"""A space file becomes the machines that it says, each once, or is refused in one line."""

import math
import re
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwsim.arch import Arch
from hwsim.errors import SweepError
from hwsim.sweep import Space
from hwsim.sweep import space as space_module
from hwsim.sweep.evaluate import check_columns, machine_row
from hwsim.sweep.space import FIXED, Bound

GRID = {
    "machine": {"cores": 4},
    "space": {
        "dram_latency": [16, 32, 16],
        "columns": [8, 16],
        "bytes_per_cycle": {"low": 4, "high": 64, "steps": 3, "scale": "log"},
    },
}


def test_a_grid_is_the_product_of_its_fields_each_machine_once():
    points = Space.parse(GRID).points()
    expected = {(f, c, b) for f in (16, 32) for c in (8, 16) for b in (4, 16, 64)}
    assert {(p["dram_latency"], p["columns"], p["bytes_per_cycle"]) for p in points} == expected
    assert len(points) == len(expected)


def test_fields_that_need_a_new_mapping_change_slowest():
    columns = [point["columns"] for point in Space.parse(GRID).points()]
    assert columns == sorted(columns)


def test_the_machine_of_a_point_has_the_fixed_and_the_swept_fields():
    space = Space.parse(GRID)
    arch = space.arch(space.points()[0])
    assert (arch.cores, arch.columns, arch.bytes_per_cycle) == (4, 8, 4)


NUMBERS = {
    "cores": (1, 64), "columns": (1, 64), "activation_bits": (1, 16),
    "weight_bits": (2, 16), "run_max": (1, 16), "accumulators": (8, 4096),
    "weight_words": (2, 9216), "map_buffer": (1, 1 << 20), "clock_mhz": (1.5, 900.0),
    "bytes_per_cycle": (1, 256), "dram_latency": (1, 500), "dram_efficiency": (1, 100),
}  # fmt: skip
WORDS = {"row_split": ["balanced", "contiguous"], "compress": [True, False]}


def test_a_field_that_is_gone_is_refused_with_what_became_of_it():
    with pytest.raises(SweepError, match=r"space\.lanes: every core decodes .*: leave the field out"):
        Space.parse({"space": {"lanes": [1, 2]}})
    with pytest.raises(SweepError, match="lanes: every core decodes two segments in turns"):
        Space.parse({"machine": {"lanes": 2}, "space": {"cores": [1, 2]}})


def test_every_field_of_the_machine_is_swept_or_the_reason_is_given():
    assert NUMBERS.keys() | WORDS.keys() | FIXED.keys() == Arch.model_fields.keys() | {"codec"}


@pytest.mark.parametrize("name", NUMBERS)
@given(data=st.data(), scale=st.sampled_from(["linear", "log"]), method=st.sampled_from(["grid", "sobol"]))
def test_every_number_of_the_machine_can_be_swept_by_list_and_range(name, data, scale, method):
    least, most = NUMBERS[name]
    some = st.floats(least, most) if isinstance(least, float) else st.integers(least, most)
    low, high = sorted(data.draw(st.lists(some, min_size=2, max_size=2, unique=True)))
    steps = data.draw(st.integers(2, 6)) if method == "grid" else None
    search = {"method": method, "points": None if steps else 8}
    swept = {"low": low, "high": high, "scale": scale, "steps": steps}
    points = Space.parse({"space": {name: swept}, "search": search}).points()
    assert 1 <= len(points) <= (steps or 8)
    for point in points:
        value = getattr(
            Space.parse({"space": {name: [point[name]]}}).arch(point), name
        )  # the machine takes it
        assert value == point[name]
        step = {"columns": value / 2, "accumulators": 8, "weight_words": 2}.get(name, 1)
        assert low - step <= value <= high + step


@pytest.mark.parametrize("name", WORDS)
def test_every_choice_of_the_machine_can_be_swept_by_list(name):
    space = Space.parse({"space": {name: WORDS[name], "run_max": [4, 8]}})
    assert [getattr(space.arch(point), name) for point in space.points()] == [
        w for w in WORDS[name] for _ in "ab"
    ]


def test_a_range_of_columns_visits_the_powers_of_two_and_none_twice():
    fields = {
        "columns": {"low": 4, "high": 32, "steps": 9},
        "accumulators": {"low": 500, "high": 520, "steps": 2},
    }
    points = Space.parse({"space": fields}).points()
    assert sorted({point["columns"] for point in points}) == [4, 8, 16, 32]
    assert {point["accumulators"] for point in points} == {496, 520}
    assert len(points) == 8


@given(st.sampled_from(["latin", "sobol"]), st.integers(1, 70), st.integers(0, 5))
def test_samples_are_as_many_as_asked_repeatable_and_within_the_range(method, count, seed):
    fields = {
        "space": {"clock_mhz": {"low": 100.0, "high": 1000.0}, "dram_latency": [16, 32, 64]},
        "search": {"method": method, "points": count, "seed": seed},
    }
    points = Space.parse(fields).points()
    assert points == Space.parse(fields).points()
    assert len(points) == count
    assert all(100 <= point["clock_mhz"] <= 1000 for point in points)
    assert {point["dram_latency"] for point in points} <= {16, 32, 64}


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
    "more",
    [
        {"constraints": {"lut": {"max": 50_000}}},
        {"constraints": {"row_split": {"max": 1}}},
        {"search": {"method": "pareto", "points": 10, "objectives": ["cycles", "network"]}},
    ],
)
def test_a_bound_or_an_objective_on_no_number_of_the_result_is_refused_by_name(more):
    with pytest.raises(
        SweepError, match=r"(lut|row_split|network) is no number of the result: .*\bluts\b.*cycles"
    ):
        check_columns(Space.parse({"space": {"cores": [1]}, **more}))


def test_bounds_and_objectives_may_name_area_bandwidth_and_results():
    names = (
        "luts",
        "ffs",
        "dsps",
        "brams",
        "sram_bytes",
        "bandwidth_gb_s",
        "cycles",
        "seconds",
        "speedup",
        "cores",
    )
    bounds = {name: {"min": 0} for name in (*names, "mac_ratio")}
    search = {"method": "pareto", "points": 4, "objectives": ["cycles", "luts"]}
    space = Space.parse({"space": {"cores": [1]}, "constraints": bounds, "search": search})
    check_columns(space)
    assert space.admits(dict.fromkeys(bounds, 1))
    assert not space.admits({**dict.fromkeys(bounds, 1), "mac_ratio": None})  # no value to hold a bound


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({}, "space"),
        ({"space": {}}, "space"),
        ({"space": {"colums": [8]}}, "colums"),
        ({"space": {"columns": []}}, "columns"),
        ({"space": {"columns": [8, 12]}}, "power of two"),
        ({"space": {"codec": ["seg", "aseg"]}}, "codec cannot be swept: the machine's decoder takes SEG"),
        ({"space": {"skip_zeros": [True, False]}}, "skip_zeros cannot be swept: every row has both"),
        ({"space": {"energy": [1.0]}}, r"energy cannot be swept: .*machine\.energy"),
        ({"space": {"columns": [8]}, "machine": {"skip_zeros": False}}, "every row has both"),
        ({"space": {"clock_mhz": {"low": 1, "high": math.inf, "steps": 2}}}, "finite"),
        ({"space": {"row_split": {"low": 1, "high": 2, "steps": 2}}}, "row_split"),
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


def shown_in_the_guide() -> str:
    guide = (Path(__file__).parents[2] / "docs" / "guide.md").read_text()
    return re.findall(r"A space file says.*?```toml\n(.*?)```", guide, re.DOTALL)[0]


@pytest.mark.parametrize("text", [shown_in_the_guide(), space_module.__doc__.split("\n", 1)[1]])
def test_the_space_files_that_are_shown_can_be_swept_and_some_machines_keep_the_bounds(text):
    space = Space.parse(tomllib.loads(text))
    check_columns(space)
    points = space.points()
    kept = [point for point in points[:50] if space.admits(machine_row(space.arch(point)))]
    assert kept


@pytest.mark.parametrize(("text", "message"), [(None, "give a TOML file"), ("[space", "not TOML")])
def test_a_file_that_is_none_is_refused_by_name(tmp_path, text, message):
    path = tmp_path / "machines.toml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(SweepError, match=rf"machines\.toml.*{message}"):
        Space.from_toml(path)


def test_a_grid_too_large_to_enumerate_says_what_to_do():
    fields = {name: list(range(20, 400)) for name in ("dram_latency", "bytes_per_cycle", "map_buffer")}
    with pytest.raises(SweepError, match=r"54872000 points.*sobol"):
        Space.parse({"space": fields}).points()


@pytest.mark.parametrize(
    ("least", "most", "inside", "outside"),
    [(1, 2, (1, 1.5, 2), (0.9, 2.1, None)), (None, 2, (-5, 2), (3, None)), (1, None, (1, 9), (0, None))],
)
def test_the_ends_of_a_bound_are_within_it_and_what_is_not_known_is_not(least, most, inside, outside):
    bound = Bound(min=least, max=most)
    assert all(bound.holds(value) for value in inside)
    assert not any(bound.holds(value) for value in outside)
