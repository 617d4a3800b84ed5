"""Energies are Horowitz's at his points, scale as stated, and count what the hardware does; all by hand."""

import numpy as np
import pytest
from random_networks import MemoryTrace

from hwsim.arch import Arch
from hwsim.errors import ArchError
from hwsim.layer import Layer
from hwsim.machine.energy import (
    COMPONENTS,
    EVENTS,
    accumulator_bytes,
    energy_pj,
    event_table,
    multiply_pj,
    register_table,
    sram_pj,
)
from hwsim.machine.simulation import simulate


@pytest.mark.parametrize(("kib", "pj"), [(8, 10), (32, 20), (1024, 100)])
def test_sram_energies_are_the_published_ones(kib, pj):
    assert sram_pj(64, kib * 1024) == pytest.approx(pj)


def test_multiplications_are_the_published_ones():
    assert multiply_pj(8, 8) == pytest.approx(0.2)
    assert multiply_pj(32, 32) == pytest.approx(3.1, rel=0.04)


@pytest.mark.parametrize(
    ("size", "pj"),
    [
        (2 * 1024, 5),  # from 8 to 32 KiB, four times the size is twice the energy: so below, too
        (16 * 1024, 10 * 2**0.5),
        (512, 2.5),
        (256, 2.5 / 2**0.5),
        (100, 2.5 / 2**0.5),  # as the smallest
        (0, 2.5 / 2**0.5),
        (512 * 1024, 100 / 5**0.2),  # 32 times the size of 32 KiB is five times the energy
        (2 * 1024 * 1024, 100 * 5**0.2),
    ],
)
def test_sram_energies_between_and_beyond_by_hand(size, pj):
    assert sram_pj(64, size) == pytest.approx(pj)
    assert sram_pj(16, size) == pytest.approx(pj / 4)


def test_the_table_of_the_default_machine_by_hand():
    # A copy of a bank: 1024 x 33 bits, 4224 bytes: 10 pJ x sqrt(4224 / 8192) x 33 / 64 = 3.70255. A RAM of
    # marks: as 256 bytes, 10 pJ x sqrt(1 / 32) / 64 = 0.02762. Weights: 9216 x 128 bits, 144 KiB:
    # 20 pJ x 4.5^(ln 5 / ln 32) x 2 = 80.427. Map buffer: 512 KiB: 100 pJ / 5^(1/5) = 72.478.
    assert event_table(Arch()) == pytest.approx(
        {
            "mac": 0.4,  # 16 x 8 bits
            "accumulator": 0.1 + 3 * 3.70255 + 0.02762,  # read one copy and a mark, write two copies
            "drain": 0.1 + 3.70255 + 3 * 0.02762,  # read the other copy and mark, write two marks
            "requantize": 1.6 + 2 * 0.1,  # 32 x 16 bits
            "weight_word": 80.427,
            "weight_load": 80.427,
            "map_word": 72.478,
            "symbol": 0.5,
            "encoded": 0.5,
            "compared": 0.1 * 16 / 32,
            "dram_byte": 162.5,  # 1.3 nJ for 64 bits
        },
        rel=1e-5,
    )


def test_the_table_of_a_small_machine_by_hand():
    # Banks of 2048 x 33 bits: sqrt(8448 / 8192) x 10 x 33 / 64; weights of 1024 x 16 bits, 2 KiB.
    table = event_table(
        Arch(
            columns=4,
            activation_bits=8,
            weight_bits=4,
            accumulators=2048,
            weight_words=1024,
            map_buffer=32 * 1024,
        )
    )
    assert table["mac"] == pytest.approx(0.1)
    assert table["accumulator"] == pytest.approx(0.1 + 3 * 5.15625 * (33 / 32) ** 0.5 + 0.02762, rel=1e-5)
    assert table["weight_word"] == table["weight_load"] == pytest.approx(5 / 4)
    assert table["map_word"] == pytest.approx(20)


def test_every_event_belongs_to_one_component_and_has_an_energy():
    assert sorted(event for events in COMPONENTS.values() for event in events) == sorted(EVENTS)
    assert set(event_table(Arch())) == set(EVENTS)


@pytest.mark.parametrize("event", EVENTS)
def test_every_entry_can_be_replaced(event):
    table = event_table(Arch(energy={event: 7.5}))
    assert table[event] == 7.5
    assert {**table, event: 0} == {**event_table(Arch()), event: 0}


