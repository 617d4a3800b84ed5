"""How small every coder makes the maps of a trace."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hwsim import codec
from hwsim.machine import totals

if TYPE_CHECKING:
    from hwsim.machine.result import Result
    from hwsim.trace import Trace

BOUND = "entropy"  # no code: what no coder of single values can beat
STORED = "seg_stored"  # SEG as the machine keeps it
LABELS = {
    "raw": "raw words",
    "seg": "SEG",
    STORED: "SEG as stored",
    "aseg": "ASEG",
    "exp_golomb": "exp-Golomb",
    "zvc": "ZVC",
    "rle": "zero RLE",
    "csr": "CSR",
    "huffman": "Huffman",
    "ebpc": "EBPC",
    BOUND: "entropy bound",
}
MEANINGS = {
    "raw": "words of the map's full width, as the dense baseline keeps them",
    "seg": "sparse exponential-Golomb code, order k of the trace, the map coded as one",
    STORED: "SEG in the machine's segments: each padded to 64-bit words, and the index beside them",
    "aseg": "adaptive SEG (docs/codes.md): segments of 512 values, best order for each map and image",
    "exp_golomb": "plain exponential-Golomb code, best order for each map and image",
    "zvc": "zero-value compression: a bitmap and the non-zero values",
    "rle": "5-bit zero run and value, as in Eyeriss",
    "csr": "compressed sparse rows: column numbers and values",
    "huffman": "canonical Huffman code of each map and image, its table included",
    "ebpc": "extended bit-plane compression (Cavigelli and Benini, 2019)",
    BOUND: "zeroth-order entropy of each map and image: a bound for codes of single values, not a code",
}


@dataclass(frozen=True)
class MapSizes:
    """One activation map under every coder, summed over the images.

    Attributes:
        name, shape, bits, order: of the map (:class:`hwsim.trace.MapInfo`).
        values: in all images.
        coded_bits: by coder, ``raw`` and :data:`STORED` among them, before padding to bytes.
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
) -> tuple[MapSizes, ...]:
    """Code every map of the images of a result.

    Args:
        trace: that the result is of.
        result: says which images, and how large the machine's own segments are.
        progress: called with (maps done, maps in all).

    Raises:
        TraceError: a map is damaged.
    """
    stored = _stored_bits(trace, result)
    jobs = len(trace.maps) * len(result.images)
    sizes: list[MapSizes] = []
    for info in trace.maps.values():
        coders = {name: codec.get(name, bits=info.bits) for name in codec.names()}
        bits = dict.fromkeys(coders, 0)
        for image in result.images:
            values = trace.map(info.name, image)
            for name, coder in coders.items():
                order = info.order if name == "seg" else coder.best_order(values)
                bits[name] += coder.encoded_bits(values, order)
            if progress is not None:
                progress(len(sizes) * len(result.images) + result.images.index(image) + 1, jobs)
        count = values.size * len(result.images)
        coded = {"raw": count * info.bits, **bits, STORED: stored[info.name]}
        sizes.append(MapSizes(info.name, info.shape, info.bits, info.order, count, _in_order(coded)))
    return tuple(sizes)


def total_bits(sizes: Sequence[MapSizes]) -> dict[str, int]:
    """By coder, over all maps."""
    return {coder: sum(map_.coded_bits[coder] for map_ in sizes) for coder in sizes[0].coded_bits}


def ratio(coded_bits: Mapping[str, int], coder: str) -> float | None:
    """Raw bits / bits of the coder; None if it spends none."""
    return totals.ratio(coded_bits["raw"], coded_bits[coder])


def base(sizes: Sequence[MapSizes]) -> str:
    """What a ratio is against, in words: ``raw 16-bit words``."""
    widths = sorted({map_.bits for map_ in sizes})
    if len(widths) == 1:
        return f"raw {widths[0]}-bit words"
    return f"raw words of {widths[0]} to {widths[-1]} bits"


def _in_order(coded: Mapping[str, int]) -> dict[str, int]:
    known = [name for name in LABELS if name in coded]
    return {name: coded[name] for name in [*known, *(name for name in coded if name not in LABELS)]}


def _stored_bits(trace: Trace, result: Result) -> dict[str, int]:
    """Bits of every map as the machine keeps it; a map with several readers is stored once."""
    reader = {layer.input: layer.name for layer in trace.layers}
    return {name: 8 * result.accounts[layer].skipping.map_bytes for name, layer in reader.items()}
