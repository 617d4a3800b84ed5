"""What a machine that runs an image must leave in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hwsim.arch import BEAT_BYTES, WORD_BYTES
from hwsim.codec.segments import raw_segments
from hwsim.program.image import HEADER_BYTES, MemoryImage
from hwsim.reference import run_network

if TYPE_CHECKING:
    from hwsim.trace import StoredTrace


def expected_memory(trace: StoredTrace, image: MemoryImage, picture: int) -> tuple[bytes, bytes]:
    """The image's file and the memory behind it, after a run, by the network in integers.

    Args:
        trace: of which the image was compiled.
        image: for one of its pictures.
        picture: which one.

    Returns:
        All bytes, in whole beats, and a mask of them: 255 where the image or the network says what is there,
        0 between the segments of the result.
    """
    flow = trace.flow
    assert flow is not None  # or it could not be compiled
    last = trace.layers[-1]
    values = run_network(trace, picture)[flow.results[last.name]]
    words, lengths = raw_segments(values, image.number("columns"), image.number("activation_bits"))
    data = words.tobytes()
    needed = HEADER_BYTES + max(image.number("memory_bytes"), len(image.memory))
    size = -(-needed // BEAT_BYTES) * BEAT_BYTES
    file = image.to_bytes()
    memory, mask = bytearray(file.ljust(size, b"\0")), bytearray(b"\xff" * len(file)).ljust(size, b"\0")
    at = 0
    for row, segment in np.ndindex(lengths.shape):
        long = int(lengths[row, segment]) * WORD_BYTES
        place = HEADER_BYTES + image.number("result_at")
        place += row * image.number("result_row") + segment * image.number("result_place")
        memory[place : place + long] = data[at : at + long]
        mask[place : place + long] = b"\xff" * long
        at += long
    return bytes(memory), bytes(mask)
