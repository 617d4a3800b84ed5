"""How small every coder makes the activation maps of trained networks, in bits a value.

    python benchmarks/compare_coders.py [--bits 8] [--images 8] [--block 16] [--density D] SOURCE ...

A SOURCE is a trace (``traces/lenet5_digits/sparse.zarr.zip``) or NETWORK:WEIGHTS.npz:PICTURES, with a
network of network_maps.py and a folder of JPEG files or a CIFAR-10 file (picture 0, step, 2 step ...; see
there). Maps are made in float32 and quantized afterwards, scale = maximum over the pictures; those of a
trace, which are quantized already, are rounded to the bits asked for. The picture itself is no map. With
``--density``, the smallest values of each layer become zero until it is that dense; what this does to the
network's accuracy is not asked. All pictures' maps of a layer are coded as one array in C order (n, c, y, x),
with one order, and the sizes added up over the layers:

- ASEG and SEG also in the machine's segments, `block` channels x one row, padded to 64-bit words (no index);
- CSR with a row of the map as its row; zstd, level 3, on bytes (8 bits) or little-endian words (16 bits);
- entropy: of each layer's histogram over all pictures, without a table; beside it how many samples there are
  for every value that occurs, in the layer where they are fewest. Where they are few, the entropy is too low
  to be a bound;
- neighbour: what ASEG goes for: the entropy of the number of binary digits given that of the value before,
  and the digits behind the first one as they are.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numcodecs.zstd import Zstd

import hwsim
from hwsim import codec
from hwsim.codec import aseg_segments, labels, segments
from hwsim.codec.aseg import Aseg
from hwsim.codec.entropy import Entropy
from hwsim.quantize import calibrate, quantize_map

WORD_BITS = 64


def maps_of(source: str, bits: int, images: int) -> Iterator[np.ndarray]:
    """uint16 (N, C, H, W) of every layer."""
    if ":" in source:
        from network_maps import network_maps

        network, weights, pictures = source.split(":")
        for _, real in network_maps(network, Path(weights), Path(pictures), images):
            yield quantize_map(real, calibrate([real], bits), bits)
    else:
        trace = hwsim.open_trace(source)
        first = trace.layers[0].input
        for name, info in trace.maps.items():
            if name != first:
                codes = np.stack([trace.map(name, i) for i in range(min(images, trace.images))])
                largest = (1 << info.bits) - 1
                yield np.rint(codes * (((1 << bits) - 1) / largest)).astype(np.uint16)


def thin(codes: np.ndarray, density: float | None) -> np.ndarray:
    """Codes below the quantile that leaves ``density`` of them set to zero."""
    if density is None:
        return codes
    least = np.quantile(codes, 1 - density, method="higher")
    return np.where(codes > least, codes, 0).astype(np.uint16)


def neighbour_bits(codes: np.ndarray) -> float:
    """Entropy of the number of digits given that of the value before (C order), and the digits themselves."""
    digits = np.frexp(codes.reshape(-1).astype(np.float32))[1]
    before = np.concatenate([[0], digits[:-1]])
    pairs = np.bincount(before * 17 + digits, minlength=17 * 17).reshape(17, 17)
    before_counts = np.broadcast_to(pairs.sum(1, keepdims=True), pairs.shape)
    found = pairs > 0
    raw = int(np.maximum(digits - 1, 0).sum())
    return float(-(pairs[found] @ np.log2(pairs[found] / before_counts[found]))) + raw


def sizes_of(codes: np.ndarray, bits: int, block: int) -> Counter[str]:
    """Bits of one layer's maps under every coder."""
    sizes = Counter(codec.sizes(codes, bits))
    aseg, seg_order = Aseg(bits), codec.best_order(codes)
    order = aseg.best_order(codes)
    for picture in codes:
        stored = aseg_segments.segment_bits(picture, block, order, bits)
        sizes["aseg_stored"] += int((-(-stored // WORD_BITS)).sum()) * WORD_BITS
        stored = segments.segment_bits(picture, block, seg_order)
        sizes["seg_stored"] += int((-(-stored // WORD_BITS)).sum()) * WORD_BITS
    decoded = aseg.decode(aseg.encode(codes, order), codes.size, order)
    assert np.array_equal(decoded, codes.reshape(-1))
    sizes["zstd"] = 8 * len(Zstd(level=3).encode(codes.astype(np.uint8 if bits <= 8 else "<u2")))
    sizes["neighbour"] = neighbour_bits(codes)
    sizes["values"], sizes["zeros"] = codes.size, codes.size - np.count_nonzero(codes)
    return sizes


def compare(source: str, bits: int, images: int, block: int, density: float | None) -> dict[str, float]:
    """Bits a value by coder, density, values, and the fewest samples a distinct value."""
    total, support = Counter(), np.inf
    for whole in maps_of(source, bits, images):
        codes = thin(whole, density)
        total += sizes_of(codes, bits, block)
        found = Entropy(bits).estimate(codes)
        support = min(support, found.samples / found.distinct)
    values, zeros = total.pop("values"), total.pop("zeros")
    row = {name: size / values for name, size in total.items()}
    return {"values": values, "density": 1 - zeros / values, "support": support, **row}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("sources", nargs="+", metavar="SOURCE")
    parser.add_argument("--bits", type=int, default=8)
    parser.add_argument("--images", type=int, default=8)
    parser.add_argument("--block", type=int, default=16)
    parser.add_argument("--density", type=float)
    parser.add_argument("--json", type=Path, help="write the numbers here too")
    args = parser.parse_args()
    rows = {
        source: compare(source, args.bits, args.images, args.block, args.density) for source in args.sources
    }
    columns = [*labels.in_order([*codec.names(), labels.ZSTD]), "neighbour", "aseg_stored", "seg_stored"]
    print("source", "values", "density", "samples/value", *columns, "aseg/entropy", "aseg/seg", sep=" | ")
    for source, row in rows.items():
        name = source.split(":")[0] if ":" in source else "/".join(Path(source).parts[-2:])
        sizes = [f"{row[column]:.3f}" for column in columns]
        ratios = [f"{row['aseg'] / row[base]:.3f}" for base in ("entropy", "seg")]
        print(
            name, row["values"], f"{row['density']:.3f}", f"{row['support']:.0f}", *sizes, *ratios, sep=" | "
        )
    if args.json:
        args.json.write_text(json.dumps(rows, indent=2))


if __name__ == "__main__":
    main()
