"""The search of the mapper, compiled: row groups, the cost of a pass, and who makes it.

As docs/architecture.md says, *Sharing a layer*. All costs are integers, cycles x the width of the input map,
since the taps of a value are known on average over the columns.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from hwsim.arch import DRAIN_LATENCY, MAC_LATENCY

# Arguments of the loops: numba's cache would not notice that a constant of another file has changed.
FIRST_ITEM = 9  # cycle in which a pass takes its first item, as the mapper counts
LATENCIES = (FIRST_ITEM, MAC_LATENCY, DRAIN_LATENCY)
# Rows that are dealt out one by one load the cores evenly with another picture, too; ranges cut for those of
# the calibration do not. So the work of a contiguous split counts more than that of a balanced one.
WEIGHTS = (33, 32)
LARGEST = np.iinfo(np.int64).max


@njit(cache=True, nogil=True)
def best_share(counts, drains, kinds, busy, window, cores, splits, latencies, weights):
    """The number of row groups, and the split, whose slowest core is done first.

    Args:
        counts: int64 (kinds, H), values of every input row that cost cycles, in the order of reading; units
            of a kind are alike.
        drains: int64 (kinds,), cost of an output row's drain.
        kinds: int64 (units,), of every unit.
        busy: what a value costs for the first owned row that it reaches, and for each further one.
        window: which input rows reach the output rows: ``first``, ``end`` and ``tapped`` of
            :class:`hwsim.machine.rows.RowOrder`, rows of accumulators, width of the input map. A plain tuple:
            numba's cache names the classes of arguments, and does not open once one of them is gone.
        cores: of the array.
        splits: whether to try contiguous ones, and balanced ones.
        latencies: :data:`LATENCIES`.
        weights: :data:`WEIGHTS`, of a contiguous and of a balanced split.

    Returns:
        owner: int64 (rows,), group of every output row, in the order of draining.
        order: int64 (units,), from the one with the most work to the one with the least.
        core: int64 (units, groups), that makes the pass.
    """
    total = np.zeros(counts.shape[1], np.int64)  # of all units
    drain = 0
    for kind in kinds:
        total += counts[kind]
        drain += drains[kind]
    alone, added, bare, before = row_costs(total, busy, window)
    rows = len(alone)
    single = np.maximum(alone, drain)
    heaviest_first = np.argsort(-single, kind="mergesort")

    fewest = LARGEST
    best_owner = np.zeros(rows, np.int64)
    best_order = np.arange(len(kinds))
    best_core = np.zeros((len(kinds), 1), np.int64)
    for count in range(1, min(cores, rows) + 1):
        for split in range(len(splits)):
            if not splits[split]:
                continue
            if split:
                owner = longest_first(heaviest_first, single, count)
            else:
                owner = cut(alone, added, bare, before, drain, count)
            groups = owner.max() + 1
            costs = pass_costs(owner, groups, counts, drains, busy, window, latencies)
            slowest, order, core = deal(costs, kinds, cores)
            work = slowest * weights[split]
            if work < fewest:
                fewest, best_owner, best_order, best_core = work, owner, order, core
    return best_owner, best_order, best_core


@njit(cache=True, nogil=True)
def row_costs(total, busy, window):
    """Work of every output row, for :func:`cut`.

    Returns:
        alone: int64 (rows,), in a group of its own.
        added: what it adds to a group that owns the rows before it.
        bare: the same if no input row meets any of those.
        before: the last row before it that an input row meets; -1 if there is none.
    """
    value, further = busy
    first, end, tapped, _, width = window
    rows = len(first)
    alone, added, bare = np.zeros(rows, np.int64), np.zeros(rows, np.int64), np.zeros(rows, np.int64)
    before = np.empty(rows, np.int64)
    last = -1
    for row in range(rows):
        for place in range(first[row], end[row]):
            single = total[place] * (value if tapped[row] else width)
            alone[row] += single
            shared = row > 0 and place < end[row - 1]  # a row before it waits for it too
            if not shared:
                added[row] += single
            elif tapped[row]:
                added[row] += total[place] * further
            bare[row] += single
            if shared and place >= first[row - 1]:
                bare[row] -= total[place] * width
        before[row] = last
        if tapped[row]:
            last = row
    return alone, added, bare, before


@njit(cache=True, nogil=True)
def cut(alone, added, bare, before, drain, count):
    """Owner of every row: at most ``count`` ranges, whose largest cost is least (bisection on it).

    A range costs the larger of its work and its drains, so a longer one never costs less.
    """
    work = alone[0]
    for row in range(1, len(alone)):
        work += added[row] if before[row] >= 0 else bare[row]
    high = max(work, len(alone) * drain)
    low = max(alone.max(), drain)
    while low < high:
        bound = (low + high) // 2
        if ranges(alone, added, bare, before, drain, bound)[-1] < count:
            high = bound
        else:
            low = bound + 1
    return ranges(alone, added, bare, before, drain, high)


@njit(cache=True, nogil=True)
def ranges(alone, added, bare, before, drain, bound):
    """Owner of every row, if a range goes on while it costs at most ``bound``, as every single row does."""
    owner = np.empty(len(alone), np.int64)
    group, first, work = 0, 0, alone[0]
    owner[0] = 0
    for row in range(1, len(alone)):
        work += added[row] if before[row] >= first else bare[row]
        if max(work, (row - first + 1) * drain) > bound:
            group += 1
            first = row
            work = alone[row]
        owner[row] = group
    return owner


@njit(cache=True, nogil=True)
def longest_first(order, costs, count):
    """Owner of every row: heaviest rows first, each to the group with the least so far (LPT, Graham 1969)."""
    load = np.zeros(count, np.int64)
    owner = np.empty(len(costs), np.int64)
    for row in order:
        group = np.argmin(load)
        owner[row] = group
        load[group] += costs[row]
    return owner


@njit(cache=True, nogil=True)
def pass_costs(owner, groups, counts, drains, busy, window, latencies):
    """Cost of a pass of every kind of unit over every group: int64 (kinds, groups)."""
    costs = np.empty((len(counts), groups), np.int64)
    for group in range(groups):
        owned = np.flatnonzero(owner == group)
        for kind in range(len(counts)):
            costs[kind, group] = pass_cost(owned, counts[kind], drains[kind], busy, window, latencies)
    return costs


@njit(cache=True, nogil=True)
def pass_cost(owned, counts, drain, busy, window, latencies):
    """*Timing of a pass*, an input row at a time, if its symbols never let the scatter unit wait."""
    first_item, mac_latency, drain_latency = latencies
    single, further = busy
    first, end, tapped, ring, cycle = window
    drained = np.empty(len(owned), np.int64)  # DE of every owned row
    free = first_item * cycle  # of the scatter unit
    last_drained = -cycle
    begun = 0  # owned rows that an input row was read for
    reach = 0  # of them, those that are open and have taps
    newest = -1  # of them, the last one with taps
    next_place = 0
    for q in range(len(owned)):
        for place in range(max(first[owned[q]], next_place), end[owned[q]]):
            while begun < len(owned) and first[owned[begun]] <= place:
                if tapped[owned[begun]]:
                    reach += 1
                    newest = begun
                begun += 1
            if newest >= ring:
                free = max(free, drained[newest - ring] + cycle)
            value = single + (reach - 1) * further if reach > 0 else cycle
            free += max(counts[place] * value, cycle)
        next_place = max(next_place, end[owned[q]])
        reach -= tapped[owned[q]]
        last_drained = max(free + (mac_latency - 1) * cycle, last_drained + cycle) + drain - cycle
        drained[q] = last_drained
    return last_drained + (1 + drain_latency) * cycle


@njit(cache=True, nogil=True)
def deal(costs, kinds, cores):
    """Rounds of whole units, heaviest first; in a round the heaviest pass goes to the least loaded core.

    Returns:
        (load of the slowest core, order of the units, core of every pass: int64 (units, groups)).
    """
    units, groups = len(kinds), costs.shape[1]
    work = np.empty(len(costs), np.int64)
    for kind in range(len(costs)):
        work[kind] = costs[kind].sum()
    order = np.argsort(-work[kinds], kind="mergesort")
    load = np.zeros(cores, np.int64)
    core = np.empty((units, groups), np.int64)
    together = cores // groups
    for first in range(0, units, together):
        chosen = order[first : first + together]
        passes = np.empty(len(chosen) * groups, np.int64)
        for i in range(len(chosen)):
            passes[i * groups : (i + 1) * groups] = costs[kinds[chosen[i]]]
        least_loaded = np.argsort(load, kind="mergesort")
        heaviest = np.argsort(-passes, kind="mergesort")
        for rank in range(len(passes)):
            unit, group = chosen[heaviest[rank] // groups], heaviest[rank] % groups
            core[unit, group] = least_loaded[rank]
            load[least_loaded[rank]] += passes[heaviest[rank]]
    return load.max(), order, core
