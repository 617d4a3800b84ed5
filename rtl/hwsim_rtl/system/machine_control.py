"""How a machine is told what to run, and what it says of it."""

from __future__ import annotations

from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hwsim_rtl.system.memory_port import ADDRESS_BITS

ERROR_BITS = 8


class MachineControl(wiring.Signature):
    """What starts a machine and watches it, as the one who does so sees it.

    Members:
        start: Out(1), high for one cycle, only while not ``busy`` and not ``abort``.
        image_at: Out(beats), where the file of a memory image begins (docs/image.md), header first, so that
            byte a of the image's DRAM lies 192 + a bytes behind; image_beats: Out(beats), how much memory
            from there on may be read and written. Both are constant while ``busy``.
        abort: Out(1); what is under way ends, and nothing of it is left. It may last for any number of
            cycles.
        busy: In(1), from the cycle after ``start`` to that of ``done``.
        done: In(1), high for one cycle: all is written, or there is an error; then what is under way is left,
            and what is behind the machine's MemoryPort is aborted in that cycle.
        error: In(8), a :class:`hwsim.registers.MachineError`; 0 until something is wrong, then what was
            first. It stays until the next ``start`` or ``abort``.
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "start": Out(1),
                "image_at": Out(ADDRESS_BITS),
                "image_beats": Out(ADDRESS_BITS),
                "abort": Out(1),
                "busy": In(1),
                "done": In(1),
                "error": In(ERROR_BITS),
            }
        )
