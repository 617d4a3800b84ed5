"""Published machines beside hwsim's, and each against its own paper's figure: the table of docs/peers.md.

    python benchmarks/peers.py                     # all shipped traces
    python benchmarks/peers.py my.zarr.zip --real-weights

Compute only, at equal multipliers, one image, convolutions only.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from pathlib import Path

import numpy as np

import hwsim
from hwsim.layer import Layer
from hwsim.machine.totals import ALL_LAYERS
from hwsim.peers import Cnvlutin, Scnn, peers_named
from hwsim.peers.geometry import useful_macs
from hwsim.report.peers import OWN, USES, Beside
from hwsim.trace.shipped import shipped_traces

# GoogLeNet (Szegedy et al., CVPR 2015, table 1): size, channels in, and the filters of an inception block:
# 1x1, 3x3 reduce, 3x3, 5x5 reduce, 5x5, pool projection.
INCEPTIONS = (
    (28, 192, 64, 96, 128, 16, 32, 32),
    (28, 256, 128, 128, 192, 32, 96, 64),
    (14, 480, 192, 96, 208, 16, 48, 64),
    (14, 512, 160, 112, 224, 24, 64, 64),
    (14, 512, 128, 128, 256, 24, 64, 64),
    (14, 512, 112, 144, 288, 32, 64, 64),
    (14, 528, 256, 160, 320, 32, 128, 128),
    (7, 832, 256, 160, 320, 32, 128, 128),
    (7, 832, 384, 192, 384, 48, 128, 128),
)


def convolution(name: str, channels: int, size: int, filters: int, kernel: int, stride: int = 1) -> Layer:
    """A square convolution that keeps the size, or divides it by its stride."""
    out = -(-size // stride)
    shape = (channels, size, size)
    return Layer(name, "conv", name, shape, (filters, out, out), (kernel, kernel), stride, (kernel // 2,) * 2)


def googlenet() -> list[Layer]:
    """The convolutions of GoogLeNet."""
    layers = [
        convolution("conv1", 3, 224, 64, 7, 2),
        convolution("conv2_reduce", 64, 56, 64, 1),
        convolution("conv2", 64, 56, 192, 3),
    ]
    for i, (size, channels, one, three_reduce, three, five_reduce, five, pool) in enumerate(INCEPTIONS):
        shapes = ((channels, one, 1), (channels, three_reduce, 1), (three_reduce, three, 3))
        shapes += ((channels, five_reduce, 1), (five_reduce, five, 5), (channels, pool, 1))
        layers += [convolution(f"i{i}_{j}", c, size, m, k) for j, (c, m, k) in enumerate(shapes)]
    return layers


def scnn_dense() -> float:
    """Useful part of the slots of 1024 multipliers of SCNN on a GoogLeNet without a zero."""
    machine = Scnn(8, 8, conflicts=False)
    useful = cycles = 0
    for layer in googlenet():
        ones = np.ones(layer.in_shape, bool)
        useful += useful_macs(layer, ones, None)
        cycles += machine.run(layer, ones).cycles
    return useful / cycles / machine.multipliers


def cnvlutin_over_dense(trace: hwsim.Trace) -> tuple[float, float]:
    """Part of MACs with a zero activation in convolutions; speedup over the same machine on maps of ones.

    The MAC ratio is no bound of the speedup: a map of ones leaves lanes idle, too, and zeros can fall where
    the slowest lane would have waited.
    """
    machine = Cnvlutin()
    macs = useful = dense = skipping = 0
    for layer in trace.layers:
        if layer.kind == "conv":
            nonzero = trace.map(layer.input, 0) != 0
            macs += layer.macs
            useful += useful_macs(layer, nonzero, None)
            dense += machine.run(layer, np.ones(layer.in_shape, bool)).cycles
            skipping += machine.run(layer, nonzero).cycles
    return 1 - useful / macs, dense / skipping


def table(name: str, trace: hwsim.Trace, multipliers: int, real_weights: bool) -> Iterable[str]:
    """Lines of Markdown: every machine on the convolutions and on the depthwise layers of image 0."""
    arch = hwsim.Arch(cores=multipliers // 16, columns=16)
    machines = peers_named(("systolic", "cnvlutin", "scnn"), multipliers)
    beside = Beside.of(trace, hwsim.simulate(trace, arch, images=[0]), machines, real_weights)
    for row in beside.sum_rows():
        if row["layer"] != ALL_LAYERS:
            shares = " | ".join(f"{row[use] or 0:.2f}" for use in USES)
            machine = f"**{row['machine']}**" if row["machine"] == OWN else row["machine"]
            yield f"| {name} | {row['kind']} | {machine} | {row['cycles']:,.0f} | {shares} |"


def main() -> None:
    """Print the table, then the checks against the papers."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("traces", nargs="*", type=Path, help="traces; the shipped ones if none is given")
    parser.add_argument("--multipliers", type=int, default=256)
    parser.add_argument("--real-weights", action="store_true", help="which weights are zero, from the trace")
    args = parser.parse_args()
    paths = {str(path): path for path in args.traces} or shipped_traces()
    traces = {name: hwsim.open_trace(path) for name, path in paths.items()}
    print(f"| trace | layers | machine | cycles | {' | '.join(USES)} |")
    print("|---" * (4 + len(USES)) + "|")
    for name, trace in traces.items():
        print("\n".join(table(name, trace, args.multipliers, args.real_weights)))
    words = f"{scnn_dense():.2f} of the slots useful (paper: 0.79 of a dense machine)"
    print(f"\nSCNN, GoogLeNet without a zero, 1024 multipliers: {words}")
    for name, trace in traces.items():
        zeros, speedup = cnvlutin_over_dense(trace)
        ratio = 1 / (1 - zeros)
        words = f"{speedup:.2f}x at {zeros:.2f} zeros, a MAC ratio of {ratio:.2f}x (paper: 1.37x at 0.44)"
        print(f"Cnvlutin, {name}: {words}")


if __name__ == "__main__":
    main()
