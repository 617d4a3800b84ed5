"""Time at the clock of a core's slowest part: by hand from the clocks of docs/synthesis.md."""

import json

import pytest

from hwsim import Arch, open_trace, simulate
from hwsim.machine.area import core_luts
from hwsim.report.codec_cost import CodecCost
from hwsim.report.contents import Report
from hwsim.report.in_time import in_time, in_time_words
from hwsim.report.report_page import report_page
from traces import Tiny

ARCH = Arch(cores=2, columns=4)
DECODER = 97.4e6  # Hz, the slowest part of a core
READER = 101.6e6  # the slowest one but for decoder and encoder


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return Tiny().write(tmp_path_factory.mktemp("trace") / "tiny.zarr")


@pytest.fixture(scope="module")
def result(place):
    return simulate(place, ARCH)


def close(value: float):
    return pytest.approx(value, rel=1e-12, abs=0)


def test_an_image_and_its_baseline_take_their_cycles_at_the_clock_of_the_slowest_part(result):
    total = result.overall()
    assert in_time(result) == {
        "slowest_part": "decoder",
        "ecp5_mhz": 97.4,
        "ecp5_seconds": close(total["cycles"] / DECODER),
        "dense_ecp5_seconds": close(total["dense_cycles"] / DECODER),
    }


def test_the_clock_of_a_whole_core_is_told_since_it_is_less_than_that_of_its_parts(result):
    assert "a whole core, placed and routed, reaches 71.0 MHz so far" in in_time_words(result)


def test_table_page_and_json_have_the_same_time(hwsim, place, result, tmp_path):
    machine = tmp_path / "small.toml"
    machine.write_text(ARCH.to_toml())
    shown = f"{result.overall()['cycles'] / DECODER * 1e6:#.3g}".rstrip(".")
    said = f"decoder, reaches 97.4 MHz when placed alone: an image takes {shown} "
    document = json.loads(hwsim("run", place, "--arch", machine, "--json")[1])["in_time"]
    assert document["ecp5_seconds"] == close(result.overall()["cycles"] / DECODER)
    assert said in " ".join(hwsim("run", place, "--arch", machine)[1].split())
    with open_trace(place) as trace:
        assert said in report_page(Report.of(trace, result), [])


def test_without_the_code_a_core_has_the_luts_and_the_clock_of_its_other_parts(place, result):
    with open_trace(place) as trace:
        cost = CodecCost.of(trace, result)
    rows = {row["what"]: row for row in cost.rows()}
    parts = core_luts(ARCH)
    others = [count for name, count in parts.items() if name not in ("decoder", "encoder", "additions")]
    assert cost.luts == (close(sum(parts.values())), close(sum(others)))
    clock = rows["clock of a core's slowest part"]
    assert (clock["coded"], clock["raw"], clock["change"]) == (
        "97.4 MHz, decoder",
        "101.6 MHz, reader",
        "4.1 % less",
    )
    cycles = (cost.coded.overall()["cycles"], cost.raw.overall()["cycles"])
    assert cost.seconds == (close(cycles[0] / DECODER), close(cycles[1] / READER))
    assert cost.to_dict()["ecp5_seconds"] == dict(zip(("coded", "raw"), cost.seconds, strict=True))