def test_an_unknown_entry_is_refused_and_the_known_ones_are_named():
    with pytest.raises(ArchError, match=r"'dram'.*dram_byte.*register_sum"):
        Arch(energy={"dram": 1.0})


def test_sums_in_registers_cost_a_fifth_of_a_picojoule_and_need_no_drain():
    expected = {**event_table(Arch()), "accumulator": 0.2, "drain": 0}
    assert register_table(Arch()) == expected
    assert register_table(Arch(energy={"register_sum": 0.3})) == {**expected, "accumulator": 0.3}
    assert register_table(Arch(energy={"accumulator": 9.0, "drain": 9.0})) == expected
    assert register_table(Arch(energy={"mac": 9.0}))["mac"] == 9


def test_energy_is_counts_times_the_table_by_component():
    events = dict(zip(EVENTS, (1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 10), strict=True))
    table = dict(zip(EVENTS, (1, 10, 100, 1000, 0.5, 0.25, 2, 20, 30, 40, 0.1), strict=True))
    assert energy_pj(events, table) == pytest.approx(
        {
            "mac": 1,
            "accumulators": 2 * 10 + 3 * 100 + 4 * 1000 + 11 * 40,
            "weights": 5 * 0.5 + 6 * 0.25,
            "decode": 8 * 20,
            "encode": 9 * 30,
            "map_buffer": 7 * 2,
            "dram": 10 * 0.1,
        }
    )


def test_bytes_of_accumulators_are_those_of_both_copies_and_their_marks():
    # Each of 2 x 4 banks: two RAMs of 16 x 33 bits and two of 16 x 1 bit.
    assert accumulator_bytes(Arch(cores=2, columns=4, accumulators=16)) == 8 * 2 * (16 * 33 + 16) // 8


def two_blocks() -> MemoryTrace:
    """Three filters of 1x1 over one channel: two output blocks on two columns, a row with a zero in it."""
    layer = Layer("conv", "conv", "m0", (1, 2, 2), (3, 2, 2))
    return MemoryTrace((layer,), {"m0": np.array([[[[5, 0], [7, 9]]]], np.uint16)}, 3, 8)


ONE_CORE = Arch(cores=1, columns=2)


def test_the_events_of_a_convolution_by_hand():
    result = simulate(two_blocks(), ONE_CORE)
    (skipping,), (dense,) = result.runs("skipping"), result.runs("dense")
    # Two passes, of two and of one channel, over two rows of one segment of one word each.
    assert skipping.events == {
        "mac": 9,  # 3 values x 3 filters
        "accumulator": 9,
        "drain": 12,
        "requantize": 12,
        "weight_word": 6,  # 3 taps in each pass
        "weight_load": 4,  # a load of a pass is two words, one of them filled up
        # Read by the passes, a line each; fetched, in beats of 4 words: 2 segments and their index; made: a
        # word for each row and output block; left, a beat for each.
        "map_word": 2 * 8 + 3 * 4 + 4 + 4 * 4,
        "symbol": 8,  # a pass: 5, the zero behind it, 7, 9
        "encoded": 12,
        "compared": 0,
        # In beats: weights and scales of two blocks; a program of 64 bytes, one of rows and 2 x 8; the map
        # and its index; the output.
        "dram_byte": 32 * (2 + 2 + 3 + 3 + 4),
    }
    assert dense.events == {
        **skipping.events,
        "mac": 12,
        "accumulator": 12,
        "weight_word": 8,
        "map_word": 2 * 8 + 2 * 4 + 4 + 4 * 4,  # no index
        "symbol": 8,
        "dram_byte": 32 * (2 + 2 + 3 + 2 + 4),
    }


def test_the_energy_of_a_convolution_by_hand():
    replaced = dict(zip(EVENTS, (1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 11.0, 10.0), strict=True))
    result = simulate(two_blocks(), ONE_CORE.replace(energy={**replaced, "register_sum": 0.5}))
    (skipping,), (dense,) = result.runs("skipping"), result.runs("dense")
    assert skipping.energy_pj == {
        "mac": 9,
        "accumulators": 9 * 2 + 12 * 3 + 12 * 4,
        "weights": 6 * 5 + 4 * 6,
        "decode": 8 * 8,
        "encode": 12 * 9,
        "map_buffer": 48 * 7,
        "dram": 32 * 14 * 10,
    }
    assert dense.energy_pj["mac"] + dense.energy_pj["accumulators"] == 12 + 12 * 2 + 12 * 3 + 12 * 4
    # In registers: 12 sums of 0.5 and 12 values of 4, instead of 12 of 2, 12 of 3 and 12 of 4.
    in_registers = sum(dense.energy_pj.values()) - 12 * 2 - 12 * 3 + 12 * 0.5
    account = result.account
    assert account.register_energy_pj == in_registers
    assert account.numbers["register_energy_uj"] == in_registers / 1e6
    assert account.numbers["register_energy_ratio"] == in_registers / sum(skipping.energy_pj.values())
    assert account.register_energy_by_part_pj["accumulators"] == 12 * 0.5 + 12 * 4


