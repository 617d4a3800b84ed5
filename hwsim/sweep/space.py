"""The space file: which machines a sweep visits.

[machine]                 # fixed fields, as in a machine's TOML
cores = 2
clock_mhz = 50

[space]                   # swept fields of hwsim.Arch
columns = [8, 16, 32]
bytes_per_cycle = { low = 4, high = 64, steps = 5, scale = "log" }

[search]                  # optional; the full grid if left out
method = "sobol"          # grid, latin, sobol or pareto
points = 1000
seed = 0
objectives = ["cycles", "energy_uj"]   # pareto: what to make small

[constraints]             # optional; bounds on columns of the result
sram_bytes = { max = 4e6 }
bandwidth_gb_s = { max = 25.6 }
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, ValidationError, model_validator

from hwsim.arch import GONE, Arch
from hwsim.errors import ArchError, SweepError, first_problem, one_line
from hwsim.files import read_toml

# Slow to change: layers are mapped anew.
MAPPING_FIELDS = ("cores", "columns", "accumulators", "weight_words", "row_split")
# What no sweep varies, and why.
FIXED = {
    "skip_zeros": "every row has both: cycles and dense_cycles",
    "energy": "a table; give it in [machine.energy]",
    "codec": "the machine's decoder takes SEG alone; docs/codes.md compares coders",
}
MAX_GRID = 10_000_000
MAX_CHOICES = 10_000  # of one field
MAX_SEED = 2**32 - 1  # Optuna's generator takes no more
MAX_RATIO = 1e100  # of the ends of a range on a log scale
Value = float | int | str | bool
_KINDS = ("float", "int", "str", "bool")


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class Range(_Strict):
    """Values from ``low`` to ``high``; without ``steps`` any value between (not for a grid)."""

    low: float
    high: float
    steps: int | None = Field(None, ge=2, le=MAX_CHOICES)
    scale: Literal["linear", "log"] = "linear"

    @model_validator(mode="after")
    def _ordered(self) -> Range:
        if self.low >= self.high or (self.scale == "log" and self.low <= 0):
            raise ValueError("low must be below high, and above 0 on a log scale")
        if not math.isfinite(self.high - self.low) or (
            self.scale == "log" and self.high / self.low > MAX_RATIO
        ):
            raise ValueError("low and high are too far apart")
        return self

    def at(self, position: float) -> float:
        """The value at a position 0 .. 1."""
        if self.scale == "log":
            value = self.low * (self.high / self.low) ** position
        else:
            value = self.low + (self.high - self.low) * position
        return float(min(max(value, self.low), self.high))


class Bound(_Strict):
    """Of a column of the result; both ends may be left out."""

    min: float | None = None
    max: float | None = None

    @model_validator(mode="after")
    def _ordered(self) -> Bound:
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError("min is above max")
        return self

    def holds(self, value: float | None) -> bool:
        """Whether a value is inside; none is not."""
        if value is None:
            return False
        return (self.min is None or value >= self.min) and (self.max is None or value <= self.max)


class Search(_Strict):
    """How the points are chosen."""

    method: Literal["grid", "latin", "sobol", "pareto"] = "grid"
    points: int | None = Field(None, ge=1, le=MAX_GRID)
    seed: int = Field(0, ge=0, le=MAX_SEED)
    objectives: tuple[str, ...] = Field(("cycles", "energy_uj"), min_length=1, strict=False)
    population: int = Field(50, ge=4, le=MAX_GRID)

    @model_validator(mode="after")
    def _says_how_many(self) -> Search:
        if self.method != "grid" and self.points is None:
            raise ValueError(f"method {self.method} needs points")
        return self


def _kind(swept: object) -> str:
    return "list" if isinstance(swept, list) else "range"


Swept = Annotated[
    Annotated[list[Value], Field(min_length=1, max_length=MAX_CHOICES), Tag("list")]
    | Annotated[Range, Tag("range")],
    Discriminator(_kind),
]


class Space(_Strict):
    """A parsed space file.

    Raises:
        SweepError: a field, value or range that makes no sense; names it.
    """

    machine: dict[str, Any] = Field(default_factory=dict)
    space: dict[str, Swept] = Field(min_length=1)
    search: Search = Field(default_factory=lambda: Search.model_validate({}))
    constraints: dict[str, Bound] = Field(default_factory=dict)

    @classmethod
    def from_toml(cls, path: str | Path) -> Space:
        """Read a space file.

        Raises:
            SweepError: no such file, no TOML, or a space that makes no sense.
        """
        try:
            fields = read_toml(path)
        except OSError as error:
            raise SweepError(f"{path}: {error.strerror}; give a TOML file with a [space] table") from None
        except ValueError as error:
            raise SweepError(f"{path}: {error}") from None
        return cls.parse(fields, str(path))

    @classmethod
    def parse(cls, fields: dict[str, Any], title: str = "space") -> Space:
        """Check a space given as nested dicts.

        Raises:
            SweepError: it makes no sense.
        """
        try:
            space = cls.model_validate(fields)
            space._check_fields()
        except ValidationError as error:
            raise SweepError(f"{title}: {first_problem(error, ('list', 'range', *_KINDS))}") from None
        except (ArchError, ValueError) as error:
            raise SweepError(f"{title}: {error}") from None
        return space

    def _check_fields(self) -> None:
        twice = sorted(set(self.machine) & set(self.space))
        if twice:
            raise ValueError(f"{twice[0]} is both fixed in [machine] and swept in [space]")
        if "skip_zeros" in self.machine:
            raise ValueError(f"machine.skip_zeros: {FIXED['skip_zeros']}")
        for name, choices in self.space.items():
            if name in FIXED:
                raise ValueError(f"space.{name} cannot be swept: {FIXED[name]}")
            if name in GONE:
                raise ValueError(f"space.{name}: {GONE[name]}")
            if name not in Arch.model_fields:
                raise ValueError(
                    f"space.{one_line(name, 60)} is no field of the machine: "
                    + ", ".join(field for field in Arch.model_fields if field not in FIXED)
                )
            if isinstance(choices, list):
                values = choices
            else:
                values = [_typed(name, choices.low), _typed(name, choices.high)]  # all others are between
            for value in values:
                Arch(**{**self.machine, name: value})
            if self.search.method == "grid" and isinstance(choices, Range) and choices.steps is None:
                raise ValueError(f"space.{name}: a grid needs steps")
        if self.search.method == "grid":
            size = math.prod(len(self.choices(name) or ()) for name in self.space)
            if size > MAX_GRID:
                raise ValueError(f"the grid has {size} points; sample it: search.method = 'sobol'")

    def choices(self, name: str) -> list[Value] | None:
        """All values of a field in their order; None if any between two ends will do."""
        swept = self.space[name]
        if isinstance(swept, list):
            return swept
        if swept.steps is None:
            return None
        values = [_typed(name, swept.at(k / (swept.steps - 1))) for k in range(swept.steps)]
        return list(dict.fromkeys(values))

    def pick(self, name: str, position: float) -> Value:
        """The value of a field at a position 0 <= position < 1 of its range or list."""
        choices = self.choices(name)
        if choices is not None:
            return choices[min(int(position * len(choices)), len(choices) - 1)]
        swept = self.space[name]
        assert isinstance(swept, Range)
        return _typed(name, swept.at(position))

    def points(self) -> list[dict[str, Value]]:
        """The swept fields of every machine, each once, fields that need a new mapping changing slowest."""
        found = self._grid() if self.search.method == "grid" else self._sampled()
        unique = {tuple(point.items()): point for point in found}
        return sorted(unique.values(), key=mapping_key)

    def _grid(self) -> Iterator[dict[str, Value]]:
        names = list(self.space)
        for values in itertools.product(*(self.choices(name) or [] for name in names)):
            yield dict(zip(names, values, strict=True))

    def _sampled(self) -> Iterator[dict[str, Value]]:
        import numpy as np
        from scipy.stats import qmc

        sampler = qmc.Sobol if self.search.method == "sobol" else qmc.LatinHypercube
        count = self.search.points or 0
        engine = sampler(len(self.space), rng=np.random.default_rng(self.search.seed))
        size = 1 << max(count - 1, 0).bit_length() if sampler is qmc.Sobol else count
        for row in engine.random(size)[:count]:
            yield {name: self.pick(name, position) for name, position in zip(self.space, row, strict=True)}

    def arch(self, point: dict[str, Value]) -> Arch:
        """The machine of a point.

        Raises:
            ArchError: the fields do not go together.
        """
        return Arch(**{**self.machine, **point})

    def admits(self, row: dict[str, Any]) -> bool:
        """Whether a row of results, or what is known of it, keeps the constraints."""
        return all(bound.holds(row[name]) for name, bound in self.constraints.items() if name in row)


def _typed(name: str, value: Value) -> Value:
    """The value nearest to a point of a range that the field takes: a whole number, a power of two ..."""
    if not isinstance(value, float) or Arch.model_fields[name].annotation is not int:
        return value
    if name == "columns":
        return 1 << round(math.log2(max(value, 1)))
    steps = [rule.multiple_of for rule in Arch.model_fields[name].metadata if hasattr(rule, "multiple_of")]
    return round(value) if not steps else max(round(value / steps[0]), 1) * steps[0]


def mapping_key(point: dict[str, Value]) -> list[Any]:
    """What of a point decides how layers are mapped; points that share it share most of their computing."""
    return [point[name] for name in MAPPING_FIELDS if name in point]
