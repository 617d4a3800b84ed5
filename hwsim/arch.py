"""The machine's parameters: validated, immutable, TOML in and out."""

from __future__ import annotations

from math import gcd
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from hwsim.errors import ArchError, first_problem, one_line
from hwsim.files import read_toml

WORD_BITS = 64
WORD_BYTES = WORD_BITS // 8
BURST_BYTES = 64  # of DRAM, and a line of the map buffer
BEAT_BYTES = 32  # what the channel moves at once; everything that crosses it takes whole beats
INDEX_BYTES = 4  # a segment's entry: length in words and number of non-zeros, 16 bits each
LAYER_BYTES = 64  # of a program: the descriptor of a layer
POOL_BYTES = 8  # of a program: a pool that has no room in the descriptor
CLAMP_BYTES = 8  # the clamps of a drain that has some of its own
PASS_BYTES = 8  # and of each of its passes: which core, unit and row group
SCALE_BYTES = 6  # of an output channel: bias 32 bits, multiplier 16
RING_SHARE = 4  # of a map that does not fit: rows that pass take 1 / RING_SHARE of its half of the map buffer
LINE_WORDS = BURST_BYTES // WORD_BYTES  # of a line of the map buffer
LINE_ENTRIES = BURST_BYTES // INDEX_BYTES  # of the index, in a line
WINDOW_WORDS = 4  # words that the window of a lane holds
SUB_BANKS = 8  # parts of an accumulator bank; a row of the ring owns whole ones
WEIGHT_PORT_WORDS = 2  # M-wide words of weights that the array takes in a cycle, a load
WEIGHT_PASSES = 8  # passes for which a core holds weights: those at work and those to come
LONG_RUN = 3  # a symbol without a value holds up to that many times run_max zeros: at most 48 bits
LOAD_LATENCY = 2  # cycles from the last load of a pass at the array's port to its start
MAC_LATENCY = 8  # cycles from issuing a tap to its sum being readable by the drain
DRAIN_LATENCY = 19  # cycles from reading the last accumulator to the last word out
START_LATENCY = 2  # cycles from being told to start to the first slot of a pass
LANES = 2  # segments that a core decodes in turns
LANE_ITEMS = 8  # places for items in a lane
READ_LATENCY = 5  # cycles from a slot to the words of the line that is read in it
LANE_LATENCY = 8  # cycles from consuming a symbol to the choice of its item, at the earliest

EVENTS = {
    "mac": "one multiplication",
    "accumulator": "one product added: sum and marks read, the sum written into both copies",
    "drain": "one accumulator read by the drain and added to its pixel, its mark written into both copies",
    "requantize": "one sum made a value: bias, multiplication by a 16-bit number, rounding",
    "weight_word": "one M-wide word of weights read",
    "weight_load": "one M-wide word of weights written into the memory of a core",
    "map_word": "one 64-bit word of a map read from or written to the map buffer",
    "symbol": "one symbol decoded",
    "encoded": "one value encoded",
    "compared": "two values of a pool's window compared",
    "dram_byte": "one byte over the DRAM channel",
}
REGISTER_SUM = "register_sum"  # of the estimate alone: one product added to a sum in a register

# Far beyond any machine, and such that what is made of them stays below 2^63: 2^30 transfers of the longest
# latency, all words of 1024 cores of 64 columns in bits.
MAX_WORDS = 1 << 32
MAX_BUFFER = 1 << 40  # bytes
MAX_BANDWIDTH = 1 << 20  # bytes a cycle
MAX_LATENCY = 1 << 32  # cycles
MIN_CLOCK, MAX_CLOCK = 0.001, 1e6  # MHz
MAX_ENERGY = 1e12  # pJ an event


# Fields that machines once had, and what became of them.
GONE = {
    "lanes": "every core decodes two segments in turns: leave the field out",
    "fifo_depth": f"every lane has {LANE_ITEMS} places for items: leave the field out",
}


