"""The account of two layers over two images, every number worked out by hand; and what holds at the edges."""

from dataclasses import replace
from fractions import Fraction
from typing import Any, get_type_hints

import pytest

from hwsim.arch import Arch
from hwsim.layer import Layer
from hwsim.machine.energy import COMPONENTS, EVENTS
from hwsim.machine.numbers import Numbers
from hwsim.machine.runs import CAUSES, DRAM_KINDS, LayerResult, LayerRun
from hwsim.machine.totals import (
    ALL_LAYERS,
    Account,
    Speed,
    Totals,
    added,
    least_cycles,
    ratio,
    saved,
)

ARCH = Arch(  # 8 MACs a cycle at best
    cores=2,
    columns=4,
    clock_mhz=500,
    bytes_per_cycle=32,
    dram_efficiency=50,  # 16 bytes a cycle
    energy=dict.fromkeys(EVENTS, 1.0) | {"register_sum": 0.5},
)


def run(name, image, cycles, performed, least, macs, elements, stored, causes, dram, energy) -> LayerRun:
    """A run; ``macs``, ``elements`` with their non-zero ones, ``causes``, ``dram``, ``energy`` in order."""
    return LayerRun(
        name=name,
        kind="depthwise" if name == "b" else "conv",
        image=image,
        start=1000,
        end=1000 + cycles,
        cycles=cycles,
        least_cycles=least,
        macs=macs[0],
        nonzero_macs=macs[1],
        elements=elements[0],
        nonzeros=elements[1],
        causes=dict(zip(CAUSES, causes, strict=True)),
        dram=dict(zip(DRAM_KINDS, dram, strict=True)),
        map_bytes=stored,
        events=dict.fromkeys(EVENTS, 3) | {"mac": performed},
        energy_pj=dict(zip(COMPONENTS, energy, strict=True)),
        rounds=1,
        row_groups=2,
        block=4,
    )


def pair(name, image, macs, elements, skipping, dense) -> LayerResult:
    return LayerResult(
        run(name, image, skipping[0], macs[1], skipping[1], macs, elements, *skipping[2:]),
        run(name, image, dense[0], macs[0], dense[1], macs, elements, *dense[2:]),
    )


# Causes: compute, taps, decode, dram, weights, drain, pool, imbalance; their sum is cycles x 2 cores.
# Energies: mac, accumulators, weights, decode, encode, map buffer, DRAM, in pJ.
LAYERS = (
    pair(
        "a", 0, (720, 360), (60, 30),
        (100, 45, 70, (90, 20, 30, 10, 5, 11, 4, 30),
         (50, 10, 4, 8, 90, 30, 7, 5), (10, 20, 30, 40, 50, 60, 70)),
        (160, 90, 120, (180, 40, 0, 50, 5, 12, 3, 30),
         (50, 10, 4, 0, 235, 100, 15, 10), (20, 41, 30, 80, 50, 99, 200)),
    ),
    pair(
        "b", 0, (90, 45), (20, 9),
        (50, 12, 18, (40, 3, 4, 1, 30, 10, 2, 10),
         (20, 8, 4, 1, 0, 5, 2, 0), (1, 2, 3, 4, 5, 6, 7)),
        (70, 23, 40, (80, 6, 0, 2, 28, 12, 1, 11),
         (20, 8, 4, 0, 14, 12, 6, 2), (2, 4, 3, 8, 5, 9, 20)),
    ),
    pair(
        "a", 1, (720, 400), (60, 36),
        (120, 50, 76, (100, 21, 29, 20, 7, 11, 5, 47),
         (50, 10, 4, 9, 99, 33, 8, 5), (11, 22, 31, 43, 50, 61, 74)),
        (162, 90, 120, (180, 40, 0, 52, 6, 12, 4, 30),
         (50, 10, 4, 0, 236, 101, 15, 10), (20, 42, 30, 80, 50, 98, 201)),
    ),
    pair(
        "b", 1, (90, 50), (20, 12),
        (60, 13, 20, (44, 5, 6, 2, 33, 10, 4, 16),
         (20, 8, 4, 1, 0, 5, 2, 1), (1, 3, 3, 5, 5, 7, 8)),
        (71, 23, 40, (80, 7, 0, 3, 27, 10, 2, 13),
         (20, 8, 4, 0, 15, 13, 6, 2), (2, 5, 3, 8, 5, 9, 21)),
    ),
)  # fmt: skip

