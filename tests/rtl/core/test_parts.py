"""Each part of the core against its golden model, under Icarus."""

import pytest
from amaranth import Module
from amaranth.lib import data, wiring
from simulate import run_bench

from hwsim.arch import Arch
from hwsim_rtl.core.adder_tree import AdderTree
from hwsim_rtl.core.addresses import TapAddresses
from hwsim_rtl.core.bank import AccumulatorBank
from hwsim_rtl.core.chooser import ItemChooser
from hwsim_rtl.core.credit_fifo import CreditFifo
from hwsim_rtl.core.drain_control import DrainControl
from hwsim_rtl.core.launcher import Launcher
from hwsim_rtl.core.multiply import Multipliers
from hwsim_rtl.core.position import Positions
from hwsim_rtl.core.reader import Reader
from hwsim_rtl.core.requantize import Requantizer
from hwsim_rtl.core.scatter import Scatter
from hwsim_rtl.core.weights import WeightMemory

MULTIPLIER_INPUTS = ("value", "signed_input", "columns", "weights")
FIELDS = {"columns": 4, "accumulators": 256, "weight_words": 640}


class SummedProducts(wiring.Component):
    """Multipliers and AdderTree in a chain."""

    def __init__(self, arch: Arch) -> None:
        self._multipliers, self._tree = Multipliers(arch), AdderTree(arch.columns)
        ports = {name: self._multipliers.signature.members[name] for name in MULTIPLIER_INPUTS}
        super().__init__({**ports, "sum": self._tree.signature.members["sum"]})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.multipliers, m.submodules.tree = multipliers, tree = self._multipliers, self._tree
        m.d.comb += [getattr(multipliers, name).eq(getattr(self, name)) for name in MULTIPLIER_INPUTS]
        for number, product in zip(tree.numbers, multipliers.products, strict=True):
            m.d.comb += number.eq(product)
        m.d.comb += self.sum.eq(tree.sum)
        return m


@pytest.mark.parametrize("accumulators", [8, 64])
def test_bank_keeps_every_sum(accumulators):
    run_bench(
        AccumulatorBank(Arch(accumulators=accumulators)), "bank", accumulators=accumulators, cycles=6000
    )


@pytest.mark.parametrize("activation_bits", [16, 9])
def test_requantizer_is_the_reference_bit_for_bit(activation_bits):
    arch = Arch(activation_bits=activation_bits)
    run_bench(Requantizer(arch), "requantize", activation_bits=activation_bits, configurations=60)


@pytest.mark.parametrize("columns", [1, 4, 64])
def test_addresses_of_every_bank(columns):
    fields = {**FIELDS, "columns": columns}
    run_bench(TapAddresses(Arch(**fields)), "addresses", arch=fields, passes=18, taps=80)


@pytest.mark.parametrize("period", [2, 4])
def test_launcher_starts_every_pass_in_its_cycle(period):
    run_bench(Launcher(32), "launcher", cycles=6000, period=period)


@pytest.mark.parametrize(
    ("depth", "early", "bits"),
    [(1, None, 0xFF), (8, None, 0xFF), (11, None, 0xFF), (1, ["b"], 0x08), (8, ["c", "b"], 0xF8)],
)
def test_credit_fifo_counts_what_is_under_way(depth, early, bits):
    shape = 8 if early is None else data.StructLayout({"a": 3, "b": 1, "c": 4})
    run_bench(CreditFifo(shape, depth, early), "credit_fifo", depth=depth, early=bits, cycles=3000)


@pytest.mark.parametrize(("weight_words", "passes"), [(12, 60), (5000, 12)])
def test_weight_memory_is_a_ring_of_passes(weight_words, passes):
    fields = {**FIELDS, "weight_words": weight_words}
    run_bench(WeightMemory(Arch(**fields)), "weights", arch=fields, passes=passes)


def test_drain_reads_every_row_in_its_cycle():
    run_bench(DrainControl(Arch(**FIELDS)), "drain_control", arch=FIELDS, passes=40)


@pytest.mark.parametrize(("columns", "weight_bits", "activation_bits"), [(1, 8, 16), (8, 16, 16), (64, 5, 9)])
def test_products_and_their_sum_wrap(columns, weight_bits, activation_bits):
    widths = {"weight_bits": weight_bits, "activation_bits": activation_bits}
    run_bench(SummedProducts(Arch(columns=columns, **widths)), "products", columns=columns, **widths)


def test_reader_serves_every_slot_by_the_page():
    run_bench(Reader(Arch(**FIELDS)), "reader", arch=FIELDS, passes=120)


def test_positions_of_every_symbol_of_both_lanes():
    run_bench(Positions(Arch(**FIELDS)), "position", arch=FIELDS, passes=60)


def test_chooser_takes_every_item_in_its_cycle():
    run_bench(ItemChooser(Arch(**FIELDS)), "chooser", arch=FIELDS, passes=60)


@pytest.mark.parametrize("stalls", [0, 0.5])
def test_scatter_issues_every_tap_of_a_chosen_item_in_its_cycle(stalls):
    run_bench(Scatter(Arch(**FIELDS)), "scatter", arch=FIELDS, items=120, stalls=stalls)
