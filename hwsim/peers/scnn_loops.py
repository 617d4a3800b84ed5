"""Bank conflicts of SCNN: every product of every cycle, compiled.

Sixteen products a cycle, and only the fullest bank counts, so no closed form serves.
"""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def conflict_cycles(nonzero, weights, bounds, geometry, banks, per_activation, per_weight):
    """Cycles of every group of output channels on every element: int64 (groups, elements).

    Args:
        nonzero: bool (C, H, W).
        weights: bool (M, C, Kh, Kw), or (C, 1, Kh, Kw) if depthwise.
        bounds: int64 (elements, 8): begin, end, first output, outputs of its tile along y, then along x.
        geometry: Ho, Wo, stride y, stride x, padding y, padding x, depthwise, channels of a group.
        banks, per_activation, per_weight: of an element.
    """
    out_height, out_width, down, across, top, left, depthwise, group = geometry
    channels, height, width = nonzero.shape
    filters, _, kernel_height, kernel_width = weights.shape
    groups = (filters + group - 1) // group
    cycles = np.zeros((groups, len(bounds)), np.int64)
    ys, xs = np.empty(height * width, np.int64), np.empty(height * width, np.int64)
    most = group * kernel_height * kernel_width
    ms, khs, kws = np.empty(most, np.int64), np.empty(most, np.int64), np.empty(most, np.int64)
    filled = np.zeros(banks, np.int64)
    for g in range(groups):
        low, high = g * group, min((g + 1) * group, filters)
        for c in range(channels):
            if depthwise and not low <= c < high:
                continue
            for p in range(down):
                for q in range(across):
                    held = 0
                    for m in range(low, high):
                        if depthwise and m != c:
                            continue
                        for kh in range(p, kernel_height, down):
                            for kw in range(q, kernel_width, across):
                                if weights[m, 0 if depthwise else c, kh, kw]:
                                    ms[held], khs[held], kws[held] = m - low, kh, kw
                                    held += 1
                    if held == 0:
                        continue
                    for e in range(len(bounds)):
                        y0, y1, first_y, outs_y, x0, x1, first_x, outs_x = bounds[e]
                        met = 0
                        for y in range(y0, y1):
                            if (y + top) % down != p:
                                continue
                            for x in range(x0, x1):
                                if (x + left) % across == q and nonzero[c, y, x]:
                                    ys[met], xs[met] = y, x
                                    met += 1
                        for i in range(0, met, per_activation):
                            for j in range(0, held, per_weight):
                                worst = 1
                                filled[:] = 0
                                for a in range(i, min(i + per_activation, met)):
                                    for w in range(j, min(j + per_weight, held)):
                                        oy = (ys[a] + top - khs[w]) // down
                                        ox = (xs[a] + left - kws[w]) // across
                                        if 0 <= oy < out_height and 0 <= ox < out_width:
                                            row = ms[w] * outs_y + oy - first_y
                                            bank = (row * outs_x + ox - first_x) % banks
                                            filled[bank] += 1
                                            worst = max(worst, filled[bank])
                                cycles[g, e] += worst
    return cycles
