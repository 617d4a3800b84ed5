"""What a published machine is here: a name, a citation, and where its multiplier slots go."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from hwsim.errors import PeerError
from hwsim.layer import Layer


@dataclass(frozen=True)
class PeerRun:
    """A layer on a published machine. Every multiplier has a slot a cycle, and every slot one use.

    Attributes:
        cycles: of compute; memory is ideal.
        useful: slots that multiply two operands of which none is zero.
        zeros: slots that multiply by zero: a zero activation, a zero weight, or padding.
        fragmentation: slots that are empty since the work does not fill the multipliers.
        synchronisation: slots that wait for others: lanes, elements, or the array to fill and drain.
        conflicts: slots that wait for a bank of accumulators.
    """

    cycles: int
    useful: int
    zeros: int = 0
    fragmentation: int = 0
    synchronisation: int = 0
    conflicts: int = 0

    @property
    def slots(self) -> int:
        """All of them: multipliers x cycles."""
        return self.useful + self.zeros + self.fragmentation + self.synchronisation + self.conflicts


class Peer(Protocol):
    """A published machine, as its paper describes the dataflow.

    Attributes:
        title: as tables show it.
        citation: of the paper.
        multipliers: of the whole machine.
    """

    title: str
    citation: str
    multipliers: int

    def run(self, layer: Layer, nonzero: np.ndarray, weights: np.ndarray | None = None) -> PeerRun:
        """Cycles of a convolution, depthwise or not, and where the slots went.

        Args:
            layer: geometry.
            nonzero: bool (C, H, W): which values of the input map are not zero.
            weights: (M, C, Kh, Kw), or (C, 1, Kh, Kw) if depthwise; dense if not given.
        """
        ...


PEERS: dict[str, Callable[[int], tuple[Peer, ...]]] = {}
"""Of every name of a machine, what makes it of a number of multipliers; a bracket is two machines."""


def register(name: str, make: Callable[[int], tuple[Peer, ...]]) -> None:
    """Make a machine known under a name."""
    PEERS[name] = make


def peers_named(names: Iterable[str], multipliers: int) -> list[Peer]:
    """The machines of some names, each with so many multipliers.

    Raises:
        PeerError: a name is unknown, or a machine cannot have that many.
    """
    machines: list[Peer] = []
    for name in names:
        if name not in PEERS:
            raise PeerError(f"no published machine {name!r}: there are {', '.join(sorted(PEERS))}")
        machines += PEERS[name](multipliers)
    return machines