A = {
    "macs": 720,
    "nonzero_macs": 380,
    "density": 66 / 120,
    "dense_cycles": 161,
    "cycles": 110,
    "seconds": 110 / 500e6,
    "speedup": 322 / 220,
    "mac_ratio": 1440 / 760,
    "efficiency": (322 / 220) / (1440 / 760),
    "speedup_less_dram": (644 - 113) / (440 - 42),  # core-cycles less dram and weights
    "dense_utilization": 1440 / (322 * 8),
    "utilization": 760 / (220 * 8),
    "dense_least_cycles": 90,
    "least_cycles": 47.5,
    "dense_channel_cycles": (64 + 240.5 + 120.5) / 16,
    "channel_cycles": (64 + 105 + 42) / 16,
    "dense_dram_wait": 113 / 644,
    "dram_wait": 42 / 440,
    "dense_dram_weights": 50,
    "dense_dram_scales": 10,
    "dense_dram_programs": 4,
    "dense_dram_index": 0,
    "dense_dram_maps_in": 235.5,
    "dense_dram_maps_out": 100.5,
    "dense_dram_pooled": 15,
    "dense_dram_residuals": 10,
    "dense_dram_bytes": 425,
    "dram_weights": 50,
    "dram_scales": 10,
    "dram_programs": 4,
    "dram_index": 8.5,
    "dram_maps_in": 94.5,
    "dram_maps_out": 31.5,
    "dram_pooled": 7.5,
    "dram_residuals": 5,
    "dram_bytes": 211,
    "dense_dram_maps": 361,
    "dram_maps": 147,
    "maps_saved": 1 - 294 / 722,
    "dram_saved": 1 - 422 / 850,
    "dense_energy_uj": (520 + 521) / 2e6,
    "energy_uj": (280 + 292) / 2e6,
    "register_energy_uj": (1440 + 2 * (3 * 0.5 + 8 * 3)) / 2e6,  # no drain
    "energy_ratio": 1041 / 572,
    "register_energy_ratio": 1491 / 572,
}
B = {
    "macs": 90,
    "nonzero_macs": 47.5,
    "density": 21 / 40,
    "dense_cycles": 70.5,
    "cycles": 55,
    "seconds": 55 / 500e6,
    "speedup": 141 / 110,
    "mac_ratio": 180 / 95,
    "efficiency": (141 / 110) / (180 / 95),
    "speedup_less_dram": (282 - 60) / (220 - 66),
    "dense_utilization": 180 / (141 * 8),
    "utilization": 95 / (110 * 8),
    "dense_least_cycles": 23,
    "least_cycles": 12.5,
    "dense_channel_cycles": 67 / 16,
    "channel_cycles": 40.5 / 16,
    "dense_dram_wait": 60 / 282,
    "dram_wait": 66 / 220,
    "dense_dram_weights": 20,
    "dense_dram_scales": 8,
    "dense_dram_programs": 4,
    "dense_dram_index": 0,
    "dense_dram_maps_in": 14.5,
    "dense_dram_maps_out": 12.5,
    "dense_dram_pooled": 6,
    "dense_dram_residuals": 2,
    "dense_dram_bytes": 67,
    "dram_weights": 20,
    "dram_scales": 8,
    "dram_programs": 4,
    "dram_index": 1,
    "dram_maps_in": 0,
    "dram_maps_out": 5,
    "dram_pooled": 2,
    "dram_residuals": 0.5,
    "dram_bytes": 40.5,
    "dense_dram_maps": 35,
    "dram_maps": 8.5,
    "maps_saved": 1 - 17 / 70,
    "dram_saved": 1 - 81 / 134,
    "dense_energy_uj": (51 + 53) / 2e6,
    "energy_uj": (28 + 32) / 2e6,
    "register_energy_uj": (180 + 51) / 2e6,
    "energy_ratio": 104 / 60,
    "register_energy_ratio": 231 / 60,
}
BOTH = {
    "macs": 810,
    "nonzero_macs": 427.5,
    "density": 87 / 160,
    "dense_cycles": 231.5,
    "cycles": 165,
    "seconds": 165 / 500e6,
    "speedup": 463 / 330,
    "mac_ratio": 1620 / 855,
    "efficiency": (463 / 330) / (1620 / 855),
    "speedup_less_dram": (926 - 173) / (660 - 108),
    "dense_utilization": 1620 / (463 * 8),
    "utilization": 855 / (330 * 8),
    "dense_least_cycles": 113,
    "least_cycles": 60,
    "dense_channel_cycles": 492 / 16,
    "channel_cycles": 251.5 / 16,
    "dense_dram_wait": 173 / 926,
    "dram_wait": 108 / 660,
    "dense_dram_weights": 70,
    "dense_dram_scales": 18,
    "dense_dram_programs": 8,
    "dense_dram_index": 0,
    "dense_dram_maps_in": 250,
    "dense_dram_maps_out": 113,
    "dense_dram_pooled": 21,
    "dense_dram_residuals": 12,
    "dense_dram_bytes": 492,
    "dram_weights": 70,
    "dram_scales": 18,
    "dram_programs": 8,
    "dram_index": 9.5,
    "dram_maps_in": 94.5,
    "dram_maps_out": 36.5,
    "dram_pooled": 9.5,
    "dram_residuals": 5.5,
    "dram_bytes": 251.5,
    "dense_dram_maps": 396,
    "dram_maps": 155.5,
    "maps_saved": 1 - 311 / 792,
    "dram_saved": 1 - 503 / 984,
    "dense_energy_uj": (520 + 521 + 51 + 53) / 2e6,
    "energy_uj": (280 + 292 + 28 + 32) / 2e6,
    "register_energy_uj": (1620 + 102) / 2e6,
    "energy_ratio": 1145 / 632,
    "register_energy_ratio": 1722 / 632,
}


