"""Time at the clock of a core's slowest part: by hand from the clocks of docs/two_lanes.md."""

import json

import pytest

from hwsim import Arch, open_trace, simulate
from hwsim.machine.area import area, core_luts
from hwsim.report.codec_cost import CodecCost
from hwsim.report.comparison import Comparison
from hwsim.report.contents import Report
from hwsim.report.in_time import InTime
from hwsim.report.limits import Limits
from hwsim.report.report_page import report_page
from traces import Tiny

ONE, TWO = Arch(cores=2, columns=4, lanes=1), Arch(cores=2, columns=4)
DECODER, COLUMNS = 60.3e6, 100.6e6  # Hz, the slowest parts of a core of one lane and of two


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return Tiny().write(tmp_path_factory.mktemp("trace") / "tiny.zarr")


@pytest.fixture(scope="module")
def results(place):
    return simulate(place, ONE), simulate(place, TWO)


def close(value: float):
    return pytest.approx(value, rel=1e-12, abs=0)


def test_two_lanes_stand_beside_one_in_cycles_and_in_time(place, results):
    one, two = (result.overall()["cycles"] for result in results)
    with open_trace(place) as trace:
        first, second = InTime.of(trace, results[1]).rows()
    assert (first["lanes"], first["cycles"], second["lanes"], second["cycles"]) == (1, one, 2, two)
    assert (first["slowest_part"], second["slowest_part"]) == ("decoder", "columns")
    assert first["ecp5_seconds"] == close(one / DECODER)
    assert second["ecp5_seconds"] == close(two / COLUMNS)
    assert second["dense_ecp5_seconds"] == close(results[1].overall()["dense_cycles"] / COLUMNS)
    assert second["over_one_lane_in_cycles"] == close(one / two)
    assert second["over_one_lane_in_time"] == close(one / two * COLUMNS / DECODER)
    assert (first["core_luts"], second["core_luts"]) == (area(ONE).luts / 2, area(TWO).luts / 2)


def test_the_clock_of_a_whole_core_is_told_where_it_is_less_than_that_of_its_parts(results):
    """docs/synthesis.md: a core of two lanes was placed and routed at 71.3 MHz, one of one lane was not."""
    assert "a whole core, placed and routed, reaches 71.3 MHz so far" in InTime(results[1]).words()
    assert "whole core" not in InTime(results[0]).words()


def test_table_page_json_and_comparison_have_the_same_times(hwsim, place, results, tmp_path):
    machine = tmp_path / "two.toml"
    machine.write_text(TWO.to_toml())
    gain = results[0].overall()["cycles"] / results[1].overall()["cycles"] * COLUMNS / DECODER
    said = f"{gain:.2f}\N{MULTIPLICATION SIGN} in time"
    document = json.loads(hwsim("run", place, "--arch", machine, "--json")[1])["in_time"]
    assert document["lanes"][1]["over_one_lane_in_time"] == close(gain)
    assert document["ecp5_seconds"] == document["lanes"][1]["ecp5_seconds"]
    assert said in hwsim("run", place, "--arch", machine)[1]
    with open_trace(place) as trace:
        assert said in report_page(Report.of(trace, results[1]), [])
        limits = Limits.of(trace, results[0])
    beside = Comparison(*results)
    assert said in beside.in_time()
    assert beside.to_dict()["in_time"]["b_over_a"] == close(gain)
    change = {row["change"]: row for row in limits.machine_rows()}["two lanes of decoding"]
    assert change["in_time"] == close(gain)
    assert f"two lanes of decoding: {gain:.2f}\N{MULTIPLICATION SIGN}" in limits.words()


def test_another_number_of_lanes_is_no_answer_to_what_limits_a_layer(place, results):
    """One lane takes fewer cycles in the linear layer than two, at a clock of which two lanes are rid."""
    one, two = ({row["layer"]: row["cycles"] for row in result.per_layer()} for result in results)
    assert two["fc"] > 1.2 * one["fc"]
    with open_trace(place) as trace:
        limits = Limits.of(trace, results[1])
    assert "one lane of decoding" in limits.changed
    assert {row["layer"]: row["change"] for row in limits.rows()}["fc"] == "no single doubling"


def test_one_lane_has_a_time_and_nothing_beside_it(place, results):
    with open_trace(place) as trace:
        document = Report.of(trace, results[0]).to_dict()["in_time"]
    assert document["ecp5_seconds"] == close(results[0].overall()["cycles"] / DECODER)
    assert document["lanes"] == []
    assert Comparison(results[0], results[0]).in_time() == ""


@pytest.mark.parametrize("arch", [ONE, TWO], ids=["one lane", "two lanes"])
def test_the_code_costs_the_clock_of_its_decoder_and_all_that_a_second_lane_takes(place, arch):
    with open_trace(place) as trace:
        cost = CodecCost.of(trace, simulate(trace, arch))
    rows = {row["what"]: row for row in cost.rows()}
    alone = core_luts(ONE)
    without = sum(alone.values()) - alone["decoder"] - alone["encoder"] - alone["additions"]
    assert cost.luts == (close(sum(core_luts(arch).values())), close(without))
    mhz = {1: "60.3 MHz, decoder", 2: "100.6 MHz, columns"}[arch.lanes]
    clock = rows["clock of a core's slowest part"]
    assert (clock["coded"], clock["raw"]) == (mhz, "100.6 MHz, columns")
    assert clock["change"] == {1: "40.1 % less", 2: "the same"}[arch.lanes]
    cycles = (cost.coded.overall()["cycles"], cost.raw.overall()["cycles"])
    assert cost.seconds == (
        close(cycles[0] / {1: DECODER, 2: COLUMNS}[arch.lanes]),
        close(cycles[1] / COLUMNS),
    )
    assert cost.to_dict()["ecp5_seconds"] == dict(zip(("coded", "raw"), cost.seconds, strict=True))
