"""The DRAM channel equals a channel that is stepped cycle by cycle."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from hwsim.arch import MAX_BANDWIDTH, MAX_LATENCY, Arch
from hwsim.machine import dram
from hwsim.machine.dram import Channel, FreeTime

reads_and_writes = st.lists(
    st.one_of(
        st.tuples(st.just("read"), st.integers(1, 2000), st.integers(0, 300)),
        st.tuples(
            st.just("write"), st.integers(1, 2000), st.lists(st.integers(0, 200), min_size=1, max_size=5)
        ),
    ),
    max_size=8,
)


def occupancy(size: int, rate: int, efficiency: int) -> int:
    moved, cycles = 0, 0
    while moved < (size + 31) // 32 * 32 * 100:
        moved, cycles = moved + rate * efficiency, cycles + 1
    return cycles


def stepped(events, rate: int, efficiency: int, latency: int):
    """A channel stepped cycle by cycle: (request, there) of reads, then (begin, end) of writes."""
    answers, busy, free = [], set(), 0
    for kind, size, when in events:
        if kind == "read":
            request = max(when, free)
            free = request + occupancy(size, rate, efficiency)
            busy |= set(range(request, free))
            answers.append((request, free + latency))
    cycle, base = 0, 0
    for kind, size, when in events:
        if kind == "write":
            whole = occupancy(size, rate, efficiency)
            ready = base + np.cumsum(when)
            base = int(ready[-1])
            used = []
            for k in range(len(ready)):
                cycle = max(cycle, int(ready[k]))
                for _ in range((k + 1) * whole // len(ready) - k * whole // len(ready)):
                    while cycle in busy:
                        cycle += 1
                    used.append(cycle)
                    cycle += 1
            answers.append((used[0], used[-1] + 1))
    return answers


@given(reads_and_writes, st.integers(1, 80), st.integers(1, 100), st.integers(0, 50))
def test_reads_in_order_and_writes_between_them_equal_a_stepped_channel(events, rate, efficiency, latency):
    channel = Channel(Arch(bytes_per_cycle=rate, dram_efficiency=efficiency, dram_latency=latency))
    answers, writes, base = [], [], 0
    for kind, size, when in events:
        if kind == "read":
            answers.append(channel.read(occupancy(size, rate, efficiency), when))
    for kind, size, when in events:
        if kind == "write":
            ready = base + np.cumsum(when)
            base = int(ready[-1])
            writes.append(channel.write(ready, size))
    answers += [channel.write_span(number) for number in writes]
    assert answers == stepped(events, rate, efficiency, latency)


def test_the_slowest_channel_and_the_longest_transfers_stay_within_64_bits():
    slow = Arch(bytes_per_cycle=1, dram_efficiency=1, dram_latency=MAX_LATENCY)
    channel = Channel(slow)
    size = 1 << 45  # more than the values of a map can take
    assert channel.read(dram.occupancy(size, slow), 0) == (0, 100 * size + MAX_LATENCY)
    number = channel.write(np.array([MAX_LATENCY], np.int64), size)
    assert channel.written(number) == 200 * size
    assert Arch(bytes_per_cycle=MAX_BANDWIDTH, dram_efficiency=99).dram_rate == (MAX_BANDWIDTH * 99 // 4, 25)


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(1, 5)), max_size=6))
def test_free_time_counts_the_cycles_that_reads_leave(gaps_and_lengths):
    starts, ends, now = [], [], 0
    for gap, length in gaps_and_lengths:
        starts.append(now + gap)
        ends.append(now := now + gap + length)
    free = FreeTime(np.array(starts, np.int64), np.array(ends, np.int64))
    taken = {cycle for span in zip(starts, ends, strict=True) for cycle in range(*span)}
    cycles = np.arange(now + 10)
    left = [cycle for cycle in cycles if cycle not in taken]
    assert free.at(cycles).tolist() == [sum(cycle < now for cycle in left) for now in cycles]
    numbers = np.arange(len(left))
    assert free.begin(numbers).tolist() == left
    # So much of it has passed once the last cycle of it is over: a read that starts just then comes after.
    assert free.end(numbers[1:]).tolist() == [cycle + 1 for cycle in left[:-1]]
