"""Entries of small, round numbers for the tests of tables: nothing was measured."""

from hwsim import codec
from hwsim.reproduce.entry import Answers, Entry, LayerRow, MapSizes, Simulated, Width


def width(bits, values, nonzeros, coded):
    """A map of which every coder makes ``coded`` bits."""
    return Width(nonzeros, 4, {"raw": values * bits, **dict.fromkeys([*codec.names(), "zstd"], coded)})


def simulated(coded=400, nonzero_macs=500, cycles=50, images=2):
    """A picture of 10 values and a map of 100; coded to ``coded`` bits at 16 bits, half at 8."""
    return Simulated(
        trace="made_up.zarr",
        digest="0" * 64,
        images=images,
        bits=16,
        machine="2 cores",
        layers=(LayerRow("conv", "image", 1000, nonzero_macs, cycles, 100),),
        maps=(
            MapSizes("image", True, 10, {"16": width(16, 10, 10, 999), "8": width(8, 10, 10, 999)}),
            MapSizes(
                "conv", False, 100, {"16": width(16, 100, 25, coded), "8": width(8, 100, 20, coded // 2)}
            ),
        ),
    )


def entry(variant="baseline", accuracy=None, found=None, notes=()):
    """A row of the network ``net`` on ``data``."""
    scores = {width: Answers(*score) for width, score in (accuracy or {}).items()}
    return Entry("net", "data", variant, scores, found, notes)