def accounts() -> dict[str, Account]:
    return {ALL_LAYERS: Account.of(LAYERS, ARCH), **Account.per_layer(LAYERS, ARCH)}


@pytest.mark.parametrize(("name", "expected"), [("a", A), ("b", B), (ALL_LAYERS, BOTH)])
def test_every_number_by_hand(name, expected):
    assert accounts()[name].numbers == pytest.approx(expected, rel=1e-14, abs=0)  # some are small
    assert list(expected) == list(get_type_hints(Numbers))


def test_layers_come_in_their_order_with_their_kind():
    assert [(row["layer"], row["kind"]) for row in (known.row for known in accounts().values())] == [
        ("all layers", ""),
        ("a", "conv"),
        ("b", "depthwise"),
    ]


def test_core_cycles_and_energies_of_a_row_by_hand():
    row = accounts()["a"].row
    skipping = {"compute": 95, "taps": 20.5, "decode": 29.5, "dram": 15, "weights": 6, "drain": 11}
    dense = {"compute": 180, "taps": 40, "decode": 0, "dram": 51, "weights": 5.5, "drain": 12}
    for prefix, counts, pool, idle in (("", skipping, 4.5, 38.5), ("dense_", dense, 3.5, 30)):
        for cause, count in (counts | {"pool": pool, "imbalance": idle}).items():
            assert row[f"{prefix}core_cycles_{cause}"] == count
            assert row[f"{prefix}cause_{cause}"] == count / (row[f"{prefix}cycles"] * 2)
    assert (row["largest_stall"], row["dense_largest_stall"]) == ("imbalance", "dram")
    parts = {"mac": 10.5, "accumulators": 21, "weights": 30.5, "decode": 41.5, "encode": 50}
    for part, picojoules in (parts | {"map_buffer": 60.5, "dram": 72}).items():
        assert row[f"energy_uj_{part}"] == pytest.approx(picojoules / 1e6, rel=1e-14, abs=0)
    assert row["dense_energy_uj_map_buffer"] == pytest.approx(98.5e-6, rel=1e-14, abs=0)
    assert row["dense_energy_uj_dram"] == pytest.approx(200.5e-6, rel=1e-14, abs=0)


