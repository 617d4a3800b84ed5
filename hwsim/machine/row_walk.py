"""How long the sequencer takes to find the rows of a layer, or of a pass of it, by stepping as it does.

Every branch is a state of ``RowSteps`` (rtl/hwsim_rtl/system/row_steps.py) and takes a cycle.
"""

from __future__ import annotations

from collections.abc import Callable, Container

from hwsim.layer import Layer

MASK_ROWS = 8  # output rows that are asked for together


def row_walk(
    layer: Layer,
    owned: Container[int],
    known: Callable[[int], int],
    begin: int,
    most_rows: int | None = None,
    most_owned: int | None = None,
) -> int:
    """Step through the rows of a layer.

    Args:
        layer: geometry.
        owned: output rows that are owned.
        known: from when on a mask is known that is asked for from a cycle on.
        begin: the first cycle.
        most_rows, most_owned: room for input rows that are found, and for output rows; None: enough.

    Returns:
        The first cycle in which it is over, or holds a row for which there is no room.
    """
    kernel, stride, dilation, padding = (
        layer.kernel[0],
        layer.stride[0],
        layer.dilation[0],
        layer.padding[0],
    )
    height, made, turned = layer.in_shape[1], layer.out_shape[1], layer.transposed
    cycle, step, phases, rest = begin, 1, 0, stride
    top = -padding
    if turned:
        cycle += 1
    else:
        while True:  # the least number of output rows that are a whole number of dilations apart
            cycle += 1
            if rest >= dilation:
                rest, phases = rest - dilation, phases + 1
            elif rest == 0:
                break
            else:
                rest, step = rest + stride, step + 1
        while True:  # the first input row
            cycle += 1
            if top >= 0:
                break
            top += dilation
    found = pushed = 0
    kept = wanted = waits = False
    byte = None
    for number in range(1 if turned else dilation):
        cycle += 1
        window: list[bool | None] = [None] * kernel  # of each kernel row, whether its output row is owned
        empty, phase, rest, pushes, below = top >= height, 0, 0, kernel, False
        y, row = (0, -padding) if turned else (-padding, 0)
        exists = True
        while True:  # the first output row of the class
            cycle += 1
            if turned or rest == number:
                break
            if rest >= dilation:
                rest -= dilation
            elif row + 1 == step:
                exists = False
                break
            else:
                row, rest, y = row + 1, rest + stride, y + stride
        state = "push" if exists else "end"
        while state != "end":
            if pushed == most_owned:
                return cycle
            if state == "push":
                inside = 0 <= row < made
                if inside and row // MASK_ROWS != byte:
                    cycle, byte = known(cycle), row // MASK_ROWS
                mine = inside and row in owned
                pushed += mine
                cycle += 1
                without = (below or pushes > kernel) if turned else (empty or y >= height)
                if without and kept:
                    wanted |= mine
                elif without:
                    waits |= mine
                new = mine if inside else None
                if turned:
                    window = [*window[1:], new]
                    row += 1
                    state = "below" if below else "row" if pushes == 1 else "push"
                else:
                    window = [new, *window[:-1]]
                    row += step
                    state = "below" if empty or y >= height else "row"
                pushes -= 1
            elif state == "below":
                cycle += 1
                state = "end" if row >= made else "push"
            else:
                if y >= 0 and any(each is not None for each in window):
                    found += kept and wanted
                    if most_rows is not None and found > most_rows:
                        return cycle + 1
                    kept, wanted, waits = True, any(window) or waits, False
                cycle += 1
                y += 1 if turned else dilation
                if turned:
                    pushes, below = stride, y >= height
                    state = "below" if below else "push"
                elif phase + 1 == phases:
                    phase, state = 0, "push"
                else:
                    window, phase = [None, *window[:-1]], phase + 1
                    state = "below" if y >= height else "row"
        cycle += 1
        top = 0 if top + 1 == dilation else top + 1
    found += wanted if kept else waits
    cycle += 1
    if most_rows is not None and found > most_rows:
        return cycle
    return cycle + 1
