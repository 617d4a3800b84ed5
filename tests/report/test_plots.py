"""Plots: well-formed, the same every time, honest about made-up data, fit for any name and any depth."""

import re
import struct
from dataclasses import replace
from xml.etree import ElementTree

import pytest

from hwsim.machine.result import CAUSES, LayerResult
from hwsim.report.comparison import Comparison
from hwsim.report.plots import breakdown, density, style
from hwsim.report.plots.roofline import layer_points
from hwsim.report.text import TIMES, label
from hwsim.report.write import draw_comparison, draw_report

NAMES = {"speedup", "breakdown", "waterfall", "density", "roofline", "compression", "dram", "energy"}
MADE_UP = "Synthetic trace: generated values, not measured ones."


def words(svg: str) -> list[str]:
    return [
        "".join(node.itertext()) for node in ElementTree.fromstring(svg).iter() if node.tag.endswith("}text")
    ]


def colours(svg: str) -> set[str]:
    return set(re.findall(r"fill: (#[0-9a-f]{6})", svg))


def bars(svg: str, colour: str) -> list[float]:
    """Lengths of the bars of a colour, in their order, in parts of the longest."""
    shape = r'<path d="M ([\d.]+) [\d.]+ *\nL ([\d.]+) [^"]*" clip-path="[^"]*" style="fill: ([^;"]*)'
    found = [float(end) - float(start) for start, end, fill in re.findall(shape, svg) if fill == colour]
    return [length / max(found) for length in found]


@pytest.fixture(scope="module")
def plots(report):
    return {plot.name: plot for plot in draw_report(report)}


def test_all_plots_are_there(plots):
    assert set(plots) == NAMES


def test_the_same_report_gives_the_same_bytes(report, plots):
    again = {plot.name: plot for plot in draw_report(report)}
    assert again == plots
    assert not any(re.search(r"20\d\d-\d\d-\d\d|<dc:date", plot.svg) for plot in plots.values())


def test_drawing_leaves_no_state_behind(report):
    import matplotlib

    before = dict(matplotlib.rcParams)
    draw_report(report)
    assert dict(matplotlib.rcParams) == before


def test_png_is_a_picture_of_the_svg_in_full_size(plots):
    for plot in plots.values():
        width, height = struct.unpack(">II", plot.png[16:24])
        box = ElementTree.fromstring(plot.svg).attrib["viewBox"].split()
        assert width == round(style.WIDTH * style.PNG_DPI)
        assert height / width == pytest.approx(float(box[3]) / float(box[2]), rel=0.01)


def test_labels_state_the_values(plots):
    assert {"0.55", "0.10", "0.33"} <= set(words(plots["density"].svg))
    assert any(word.startswith("1.82") for word in words(plots["speedup"].svg))
    assert {"110, 69 %", "50.5, 31 %"} <= set(words(plots["breakdown"].svg))
    assert {"400 B", f"125 B, 3.20{TIMES}", f"165 B, 2.42{TIMES}"} <= set(words(plots["compression"].svg))


def test_bars_are_as_long_as_what_they_show(plots, report):
    skipping = style.SKIPPING
    # All layers, first, second; the longest is 1. Speedups 501/321, 401/220, 100/101; densities by hand, too.
    lengths = [501 / 321, 401 / 220, 100 / 101]
    assert bars(plots["speedup"].svg, skipping) == pytest.approx([n / lengths[1] for n in lengths], rel=1e-3)
    assert bars(plots["density"].svg, skipping) == pytest.approx([130 / 220, 1, 20 / 110], rel=1e-3)


def test_bars_of_a_comparison_are_parts_of_the_first_ones(report):
    half = replace(report.result, variant="half", images=(0,), layers=report.result.layers[:1])
    drawn = {plot.name: plot.svg for plot in draw_comparison(Comparison(half, report.result))}
    # B of A: all layers 160.5 cycles of 100, and the first one 110 of 100; A's own are all 1.
    assert bars(drawn["cycles"], style.BLUE) == pytest.approx([1, 110 / 160.5], rel=1e-3)
    assert bars(drawn["cycles"], style.ORANGE) == [1, 1]


def test_ratios_name_their_base(plots):
    assert any("raw 16-bit words" in word for word in words(plots["compression"].svg))


def test_causes_keep_their_colours(plots):
    assert set(style.CAUSE_COLOURS) == set(CAUSES)
    assert len(set(style.CAUSE_COLOURS.values())) == len(CAUSES)
    used = {style.CAUSE_COLOURS[cause] for cause in ("compute", "decode", "dram", "weights", "imbalance")}
    assert used <= colours(plots["breakdown"].svg)


def test_every_plot_of_a_synthetic_trace_says_so(synthetic, report):
    assert all(MADE_UP in words(plot.svg) for plot in draw_report(synthetic))
    assert not any(MADE_UP in words(plot.svg) for plot in draw_report(report))
    both = Comparison(report.result, synthetic.result)
    # One side alone is made up, and its name stands before the mark.
    assert all(any(MADE_UP in word for word in words(plot.svg)) for plot in draw_comparison(both))


def test_names_are_drawn_as_they_are(hostile, markup):
    plots = draw_report(hostile)
    assert not any("<script" in plot.svg for plot in plots)
    shown = words(next(plot.svg for plot in plots if plot.name == "density"))
    whole = label("first" + markup, 400)
    assert f"{whole[:8]}…{whole[-15:]}" in shown


def test_dollars_in_a_name_are_no_formula(report):
    layers = tuple(
        LayerResult(replace(layer.skipping, name="$x^2$"), replace(layer.dense, name="$x^2$"))
        for layer in report.result.layers
    )
    shown = density(replace(report.result, layers=layers)).svg
    assert "$x^2$" in words(shown)


def test_ninety_five_layers_have_a_row_each(many):
    shown = words(breakdown(many.result).svg)
    assert sum(word.startswith("block") for word in shown) == 95


def test_nothing_but_zeros_can_be_drawn(report):
    idle = tuple(
        replace(
            layer,
            skipping=replace(
                layer.skipping, nonzero_macs=0, nonzeros=0, events={**layer.skipping.events, "mac": 0}
            ),
        )
        for layer in report.result.layers
    )
    assert len(draw_report(replace(report, result=replace(report.result, layers=idle)))) == len(NAMES)


def test_dram_and_energy_are_stacked_with_the_estimate_beside(plots):
    shown = words(plots["dram"].svg)
    assert {"dense", "skipping", "394 B", "304 B", "weights", "maps in", "maps out"} <= set(shown)
    assert "Maps in and out: 33.8 % less; all: 22.8 % less." in shown
    shown = words(plots["energy"].svg)
    assert {"7.01 nJ", "4.49 nJ", "800 pJ", "dense, in registers"} <= set(shown)
    assert "In registers: an estimate of a dense machine that keeps its sums there." in shown


def test_the_roofline_has_valid_macs_by_byte_and_by_cycle(report):
    # Both images have 2000 valid MACs a layer: first 72 x 2 + 220 bytes, 220 cycles; dense 144 + 401, 401.
    skipping, dense = (layer_points(report.result, mode) for mode in ("skipping", "dense"))
    assert skipping == {"first": (2000 / 364, 2000 / 220), "second": (2000 / 245, 2000 / 101)}
    assert dense == {"first": (2000 / 545, 2000 / 401), "second": (2000 / 244, 20)}
    empty = tuple(
        replace(layer, skipping=replace(layer.skipping, dram=dict.fromkeys(layer.skipping.dram, 0)))
        for layer in report.result.layers
    )
    assert layer_points(replace(report.result, layers=empty), "skipping") == {}
