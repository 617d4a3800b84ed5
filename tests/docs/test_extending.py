"""docs/extending.md, followed to the letter with made-up things."""

import json
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import pytest

from hwsim import codec, networks, open_trace, peers, simulate
from hwsim.codec import registry
from hwsim.codec.checks import as_bytes, as_codes
from hwsim.codec.coder import Coder
from hwsim.networks.network import Builder, Network
from hwsim.peers.peer import PEERS, PeerRun, register
from hwsim.report.contents import Report
from hwsim.report.write import write_report
from hwsim.reproduce.entry import Entry, Simulated
from hwsim.reproduce.from_trace import measure_trace
from hwsim.reproduce.tables import all_tables
from traces import Tiny


@dataclass(frozen=True)
class MadeUp(Coder):
    """Sixteen bits for every value, whatever it is."""

    name: ClassVar[str] = "made_up"
    label: ClassVar[str] = "Made up"
    meaning: ClassVar[str] = "two bytes for every value"

    def encode(self, values, order=0):
        return as_codes(values, self.bits).astype(">u2").view(np.uint8)

    def decode(self, data, count, order=0, dtype=np.uint16):
        return as_bytes(data).view(">u2")[:count].astype(dtype)

    def encoded_bits(self, values, order=0):
        return 16 * as_codes(values, self.bits).size


@pytest.fixture
def made_up(monkeypatch):
    monkeypatch.setitem(registry._CODERS, "made_up", f"{__name__}:MadeUp")


def test_a_new_coder_appears_everywhere(made_up, tmp_path):
    assert "made_up" in codec.names()
    assert codec.get("made_up", bits=8) == MadeUp(8)
    with open_trace(Tiny().write(tmp_path / "tiny.zarr")) as trace:
        report = Report.of(trace, simulate(trace))
        found = measure_trace(trace)
    values = sum(map_.values for map_ in report.maps)

    files = {path.name: path for path in write_report(report, tmp_path / "report")}
    shown = json.loads(files["report.json"].read_text())["compression"]["coders"]["made_up"]
    assert (shown["label"], shown["meaning"]) == (MadeUp.label, MadeUp.meaning)
    assert shown["bytes_per_image"] == 2 * values / 2  # two images
    for text in ("Made up", "two bytes for every value"):
        assert text in files["report.html"].read_text()
    assert "Made up" in files["compression.svg"].read_text()  # the plot keeps its text as text

    entry = Entry("tiny", "made up", "baseline", {}, found)
    kept = Entry("older", "made up", "baseline", {}, without_the_new_coder(found))
    for table in all_tables([entry, kept]):
        if table.title == "Compression of the maps at 16 bits":
            column = table.columns.index("Made up")
            assert [row[column] for row in table.rows] == ["1.00 / 2.00", "not measured"]
            break
    else:
        raise AssertionError("no table of compression")


def without_the_new_coder(found: Simulated) -> Simulated:
    """The same as measured by a version that did not have it."""
    maps = []
    for known in found.maps:
        widths = {
            bits: replace(width, bits={name: size for name, size in width.bits.items() if name != "made_up"})
            for bits, width in known.widths.items()
        }
        maps.append(replace(known, widths=widths))
    return replace(found, maps=tuple(maps))


def made_up_network() -> Network:
    """Two layers of my own."""
    net = Builder((3, 6, 6))
    net.linear("fc", net.conv("conv", net.image, 4, 6), 10)
    return net.network("made_up", "nowhere")


def test_a_new_network_is_made_up_from_its_geometry_and_simulated(hwsim, monkeypatch, tmp_path):
    monkeypatch.setitem(networks._NETWORKS, "made_up", made_up_network)
    assert "made_up" in networks.names()
    place = tmp_path / "made_up.zarr.zip"
    code, _, err = hwsim("synth", "made-up", "--density", 0.5, "--seed", 1, "-o", place, "-q")
    assert (code, err) == (0, "")
    result = simulate(place)
    assert (result.network, [row["layer"] for row in result.per_layer()]) == ("made_up", ["conv", "fc"])
    assert result.overall()["macs"] == 4 * 3 * 36 + 4 * 10


@dataclass(frozen=True)
class Wasteful:
    """One multiplier works, the others wait."""

    multipliers: int
    title: str = "Wasteful"
    citation: str = "nowhere"

    def run(self, layer, nonzero, weights=None):
        cycles = useful = int(peers.geometry.useful_macs(layer, nonzero, weights))
        return PeerRun(cycles, useful, synchronisation=cycles * (self.multipliers - 1))


def test_a_new_published_machine_stands_beside_the_others(monkeypatch, tmp_path):
    monkeypatch.setitem(PEERS, "wasteful", None)  # taken back after the test
    register("wasteful", lambda multipliers: (Wasteful(multipliers),))
    machines = peers.peers_named(("wasteful", "cnvlutin"), 256)
    with open_trace(Tiny().write(tmp_path / "tiny.zarr")) as trace:
        rows = peers.peer_rows(trace, machines, images=[0])
    assert {row.machine for row in rows} == {machine.title for machine in machines}
    mine = [row for row in rows if row.machine == "Wasteful"]
    assert all(row.of_ideal == 1 / 256 and row.run.slots == 256 * row.run.cycles for row in mine)
