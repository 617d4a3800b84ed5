"""The mapper equals brute force on small layers; every output is made once; what does not fit is refused."""

from collections.abc import Iterable
from itertools import product

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from layers import any_layer
from numba import typeof
from numba.core.types import BaseNamedTuple
from random_networks import chains, machines
from reference_mapping import Problem
from reference_rows import channels_read, order_of_draining, order_of_reading

from hwsim.arch import SUB_BANKS, Arch
from hwsim.errors import ArchError
from hwsim.layer import Kind, Layer
from hwsim.machine import mapping
from hwsim.machine.mapping import channel_group, map_blocks, map_layer, value_costs
from hwsim.machine.rows import row_order
from hwsim.machine.sharing import (
    LATENCIES,
    best_share,
    cut,
    longest_first,
    pass_cost,
    ranges,
    row_costs,
)
from hwsim.machine.units import block_limits, unit_weights, units_of
from hwsim.machine.workload import Workload


@st.composite
def problems(draw, channels: int = 40, rows: int = 30, filters: int = 40) -> Problem:
    """Any layer with counts of its segments, and any machine."""
    depthwise = draw(st.booleans())
    channels = draw(st.integers(1, channels))
    height, width = draw(st.integers(1, rows)), draw(st.integers(1, 30))
    kind: Kind = "depthwise" if depthwise else "conv"
    filters = channels if depthwise else draw(st.integers(1, filters))
    layer = draw(any_layer(kind, (channels, height, width), filters, most_kernel=4))
    assume(layer.out_shape[1] <= rows)
    assume(row_order(layer).ring <= SUB_BANKS)  # else no machine holds it
    arch = Arch(
        cores=draw(st.integers(1, 20)),
        columns=draw(st.sampled_from([1, 2, 4, 16])),
        row_split=draw(st.sampled_from(["best", "balanced", "contiguous"])),
    )
    block = map_blocks([layer], arch)["x"]
    seed, most = draw(st.integers(0, 2**32 - 1)), draw(st.sampled_from([0, 1, 9, 500]))
    counts = np.random.default_rng(seed).integers(0, most + 1, (height, -(-channels // block)))
    counts[:, np.random.default_rng(seed).random(counts.shape[1]) < draw(st.sampled_from([0, 0.5]))] = 0
    return Problem(layer, arch, counts, block)


def small_problems():
    """Few enough rows for every cut to be tried."""
    return problems(channels=12, rows=7, filters=20)


@given(problems())
def test_every_output_channel_and_row_belongs_to_one_pass(problem):
    layer, arch = problem.layer, problem.arch
    mapping = map_layer(layer, arch, problem.counts, problem.block)
    owner = np.zeros(layer.out_shape[:2], int)
    rounds_of_unit = {unit: set() for unit in range(mapping.units)}
    for number, work in enumerate(mapping.rounds):
        cores = [core for core, _, _ in work]
        assert len(set(cores)) == len(cores)
        assert set(cores) <= set(range(arch.cores))
        for _, unit, group in work:
            owner[np.ix_(mapping.parts[unit].makes, mapping.groups[group])] += 1
            rounds_of_unit[unit].add(number)
    assert (owner == 1).all()
    assert {len(rounds) for rounds in rounds_of_unit.values()} == {1}
    order = order_of_draining(layer)
    assert all([row for row in order if row in rows] == rows.tolist() for rows in mapping.groups)


@settings(max_examples=300)
@given(small_problems())
def test_the_mapper_keeps_what_brute_force_finds(problem):
    expected = problem.shared()
    mapping = map_layer(problem.layer, problem.arch, problem.counts, problem.block)
    assert [rows.tolist() for rows in mapping.groups] == expected.groups
    assert [list(work) for work in mapping.rounds] == expected.rounds


@pytest.mark.parametrize(("more", "groups"), [(300, [[0, 1], [2, 3, 4]]), (299, [[0, 2, 4], [1, 3]])])
def test_a_contiguous_split_has_to_be_better_by_a_thirty_third(more, groups):
    # Three rows of 3185 values are a pass of 8 + 9555 + 8 + 9 + 20 = 9600 cycles. Longest first leaves a core
    # with two of them and one of those with more: 9900 cycles, 33/32 of that, or 9899.
    layer = Layer("l", "conv", "x", (1, 5, 10), (1, 5, 10))
    counts = np.array([[3185 + more], [3185 + more], [3185], [3185], [3185]])
    mapping = map_layer(layer, Arch(cores=2), counts, 1)
    assert [rows.tolist() for rows in mapping.groups] == groups


def test_a_split_is_tried_where_another_into_as_many_groups_is_worth_nothing():
    # 49 units on two cores: whole, one core makes 25, of 2 x 5000 values and 45 cycles each: 251,125 cycles.
    # A row to each core: 49 x 5045 = 247,205, which, counted 33/32 fold, is no gain if the cut is contiguous.
    layer = Layer("l", "conv", "x", (1, 2, 10), (49, 2, 10))
    groups = map_layer(layer, Arch(cores=2, columns=1), np.array([[5000], [5000]]), 1).groups
    assert [rows.tolist() for rows in groups] == [[0], [1]]


# Five input rows. Output row 1 meets none of them and waits for the last one of the row before it, which is
# within what row 2 waits for. A value costs 6 cycles for the first row that it reaches and 5 for each further
# one, and 4, one a column, where it reaches none.
WAITED_FOR = [np.array(each) for each in ([0, 2, 1, 3], [3, 3, 4, 5], [True, False, True, True])]
VALUES = np.array([10, 20, 30, 40, 50])


def test_the_work_of_rows_by_hand():
    alone, added, bare, before = row_costs(VALUES, (6, 5), (*WAITED_FOR, 2, 4))
    assert alone.tolist() == [60 * 6, 30 * 4, 90 * 6, 90 * 6]
    # Row 2 shares input rows 1 and 2 with row 0, row 3 input row 3 with row 2.
    assert added.tolist() == [60 * 6, 0, 50 * 5 + 40 * 6, 40 * 5 + 50 * 6]
    # If what is before meets nothing, its values were counted as without taps: row 1 read input row 2.
    assert bare.tolist() == [60 * 6, 0, 90 * 6 - 30 * 4, 90 * 6 - 40 * 4]
    assert before.tolist() == [-1, 0, 0, 2]  # the last one that meets any


def test_one_range_is_all_rows_and_two_are_cut_where_the_larger_is_least():
    costs = row_costs(VALUES, (6, 5), (*WAITED_FOR, 2, 4))
    assert cut(*costs, 0, 1).tolist() == [0, 0, 0, 0]  # 360 + 490 + 500
    # 360 and 540 + 500, or 850 and 540: row 1 reads nothing more.
    assert cut(*costs, 0, 2).tolist() == [0, 0, 0, 1]
    assert cut(*costs, 0, 3).tolist() == [0, 0, 1, 2]  # 360, 540, 540


def test_a_range_counts_a_row_as_if_alone_where_no_row_of_it_meets_what_it_reads():
    # Row 2 shares rows with row 0 alone, and adds 9 to a range with that, 4 to one that begins behind it.
    costs = [np.array(each) for each in ([5, 2, 4], [5, 2, 9], [5, 2, 4], [-1, 0, 0])]
    assert ranges(*costs, 0, 6).tolist() == [0, 1, 1]
    assert ranges(*costs, 0, 15).tolist() == [0, 0, 1]
    assert ranges(*costs, 0, 16).tolist() == [0, 0, 0]


def test_a_cut_into_equal_halves_is_found_and_drains_count_as_work_does():
    work, before = np.array([19, 1, 1, 19]), np.array([-1, 0, 1, 2])
    assert cut(work, work, work, before, 0, 2).tolist() == [0, 0, 1, 1]
    # Drains of 15 a row: two rows are 30, a third one 45; the work is less.
    assert cut(work[:3], work[:3], work[:3], before[:3], 15, 2).tolist() == [0, 0, 1]


def loops(problem: Problem):
    """What the loops of the mapper take: (cost of a value, window)."""
    layer, order = problem.layer, row_order(problem.layer)
    window = (order.first, order.end, order.tapped, order.ring, layer.in_shape[2])
    return value_costs(layer, problem.arch.columns), window


def counts_of(problem: Problem, units: Iterable[int]) -> np.ndarray:
    """Values that passes of some units read, row by row in the order of reading."""
    chosen = list(units)
    return np.array([sum(problem.values(u, y) for u in chosen) for y in order_of_reading(problem.layer)])


@settings(max_examples=200)
@given(small_problems(), st.integers(1, 7))
def test_no_cut_into_so_many_ranges_has_a_smaller_largest_one(problem, count):
    busy, window = loops(problem)
    total = counts_of(problem, range(len(problem.units)))
    drain = problem.layer.out_shape[0] * problem.layer.out_shape[2] * window[-1]
    owner = cut(*row_costs(total, busy, window), drain, count)
    order = np.array(order_of_draining(problem.layer))
    groups = [order[owner == group].tolist() for group in range(owner.max() + 1)]
    assert groups in list(problem.cuts(count))
    least = min(max(map(problem.range_cycles, tried)) for tried in problem.cuts(count))
    assert max(map(problem.range_cycles, groups)) == least


@settings(max_examples=200)
@given(st.lists(st.integers(1, 30), min_size=1, max_size=7), st.integers(1, 4))
def test_longest_first_stays_within_a_third_of_the_best_assignment(costs, groups):
    costs = np.array(costs)
    owner = longest_first(np.argsort(-costs, kind="stable"), costs, groups)
    slowest = np.bincount(owner, costs, groups).max()
    best = min(np.bincount(given, costs, groups).max() for given in product(range(groups), repeat=len(costs)))
    assert best <= slowest <= (4 / 3 - 1 / (3 * groups)) * best + 1e-9


@settings(max_examples=150)
@given(small_problems(), st.data())
def test_a_pass_costs_what_the_page_says(problem, data):
    busy, window = loops(problem)
    unit = data.draw(st.integers(0, len(problem.units) - 1))
    order = order_of_draining(problem.layer)
    places = sorted(data.draw(st.sets(st.integers(0, len(order) - 1), min_size=1)))
    counts = counts_of(problem, [unit])
    drain = problem.units[unit] * problem.layer.out_shape[2] * window[-1]
    cost = pass_cost(np.array(places), counts, drain, busy, window, LATENCIES)
    assert cost == problem.pass_cycles(unit, [order[place] for place in places]) * window[-1]


@settings(max_examples=150)
@given(chains(), machines)
def test_no_pass_of_a_dense_baseline_takes_less_than_its_cost(trace, arch):
    """Beside slots and turns a pass takes what the mapper counts; of a coded map values are guessed."""
    workload, arch = Workload(trace, 0), arch.dense()
    blocks = workload.network.blocks(arch)
    for job in workload.jobs(arch):
        channels, height, width = job.layer.in_shape
        block = blocks[job.layer.input]
        starts = np.arange(0, channels, block)
        counts = np.tile(np.minimum(block, channels - starts) * width, (height, 1))
        problem = Problem(job.layer, job.arch, counts, block)
        for unit, group in product(range(job.mapping.units), range(len(job.mapping.groups))):
            cost = problem.pass_cycles(unit, job.mapping.groups[group].tolist())
            assert job.time(unit, group, None).cycles >= cost


def test_a_pass_by_hand():
    layer = Layer("l", "conv", "x", (200, 4, 9), (2, 4, 9), (3, 1), padding=(1, 0))
    problem = Problem(layer, Arch(columns=2), np.array([[1], [10], [100], [1000]]), 200)
    busy, window = loops(problem)
    for owned, cycles in (
        # Row 1 reads rows 0, 1, 2, a tap a value: F = 8 + 111. 18 sums: DS = F + 8, DE = DS + 17, 20 more.
        ([1], 119 + 8 + 17 + 20),
        # Rows 1 and 2: rows 1 and 2 of the map have two taps a value; the first drain is over long before.
        ([1, 2], 8 + 1 + 20 + 200 + 1000 + 8 + 17 + 20),
    ):
        assert problem.pass_cycles(0, owned) == cycles
        cost = pass_cost(np.array(owned), problem.counts[:, 0], 2 * 9 * 9, busy, window, LATENCIES)
        assert cost == cycles * 9  # in cycles x the width of the map


def test_values_of_a_row_are_decoded_once_for_every_group_that_reads_it():
    # Stride 2 and a kernel of one column: every other value has no tap, and costs a cycle all the same.
    narrow = Layer("l", "conv", "x", (1, 5, 6), (1, 3, 3), (3, 1), 2, (1, 0))
    assert value_costs(narrow, 16) == (6, 3)
    # Depthwise: a value costs a cycle, whatever it reaches; two if nine taps meet eight banks.
    depthwise = Layer("l", "depthwise", "x", (1, 5, 6), (1, 5, 6), (3, 3), 1, (1, 1))
    assert value_costs(depthwise, 16) == (6, 0)
    assert value_costs(depthwise, 8) == (12, 0)


def test_a_dense_depthwise_layer_is_cut_into_ranges_and_a_pointwise_one_by_work():
    shape = (16, 12, 12)
    depthwise = Layer("dw", "depthwise", "x", shape, shape, (3, 3), 1, (1, 1))
    everything = np.full((12, 1), 16 * 12)
    groups = map_layer(depthwise, Arch(cores=4), everything, 16).groups
    # Five input rows at most: the first and the last group have padding for a sixth.
    assert [rows.tolist() for rows in groups] == [[0, 1, 2, 3], [4, 5, 6], [7, 8, 9], [10, 11]]
    # Rows of 1x1 layers share nothing: two heavy ones next to each other go apart.
    pointwise = Layer("pw", "conv", "x", shape, (16, 12, 12))
    counts = np.array([[200]] * 12)
    counts[5:7] = 1000
    groups = map_layer(pointwise, Arch(cores=2), counts, 16).groups
    assert [counts[rows].sum() for rows in groups] == [2000, 2000]


@pytest.mark.parametrize(
    ("width", "kernel", "group"),
    [(112, 3, 2), (56, 3, 4), (28, 3, 8), (14, 3, 16), (7, 3, 16), (112, 7, 1)],
)
def test_a_depthwise_group_fills_its_sub_banks(width, kernel, group):
    # 1024 accumulators: 8 sub-banks of 128; Kh + 1 rows share them.
    pad = (kernel - 1) // 2
    shape = (32, width, width)
    layer = Layer("dw", "depthwise", "x", shape, shape, (kernel, kernel), padding=(pad, pad))
    assert channel_group(layer, Arch()) == group


def test_a_map_has_the_smallest_block_that_a_neighbour_asks_for():
    wide = Layer("a", "conv", "x", (32, 112, 112), (32, 112, 112), output="y")
    deep = Layer("dw", "depthwise", "y", (32, 112, 112), (32, 112, 112), (3, 3), padding=(1, 1), output="z")
    assert map_blocks([wide, deep], Arch()) == {"x": 16, "y": 2, "z": 2}


@pytest.mark.parametrize(
    ("arch", "message"),
    [
        (Arch(accumulators=112), "needs 4 rows of 30 accumulators .*: raise accumulators to 120"),
        (Arch(weight_words=80), "needs 81 weight words .*: raise weight_words to 82"),
    ],
)
def test_a_layer_that_does_not_fit_names_the_least_that_serves(arch, message):
    layer = Layer("conv9", "conv", "x", (9, 30, 30), (8, 30, 30), (3, 3), padding=(1, 1))
    with pytest.raises(ArchError, match=f"layer conv9 {message}") as refused:
        channel_group(layer, arch)
    *_, field, _, least = str(refused.value).split()
    channel_group(layer, arch.replace(**{field: int(least)}))
    with pytest.raises(ArchError, match=field):
        channel_group(layer, arch.replace(**{field: int(least) - (8 if field == "accumulators" else 2)}))


def test_a_row_of_accumulators_is_as_long_as_the_output_is_wide():
    # Sub-banks of 14 sums: four open rows of 10 take one each of the eight, rows of 30 three.
    arch = Arch(accumulators=112)
    tall = Layer("tall", "conv", "x", (9, 30, 10), (8, 30, 10), (3, 3), padding=(1, 1))
    wide = Layer("wide", "conv", "x", (9, 10, 30), (8, 10, 30), (3, 3), padding=(1, 1))
    channel_group(tall, arch)
    with pytest.raises(ArchError, match="layer wide needs 4 rows of 30 accumulators"):
        channel_group(wide, arch)


@pytest.mark.parametrize(("kernel", "stride"), [(8, 1), (16, 2)])
def test_more_rows_than_any_core_keeps_open_are_refused_without_advice(kernel, stride):
    layer = Layer("tall", "conv", "x", (1, 40, 4), (1, 9, 4), (kernel, 1), (stride, 1))
    with pytest.raises(ArchError, match=r"layer tall: 8 output rows are open at once, .*at most 7$"):
        channel_group(layer, Arch(accumulators=1 << 20))


def test_a_transposed_layer_that_is_dilated_too_is_refused_by_name():
    layer = Layer("conv9", "conv", "x", (4, 9, 9), (4, 5, 5), (3, 3), dilation=(1, 2), transposed=True)
    with pytest.raises(ArchError, match="layer conv9: a core runs no transposed convolution that is dilated"):
        channel_group(layer, Arch())


@pytest.mark.parametrize(
    ("channels", "filters", "groups", "made", "read", "blocks"),
    [
        # ResNeXt 32 x 4d: four groups fill 16 lanes, and read the 16 channels of theirs.
        (128, 128, 32, [range(n, n + 16) for n in range(0, 128, 16)], 16, (16, 16)),
        # AlexNet's second layer: a group of 128 filters has 8 units, which read its 48 channels.
        (96, 256, 2, [range(n, n + 16) for n in range(0, 256, 16)], 48, (16, 16)),
        # RegNet's groups of 24: 16 lanes, then 8; segments of 8 channels, so that none is cut.
        (48, 48, 2, [range(16), range(16, 24), range(24, 40), range(40, 48)], 24, (8, 8)),
        # ShuffleNet's groups of 20 filters for 80 channels.
        (240, 60, 3, [range(n, n + w) for g in (0, 20, 40) for n, w in ((g, 16), (g + 16, 4))], 80, (16, 4)),
        # A depth multiplier of 3: five channels of three filters each in 15 lanes, two in the last 6.
        (7, 21, 7, [range(15), range(15, 21)], 5, (1, 1)),
    ],
)
def test_groups_share_lanes_or_have_units_of_their_own(channels, filters, groups, made, read, blocks):
    layer = Layer("l", "conv", "x", (channels, 5, 5), (filters, 5, 5), groups=groups, output="y")
    assert map_blocks([layer], Arch()) == {"x": blocks[0], "y": blocks[1]}
    parts = units_of(layer, 16, blocks[0])
    assert [part.makes for part in parts] == made
    assert parts[0].reads == range(read)
    for part in parts:
        assert part.reads == channels_read(layer, part.makes)
        assert part.reads.start % blocks[0] == 0
        assert part.makes.start % blocks[1] == 0


@pytest.mark.parametrize(
    ("groups", "filters", "limits"),
    [
        (2, 4, (16, 16)),  # a unit has room for four groups, and both are in one: it cuts nothing
        (4, 4, (16, 16)),
        (5, 4, (4, 16)),  # the second unit begins at channel 12 of the map and makes from 16 on
        (1, 40, (16, 16)),
        (2, 40, (1, 8)),  # units of a group alone: the second group reads from 3 on, and makes from 40 on
    ],
)
def test_a_segment_is_cut_by_no_unit(groups, filters, limits):
    layer = Layer("l", "conv", "x", (3 * groups, 5, 5), (filters * groups, 5, 5), groups=groups)
    assert block_limits(layer, 16) == limits


@given(st.integers(1, 6), st.integers(1, 4), st.integers(1, 30), st.sampled_from([1, 2, 4, 16]))
def test_units_of_groups_cut_no_segment_and_multiply_what_belongs_together(
    channels, groups, filters, columns
):
    layer = Layer(
        "l", "conv", "x", (channels * groups, 1, 1), (filters * groups, 1, 1), groups=groups, output="y"
    )
    blocks = map_blocks([layer], Arch(columns=columns))
    weights = np.arange(1, 1 + np.prod(layer.weight_shape)).reshape(layer.weight_shape)
    values = np.arange(1, 1 + channels * groups)
    made = np.zeros(filters * groups, int)
    for unit in units_of(layer, columns, blocks["x"]):
        assert len(unit.makes) <= columns
        assert unit.reads.start % blocks["x"] == unit.makes.start % blocks["y"] == 0
        assert unit.reads.stop % blocks["x"] == 0 or unit.reads.stop == len(values)
        lanes = unit_weights(layer, weights, unit)[:, :, 0, 0]
        made[unit.makes.start : unit.makes.stop] += lanes @ values[unit.reads.start : unit.reads.stop]
    grouped = [weights[g * filters : (g + 1) * filters, :, 0, 0] for g in range(groups)]
    parts = values.reshape(groups, channels)
    assert made.tolist() == np.concatenate([w @ v for w, v in zip(grouped, parts, strict=True)]).tolist()


def test_the_cache_of_the_compiled_search_names_no_class_of_ours(monkeypatch):
    # A cache of numba's that names a class cannot be read any more once the class has another name.
    taken = []

    def watched(*arguments):
        taken.extend(map(typeof, arguments))
        return best_share(*arguments)

    monkeypatch.setattr(mapping, "best_share", watched)
    map_layer(Layer("l", "conv", "m", (1, 2, 2), (1, 2, 2)), Arch(), np.ones((2, 1), np.int64), 1)
    assert taken
    assert not [kind for kind in taken if isinstance(kind, BaseNamedTuple)]
