"""M multipliers that see the same activation."""

from __future__ import annotations

from amaranth import Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hwsim.arch import Arch
from hwsim_rtl.core.payloads import product_bits, weight_word


class Multipliers(wiring.Component):
    """Multiply an activation code, taken back through the H.264 mapping if it is signed, by M weights.

    Latency 3 cycles from ``value``, 2 from ``columns`` and 1 from ``weights`` to ``products``; one activation
    a cycle. Products wrap to 32 bits, as the sums do. Each column has the activation in a register of its
    own, so that a cycle is for the way there, and a column without an access does not change its operand.

    Args:
        arch: widths and columns.

    Ports:
        value: In, activation code.
        signed_input: In(1), codes are 2v - 1 for v > 0 and -2v else.
        columns: In(M), which multiply the activation; the product of another one is any.
        weights: In, a weight word.
        products: Out(signed), one a column.
    """

    def __init__(self, arch: Arch) -> None:
        self._arch = arch
        super().__init__(
            {
                "value": In(arch.activation_bits),
                "signed_input": In(1),
                "columns": In(arch.columns),
                "weights": In(weight_word(arch)),
                "products": Out(signed(product_bits(arch))).array(arch.columns),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        activation = Signal(signed(self._arch.activation_bits + 1), reset_less=True)
        half = self.value >> 1
        m.d.sync += activation.eq(Mux(self.signed_input, Mux(self.value[0], half + 1, -half), self.value))
        for column, product in enumerate(self.products):
            operand = Signal.like(activation, name=f"operand{column}")
            with m.If(self.columns[column]):
                m.d.sync += operand.eq(activation)
            m.d.sync += product.eq(operand * self.weights[column])
        return m
