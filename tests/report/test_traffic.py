"""What the code saves, in words and in numbers: worked out by hand from a result made by hand."""

from dataclasses import replace

import pytest

from hwsim.machine.runs import DRAM_KINDS
from hwsim.report.text import TIMES
from hwsim.report.traffic import LAYER_TRAFFIC_COLUMNS, TRAFFIC_COLUMNS, less, saving_words, traffic_rows


def test_the_first_line_says_what_the_code_saves(result):
    # Of two images, dense and machine: weights 256 both, maps in 501 and 321, maps out 32 both.
    assert saving_words(result.overall()) == (
        "DRAM bytes of an image, with the code: maps 176 B in place of 266 B dense (33.8 % "
        "less); all, with 128 B of weights, 304 B in place of 394 B dense (22.8 % less)."
    )


def test_the_table_has_the_kinds_apart_for_both_machines(result):
    shown = ("what", "weights", "maps_in", "maps_out", "residuals", "bytes")
    assert [tuple(row[kind] for kind in shown) for row in traffic_rows(result.overall())] == [
        ("dense baseline", "128 B", "250 B", "16 B", "0 B", "394 B"),
        ("machine", "128 B", "160 B", "16 B", "0 B", "304 B"),
        ("saved", "0.0 %", "35.9 %", "0.0 %", "-", "22.8 %"),
    ]
    assert [column.key for column in TRAFFIC_COLUMNS] == list(traffic_rows(result.overall())[0])


def with_dram(result, skipping, dense):
    layers = tuple(
        replace(
            layer,
            skipping=replace(layer.skipping, dram=dict.fromkeys(DRAM_KINDS, 0) | skipping),
            dense=replace(layer.dense, dram=dict.fromkeys(DRAM_KINDS, 0) | dense),
        )
        for layer in result.layers
    )
    return replace(result, layers=layers).overall()


def test_a_code_that_needs_more_says_so(result):
    total = with_dram(
        result,
        {"weights": 100, "maps_in": 30, "maps_out": 20},
        {"weights": 100, "maps_in": 20, "maps_out": 20},
    )
    assert "maps 100 B in place of 80 B dense (25.0 % more)" in saving_words(total)
    assert traffic_rows(total)[2]["maps_in"] == "-50.0 %"


def test_maps_that_never_cross_the_channel_save_nothing(result):
    total = with_dram(result, *[{"weights": 100, "maps_in": 0, "maps_out": 0}] * 2)
    assert saving_words(total).startswith("No map crosses the DRAM channel, in SEG or raw")
    moved = {"what": "saved", "weights": "0.0 %", "bytes": "0.0 %"}
    assert traffic_rows(total)[2] == {**dict.fromkeys(DRAM_KINDS, "-"), **moved}


def test_maps_that_only_the_machine_moves_have_no_percentage(result):
    total = with_dram(
        result, {"weights": 0, "maps_in": 8, "maps_out": 0}, {"weights": 0, "maps_in": 0, "maps_out": 0}
    )
    assert "maps 16 B in place of 0 B dense;" in saving_words(total)


@pytest.mark.parametrize(("part", "words"), [(0.25, "25.0 % less"), (-0.5, "50.0 % more"), (None, "-")])
def test_a_saving_in_words(part, words):
    assert less(part) == words


def test_the_page_has_every_kind_of_both_machines_and_two_savings():
    keys = [column.key for column in LAYER_TRAFFIC_COLUMNS]
    kinds = (*DRAM_KINDS, "bytes")
    assert keys == [
        "layer",
        *(f"{prefix}dram_{kind}" for kind in kinds for prefix in ("dense_", "")),
        "maps_saved",
        "dram_saved",
    ]
    assert TIMES not in "".join(column.title for column in LAYER_TRAFFIC_COLUMNS)
