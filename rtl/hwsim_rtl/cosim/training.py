"""Passes that a compiler may learn from: which branches of a core's simulation are taken, and how often."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np

from hwsim.arch import WORD_BITS, Arch
from hwsim.errors import ArchError
from hwsim.layer import Kind, Layer
from hwsim.machine.descriptors import Code, PassGeometry, lane_weights, sub_bank_depth
from hwsim_rtl.cosim.simulator import PassStimulus

DENSITY = 0.4


def training_passes(arch: Arch) -> list[PassStimulus]:
    """A convolution, a depthwise and a linear layer, skipping zeros or not, coded or raw; those that fit.

    One pixel of one channel always does.
    """
    code = Code(min(8, arch.activation_bits), 0)
    width = min(24, 2 * sub_bank_depth(arch))
    pixel = PassGeometry(
        layer=Layer("pixel", "conv", "x", (1, 1, 1), (arch.columns, 1, 1)),
        channels=1,
        owned=(0,),
        out_channels=arch.columns,
        block=1,
        out_block=arch.columns,
        source=code,
        target=code,
        shift=16,
        relu=True,
    )

    def geometry_of(kind: Kind, channels: int, height: int, width: int, kernel: int) -> PassGeometry:
        shape, filters = (channels, height, width), channels if kind == "depthwise" else arch.columns
        padding = (kernel // 2, kernel // 2)
        layer = Layer("l", kind, "x", shape, (filters, height, width), (kernel, kernel), (1, 1), padding)
        made = 1 if kind == "depthwise" else filters
        return replace(pixel, layer=layer, channels=channels, owned=range(height), out_channels=made)

    linear = geometry_of("linear", min(64, arch.weight_words), 1, 1, 1)
    convolution = geometry_of("conv", 8, 12, width, 3)
    depthwise = geometry_of("depthwise", 1, 12, width, 3)
    return [
        _stimulus(geometry, arch)
        for shape in (pixel, linear, convolution, depthwise)
        for skip_zeros, compress in product((True, False), repeat=2)
        if _fits(geometry := replace(shape, skip_zeros=skip_zeros, compress=compress), arch)
    ]


def _fits(geometry: PassGeometry, arch: Arch) -> bool:
    try:
        geometry.check(arch)
    except ArchError:
        return False
    return True


def _stimulus(geometry: PassGeometry, arch: Arch) -> PassStimulus:
    """The pass on random values and weights."""
    rng = np.random.default_rng(0)
    segments = []
    for _ in range(geometry.layer.in_shape[1] * geometry.channels):
        values = rng.integers(1 << geometry.source.bits, size=geometry.width)
        values[rng.random(geometry.width) >= DENSITY] = 0
        segments.append(_words(values, geometry))
    weights = 1 if geometry.depthwise else geometry.channels
    filters = (geometry.out_channels, weights, *geometry.layer.kernel)
    limit = 1 << arch.weight_bits - 1
    return PassStimulus(
        geometry=geometry,
        words=np.array([word for words in segments for word in words], np.uint64),
        last=np.array([i == len(words) - 1 for words in segments for i in range(len(words))]),
        weights=lane_weights(rng.integers(-limit, limit, filters), arch.columns, geometry.depthwise),
        bias=np.zeros(geometry.out_channels, np.int64),
        multiplier=np.full(geometry.out_channels, 1 << 8),
    )


def _words(values: np.ndarray, geometry: PassGeometry) -> list[int]:
    """A segment: as SEG of order 0, x + 1 after as many zeros as it has bits but one, or raw."""
    if geometry.compress:
        bits = "".join("0" * ((x + 1).bit_length() - 1) + f"{x + 1:b}" for x in values.tolist())
    else:
        bits = "".join(f"{x:0{geometry.source.bits}b}" for x in values.tolist())
    bits += "0" * (-len(bits) % WORD_BITS)
    return [int(bits[i : i + WORD_BITS], 2) for i in range(0, len(bits), WORD_BITS)]
