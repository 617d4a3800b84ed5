"""What must stand wherever totals stand: that values are made up, and that layers are missing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from hwsim.machine.totals import added, ratio
from hwsim.notices import SYNTHETIC
from hwsim.trace.provenance import left_out

if TYPE_CHECKING:
    from hwsim.trace import Trace
    from hwsim.trace.provenance import LeftOut


def trace_marks(trace: Trace) -> tuple[str, ...]:
    """The marks of a trace, where something of all its layers stands that is no result."""
    macs = sum(layer.macs for layer in trace.layers)
    return marks_of(trace.synthetic, left_out(trace.provenance), macs)


def marks_of(synthetic: bool, left_out: Sequence[LeftOut], macs: float) -> tuple[str, ...]:
    """The marks of one trace, none if it is whole and measured.

    Args:
        synthetic: whether the values are made up.
        left_out: what the trace lacks.
        macs: of the layers that it has, of an image.
    """
    lost = added(entry.macs for entry in left_out)
    share = None if lost is None else ratio(lost, lost + macs)
    return marks(synthetic, len(left_out), share)


def marks(synthetic: bool, left_out: int, share: float | None = None) -> tuple[str, ...]:
    """As :func:`marks_of`, of so many layers left out, with a share of the network's MACs if it is known."""
    found = [SYNTHETIC] if synthetic else []
    if left_out:
        size = f" ({share:.1%} of the MACs)" if share is not None else ""
        layers = "1 layer is" if left_out == 1 else f"{left_out} layers are"
        found.append(f"Not a whole network: {layers} left out{size}, and not in any total.")
    return tuple(found)
