"""How small every coder makes the maps of a trace."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hwsim import codec
from hwsim.codec import labels
from hwsim.codec.labels import RAW, STORED
from hwsim.machine import totals

if TYPE_CHECKING:
    from hwsim.machine.result import Result
    from hwsim.trace import Trace

ORDERS = "SEG has the order of the trace, each other coder the best for every map and image."


@dataclass(frozen=True)
class CodedMap:
    """One activation map under every coder, summed over the images.

    Attributes:
        name, shape, bits, order: of the map (:class:`hwsim.trace.MapInfo`).
        values: in all images.
        coded_bits: by coder, raw words and SEG as stored among them, before padding to bytes.
    """

    name: str
    shape: tuple[int, int, int]
    bits: int
    order: int
    values: int
    coded_bits: dict[str, int]

    def ratio(self, coder: str) -> float | None:
        """How many times smaller than raw words; None for a coder that spends no bit."""
        return ratio(self.coded_bits, coder)


def measure(
    trace: Trace, result: Result, progress: Callable[[int, int], None] | None = None
) -> tuple[CodedMap, ...]:
    """Code every map of the images of a result.

    Args:
        trace: that the result is of.
        result: says which images, and how large the machine's own segments are.
        progress: called with (maps done, maps in all).

    Raises:
        TraceError: a map is damaged.
    """
    stored = stored_bits(trace, result)
    jobs = len(trace.maps) * len(result.images)
    sizes: list[CodedMap] = []
    for info in trace.maps.values():
        bits: Counter[str] = Counter()
        for image in result.images:
            values = trace.map(info.name, image)
            bits.update(codec.sizes(values, info.bits, info.order))
            if progress is not None:
                progress(len(sizes) * len(result.images) + result.images.index(image) + 1, jobs)
        count = values.size * len(result.images)
        coded = {RAW: count * info.bits, **bits, STORED: stored[info.name]}
        ordered = {name: coded[name] for name in labels.in_order(coded)}
        sizes.append(CodedMap(info.name, info.shape, info.bits, info.order, count, ordered))
    return tuple(sizes)


def total_bits(sizes: Sequence[CodedMap]) -> dict[str, int]:
    """By coder, over all maps."""
    return {coder: sum(map_.coded_bits[coder] for map_ in sizes) for coder in sizes[0].coded_bits}


def ratio(coded_bits: Mapping[str, int], coder: str) -> float | None:
    """Raw bits / bits of the coder; None if it spends none."""
    return totals.ratio(coded_bits[RAW], coded_bits[coder])


def base(sizes: Sequence[CodedMap]) -> str:
    """What a ratio is against, in words: ``raw 16-bit words``."""
    widths = sorted({map_.bits for map_ in sizes})
    if len(widths) == 1:
        return f"raw {widths[0]}-bit words"
    return f"raw words of {widths[0]} to {widths[-1]} bits"


def stored_bits(trace: Trace, result: Result) -> dict[str, int]:
    """Bits of every map as the machine keeps it; a map with several readers is stored once."""
    reader = {layer.input: layer.name for layer in trace.layers}
    return {name: 8 * result.accounts[layer].skipping.map_bytes for name, layer in reader.items()}
