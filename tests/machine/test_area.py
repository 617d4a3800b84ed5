"""The area of a machine: near what was measured, exact where it can be, and larger for larger machines."""

import json
import subprocess
import sys
from dataclasses import asdict, replace

import pytest
from amaranth.hdl import Shape
from hypothesis import given
from hypothesis import strategies as st

from hwsim.arch import Arch
from hwsim.machine import area as area_module
from hwsim.machine.area import (
    ADDITIONS,
    DEVICE,
    FEATURES,
    RESULTS,
    SCALE_BITS,
    Area,
    _coefficients,
    _core_parts,
    area,
    block_rams,
    core_brams,
    core_luts,
    fit_error,
    fpga_machine,
    placed_clocks,
    slowest_part,
    whole_core_mhz,
)
from hwsim.sweep import Space
from hwsim.sweep.evaluate import machine_row
from hwsim_rtl.core.payloads import ChannelScale

RUNS = json.loads(RESULTS.read_text(encoding="utf-8"))["runs"]
CORES = [run for run in RUNS if run["component"] == "core"]

machines = st.builds(
    Arch,
    cores=st.integers(1, 64),
    columns=st.sampled_from([4, 8, 16, 32, 64]),
    activation_bits=st.integers(4, 16),
    weight_bits=st.integers(4, 16),
    weight_words=st.integers(256, 10000).map(lambda loads: 2 * loads),
    map_buffer=st.integers(0, 1 << 20),
)


@pytest.mark.parametrize("run", CORES, ids=lambda run: str(run["machine"]["columns"]))
def test_a_core_is_near_its_synthesis(run):
    arch = Arch(cores=1, map_buffer=0, **run["machine"])
    parts = _core_parts(arch)
    del parts[ADDITIONS]  # which the RTL lacks
    luts, ffs, dsps = map(sum, zip(*parts.values(), strict=True))
    assert luts == pytest.approx(run["cells"]["luts"], rel=0.015)
    assert ffs == pytest.approx(run["cells"]["ffs"], rel=0.035)
    assert round(dsps) == run["cells"]["dsps"]
    assert area(arch).brams == run["cells"]["brams"]


def test_the_parts_of_the_default_core_are_near_their_synthesis():
    found = core_luts(Arch())
    # LUTs as in docs/synthesis.md; a lane has a queue of 183.
    counted = {"reader": 2199, "decoder": 1260, "position": 957, "items": 2 * 183, "choice": 392}
    counted |= {"scatter": 2329, "columns": 2875, "drain": 1614, "encoder": 474}
    assert {name: found[name] for name in counted} == pytest.approx(counted, rel=0.015)
    assert found[ADDITIONS] == found["decoder"]  # what is added to results has one of its own


def test_the_slowest_part_of_a_core_is_its_decoder():
    assert slowest_part() == ("decoder", 97.4)
    assert slowest_part(without=["decoder", "encoder"]) == ("reader", 101.6)
    assert placed_clocks()["columns"] == 110.0


def test_the_clock_of_a_core_is_the_median_of_its_seeds(monkeypatch):
    seeds = [{"component": "core", "timing": {"fmax_mhz": mhz}} for mhz in (70.0, 75.0, 72.0)]
    others = [{"component": "core", "timing": None}, {"component": "reader", "timing": {"fmax_mhz": 60.0}}]
    monkeypatch.setattr(area_module, "_runs", lambda: [*seeds, *others])
    assert whole_core_mhz() == 72.0
    monkeypatch.setattr(area_module, "_runs", lambda: others)
    assert whole_core_mhz() is None


def test_the_fit_is_within_the_error_that_the_docs_state():
    errors = fit_error()
    assert errors.keys() == FEATURES.keys() - {"rest"}
    assert max(errors.values()) < 0.06


@given(machines, st.integers(2, 5))
def test_cores_add_up(arch, factor):
    arch = arch.replace(map_buffer=0)
    one, many = area(arch), area(arch.replace(cores=arch.cores * factor))
    assert many == Area(*(factor * getattr(one, name) for name in ("luts", "ffs", "dsps", "brams")))


@given(
    machines,
    st.sampled_from(["columns", "activation_bits", "weight_bits", "weight_words", "map_buffer"]),
)
def test_a_larger_machine_takes_no_less(arch, field):
    most = {"columns": 64, "activation_bits": 16, "weight_bits": 16, "weight_words": 20000}
    most["map_buffer"] = 1 << 20
    larger = arch.replace(**{field: most[field]})
    small, large = area(arch), area(larger)
    assert large.luts >= small.luts
    assert large.ffs >= small.ffs
    assert large.dsps >= small.dsps
    assert large.brams >= small.brams


@given(machines)
def test_twice_the_columns_take_more_of_everything(arch):
    if arch.columns < 64:
        small, large = area(arch), area(arch.replace(columns=2 * arch.columns))
        assert (large.luts > small.luts, large.ffs > small.ffs) == (True, True)
        assert (large.dsps > small.dsps, large.brams > small.brams) == (True, True)


