"""Published machines by brute force, written from their papers (docs/peers.md): slow and short."""

from collections import Counter

import numpy as np

from hwsim.layer import Layer


def strides(layer: Layer) -> list[int]:
    """Along y and x."""
    return [int(s) for s in np.broadcast_to(layer.stride, 2)]


def window(layer: Layer, oy: int, ox: int) -> list[tuple[int, int, int, int]]:
    """(y, x, kh, kw) of every tap of an output pixel that lies on the map, row by row."""
    down, across = strides(layer)
    found = []
    for kh in range(layer.kernel[0]):
        for kw in range(layer.kernel[1]):
            y, x = oy * down + kh - layer.padding[0], ox * across + kw - layer.padding[1]
            if 0 <= y < layer.in_shape[1] and 0 <= x < layer.in_shape[2]:
                found.append((y, x, kh, kw))
    return found


def pixels(layer: Layer) -> list[tuple[int, int]]:
    """All output pixels."""
    return [(y, x) for y in range(layer.out_shape[1]) for x in range(layer.out_shape[2])]


def useful(layer: Layer, nonzero: np.ndarray, weights: np.ndarray) -> int:
    """Multiplications with two operands that are not zero, one by one."""
    count = 0
    for oy, ox in pixels(layer):
        for y, x, kh, kw in window(layer, oy, ox):
            for m in range(layer.out_shape[0]):
                for c in [m] if layer.kind == "depthwise" else range(layer.in_shape[0]):
                    weight = weights[m, 0 if layer.kind == "depthwise" else c, kh, kw]
                    count += bool(nonzero[c, y, x] and weight)
    return count


def systolic_fold(depth: int, rows: int, columns: int) -> int:
    """Cycles of a fold, clocked: operands enter a cycle later in each row and column, and move on."""
    multiplied = np.zeros((rows, columns), int)
    cycle = 0
    while multiplied[-1, -1] < depth:
        for r in range(rows):
            for c in range(columns):
                multiplied[r, c] += 0 <= cycle - r - c < depth
        cycle += 1
    return cycle


def cnvlutin(layer: Layer, nonzero: np.ndarray) -> int:
    """Cycles of one unit: window by window, lane by lane."""
    depthwise = layer.kind == "depthwise"
    cycles = 0
    groups = [[c] for c in range(layer.in_shape[0])] if depthwise else [list(range(layer.in_shape[0]))]
    for channels in groups:
        bricks = [channels[i : i + 16] for i in range(0, len(channels), 16)]
        passes = 1 if depthwise else -(-layer.out_shape[0] // 16)
        for oy, ox in pixels(layer):
            lanes = [0] * 16
            for y, x, kh, kw in window(layer, oy, ox):
                for b, brick in enumerate(bricks):
                    if len(bricks) >= 16:
                        lane = b * 16 // len(bricks)
                    else:
                        lane = ((kh * layer.kernel[1] + kw) * len(bricks) + b) % 16
                    lanes[lane] += max(1, sum(bool(nonzero[c, y, x]) for c in brick))
            cycles += passes * max(lanes)
    return cycles


def scnn(
    layer: Layer, nonzero: np.ndarray, weights: np.ndarray, rows: int, columns: int, conflicts: bool
) -> int:
    """Cycles of a grid of elements: every vector of four activations with every vector of four weights."""
    step = [-(-layer.in_shape[1] // rows), -(-layer.in_shape[2] // columns)]
    elements = [
        (reached(layer, 0, r * step[0], step[0]), reached(layer, 1, c * step[1], step[1]))
        for r in range(rows)
        for c in range(columns)
    ]
    area = max(len(oys) * len(oxs) for (_, oys), (_, oxs) in elements)
    size = min(max(1, 1024 // area), layer.out_shape[0])
    total = 0
    for first in range(0, layer.out_shape[0], size):
        filters = range(first, min(first + size, layer.out_shape[0]))
        spent = []
        for (ys, oys), (xs, oxs) in elements:
            cycles = 0
            for c in range(layer.in_shape[0]):
                for phase in np.ndindex(*strides(layer)):
                    acts = [
                        (y, x) for y in ys for x in xs if nonzero[c, y, x] and phase_of(layer, y, x) == phase
                    ]
                    own = weights_of(layer, weights, c, filters, phase)
                    for i in range(0, len(acts), 4):
                        for j in range(0, len(own), 4):
                            full = fullest(layer, acts[i : i + 4], own[j : j + 4], first, oys, oxs)
                            cycles += full if conflicts else 1
            spent.append(cycles)
        total += max(spent)
    return total


def reached(layer: Layer, axis: int, begin: int, count: int) -> tuple[list[int], list[int]]:
    """Inputs of a tile along an axis, and the range of outputs that they reach, also off the map."""
    inputs = [i for i in range(begin, begin + count) if i < layer.in_shape[axis + 1]]
    stride, padding = strides(layer)[axis], layer.padding[axis]
    outs = [
        (i + padding - k) // stride
        for i in inputs
        for k in range(layer.kernel[axis])
        if (i + padding - k) % stride == 0
    ]
    return inputs, list(range(min(outs), max(outs) + 1)) if outs else []


def phase_of(layer: Layer, y: int, x: int) -> tuple[int, int]:
    """Which remainder of the taps meets an input position."""
    down, across = strides(layer)
    return (y + layer.padding[0]) % down, (x + layer.padding[1]) % across


def weights_of(
    layer: Layer, weights: np.ndarray, c: int, filters: range, phase: tuple[int, ...]
) -> list[tuple[int, int, int]]:
    """(m, kh, kw) of the non-zero weights that a channel meets in a group, of one remainder."""
    down, across = strides(layer)
    found = []
    for m in filters:
        for kh in range(layer.kernel[0]):
            for kw in range(layer.kernel[1]):
                if (kh % down, kw % across) != phase:
                    continue
                if layer.kind == "depthwise":
                    meets = m == c and weights[m, 0, kh, kw]
                else:
                    meets = weights[m, c, kh, kw]
                if meets:
                    found.append((m, kh, kw))
    return found


def fullest(
    layer: Layer,
    acts: list[tuple[int, int]],
    own: list[tuple[int, int, int]],
    first: int,
    oys: list[int],
    oxs: list[int],
) -> int:
    """Sums that the fullest of 32 banks takes of one vector product, at least 1."""
    down, across = strides(layer)
    banks: Counter[int] = Counter()
    for y, x in acts:
        for m, kh, kw in own:
            oy, ox = (y + layer.padding[0] - kh) // down, (x + layer.padding[1] - kw) // across
            if 0 <= oy < layer.out_shape[1] and 0 <= ox < layer.out_shape[2]:
                banks[((m - first) * len(oys) + oy - oys[0]) * len(oxs) + ox - oxs[0]] += 1
    filled: Counter[int] = Counter()
    for place, times in banks.items():
        filled[place % 32] += times
    return max([1, *filled.values()])
