"""The DRAM channel equals a channel that is stepped cycle by cycle; maps cross it only when they must."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwsim.arch import Arch
from hwsim.layer import Layer
from hwsim.machine.dram import Channel, FreeTime, plan_traffic

reads_and_writes = st.lists(
    st.one_of(
        st.tuples(st.just("read"), st.integers(1, 2000), st.integers(0, 300)),
        st.tuples(
            st.just("write"), st.integers(1, 2000), st.lists(st.integers(0, 200), min_size=1, max_size=5)
        ),
    ),
    max_size=8,
)


def occupancy(size: int, rate: int) -> int:
    moved, cycles = 0, 0
    while moved < (size + 63) // 64 * 64:
        moved, cycles = moved + rate, cycles + 1
    return cycles


def stepped(events, rate: int, latency: int):
    """A channel stepped cycle by cycle: (request, there) of reads, then (begin, end) of writes."""
    answers, busy, free = [], set(), 0
    for kind, size, when in events:
        if kind == "read":
            request = max(when, free)
            free = request + occupancy(size, rate)
            busy |= set(range(request, free))
            answers.append((request, free + latency))
    cycle, base = 0, 0
    for kind, size, when in events:
        if kind == "write":
            whole = occupancy(size, rate)
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


@given(reads_and_writes, st.integers(1, 80), st.integers(0, 50))
def test_reads_in_order_and_writes_between_them_equal_a_stepped_channel(events, rate, latency):
    channel = Channel(Arch(bytes_per_cycle=rate, dram_latency=latency))
    answers, writes, base = [], [], 0
    for kind, size, when in events:
        if kind == "read":
            answers.append(channel.read(occupancy(size, rate), when))
    for kind, size, when in events:
        if kind == "write":
            ready = base + np.cumsum(when)
            base = int(ready[-1])
            writes.append(channel.write(ready, size))
    answers += [channel.write_span(number) for number in writes]
    assert answers == stepped(events, rate, latency)


def chain(*outputs: str | None, inputs: tuple[str, ...] = ()) -> list[Layer]:
    """1x1 layers that read each other's maps, or those of ``inputs``."""
    sources = inputs or ("image", *(output or "" for output in outputs[:-1]))
    return [
        Layer(f"l{i}", "conv", source, (4, 4, 4), (4, 4, 4), output=output)
        for i, (source, output) in enumerate(zip(sources, outputs, strict=True))
    ]


def plan(layers, sizes, half=1000):
    names = {la.input for la in layers}
    return plan_traffic(
        layers, {n: sizes[n] for n in names}, dict.fromkeys(names, 4), Arch(map_buffer=2 * half), 8
    )


def test_a_map_that_fits_and_is_read_at_once_never_leaves_the_chip():
    first, second = plan(chain("a", None), {"image": 100, "a": 100})
    assert first.fetch  # the image comes from DRAM
    assert not first.write_bytes
    assert not second.fetch
    assert second.write_bytes == 4 * 4 * 4  # 8-bit raw outputs that no layer reads


def test_half_of_the_buffer_holds_a_map_of_that_size():
    first, second = plan(chain("a", None), {"image": 1000, "a": 1000})
    assert first.resident
    assert second.resident
    assert first.write_bytes == 0


def test_a_map_that_does_not_fit_is_written_and_fetched_every_round():
    first, second = plan(chain("a", None), {"image": 100, "a": 1001})
    assert first.write_bytes == 1001
    assert second.fetch
    assert not second.resident


def test_a_map_with_a_later_reader_is_written_and_fetched_again():
    layers = chain("a", "b", None, inputs=("image", "a", "a"))
    layers.append(Layer("l3", "conv", "b", (4, 4, 4), (4, 4, 4)))
    first, second, third, fourth = plan(layers, {"image": 9, "a": 9, "b": 9})
    assert not first.write_bytes  # both readers of a follow at once
    assert not second.fetch
    assert not third.fetch
    assert second.write_bytes == 9  # b waits while l2 runs
    assert fourth.fetch


@pytest.mark.parametrize("share", [1, 3])
def test_layers_that_make_one_map_together_share_its_bytes(share):
    parts = [Layer("l0", "conv", "image", (4, 4, 4), (share, 4, 4), output="a")]
    parts += [Layer("l1", "conv", "image", (4, 4, 4), (4 - share, 4, 4), output="a")]
    parts += [Layer("l2", "conv", "a", (4, 4, 4), (4, 4, 4))]
    first, second, _ = plan(parts, {"image": 9, "a": 800})
    assert first.write_bytes == 200 * share
    assert first.write_bytes + second.write_bytes == 800


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
