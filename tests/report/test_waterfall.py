"""The waterfall is a sum: from the dense cycles down to the work that is left, up to the machine's cycles."""

import re
from dataclasses import replace
from xml.etree import ElementTree

import pytest

import hwsim
from hwsim.arch import Arch
from hwsim.machine.result import Result
from hwsim.report.plots import waterfall
from hwsim.report.text import TIMES
from hwsim.report.waterfall import LOSSES, WATERFALL_COLUMNS, waterfall_rows
from traces import Tiny


@pytest.fixture(scope="module")
def simulated(tmp_path_factory) -> Result:
    path = Tiny().write(tmp_path_factory.mktemp("trace") / "tiny.zarr.zip")
    return hwsim.simulate(hwsim.open_trace(path), Arch(cores=2, columns=4))


def words(svg: str) -> list[str]:
    return ["".join(n.itertext()) for n in ElementTree.fromstring(svg).iter() if n.tag.endswith("}text")]


def test_every_step_by_hand(result):
    total, (first, second) = waterfall_rows(result)
    # Two images: dense 200 + 201 cycles on four cores, 8 of their core-cycles drain; 70 decode, 60 DRAM.
    assert (first["dense_cycles"], first["dense_stalls"]) == (200.5, 1)
    assert (first["decode"], first["dram"], first["drain"]) == (70 / 8, 60 / 8, 0)
    assert first["compute"] == (220 * 4 - 130) / 8
    assert first["zeros"] == 200.5 - 1 - first["compute"]
    assert first["cycles"] == 110
    assert (second["weights"], second["imbalance"], second["cycles"]) == (190 / 8, 7 / 8, 50.5)
    assert total["layer"] == "all layers"
    assert total["cycles"] == 160.5


def test_the_steps_sum_to_the_cycles_of_both_machines(simulated):
    total, layers = waterfall_rows(simulated)
    cycles = {row["layer"]: (row["dense_cycles"], row["cycles"]) for row in simulated.per_layer()}
    assert {row["layer"]: (row["dense_cycles"], row["cycles"]) for row in layers} == cycles
    for row in (total, *layers):
        assert row["dense_cycles"] - row["dense_stalls"] - row["zeros"] == pytest.approx(row["compute"])
        assert row["compute"] + sum(row[cause] for cause in LOSSES) == pytest.approx(row["cycles"])
        assert all(row[column.key] >= 0 for column in WATERFALL_COLUMNS[1:])


def test_of_a_convolution_the_zeros_are_the_mac_ratio(simulated):
    conv = waterfall_rows(simulated)[1][0]
    macs = (conv["zeros"] + conv["compute"]) / conv["compute"]
    assert macs == pytest.approx(simulated.per_layer()[0]["mac_ratio"])


def test_the_plot_names_every_layer_and_what_it_gains(result):
    shown = words(waterfall(result).svg)
    assert {"all layers", "first", "second"} <= set(shown)
    assert f"200 to 110: 1.82{TIMES}" in shown


def test_bars_start_where_the_one_before_ends(result):
    paths = re.findall(
        r'<path d="([^"]+)" clip-path="[^"]+" style="fill: #[0-9a-f]{6}"', waterfall(result).svg
    )
    bars = [[float(y) for y in re.findall(r"[ML] \S+ (\S+)", path)] for path in paths]
    spans = [(max(ys), min(ys)) for ys in bars[-12:]]  # of all layers; y points down
    floor, dense = spans[0]
    assert [spans[n + 1][1] for n in (0, 1)] == pytest.approx([dense, spans[1][0]], abs=0.01)
    assert spans[3] == pytest.approx((floor, spans[2][0]), abs=0.01)
    level = spans[3][1]
    for bottom, top in spans[4:11]:
        assert bottom == pytest.approx(level, abs=0.01)
        level = top
    assert spans[11] == pytest.approx((floor, level), abs=0.01)


def test_of_many_layers_those_that_lose_most_are_drawn(many):
    few = dict.fromkeys(LOSSES, 0) | {"compute": 10**9}  # the most cycles, and none of them lost
    much = dict.fromkeys(LOSSES, 10**6) | {"compute": 0}
    *others, quick, slow = many.result.layers
    layers = (
        *others,
        replace(quick, skipping=replace(quick.skipping, causes=few)),
        replace(slow, skipping=replace(slow.skipping, causes=much)),
    )
    shown = words(waterfall(replace(many.result, layers=layers)).svg)
    assert any("of 95 layers the 12 that lose most" in word for word in shown)
    drawn = [word for word in shown if word.startswith("block")]
    assert len(drawn) == 12
    assert drawn[0].startswith("block94")
    assert not any(word.startswith("block93") for word in drawn)