def test_a_row_has_what_the_numbers_have_and_names_causes_and_parts_of_both_machines():
    row = accounts()["b"].row
    named = {"layer", "kind", "beyond", *get_type_hints(Numbers)}
    for prefix in ("", "dense_"):
        named |= {f"{prefix}largest_stall", f"{prefix}largest_stall_share"}
        named |= {f"{prefix}{what}_{cause}" for what in ("cause", "core_cycles") for cause in CAUSES}
        named |= {f"{prefix}energy_uj_{part}" for part in COMPONENTS}
    assert set(row) == named


def test_sums_of_what_no_row_shows():
    totals = Account.of(LAYERS, ARCH).skipping
    assert (totals.map_bytes, totals.elements, totals.nonzeros) == (70 + 18 + 76 + 20, 160, 87)
    assert totals.events == dict.fromkeys(EVENTS, 12) | {"mac": 855}
    assert totals.performed_macs == 855


@pytest.mark.parametrize("images", [[0], [1], [0, 1]])
def test_means_are_of_the_images_that_ran(images):
    layers = [layer for layer in LAYERS if layer.image in images]
    account = Account.of(layers, ARCH)
    assert account.images == len(images)
    cycles = {0: 150, 1: 180}
    assert account.numbers["cycles"] == sum(cycles[image] for image in images) / len(images)


def test_efficiency_is_how_much_better_the_multipliers_are_used_than_the_baselines():
    for account in accounts().values():
        numbers = account.numbers
        assert numbers["efficiency"] == pytest.approx(numbers["utilization"] / numbers["dense_utilization"])
        assert numbers["speedup"] == pytest.approx(numbers["mac_ratio"] * numbers["efficiency"])


# A MAC takes a core-cycle of compute in all of these: the baseline does 100 of them, the machine 50.
@pytest.mark.parametrize(
    ("stalls", "dense_stalls", "cause"),
    [
        ({"imbalance": 10}, {"imbalance": 60}, "imbalance"),  # 0.2 and 0.6 a MAC
        ({"taps": 10}, {"taps": 60}, "taps"),
        ({"pool": 10}, {"pool": 60}, "pool"),
        ({"dram": 2}, {"dram": 200}, "dram"),
        ({"imbalance": 30, "dram": 0}, {"imbalance": 59, "dram": 90}, "dram"),  # 0.6, 0 and 0.59, 0.9
        ({"imbalance": 10, "weights": 10}, {"imbalance": 22, "weights": 26}, "weights"),
        ({"drain": 30}, {"drain": 60}, None),  # 0.6 both: the speedup is the MAC ratio
        ({"drain": 31}, {"drain": 60}, None),  # the machine loses more
        ({}, {}, None),
    ],
)
def test_a_speedup_beyond_the_mac_ratio_is_named_by_what_the_baseline_spends_more_on_a_mac(
    stalls, dense_stalls, cause
):
    account = made(stalls, dense_stalls)
    assert account.beyond == cause
    assert (cause is not None) == (account.speedup > account.mac_ratio)


def test_the_least_that_a_baseline_can_spend_more_on_a_mac_is_named():
    # Two MACs of three: 2 of the baseline's core-cycles for 3 MACs, 1 of the machine's for 2.
    assert made({"drain": 1}, {"drain": 2}, macs=3, performed=2).beyond == "drain"


def test_depthwise_values_that_several_groups_read_are_named_as_compute():
    account = made({"compute": 5}, {"compute": 30})  # 1.1 and 1.3 core-cycles a MAC
    assert account.beyond == "compute"


def made(stalls, dense_stalls, macs=100, performed=50) -> Account:
    def totals(base: Totals, work: int, extra: dict[str, int]) -> Totals:
        causes = dict.fromkeys(CAUSES, 0) | {"compute": work}
        causes = {cause: cycles + extra.get(cause, 0) for cause, cycles in causes.items()}
        cycles: Any = Fraction(sum(causes.values()), 2)
        return replace(base, causes=causes, cycles=cycles, events=base.events | {"mac": work})

    account = Account.of(LAYERS[:1], ARCH)
    return replace(
        account,
        skipping=totals(account.skipping, performed, stalls),
        dense=totals(account.dense, macs, dense_stalls),
    )


