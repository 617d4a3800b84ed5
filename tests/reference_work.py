"""What a stepped machine works on, and what it notes of it: part of the reference of a whole machine.

Written from docs/architecture.md (*Weights*, *DRAM*, *Layer after layer*).
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from math import prod

import numpy as np
from reference_additions import beats
from reference_array import occupancy, program_size
from reference_mapping import Shared
from reference_rows import channels_read

from hwsim.arch import LOAD_LATENCY, Arch
from hwsim.layer import Layer

BEAT = 32  # bytes
NEVER = 1 << 60
Process = Iterator[None]


@dataclass(frozen=True)
class Pool:
    """A pool: rows and columns of its window, its strides, and padding above and on the left; the shift and
    the multiplier of its means, if it makes these."""

    kernel: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[int, int]
    mean: tuple[int, int] | None = None

    @property
    def has_word(self) -> bool:
        """Whether a descriptor has no room for it: three bits a size, two a padding, none of a mean."""
        small = max(*self.kernel, *self.stride) <= 7 and max(self.padding) <= 3
        return self.mean is not None or not small


@dataclass(frozen=True)
class Between:
    """What is between a layer and the next one; neither: that one reads the map as it is made."""

    pool: Pool | None = None
    flatten: bool = False


@dataclass
class Read:
    """Bytes that are asked for: when they begin to cross the channel, and when each beat was taken."""

    arch: Arch
    size: int
    begins: int = NEVER
    came: list[int] = field(default_factory=list)

    @property
    def beats(self) -> int:
        """How many it has."""
        return beats(self.size) // BEAT

    def due(self, number: int) -> int:
        """Cycle from which a beat could be taken."""
        if self.begins == NEVER:
            return NEVER
        return self.begins + self.arch.dram_latency + occupancy(BEAT * (number + 1), self.arch)

    def cycle(self, number: int) -> int:
        """Cycle in which a beat was taken."""
        return self.came[number] if number < len(self.came) else NEVER

    @property
    def there(self) -> int:
        """Cycle in which the last one was."""
        return self.cycle(self.beats - 1)


@dataclass
class Unit:
    """The weights of a unit: who works with them, what is loaded, and when the last of it is at the port."""

    cores: list[int]
    channels: int
    words: int
    columns: int  # of a word in memory
    weight_bits: int
    read: Read
    last_load: int = NEVER
    last_scale: int = NEVER

    @property
    def loads(self) -> int:
        """Two words each, but for the last one."""
        return -(-self.words // 2)

    def load_bits(self, number: int) -> int:
        """Bits in memory of a load."""
        return min(2, self.words - 2 * number) * self.columns * self.weight_bits

    @property
    def scale_beats(self) -> int:
        """Beats of bias and multiplier, which come first."""
        return beats(6 * self.channels) // BEAT

    @property
    def loaded(self) -> int:
        """Cycle in which the last of it is at the port."""
        return max(self.last_load, self.last_scale)

    @property
    def able(self) -> int:
        """Cycle from which a core can be told to start with it."""
        return self.loaded + 1 + LOAD_LATENCY


@dataclass
class PassSpan:
    """A pass in time; ``end`` is the first cycle after it."""

    core: int
    begin: int
    end: int


@dataclass
class Work:
    """A layer, and what has become of it.

    Attributes:
        layer, values, block, mapping, between: what is run, and how.
        result_block: channels of a segment of what its cores write.
        units: by unit.
        labels: of each core, the cause of each cycle from the end of the layer before on.
        moved: bytes by kind.
        begins, ends, first_slot: cycles; told: of its passes, when they were told to start.
        offered: of cores, the cycle in which the first of their passes is.
        chooses: whether an encoder waits for the end of a segment that is made, to choose its form.
        leaving: of each core, of the values in its encoder the cycle from which each may leave.
    """

    layer: Layer
    values: np.ndarray
    block: int
    mapping: Shared
    between: Between
    result_block: int
    units: dict[int, Unit]
    labels: list[list[str]]
    chooses: bool
    moved: Counter = field(default_factory=Counter)
    begins: int = NEVER
    ends: int = NEVER
    passes: list[PassSpan] = field(default_factory=list)
    told: list[int] = field(default_factory=list)
    offered: dict[int, int] = field(default_factory=dict)
    leaving: list[deque[int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.leaving = [deque() for _ in self.labels]

    def encode(self, core: int, taken: Sequence[int]) -> None:
        """A segment, of whose values an encoder takes each in a cycle: they leave when they have a form."""
        if not self.chooses:
            self.leaving[core] += [cycle + 7 for cycle in taken]
        elif len(taken) == 1:
            self.leaving[core].append(taken[0] + 7)
        else:
            self.leaving[core] += [taken[-1] + 6] * len(taken)

    @property
    def program_size(self) -> int:
        """Bytes of its program."""
        pool = self.between.pool
        return program_size(self.layer, self.mapping, pool_word=pool is not None and pool.has_word)

    @property
    def first_slot(self) -> int:
        """Of core 0."""
        return self.begins + 7

    def is_slot(self, core: int, cycle: int) -> bool:
        """Whether a core may read a line then."""
        return (cycle - self.first_slot - core) % (len(self.labels) + 1) == 0

    @property
    def all_told(self) -> int:
        """Cycle in which the last pass was told to start."""
        return self.told[-1] if len(self.told) == len(self.works) else NEVER

    @property
    def works(self) -> list[tuple[int, int, int]]:
        """(core, unit, group) of all passes, as the program has them."""
        return [each for of_round in self.mapping.rounds for each in of_round]


def units_of(layer: Layer, mapping: Shared, arch: Arch) -> dict[int, Unit]:
    """The units of a layer, in the order in which they are worked on."""
    found = {}
    works = [each for of_round in mapping.rounds for each in of_round]
    for unit in dict.fromkeys(unit for _, unit, _ in works):
        made, taps = mapping.makes[unit], prod(layer.kernel)
        words, columns = len(channels_read(layer, made)) * taps, len(made)
        if layer.kind == "depthwise":
            words, columns = len(made) * -(-taps // arch.columns), arch.columns
        cores = [core for core, other, _ in works if other == unit]
        size = beats(6 * len(made)) + beats(-(-words * columns * arch.weight_bits // 8))
        found[unit] = Unit(cores, len(made), words, columns, arch.weight_bits, Read(arch, size))
    return found
