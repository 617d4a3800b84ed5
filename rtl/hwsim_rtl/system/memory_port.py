"""The way from the machine to memory: requests in whole beats, answered in their order.

No ``from __future__ import annotations`` here: ``data.Struct`` reads its annotations as values.
"""

from amaranth import unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hwsim.arch import BEAT_BYTES

ADDRESS_BITS = 35  # of a beat's number: 2^40 bytes
BEATS_BITS = 18  # of the beats of a request: a unit of weights, or a row of a map, in one


class MemoryRequest(data.Struct):
    """What is read or written: the number of the first beat (``address``), and how many ``beats``: 1 or
    more."""

    address: unsigned(ADDRESS_BITS)
    beats: unsigned(BEATS_BITS)


class MemoryBeat(data.Struct):
    """A beat that is written: byte i of memory is bits 8 i to 8 i + 7 of ``data``, and written if bit i of
    ``strobes`` is set."""

    data: unsigned(8 * BEAT_BYTES)
    strobes: unsigned(BEAT_BYTES)


class MemoryPort(wiring.Signature):
    """Memory, as the machine that owns the port sees it.

    Requests may be as long as the field allows, and lie anywhere: bursts, and the boundaries that these must
    not cross, are no concern of the machine. Several requests may wait; how many, the other side says by
    ``ready``. A request of no beats is not to be made.

    *Reads.* Beats come in the order of the requests, each request's in ascending order. The first comes in
    the cycle after its request was taken at the earliest; there is no bound on when. A beat that is there
    waits until it is taken. So a machine asks ahead for what it has room for, or holds up what comes.

    *Writes.* Beats go in the order of the requests, each request's in ascending order. None is taken before
    its request was taken; it may be offered before. ``written`` is high for one cycle for each request, in
    the order of the requests, when memory has all of it: a read that is requested in that cycle or later
    sees it. Between reads and writes there is no other order.

    *Errors.* ``error`` rises when memory did not answer a beat or a write as it should, and stays until the
    machine is reset or aborted. The beat comes all the same, with any data, and a write is ``written`` all
    the same, so that a machine may stop when it likes, and none is held up.

    *Abort.* The other side is aborted with the machine, in the same cycles: both forget what they had, and
    what is offered or under way then is dropped; nothing of it comes afterwards.

    Members:
        reads: Out(stream of MemoryRequest). read_data: In(stream of 256 bits), byte i in bits 8 i to 8 i + 7.
        writes: Out(stream of MemoryRequest). write_data: Out(stream of MemoryBeat). written: In(1).
        error: In(1).
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "reads": Out(stream.Signature(MemoryRequest)),
                "read_data": In(stream.Signature(8 * BEAT_BYTES)),
                "writes": Out(stream.Signature(MemoryRequest)),
                "write_data": Out(stream.Signature(MemoryBeat)),
                "written": In(1),
                "error": In(1),
            }
        )
