"""How a sequencer walks through the rows of a layer: part of the reference of a whole machine.

Written from docs/architecture.md (*Layer after layer*: a walk); what a row reaches is said by
``reference_rows``.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass

from reference_rows import reached, rows_awaited

from hwsim.layer import Layer

MASK_ROWS = 8  # output rows of which a mask is asked for together
ROWS_WAIT, OUT_ROWS_WAIT = 32, 64  # input and output rows that wait for a core


@dataclass
class Walk:
    """A walk through the rows of ``layer``, which looks for those that the passes over ``owned`` read.

    Attributes:
        known: whether the mask of some eight output rows is there by now; it is asked in each cycle in which
            the walk stands at an output row without its mask.
        left, taken: input rows that have left it, and owned output rows that it has come to.
    """

    layer: Layer
    owned: Collection[int]
    known: Callable[[int], bool]
    left: int = 0
    taken: int = 0

    @property
    def full(self) -> bool:
        """Whether the rows that it has found fill a queue."""
        return self.left > ROWS_WAIT or self.taken >= OUT_ROWS_WAIT

    def steps(self) -> Iterator[None]:
        """One step for each cycle."""
        stride = self.layer.stride[0]
        if self.layer.transposed:
            yield
            yield
            yield
            yield from self._transposed()
        else:
            # By how many output rows a class goes on, which is a whole number of its input rows.
            step, per_step, rest = 1, 0, stride
            while rest:
                yield
                if rest >= self.layer.dilation[0]:
                    rest, per_step = rest - self.layer.dilation[0], per_step + 1
                else:
                    rest, step = rest + stride, step + 1
            yield
            first = -self.layer.padding[0]
            while first < 0:
                yield
                first += self.layer.dilation[0]
            yield
            for number in range(self.layer.dilation[0]):
                yield from self._class(number, (first + number) % self.layer.dilation[0], step, per_step)
        if self._held in self._read or self._held is None:
            self.left += 1
        yield
        yield

    def __post_init__(self) -> None:
        awaited = rows_awaited(self.layer)
        self._read = {y for r in self.owned for y in awaited[r]}
        self._held: int | None = None  # the last input row with a tap: it leaves when there is another one
        self._mask: int | None = None

    def _class(self, number: int, first: int, step: int, per_step: int) -> Iterator[None]:
        """A class of a convolution: its input rows, from above the map on, between its output rows."""
        height, stride, dilation = self.layer.in_shape[1], self.layer.stride[0], self.layer.dilation[0]
        yield
        row = rest = 0
        while rest != number:
            yield
            if rest >= dilation:
                rest -= dilation
            elif row + 1 == step:
                yield
                return
            else:
                row, rest = row + 1, rest + stride
        yield
        y = row * stride - self.layer.padding[0]
        empty = first >= height
        below = False
        while not (below and row >= self.layer.out_shape[1]):
            yield from self._output_row(row)
            row += step
            below = empty or y >= height
            for phase in range(0 if below else per_step):
                self._input_row(y)
                yield
                y += dilation
                if y >= height and phase + 1 < per_step:
                    below = True
                    break
            if below:
                yield
        yield

    def _transposed(self) -> Iterator[None]:
        """An input row after as many output rows as it opens, and below the map all that are left."""
        row = -self.layer.padding[0]
        pushes = self.layer.kernel[0]
        for y in range(self.layer.in_shape[1]):
            for _ in range(pushes):
                yield from self._output_row(row)
                row += 1
            self._input_row(y)
            yield
            pushes = self.layer.stride[0]
        yield
        while row < self.layer.out_shape[1]:
            yield from self._output_row(row)
            row += 1
            yield
        yield

    def _output_row(self, row: int) -> Iterator[None]:
        exists = 0 <= row < self.layer.out_shape[1]
        while exists and self._mask != row // MASK_ROWS and not self.known(row // MASK_ROWS):
            yield
        if exists:
            self._mask = row // MASK_ROWS
            self.taken += row in self.owned
        yield

    def _input_row(self, y: int) -> None:
        if y >= 0 and reached(self.layer, 0, y):
            if self._held is not None and self._held in self._read:
                self.left += 1
            self._held = y