def test_memories_count_exactly():
    # 16 banks of two copies of 1024 x 33 bits, two block RAMs each, and of 1024 x 1, one each; weights of 128
    # bits, filled up to 135, 4 x 2048 in RAMs of 9, 15 each, and 1024 in RAMs of 18, 7.5; channel scales
    # 128 x 48, filled up to 54, in RAMs of 36: 1.5.
    assert core_brams(Arch()) == 16 * (2 * 2 + 2 * 1) + 4 * 15 + 8 + 2


def test_a_core_of_two_columns_has_its_table_of_taps_in_a_block_ram_too():
    # Two banks as above; weights of 16 bits, twice 2 x 2048 in two RAMs of 9 each, and 512 in one; scales for
    # 8 x 2 channels of 48 bits are 12 distributed RAMs; the table of taps.
    assert core_brams(Arch(columns=2)) == 2 * (2 * 2 + 2 * 1) + 2 * (2 * 2 + 1) + 0 + 1


def test_the_map_buffer_takes_block_rams_for_lines():
    # A line has 64 bytes, in lanes of nine bits 57. 1024 lines: a RAM of 1024 x 18 has two lanes, 28.5; 512:
    # one of 512 x 36 has four, 14.25; 1025 lines take the lanes of 1536 rows, 42.75.
    arch = Arch(cores=1, columns=4)
    none = area(arch.replace(map_buffer=0))
    for size, blocks in ((64 << 10, 29), (32 << 10, 15), ((64 << 10) + 1, 43)):
        assert area(arch.replace(map_buffer=size)) == replace(none, brams=none.brams + blocks)


def test_the_machine_for_the_device_fits_it():
    found = asdict(area(fpga_machine()))
    assert all(found[name] <= DEVICE[name] for name in DEVICE)
    assert found["brams"] > 0.9 * DEVICE["brams"]  # and uses it


@pytest.mark.parametrize(
    ("depth", "width", "blocks"),
    [
        (32, 33, 0),
        (33, 33, 1),
        (64, 33, 1),
        (511, 33, 1),
        (512, 33, 1),
        (513, 33, 2),
        (1024, 33, 2),
        (2048, 33, 4),
        (48, 48, 0),
        (64, 48, 2),
        (128, 8, 0),
        (256, 8, 1),
        (64, 16, 0),
        (128, 16, 1),
        (2304, 64, 10),
        (3000, 128, 23),
        (4608, 128, 34),
        (5000, 40, 13),
        (9216, 32, 18),
        (9216, 256, 131),
        (512, 36, 1),
        (512, 37, 2),
        (1023, 8, 1),
        (1536, 40, 4),
    ],
)
def test_block_rams_are_those_that_yosys_takes(depth, width, blocks):
    # Counted in yosys 0.70, synth_ecp5, for a memory of one read and one write port.
    assert block_rams(depth, width) == blocks


def test_a_channel_scale_is_as_wide_as_that_of_the_rtl():
    assert Shape.cast(ChannelScale).width == SCALE_BITS


def test_no_part_of_the_smallest_core_takes_less_than_nothing():
    # The constants of the fit may be negative, so that a core could.
    arch = Arch(cores=1, columns=1, activation_bits=1, weight_bits=2, run_max=1, weight_words=2)
    for component, rows in _coefficients().items():
        features = (1, *FEATURES[component](arch))
        for row in rows:
            assert round(sum(c * f for c, f in zip(row, features, strict=True))) >= 0, component


def test_the_device_is_the_one_of_the_data_sheet():
    # Lattice, ECP5 and ECP5-5G family data sheet (FPGA-DS-02012), table 1.1: LFE5U-85F has 84 K LUTs, 3,744
    # Kbit of sysMEM in blocks of 18 Kbit, and 156 multipliers of 18 x 18. A slice has two LUTs and two FFs.
    assert (DEVICE["brams"] * 18, DEVICE["dsps"], round(DEVICE["luts"] / 1000)) == (3744, 156, 84)
    assert DEVICE["luts"] == DEVICE["ffs"] == 2 * 41820


def test_the_area_needs_no_rtl():
    code = "import sys, hwsim.machine.area as a; a.area(a.Arch()); sys.exit('amaranth' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_sweep_may_bound_the_area():
    space = Space.parse({"space": {"columns": [4, 64]}, "constraints": {"luts": {"max": 300_000}}})
    rows = [machine_row(space.arch(point)) for point in space.points()]
    assert [row["luts"] for row in rows] == [area(space.arch(point)).luts for point in space.points()]
    assert [space.admits(row) for row in rows] == [True, False]


def test_a_bit_of_an_activation_costs_every_column_the_same():
    def grown(columns: int) -> float:
        """LUTs that eight bits more take."""
        wide, narrow = (core_luts(Arch(columns=columns, activation_bits=bits))["columns"] for bits in (16, 8))
        return wide - narrow

    assert grown(4) > 0
    assert grown(8) == pytest.approx(2 * grown(4))
    assert grown(32) == pytest.approx(8 * grown(4))
