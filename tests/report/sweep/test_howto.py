"""The architect's how-to says what its data say; the data are of this code, this trace, this synthesis."""

import json
import tomllib
from importlib import util
from pathlib import Path

import pytest

import hwsim
from hwsim.machine.area import area
from hwsim.sweep import Space
from hwsim.sweep.evaluate import check_columns

DOCS = Path(__file__).parents[3] / "docs"
AGAIN = "run again: python docs/pictures/howto_machine.py"


@pytest.fixture(scope="module")
def howto():
    spec = util.spec_from_file_location("howto_machine", DOCS / "pictures" / "howto_machine.py")
    module = util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def document(howto) -> dict:
    return json.loads(howto.DATA.read_text())


@pytest.fixture(scope="module")
def space(howto) -> Space:
    return Space.from_toml(howto.SPACE)


def machine(space: Space, row: dict) -> hwsim.Arch:
    return space.arch({name: row[name] for name in space.space})


def test_the_page_is_what_its_data_make_it(howto, document):
    page = howto.PAGE.read_text()
    made = page[page.index(howto.BEGIN) + len(howto.BEGIN) : page.index(howto.END)]
    assert made.strip() == howto.render(document), AGAIN
    assert f"```toml\n{howto.SPACE.read_text()}```" in page


def test_the_space_is_the_question(howto, space):
    check_columns(space)
    bounds = tomllib.loads(howto.SPACE.read_text())["constraints"]
    assert (bounds["luts"], bounds["bandwidth_gb_s"]) == ({"max": 50_000}, {"max": 2})


def test_areas_are_those_of_the_synthesis_that_is_shipped(howto, space, document):
    for row in (*document["front"], *document["bandwidths"]):
        cells = area(machine(space, row))
        assert (row["luts"], row["dsps"], row["brams"]) == (cells.luts, cells.dsps, cells.brams), AGAIN
        assert row["luts"] <= 50_000
        assert row["bandwidth_gb_s"] <= 2
    assert document["slowest"] == howto.slowest_component(), AGAIN
    assert space.machine["clock_mhz"] <= document["slowest"]["fmax_mhz"]


def test_the_winner_takes_the_cycles_that_the_simulator_gives(howto, space, document):
    best = document["front"][0]
    result = hwsim.simulate(hwsim.open_trace(howto.TRACE), machine(space, best))
    assert best["cycles"] == result.total("skipping"), AGAIN
    assert best["speedup"] == pytest.approx(result.speedup)
    assert best["dram_bytes"] == result.dram_bytes("skipping")


def row(cores: int, columns: int, seconds: float, **more) -> dict:
    known = {
        "cores": cores,
        "columns": columns,
        "seconds": seconds,
        "luts": cores * columns * 1000,
        "brams": 10,
    }
    known |= {"map_buffer": 4096, "bytes_per_cycle": 8, "accumulators": 512, "weight_words": 1024, "dsps": 3}
    return known | more


def test_of_a_shape_the_smallest_of_the_fast_ones_is_taken(howto, monkeypatch):
    monkeypatch.setattr(howto, "KEPT", tuple(row(1, 1, 1)))
    rows = [
        row(2, 8, 1.0, brams=20), row(2, 8, 1.009, map_buffer=4097, brams=11), row(2, 8, 1.009),
        row(2, 8, 1.03, brams=1), row(2, 8, 1.009, bytes_per_cycle=16), row(1, 8, 1.5),
        row(4, 4, 1.2, luts=9000), row(1, 4, 9.0),
    ]  # fmt: skip
    found = howto.answers(rows)
    assert [(r["cores"], r["columns"], r["seconds"]) for r in found["front"]] == [
        (2, 8, 1.009),
        (4, 4, 1.2),
        (1, 8, 1.5),
        (1, 4, 9.0),
    ]
    assert found["front"][0]["brams"] == 10
    assert [r["bytes_per_cycle"] for r in found["bandwidths"]] == [8, 8, 8, 16]


def test_a_machine_that_the_device_cannot_hold_is_said_to_be_too_large(howto):
    small = row(1, 8, 2.0, brams=208, bandwidth_gb_s=1.0, speedup=1.5)
    large = row(2, 8, 1.0, brams=209, bandwidth_gb_s=1.0, speedup=1.5)
    assert (howto.fits(small), howto.fits(large)) == (True, False)
    assert "so it fits" in howto._device_words(small, small)
    assert "There the answer is **1 core x 8 columns**" in howto._device_words(large, small)
    assert "no machine of the table fits" in howto._device_words(large, None)