def test_without_a_non_zero_mac_there_is_no_mac_ratio_and_no_efficiency_and_all_else_stands():
    layer = LAYERS[0]
    empty = replace(
        layer.skipping, nonzero_macs=0, nonzeros=0, least_cycles=0, events=layer.skipping.events | {"mac": 0}
    )
    account = Account.of([replace(layer, skipping=empty)], ARCH)
    numbers = account.numbers
    assert (numbers["mac_ratio"], numbers["efficiency"], account.beyond) == (None, None, None)
    assert (numbers["density"], numbers["utilization"], numbers["least_cycles"]) == (0, 0, 0)
    assert (numbers["speedup"], numbers["nonzero_macs"], numbers["macs"]) == (1.6, 0, 720)
    none = {key for key, value in numbers.items() if value is None}
    assert none == {"mac_ratio", "efficiency"}


def test_with_nothing_to_divide_by_every_ratio_is_none():
    nothing = {"cycles": 0, "elements": 0, "nonzeros": 0, "macs": 0, "nonzero_macs": 0, "least_cycles": 0}
    zero = {"causes": dict.fromkeys(CAUSES, 0), "dram": dict.fromkeys(DRAM_KINDS, 0)}
    zero |= {"events": dict.fromkeys(EVENTS, 0), "energy_pj": dict.fromkeys(COMPONENTS, 0.0)}
    blank = replace(LAYERS[0].skipping, **nothing, **zero)
    account = Account.of([LayerResult(blank, blank)], ARCH)
    ratios = {key for key, value in get_type_hints(Numbers).items() if value is not float}
    assert {key for key, value in account.numbers.items() if value is None} == ratios
    assert all(account.numbers[key] == 0 for key in get_type_hints(Numbers) if key not in ratios)
    assert account.row["largest_stall"] is account.row["dense_largest_stall"] is None
    assert account.row["cause_compute"] is None
    assert account.beyond is None


def test_a_map_that_grows_is_a_saving_below_zero():
    assert saved(30, 20) == -0.5
    assert saved(0, 20) == 1
    assert saved(0, 0) is saved(3, 0) is None


def test_a_ratio_needs_both_its_numbers():
    assert (ratio(3, 2), ratio(0, 2)) == (1.5, 0)
    assert ratio(3, 0) is ratio(0, 0) is ratio(None, 2) is ratio(2, None) is None


def test_a_sum_with_an_unknown_part_is_unknown():
    assert added([1.5, 2, 0]) == 3.5
    assert added([]) == 0
    assert added([1, None, 2]) is None


def test_speeds_of_layers_add_up():
    speed = Speed.of([(720, 360, 160, 100), (90, 45, 70, 50)])
    assert speed == Speed(810, 405, 230, 150)
    assert (speed.speedup, speed.mac_ratio) == (230 / 150, 2)
    assert speed.efficiency == pytest.approx(230 / 150 / 2)
    assert Speed.of([]) == Speed(0, 0, 0, 0)
    assert Speed(5, 0, 7, 3).efficiency is None


CONV = Layer("c", "conv", "m", (3, 8, 8), (5, 8, 8), (3, 3), padding=(1, 1))
DEPTHWISE = Layer("d", "depthwise", "m", (8, 8, 8), (8, 8, 8), (3, 3), padding=(1, 1))
LINEAR = Layer("f", "linear", "m", (10, 1, 1), (7, 1, 1))


@pytest.mark.parametrize(
    ("layer", "cores", "columns", "macs", "cycles"),
    [
        (CONV, 2, 4, 0, 0),
        (CONV, 2, 4, 1, 1),
        (CONV, 2, 4, 800, 100),
        (CONV, 2, 4, 801, 101),
        (LINEAR, 3, 2, 70, 12),
        (DEPTHWISE, 1, 16, 90, 10),  # nine taps in one cycle
        (DEPTHWISE, 1, 8, 90, 20),  # in two: 4.5 a cycle
        (DEPTHWISE, 2, 4, 900, 150),  # in three, two cores
        (DEPTHWISE, 4, 1, 901, 226),  # one a cycle and core
    ],
)
def test_the_fewest_cycles_that_multipliers_need_by_hand(layer, cores, columns, macs, cycles):
    assert least_cycles(layer, macs, Arch(cores=cores, columns=columns)) == cycles
