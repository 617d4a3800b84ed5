"""A dense systolic array, output-stationary, as SCALE-Sim counts its cycles."""

from __future__ import annotations

from math import isqrt

import numpy as np

from hwsim.errors import PeerError
from hwsim.layer import Layer
from hwsim.peers.geometry import useful_macs
from hwsim.peers.peer import PeerRun, register


class Systolic:
    """``rows`` x ``columns`` elements; each keeps the sum of one output pixel of one filter.

    Pixels lie along the rows and filters along the columns. A fold takes T = C Kh Kw cycles of operands and
    ``rows + columns - 2`` more to fill and drain, since operands move an element a cycle (SCALE-Sim, Samajdar
    et al., ISPASS 2020, *output stationary*). Zeros and padding are multiplied as they are. A depthwise layer
    is a convolution of one filter for each channel, one after the other.

    Raises:
        PeerError: fewer than one row or column.
    """

    citation = (
        "Samajdar et al., A Systematic Methodology for Characterizing Scalability of DNN Accelerators using "
        "SCALE-Sim (ISPASS 2020)"
    )

    def __init__(self, rows: int, columns: int) -> None:
        if min(rows, columns) < 1:
            raise PeerError(f"a systolic array has one row and one column or more (got {rows} x {columns})")
        self.rows, self.columns = rows, columns
        self.multipliers = rows * columns
        self.title = f"systolic {rows}x{columns}, output-stationary"

    def run(self, layer: Layer, nonzero: np.ndarray, weights: np.ndarray | None = None) -> PeerRun:
        """See :meth:`hwsim.peers.Peer.run`."""
        times = layer.in_shape[0] if layer.kind == "depthwise" else 1
        channels = layer.in_shape[0] // times
        pixels = layer.out_shape[1] * layer.out_shape[2]
        depth = channels * layer.kernel[0] * layer.kernel[1]
        folds = times * -(-pixels // self.rows) * -(-layer.filters // self.columns)
        filling = self.rows + self.columns - 2
        multiplied = times * pixels * layer.filters * depth
        useful = useful_macs(layer, nonzero, weights)
        return PeerRun(
            cycles=folds * (depth + filling),
            useful=useful,
            zeros=multiplied - useful,
            fragmentation=folds * self.multipliers * depth - multiplied,
            synchronisation=folds * self.multipliers * filling,
        )


def _square(multipliers: int) -> tuple[Systolic]:
    side = isqrt(multipliers)
    while multipliers % side:
        side -= 1
    return (Systolic(side, multipliers // side),)


register("systolic", _square)
