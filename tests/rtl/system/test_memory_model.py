"""The memory that benches have behind a MemoryPort: its times are those of the model's channel."""

import random

import numpy as np
import pytest
from copier import Copier
from memory_model import ChannelTimes
from simulate import run_bench

from hwsim.arch import BEAT_BYTES, Arch
from hwsim.machine.dram import Channel


@pytest.mark.parametrize(
    ("rate", "efficiency", "latency"), [(32, 100, 100), (16, 100, 0), (32, 81, 7), (64, 100, 3)]
)
def test_reads_come_and_writes_go_when_the_channel_of_the_model_has_them(rate, efficiency, latency):
    """Writes one after the other, each whole before memory can begin with it; reads at any time."""
    arch = Arch(bytes_per_cycle=rate, dram_efficiency=efficiency, dram_latency=latency)
    source = random.Random(rate + efficiency)
    times, channel = ChannelTimes(arch), Channel(arch)
    sizes = [source.randint(1, 9) for _ in range(12)]
    ready = sorted(source.randint(0, 120) for _ in sizes)
    asked = {source.randint(0, 200): source.randint(1, 20) for _ in range(8)}
    there, expected, ends = [], [], []
    for cycle in range(600):
        if cycle in asked:
            beats = asked[cycle]
            there.append(times.read(cycle, beats)[-1])
            moved, cycles = arch.dram_rate
            expected.append(channel.read(-(-beats * BEAT_BYTES * cycles // moved), cycle)[1])
        if len(ends) < len(sizes):
            oldest = len(ends)
            arrived = sizes[oldest] if ready[oldest] <= cycle else 0
            if times.write(cycle, sizes[oldest], arrived):
                ends.append(cycle + 1)
    numbers = [
        channel.write(np.array([at]), size * BEAT_BYTES) for at, size in zip(ready, sizes, strict=True)
    ]
    assert there == expected
    assert ends == [channel.written(number) for number in numbers]


def test_a_machine_that_copies_finds_what_the_memory_has():
    run_bench(Copier(), "memory_model", wrong=7)


def test_a_write_to_a_beat_that_is_wrong_is_an_error():
    run_bench(Copier(), "memory_model", wrong=40)
