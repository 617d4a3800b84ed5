"""The machine's parameters: validated, immutable, TOML in and out."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from hwsim.errors import ArchError

WORD_BITS = 64
WORD_BYTES = WORD_BITS // 8
BURST_BYTES = 64
INDEX_BYTES = 4  # a segment's entry: length in words and number of non-zeros, 16 bits each
WINDOW_WORDS = 4  # words that the bit unpacker holds; enough for one symbol in every cycle
SUB_BANKS = 8  # parts of an accumulator bank; a row of the ring owns whole ones
WEIGHT_PASSES = 8  # passes for which a core holds weights: those at work and those to come
LONG_RUN = 3  # a symbol without a value holds up to that many times run_max zeros: at most 48 bits
DECODE_LATENCY = 7  # cycles from consuming a symbol to its item at the scatter unit
MAC_LATENCY = 8  # cycles from issuing a tap to its sum being readable by the drain
DRAIN_LATENCY = 19  # cycles from reading the last accumulator to the last word out


class Arch(BaseModel):
    """A machine: an array of cores, its buffers and its DRAM channel (docs/architecture.md).

    Immutable; ``arch.model_copy(update={...})`` skips validation, :meth:`replace` does not.

    Raises:
        ArchError: a value is out of range, or a field is unknown.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    cores: int = Field(16, ge=1, le=1024, description="cores, each with a decoder and an encoder")
    columns: int = Field(16, ge=1, le=64, description="M: multipliers and accumulator banks of a core")
    activation_bits: int = Field(16, ge=1, le=16, description="widest activation")
    weight_bits: int = Field(8, ge=2, le=16, description="widest weight")
    skip_zeros: bool = Field(True, description="zeros make no work; False: as much as values")
    compress: bool = Field(True, description="maps in SEG; False: raw")
    run_max: int = Field(16, ge=1, le=16, description="zeros that the decoder takes with a value in a cycle")
    fifo_depth: int = Field(16, ge=4, le=1024, description="items between decoder and scatter unit")
    accumulators: int = Field(
        1024, ge=SUB_BANKS, multiple_of=SUB_BANKS, description="32-bit words of an accumulator bank"
    )
    weight_words: int = Field(9216, ge=1, description="M-wide words of a core's weight memory, a ring")
    map_buffer: int = Field(512 * 1024, ge=0, description="bytes; half for maps in, half for maps out")
    row_split: Literal["balanced", "contiguous"] = "balanced"
    clock_mhz: float = Field(800.0, gt=0, description="turns cycles into seconds")
    bytes_per_cycle: int = Field(32, ge=1, description="DRAM bandwidth; 32 at 800 MHz is 25.6 GB/s")
    dram_latency: int = Field(100, ge=0, description="cycles from request to first data")
    energy: dict[str, float] = Field(
        default_factory=dict, description="pJ per event, replaces entries of hwsim.machine.energy's table"
    )

    def __init__(self, **fields: object) -> None:
        try:
            super().__init__(**fields)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"]) or "machine"
            raise ArchError(f"{where}: {first['msg']} (got {first['input']!r})") from None

    @field_validator("columns")
    @classmethod
    def _power_of_two(cls, columns: int) -> int:
        if columns & (columns - 1):
            raise ValueError("must be a power of two, so that channel groups divide it")
        return columns

    @model_validator(mode="after")
    def _fifo_covers_the_pipeline(self) -> Arch:
        if self.fifo_depth <= DECODE_LATENCY:
            raise ValueError(f"fifo_depth must exceed the {DECODE_LATENCY} cycles of the decoder")
        return self

    @property
    def peak_macs(self) -> int:
        """MACs a cycle at best."""
        return self.cores * self.columns

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
            fields = tomllib.loads(Path(path).read_text(encoding="utf-8"))
        except OSError as error:
            raise ArchError(f"{path}: {error.strerror}; give a TOML file with machine parameters") from None
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ArchError(f"{path}: not TOML: {error}") from None
        try:
            return cls(**fields)
        except ArchError as error:
            raise ArchError(f"{path}: {error}") from None


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f'"{value}"' if isinstance(value, str) else repr(value)
