"""Accelergy's own arithmetic on the files gives the energy of the result."""

import pytest
import yaml

from hwsim.errors import ArchError, ExportError, TraceError
from hwsim.export import write_accelergy
from hwsim.export.files import schedule_of
from hwsim.machine.energy import EVENTS
from hwsim.machine.simulation import simulate


def load(path):
    return yaml.safe_load(path.read_text(encoding="ascii"))


def accelergy(table_path, counts_path) -> dict[str, float]:
    """Energy of every component, as EnergyCalculator of Accelergy 0.3 computes it."""
    table, counts = load(table_path)["ERT"], load(counts_path)["action_counts"]
    assert table["version"] == counts["version"] == 0.3
    energies = {
        (entry["name"], action["name"]): action["energy"]
        for entry in table["tables"]
        for action in entry["actions"]
        if action["arguments"] is None
    }
    return {
        component["name"]: sum(
            action["counts"] * energies[component["name"], action["name"]]
            for action in component["action_counts"]
        )
        for component in counts["local"]
    }


def counts_of(path) -> dict[str, int]:
    local = load(path)["action_counts"]["local"]
    return {action["name"]: action["counts"] for part in local for action in part["action_counts"]}


def test_the_energy_is_that_of_the_result(case, tmp_path):
    paths = write_accelergy(case, case.arch, tmp_path / "made" / "out")
    assert [path.name for path in paths] == ["architecture.yaml", "ERT.yaml", "action_counts.yaml"]
    runs = simulate(case, case.arch).runs("skipping")
    expected = {f"hwsim.{part}": sum(run.energy_pj[part] for run in runs) for part in runs[0].energy_pj}
    assert accelergy(paths[1], paths[2]) == pytest.approx(expected, rel=1e-12)


def test_actions_are_counted_exactly(case, tmp_path):
    counts = counts_of(write_accelergy(case, case.arch, tmp_path)[2])
    runs = simulate(case, case.arch).runs("skipping")
    passes = [run for span in schedule_of(case, case.arch, 0).layers for run in span.passes]
    assert set(counts) == set(EVENTS)
    assert counts["symbol"] == sum(run.timing.symbols for run in passes)
    macs = sum(run.nonzero_macs if case.arch.skip_zeros else run.macs for run in runs)
    outputs = [layer.out_shape[0] * layer.out_shape[1] * layer.out_shape[2] for layer in case.layers]
    banks = [case.arch.columns if layer.kind == "depthwise" else 1 for layer in case.layers]
    assert counts["mac"] == counts["accumulator"] == macs
    assert counts["requantize"] == counts["encoded"] == sum(outputs)
    assert counts["drain"] == sum(made * read for made, read in zip(outputs, banks, strict=True))
    assert counts["weight_load"] == sum(run.events["weight_load"] for run in runs) > 0
    assert counts["dram_byte"] == sum(sum(run.dram.values()) for run in runs)
    assert counts["weight_word"] == sum(run.causes["compute"] for run in runs)
    assert all(type(count) is int for count in counts.values())


def test_the_layers_add_up_to_the_network(case, tmp_path):
    whole = counts_of(write_accelergy(case, case.arch, tmp_path / "all")[2])
    parts = [
        counts_of(write_accelergy(case, case.arch, tmp_path / layer.name, layer=layer.name)[2])
        for layer in case.layers
    ]
    assert {event: sum(part[event] for part in parts) for event in EVENTS} == whole


def test_every_component_with_energy_is_in_the_architecture(case, tmp_path):
    architecture, table, _ = (load(path) for path in write_accelergy(case, case.arch, tmp_path))
    (root,) = architecture["architecture"]["subtree"]
    named = [f"{root['name']}.{part['name']}" for part in root["local"]]
    assert named == [entry["name"] for entry in table["ERT"]["tables"]]
    instances = {part["name"]: part["attributes"]["instances"] for part in root["local"]}
    assert instances["mac"] == case.arch.cores * case.arch.columns
    assert all(part["class"] for part in root["local"])


def test_the_components_of_a_machine_by_hand(one_case, tmp_path):
    arch = one_case.arch.replace(
        cores=3,
        columns=4,
        activation_bits=12,
        weight_bits=8,
        accumulators=2048,
        weight_words=1024,
        map_buffer=4096,
        bytes_per_cycle=16,
        clock_mhz=250,
    )
    (root,) = load(write_accelergy(one_case, arch, tmp_path)[0])["architecture"]["subtree"]
    assert root["attributes"] == {"technology": "45nm", "clock_mhz": 250}
    assert {part["name"]: (part["class"], part["attributes"]) for part in root["local"]} == {
        "mac": ("intmac", {"datawidth": 12, "instances": 12}),
        # Of each bank two copies, of 32 bits and a mark.
        "accumulators": ("SRAM", {"width": 33, "depth": 2048, "instances": 24}),
        "weights": ("SRAM", {"width": 32, "depth": 1024, "instances": 3}),
        "decode": ("bitwise", {"datawidth": 12, "instances": 3}),
        "encode": ("bitwise", {"datawidth": 12, "instances": 3}),
        "map_buffer": ("SRAM", {"width": 64, "depth": 512, "instances": 1}),
        "dram": ("DRAM", {"width": 128, "instances": 1}),
    }


def test_energies_of_the_machine_file_are_exported(one_case, tmp_path):
    arch = one_case.arch.replace(energy={"symbol": 1e-7})
    table = load(write_accelergy(one_case, arch, tmp_path)[1])["ERT"]["tables"]
    (decode,) = [entry for entry in table if entry["name"] == "hwsim.decode"]
    assert decode["actions"] == [{"name": "symbol", "arguments": None, "energy": 1e-7}]


def test_what_cannot_be_written_is_told_in_one_line(one_case, tmp_path):
    with pytest.raises(TraceError, match="no layer other"):
        write_accelergy(one_case, one_case.arch, tmp_path, layer="other")
    with pytest.raises(TraceError, match="no image 3"):
        write_accelergy(one_case, one_case.arch, tmp_path, image=3)
    with pytest.raises(ArchError, match="10 bits"):
        write_accelergy(one_case, one_case.arch.replace(activation_bits=4), tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(ExportError, match="File exists"):
        write_accelergy(one_case, one_case.arch, tmp_path / "file")
