"""Fit the code lengths of ASEG (hwsim/codec/aseg_code.py) to the maps of trained networks.

    python benchmarks/fit_aseg.py NETWORK:WEIGHTS.npz:PICTURES ... [--images 8] [--bits 8]

Networks and files as in compare_coders.py, but other pictures of the folder: picture 1, 1 + step ... Every
network counts once as it is, and a half each with its smallest values set to zero until a map is 20 % and 5 %
dense, since a code for sparse maps is wanted too. Lloyd's iteration: every segment takes its cheapest table
and order under the present code; every state takes the Huffman code of the levels that follow. Prints the
tables, and what the levels cost in bits a value (runs and headers not counted): with them, and with tables
fitted to the other networks only.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from compare_coders import thin
from network_maps import network_maps

from hwsim.codec.aseg_code import CODE_LENGTHS, LEVELS, SIZES, START, STATES, levels_of, size_costs
from hwsim.codec.huffman_loops import code_lengths
from hwsim.quantize import calibrate, quantize_map

SEGMENT = 512
ROUNDS = 12
SAMPLE = 16  # one segment of so many
WEIGHTS = {None: 1.0, 0.2: 0.5, 0.05: 0.5}  # by density
FIRST_TABLES = np.array(  # where the iteration starts: zeros and neighbours of middle and of high probability
    [[[2, 6, 5, 4, 3, 2, 3, 4, 5, 6]] * STATES, [[1, 6, 5, 4, 3, 3, 4, 5, 6, 7]] * STATES], np.uint8
)


class Sample:
    """Segments of a network's maps: binary digits of the values and of the values before them, and which
    values have a code of their own, all (segments, SEGMENT)."""

    def __init__(self, source: str, images: int, bits: int, density: float | None) -> None:
        network, weights, pictures = source.split(":")
        self.network, self.density, self.bits = network, density, bits
        segments = []
        for _, real in network_maps(network, Path(weights), Path(pictures), images, first=1):
            codes = thin(quantize_map(real, calibrate([real], bits), bits), density).reshape(-1)
            whole = codes[: len(codes) // SEGMENT * SEGMENT].reshape(-1, SEGMENT)
            segments.append(whole[::SAMPLE])
        self.sizes = np.frexp(np.concatenate(segments).astype(np.float32))[1]
        self.before = np.concatenate([np.full((len(self.sizes), 1), SIZES), self.sizes[:, :-1]], axis=1)
        self.coded = (self.sizes > 0) | (self.before > 0)

    def costs(self, tables: np.ndarray) -> np.ndarray:
        """Bits of every segment for every table and order below ``bits``: int64 (segments, both)."""
        costs = [size_costs(self.bits, lengths) for lengths in tables]
        return np.stack(
            [
                table[self.before, self.sizes, order].sum(1, dtype=np.int64)
                for table in costs
                for order in range(self.bits)
            ],
            axis=1,
        )

    def transitions(self, tables: np.ndarray) -> np.ndarray:
        """How often a level follows in a state, per value: float64, of the shape of ``tables``."""
        table, order = np.divmod(self.costs(tables).argmin(1)[:, None], self.bits)
        level = levels_of(self.sizes, order)
        state = np.where(self.before == SIZES, START, np.minimum(levels_of(self.before, order), STATES - 1))
        pairs = ((table * STATES + state) * LEVELS + level)[self.coded]
        return np.bincount(pairs, minlength=tables.size).reshape(tables.shape) / self.sizes.size

    def bits_per_value(self, tables: np.ndarray) -> float:
        """Of the levels' codes and raw digits, each segment with its best table and order."""
        return float(self.costs(tables).min(1).sum() / self.sizes.size)


def huffman_lengths(weights: np.ndarray) -> np.ndarray:
    """Code lengths of a state's levels; none is so rare that it has no code."""
    counts = np.maximum((weights / weights.sum() * 1e6).astype(np.int64), 1000)
    rarest_first = np.argsort(counts, kind="stable")
    lengths = np.empty(len(counts), np.uint8)
    lengths[rarest_first] = code_lengths(counts[rarest_first])
    return lengths


def fit(samples: list[Sample]) -> np.ndarray:
    """The tables, uint8 (TABLES, STATES, LEVELS)."""
    tables = FIRST_TABLES
    for _ in range(ROUNDS):
        transitions = sum(WEIGHTS[sample.density] * sample.transitions(tables) for sample in samples)
        tables = np.zeros_like(tables)
        for table, state in np.ndindex(tables.shape[:2]):
            some = slice(state == 0, None)  # behind a run there is no zero
            tables[table, state, some] = huffman_lengths(transitions[table, state, some])
    return tables


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("sources", nargs="+", metavar="NETWORK:WEIGHTS:PICTURES")
    parser.add_argument("--images", type=int, default=8)
    parser.add_argument("--bits", type=int, default=8)
    args = parser.parse_args()
    samples = [
        Sample(source, args.images, args.bits, density) for source in args.sources for density in WEIGHTS
    ]
    tables = fit(samples)
    print(tables)
    print(
        "the same as in aseg_code.py" if np.array_equal(tables, CODE_LENGTHS) else "not those of aseg_code.py"
    )
    for network in dict.fromkeys(sample.network for sample in samples):
        others = [sample for sample in samples if sample.network != network]
        apart = fit(others) if others else tables
        for sample in (sample for sample in samples if sample.network == network):
            density = "" if sample.density is None else f", density {sample.density}"
            print(
                f"{network}{density}: {sample.bits_per_value(tables):.3f} bits a value, "
                f"{sample.bits_per_value(apart):.3f} with tables of the others"
            )


if __name__ == "__main__":
    main()
