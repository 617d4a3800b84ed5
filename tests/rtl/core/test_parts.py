"""Each part of the core against its golden model, under Icarus."""

import pytest
from amaranth import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import connect, flipped
from simulate import run_bench

from hwsim.arch import Arch
from rtl.core.bank import AccumulatorBank
from rtl.core.columns import ValidColumns
from rtl.core.position import PositionCounter
from rtl.core.requantize import Requantizer
from rtl.core.scatter import Scatter

FIELDS = {"columns": 4, "accumulators": 256, "weight_words": 640}


class PlacedSymbols(wiring.Component):
    """PositionCounter and ValidColumns in a chain, as in the core."""

    def __init__(self, arch: Arch) -> None:
        self._position, self._columns = PositionCounter(arch), ValidColumns(arch)
        ports = dict(self._position.signature.members)
        ports["items"] = self._columns.signature.members["items"]
        super().__init__(ports)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.position, m.submodules.columns = position, columns = self._position, self._columns
        connect(m, flipped(self.symbols), position.symbols)
        connect(m, position.items, columns.placed)
        connect(m, columns.items, flipped(self.items))
        m.d.comb += [
            position.config.eq(self.config),
            columns.config.eq(self.config),
            position.start.eq(self.start),
            position.weight_base.eq(self.weight_base),
            self.makes_item.eq(position.makes_item),
        ]
        return m


@pytest.mark.parametrize("accumulators", [8, 64])
def test_bank_keeps_every_sum(accumulators):
    run_bench(
        AccumulatorBank(Arch(accumulators=accumulators)), "bank", accumulators=accumulators, cycles=6000
    )


@pytest.mark.parametrize("activation_bits", [16, 9])
def test_requantizer_is_the_reference_bit_for_bit(activation_bits):
    arch = Arch(activation_bits=activation_bits)
    run_bench(Requantizer(arch), "requantize", activation_bits=activation_bits, configurations=40)


@pytest.mark.parametrize("stalls", [0, 0.5])
def test_scatter_issues_every_tap_in_its_cycle(stalls):
    run_bench(Scatter(Arch(**FIELDS)), "scatter", arch=FIELDS, rows=60, stalls=stalls)


def test_position_and_columns_of_every_symbol():
    run_bench(PlacedSymbols(Arch(**FIELDS)), "position", arch=FIELDS, passes=60)