class Arch(BaseModel):
    """A machine: an array of cores, its buffers and its DRAM channel (docs/architecture.md).

    Immutable; ``arch.model_copy(update={...})`` skips validation, :meth:`replace` does not.

    Raises:
        ArchError: a value is out of range, or a field is unknown, or one of :data:`GONE`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    cores: int = Field(16, ge=1, le=1024, description="cores, each with a decoder and an encoder")
    columns: int = Field(16, ge=1, le=64, description="M: multipliers and accumulator banks of a core")
    activation_bits: int = Field(16, ge=1, le=16, description="widest activation")
    weight_bits: int = Field(8, ge=2, le=16, description="widest weight")
    skip_zeros: bool = Field(True, description="zeros make no work; False: as much as values")
    compress: bool = Field(True, description="maps in SEG; False: raw")
    run_max: int = Field(16, ge=1, le=16, description="zeros that the decoder takes with a value in a cycle")
    accumulators: int = Field(
        1024,
        ge=SUB_BANKS,
        le=MAX_WORDS,
        multiple_of=SUB_BANKS,
        description="32-bit words of an accumulator bank",
    )
    weight_words: int = Field(
        9216,
        ge=WEIGHT_PORT_WORDS,
        le=MAX_WORDS,
        multiple_of=WEIGHT_PORT_WORDS,
        description="M-wide words of a core's weight memory, a ring",
    )
    map_buffer: int = Field(
        512 * 1024, ge=0, le=MAX_BUFFER, description="bytes; half for maps in, half for maps out"
    )
    row_split: Literal["best", "balanced", "contiguous"] = Field(
        "best", description="how output rows are shared; best: the faster of the two"
    )
    clock_mhz: float = Field(800.0, ge=MIN_CLOCK, le=MAX_CLOCK, description="turns cycles into seconds")
    bytes_per_cycle: int = Field(
        32, ge=1, le=MAX_BANDWIDTH, description="DRAM bandwidth; 32 at 800 MHz is 25.6 GB/s"
    )
    dram_efficiency: int = Field(
        100, ge=1, le=100, description="per cent of that bandwidth that refresh and row changes leave"
    )
    dram_latency: int = Field(100, ge=0, le=MAX_LATENCY, description="cycles from request to first data")
    energy: dict[str, Annotated[float, Field(ge=0, le=MAX_ENERGY)]] = Field(
        default_factory=dict, description="pJ per event, replaces entries of hwsim.machine.energy's table"
    )

    def __init__(self, /, **fields: object) -> None:
        for name in fields:
            if name in GONE:
                raise ArchError(f"{name}: {GONE[name]}")
            if name not in type(self).model_fields:
                known = ", ".join(type(self).model_fields)
                raise ArchError(f"{one_line(name, 60)} is no field of a machine; its fields are {known}")
        try:
            super().__init__(**fields)
        except ValidationError as error:
            raise ArchError(first_problem(error)) from None

    @field_validator("columns")
    @classmethod
    def _power_of_two(cls, columns: int) -> int:
        if columns & (columns - 1):
            raise ValueError("must be a power of two, so that channel groups divide it")
        return columns

    @field_validator("energy")
    @classmethod
    def _known_events(cls, energy: dict[str, float]) -> dict[str, float]:
        for event in energy:
            if event not in (*EVENTS, REGISTER_SUM):
                known = ", ".join((*EVENTS, REGISTER_SUM))
                raise ValueError(f"no event {one_line(repr(event), 60)}; there are {known}")
        return energy

    @property
    def peak_macs(self) -> int:
        """MACs a cycle at best."""
        return self.cores * self.columns

    @property
    def dram_rate(self) -> tuple[int, int]:
        """(bytes, cycles): the channel moves so many bytes in so many cycles, in lowest terms."""
        moved = self.bytes_per_cycle * self.dram_efficiency
        common = gcd(moved, 100)
        return moved // common, 100 // common

    def replace(self, **fields: object) -> Arch:
        """A copy with some fields changed, validated anew."""
        return Arch(**{**self.model_dump(), **fields})

    def dense(self) -> Arch:
        """The dense baseline: the same machine with zero-skipping off and maps uncompressed."""
        return self.replace(skip_zeros=False, compress=False)

    def to_toml(self) -> str:
        """The machine as TOML that :meth:`from_toml` reads back."""
        fields = self.model_dump(exclude={"energy"})
        lines = [f"{name} = {_toml(value)}" for name, value in fields.items()]
        if self.energy:
            lines += ["", "[energy]", *(f"{name} = {value!r}" for name, value in self.energy.items())]
        return "\n".join(lines) + "\n"

    @classmethod
    def from_toml(cls, path: str | Path) -> Arch:
        """Read a machine; fields that the file does not name keep their defaults.

        Raises:
            ArchError: no such file, no TOML, or a value out of range.
        """
        try:
            fields = read_toml(path)
        except OSError as error:
            raise ArchError(f"{path}: {error.strerror}; give a TOML file with machine parameters") from None
        except ValueError as error:
            raise ArchError(f"{path}: {error}") from None
        try:
            return cls(**fields)
        except ArchError as error:
            raise ArchError(f"{path}: {error}") from None


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f'"{value}"' if isinstance(value, str) else repr(value)
