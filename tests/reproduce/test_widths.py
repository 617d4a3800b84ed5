"""A trace at several widths: rounded maps, a machine of that width, and the accuracies that belong to it."""

import csv
import io
import json
import re

import numpy as np
import pytest

from hwsim import Arch, codec, open_trace, simulate
from hwsim.errors import ReproduceError
from hwsim.reproduce.entry import Answers, Entry, to_json
from hwsim.reproduce.widths import NarrowTrace, at_widths, entry_of
from traces import Tiny

WIDTHS = (16, 8, 4, 3)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return Tiny().write(tmp_path_factory.mktemp("trace") / "tiny.zarr")


def made_entry(**fields) -> Entry:
    return Entry(
        **{"network": "tiny", "data": "toys", "variant": "baseline"}
        | {"accuracy": {"float": Answers(9, 10), "8": Answers(7, 10)}}
        | fields
    )


def test_maps_are_rounded_to_the_width_and_no_wider_one_is_made(place):
    with open_trace(place) as trace:
        narrow = NarrowTrace(trace, 8, (0, 1))
        for name, info in trace.maps.items():
            wide, found = trace.map(name, 1).astype(int), narrow.map(name, 1).astype(int)
            assert narrow.maps[name].bits == min(8, info.bits)
            assert found.max() < 2 ** narrow.maps[name].bits
            if info.bits == 8:
                assert np.array_equal(wide, found)
                assert narrow.maps[name] == info
            else:
                assert np.abs(found / 255 - wide / 65535).max() <= 0.5 / 255 + 1e-9
                values = np.concatenate([narrow.map(name, image).ravel() for image in (0, 1)])
                lengths = [codec.encoded_bits(values, order) for order in range(16)]
                assert lengths[narrow.maps[name].order] == min(lengths)


def test_every_width_is_simulated_on_a_machine_of_its_width(place):
    with open_trace(place) as trace:
        found = at_widths(trace, Arch(), (0, 1), WIDTHS, made_entry())
        assert [run.bits for run in found.runs] == list(WIDTHS)
        assert [run.result.arch.activation_bits for run in found.runs] == [16, 8, 4, 4]
        for run in found.runs:
            assert run.orders == {
                name: i.order for name, i in NarrowTrace(trace, run.bits, (0, 1)).maps.items()
            }
        whole = simulate(trace, Arch()).overall()
    row = found.rows()[0]
    assert {key: row[key] for key in ("cycles", "dram_bytes", "energy_uj")} == {
        key: whole[key] for key in ("cycles", "dram_bytes", "energy_uj")
    }
    assert [row["accuracy"] for row in found.rows()] == [None, 0.7, None, None]
    assert found.floats.accuracy == 0.9


def test_stored_maps_are_those_of_one_image(place):
    raw = Arch(compress=False)  # of which every image has as many bytes
    with open_trace(place) as trace:
        (one,), (both,) = (at_widths(trace, raw, images, (16,)).runs for images in ((0,), (0, 1)))
    assert both.map_bytes == one.map_bytes > 0


def test_widths_above_the_trace_s_are_left_out_and_none_left_is_told(place):
    with open_trace(place) as trace:
        assert [run.bits for run in at_widths(trace, Arch(), (0,), (16, 4)).runs] == [16, 4]
        narrow = NarrowTrace(trace, 8, (0,))
        assert [run.bits for run in at_widths(narrow, Arch(), (0,), (16, 8)).runs] == [8]
        with pytest.raises(ReproduceError, match="maps of 8 bits"):
            at_widths(narrow, Arch(), (0,), (16,))


def test_the_row_of_accuracies_is_that_of_the_network_and_variant(place):
    with open_trace(place) as trace:
        mine, other = made_entry(), made_entry(variant="sparse")
        assert entry_of([other, mine], trace, trace.digest) is mine
        twin = made_entry(data="books")
        with pytest.raises(ReproduceError, match="give --data, of books, toys"):
            entry_of([mine, twin], trace, trace.digest)
        assert entry_of([mine, twin], trace, trace.digest, "books") is twin
        with pytest.raises(ReproduceError, match="no accuracy of tiny, baseline"):
            entry_of([other], trace, trace.digest)


def test_the_command_joins_accuracy_bytes_and_cycles(hwsim, place, tmp_path):
    known = tmp_path / "accuracy.json"
    known.write_text(to_json([made_entry()], {}))
    asked = ("widths", place, "--accuracy", known, "--bits", "16,8,4")
    code, out, err = hwsim(*asked, "--out", tmp_path / "out")
    assert (code, err) == (0, "")
    assert all(words in out for words in ("70.0 %", "not measured", "Accuracy in floats: 90.0 %"))
    written = {path.name for path in (tmp_path / "out").iterdir()}
    assert written == {"widths.csv", "widths.html", "widths.json", "widths.png", "widths.svg"}
    page = (tmp_path / "out" / "widths.html").read_text(encoding="utf-8")
    assert all(
        words in page for words in ("Accuracy in floats: 90.0 %", "70.0 %", "The order of each map", "<svg")
    )
    document = json.loads(hwsim(*asked, "--json")[1])
    table = page.split("The order of each map")[1].split("</table>")[0]
    rows = [re.findall(r"<td[^>]*>([^<]*)</td>", row) for row in table.split("<tr")]
    assert [row for row in rows if row] == [
        [name, *(str(document["orders"][bits][name]) for bits in ("16", "8", "4"))]
        for name in document["orders"]["16"]
    ]
    rows = list(csv.DictReader(io.StringIO(hwsim(*asked, "--format", "csv")[1])))
    assert [float(row["cycles"]) for row in rows] == [row["cycles"] for row in document["widths"]]
    assert [row["accuracy"] for row in rows] == ["", "0.7", ""]
    code, out, err = hwsim("widths", place, "--bits", "17")
    assert (code, out, err.count("\n")) == (2, "", 1)
