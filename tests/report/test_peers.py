"""The machine beside published ones: slots add up, and every figure is that of its source."""

import csv
import io
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from random_networks import chains

from hwsim import Arch, open_trace, simulate
from hwsim.errors import TraceError
from hwsim.peers import peer_rows, peers_named
from hwsim.report.peers import OWN, USES, Beside
from hwsim.report.peers_page import write_peers
from traces import Tiny

NAMES = ("systolic", "cnvlutin", "scnn")


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return Tiny().write(tmp_path_factory.mktemp("trace") / "tiny.zarr")


@pytest.fixture(scope="module")
def beside(place) -> Beside:
    with open_trace(place) as trace:
        return Beside.of(trace, simulate(trace), peers_named(NAMES, Arch().peak_macs))


@settings(max_examples=25)
@given(chains(), st.booleans())
def test_every_slot_of_every_machine_has_one_use(trace, skipping):
    arch = Arch(skip_zeros=skipping)
    try:
        beside = Beside.of(trace, simulate(trace, arch), peers_named(NAMES, arch.peak_macs))
    except TraceError:
        assert all(layer.kind == "linear" or layer.special for layer in trace.layers)
        return
    for slots in (*beside.slots, *beside.sums):
        assert set(slots.uses) == set(USES)
        assert min(slots.uses.values()) >= 0
        assert sum(slots.uses.values()) == slots.cycles * arch.peak_macs
        assert slots.ideal * arch.peak_macs == pytest.approx(slots.uses["useful"])


def test_cycles_are_those_of_the_models_and_of_the_simulation(place, beside):
    with open_trace(place) as trace:
        found = peer_rows(trace, peers_named(NAMES, Arch().peak_macs))
        own = simulate(trace).per_layer()
    for title in beside.titles[:-1]:
        cycles = [row.run.cycles for row in found if row.machine == title]
        (row,) = [row for row in beside.rows() if row["machine"] == title]
        assert row["layer"] == "conv"
        assert row["cycles"] == sum(cycles) / 2  # images
    (row,) = [row for row in beside.rows() if row["machine"] == OWN]
    assert row["cycles"] == own[0]["cycles"]
    assert row["of_ideal"] == pytest.approx(own[0]["nonzero_macs"] / Arch().peak_macs / own[0]["cycles"])
    assert beside.left_out == ("fc",)


def test_zero_weights_count_where_they_are_asked_for(place, beside):
    with open_trace(place) as trace:
        result = simulate(trace)
        weights = trace.weights(trace.layers[0])
        real = Beside.of(trace, result, beside.machines, real_weights=True)
    assert (weights == 0).any()
    dense, own = (next(slots for slots in b.slots if slots.machine == OWN) for b in (beside, real))
    assert own.cycles == dense.cycles
    assert own.uses["useful"] + own.uses["zeros"] == dense.uses["useful"] + dense.uses["zeros"]
    assert own.uses["useful"] < dense.uses["useful"]
    assert "weights dense" in beside.words
    assert "zero weights of the trace are zeros" in real.words


def test_files_hold_the_same_figures_and_say_what_they_are(beside, tmp_path):
    files = {path.name: path for path in write_peers(beside, tmp_path)}
    document = json.loads(files["peers.json"].read_text())
    rows = list(csv.DictReader(io.StringIO(files["peers.csv"].read_text())))
    assert document["meaning"] == beside.words
    assert [row["machine"] for row in rows] == list(beside.titles)
    assert [float(row["cycles"]) for row in rows] == [row["cycles"] for row in document["per_layer"]]
    assert set(document["citations"]) == set(beside.titles[:-1])
    page = files["peers.html"].read_text()
    assert all(words in page for words in (*beside.titles, beside.words, "fc"))
    assert "not equal storage or area" in files["slots_conv.svg"].read_text()


def test_the_command_prints_the_label_and_every_format(hwsim, place):
    asked = ("compare", place, *(part for name in NAMES for part in ("--peer", name)))
    code, out, err = hwsim(*asked)
    assert (code, err) == (0, "")
    assert all(
        words in out for words in ("compute only", "not equal storage or area", "weights dense", "conv")
    )
    document = json.loads(hwsim(*asked, "--format", "json")[1])
    rows = list(csv.DictReader(io.StringIO(hwsim(*asked, "--format", "csv")[1])))
    assert [float(row["of_ideal"]) for row in rows] == [row["of_ideal"] for row in document["per_layer"]]
    lines = hwsim(*asked, "--format", "md")[1].splitlines()
    assert len(lines) == 2 + len(rows)


@pytest.mark.parametrize(
    ("more", "code", "words"),
    [
        (("--peer", "eyeriss"), 1, "there are cnvlutin, scnn, systolic"),
        (("--peer", "scnn", "--arch-b", "x.toml"), 2, "stands in the place of B"),
        (("--real-weights",), 2, "add --peer"),
    ],
)
def test_what_makes_no_sense_is_told_in_a_line(hwsim, place, more, code, words):
    found, out, err = hwsim("compare", place, *more)
    assert (found, out, err.count("\n")) == (code, "", 1)
    assert words in err
