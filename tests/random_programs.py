"""Random networks that a program can hold, as hypothesis draws them, with weights and drains."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any
from zlib import crc32

import numpy as np
from hypothesis import strategies as st
from random_networks import MemoryTrace, chains, machines

from hwsim.arch import Arch
from hwsim.between import Flow, Value
from hwsim.codec.seg_lengths import code_lengths
from hwsim.layer import Layer
from hwsim.quantize import Requantize


@dataclass
class WholeTrace(MemoryTrace):
    """A chain with all that a compiler asks for; its maps are not those that the layers make."""

    digest = "5a" * 32

    @property
    def flow(self) -> Flow:
        results = {layer.name: layer.output or "result" for layer in self.layers[:-1]}
        end = Value("result", self.layers[-1].out_shape, self.bits, False, 1.0)
        return Flow((self.layers[0].input,), {**results, self.layers[-1].name: "result"}, (end,))

    def weights(self, layer: Layer) -> np.ndarray:
        return self._rng(layer).integers(-128, 128, layer.weight_shape).astype(np.int16)

    def requantize(self, layer: Layer) -> Requantize:
        rng, made = self._rng(layer), layer.out_shape[0]
        bias, multiplier = rng.integers(-(2**31), 2**31, made), rng.integers(0, 2**16, made)
        shift = int(rng.integers(1, 48))
        clamps = self._clamps(layer, rng)
        return Requantize(bias, multiplier, shift, layer.relu, self.bits, False, self.order, clamps)

    def _clamps(self, layer: Layer, rng: np.random.Generator) -> tuple[int, int] | None:
        """Clamps of a drain that has some of its own."""
        low, high = sorted(rng.integers(0, 1 << self.bits, 2).tolist())
        return (low, high) if layer.clamped else None

    def _rng(self, layer: Layer) -> np.random.Generator:
        return np.random.default_rng(crc32(repr(layer).encode()))


@st.composite
def networks(draw) -> WholeTrace:
    """A network whose segments all have room in their places."""
    chain = draw(chains())
    last = replace(chain.layers[-1], output=None)
    fits = code_lengths(chain.order)[: 1 << chain.bits] <= chain.bits
    values = {name: np.where(fits[map_], map_, 0) for name, map_ in chain.values.items()}
    fields: dict[str, Any] = {**vars(chain), "layers": (*chain.layers[:-1], last), "values": values}
    return WholeTrace(**fields)


@st.composite
def programs(draw) -> tuple[WholeTrace, Arch]:
    """Such a network, and a machine for it."""
    return draw(networks()), draw(machines).replace(compress=True, map_buffer=1 << 20)
