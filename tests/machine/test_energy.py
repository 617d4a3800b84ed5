"""Energies are Horowitz's at his points, scale as stated, and can be replaced one by one."""

import pytest

from hwsim.arch import Arch
from hwsim.errors import ArchError
from hwsim.machine.energy import COMPONENTS, EVENTS, energy_pj, event_table, sram_pj


@pytest.mark.parametrize(("kib", "pj"), [(8, 10), (32, 20), (1024, 100)])
def test_sram_energies_are_the_published_ones(kib, pj):
    assert sram_pj(64, kib * 1024) == pytest.approx(pj)


def test_sram_energy_grows_with_size_and_with_width():
    assert sram_pj(64, 8 * 1024) < sram_pj(64, 16 * 1024) < sram_pj(64, 32 * 1024)
    assert sram_pj(128, 16 * 1024) == pytest.approx(2 * sram_pj(64, 16 * 1024))


def test_a_multiplication_grows_with_both_widths():
    narrow = event_table(Arch(activation_bits=8, weight_bits=8))["mac"]
    assert narrow == pytest.approx(0.2)
    assert event_table(Arch(activation_bits=16, weight_bits=8))["mac"] == pytest.approx(2 * narrow)


def test_every_event_belongs_to_one_component_and_has_an_energy():
    assert sorted(event for events in COMPONENTS.values() for event in events) == sorted(EVENTS)
    assert set(event_table(Arch())) == set(EVENTS)


def test_an_entry_of_the_machine_replaces_the_table():
    assert event_table(Arch(energy={"dram_byte": 7.5}))["dram_byte"] == 7.5


def test_an_unknown_entry_is_refused_and_the_known_ones_are_named():
    with pytest.raises(ArchError, match=r"'dram'.*dram_byte"):
        event_table(Arch(energy={"dram": 1.0}))


def test_energy_is_counts_times_the_table():
    events = dict.fromkeys(EVENTS, 0) | {"mac": 10, "dram_byte": 3}
    table = dict.fromkeys(EVENTS, 1.0) | {"dram_byte": 100.0}
    energy = energy_pj(events, table)
    assert (energy["mac"], energy["dram"], sum(energy.values())) == (10, 300, 310)