def test_the_events_of_a_depthwise_layer_by_hand():
    layer = Layer("depthwise", "depthwise", "m0", (2, 2, 2), (2, 1, 1), (2, 2))
    values = np.array([[[[5, 0], [7, 9]], [[0, 0], [0, 3]]]], np.uint16)
    run = simulate(MemoryTrace((layer,), {"m0": values}, 3, 8), Arch(cores=1, columns=8)).runs("skipping")[0]
    # One pass, of both channels; a value meets its one tap in one cycle, in one of eight banks.
    assert {event: run.events[event] for event in ("mac", "weight_word", "weight_load", "drain")} == {
        "mac": 4,
        "weight_word": 4,
        "weight_load": 2,
        "drain": 2 * 8,  # all banks of each of two pixels
    }
    assert (run.events["requantize"], run.events["encoded"]) == (2, 2)


def test_a_load_that_cores_share_is_written_into_the_memory_of_each():
    layer = Layer("conv", "conv", "m0", (1, 8, 1), (1, 8, 1))
    trace = MemoryTrace((layer,), {"m0": np.ones((1, 1, 8, 1), np.uint16)}, 3, 8)
    run = simulate(trace, Arch(cores=4, columns=2)).runs("skipping")[0]
    assert (run.row_groups, run.dram["weights"], run.events["weight_load"]) == (4, 32, 4 * 2)


def test_a_map_that_stays_on_chip_is_written_into_the_buffer_and_read_from_it():
    layers = (
        Layer("one", "conv", "m0", (1, 1, 4), (1, 1, 4), output="m1"),
        Layer("two", "conv", "m1", (1, 1, 4), (1, 1, 4)),
    )
    values = {"m0": np.full((1, 1, 1, 4), 200, np.uint16), "m1": np.full((1, 1, 1, 4), 100, np.uint16)}
    result = simulate(MemoryTrace(layers, values, 7, 16), Arch(cores=1))
    one, two = result.runs("dense")
    assert (one.dram["maps_out"], two.dram["maps_in"]) == (0, 0)
    # Of 4 values of 16 bits, one word: fetched in a beat of 4, read as a line of 8, made; read, made and
    # sent out in a beat.
    assert (one.events["map_word"], two.events["map_word"]) == (4 + 8 + 1, 8 + 1 + 4)


def test_what_else_a_run_says_of_its_layer_by_hand():
    trace = two_blocks()
    trace.values["m0"] = np.concatenate([trace.values["m0"], trace.values["m0"][:, :, :, ::-1]])
    result = simulate(trace, ONE_CORE)
    assert [(layer.name, layer.kind, layer.image) for layer in result.layers] == [
        ("conv", "conv", 0),
        ("conv", "conv", 1),
    ]
    for layer in result.layers:
        for run, stored, least in ((layer.skipping, 24, 5), (layer.dense, 16, 6)):
            assert (run.macs, run.nonzero_macs, run.elements, run.nonzeros) == (12, 9, 4, 3)
            assert (run.rounds, run.row_groups, run.block) == (2, 1, 2)  # two output blocks after each other
            assert (run.map_bytes, run.least_cycles, run.start) == (stored, least, 0)
            assert run.end == run.cycles


def test_marks_of_large_banks_by_hand():
    # 16,384 marks: 2 KiB, 5 pJ for 64 bits. As many sums of 33 bits: 66 KiB, 20 pJ x 2.0625^(ln 5 / ln 32).
    table = event_table(Arch(accumulators=16384))
    sum_, mark = 20 * 2.0625 ** (np.log(5) / np.log(32)) * 33 / 64, 5 / 64
    assert table["drain"] == pytest.approx(0.1 + sum_ + 3 * mark)
    assert table["accumulator"] == pytest.approx(0.1 + 3 * sum_ + mark)
