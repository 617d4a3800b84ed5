"""What a run must leave in memory, read by the driver, which shares no code with what makes it."""

import numpy as np

from hwsim.arch import Arch
from hwsim.driver.machine import result_values
from hwsim.program import compile_network
from hwsim.program.expected import expected_memory
from hwsim.reference import run_network
from hwsim.trace import open_trace


def test_memory_after_a_run_is_the_image_with_the_result_of_the_network_in_integers():
    with open_trace("lenet5_digits/sparse") as trace:
        image = compile_network(trace, Arch(cores=2, columns=4), 2)
        memory, mask = expected_memory(trace, image, 2)
        logits = run_network(trace, 2)[trace.flow.results[trace.layers[-1].name]]
    at, file = 192 + image.number("result_at"), image.to_bytes()
    assert memory[: len(file)] == file
    assert mask[: len(file)] == b"\xff" * len(file)
    assert len(memory) == len(mask) == -(-(192 + image.number("memory_bytes")) // 32) * 32
    assert not any(mask[len(file) : at])
    # Ten logits, of 16 bits each, in segments of four channels: 8, 8 and 4 bytes, in places of 32.
    assert [mask[at + 32 * block :][:32].count(255) for block in range(3)] == [8, 8, 8]
    made = result_values(image, memory[at : at + image.number("result_row")])
    signed = logits.astype(np.int64)
    np.testing.assert_array_equal(made, np.where(signed % 2, (signed + 1) // 2, -(signed // 2)))
    assert len(np.unique(made)) > 3
