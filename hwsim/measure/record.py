"""What was measured, on what, and with what: the record that is stored as JSON."""

from __future__ import annotations

import json
import math
import os
from dataclasses import asdict, dataclass
from functools import cache
from typing import ClassVar, Literal

from pydantic import ConfigDict, TypeAdapter, ValidationError

from hwsim.errors import MeasureError, first_problem
from hwsim.files import read_text, whole_file

SCHEMA = 1
Device = Literal["cpu", "cuda"]


@dataclass(frozen=True)
class Machine:
    """Where it ran.

    Attributes:
        device: ``cpu`` or ``cuda``.
        name: of the processor, as it names itself.
        driver: of the device; empty on a CPU.
        libraries: versions by name.
        threads: of every kernel on a CPU; on a GPU, of the host.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")
    device: Device
    name: str
    driver: str
    libraries: dict[str, str]
    threads: int


@dataclass(frozen=True)
class KernelInfo:
    """A kernel: ``precision`` of its operands, and how it computes a layer."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")
    name: str
    sparse: bool
    precision: str
    method: str


@dataclass(frozen=True)
class KernelTiming:
    """One kernel on one layer.

    Attributes:
        kernel: its name.
        not_measured: why there are no times; empty if there are.
        median_us, lower_us, upper_us: median and quartiles over rounds, microseconds a call; a round calls
            the kernel once for every input set, and its time is their mean. The operands are in the kernel's
            own format before.
        convert_us: median time to bring a map into that format from a dense, padded array on the device.
        rounds, input_sets, input_bytes: how often, through how many inputs in turn, and how large they are
            together.
        error: largest error of an output, as a fraction of what is allowed (hwsim.measure.problem).

    Raises:
        ValueError: times are missing, negative or out of order.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")
    kernel: str
    not_measured: str = ""
    median_us: float | None = None
    lower_us: float | None = None
    upper_us: float | None = None
    convert_us: float | None = None
    rounds: int = 0
    input_sets: int = 0
    input_bytes: int = 0
    error: float | None = None

    def __post_init__(self) -> None:
        numbers = (self.lower_us, self.median_us, self.upper_us, self.convert_us, self.error)
        if self.not_measured:
            if any(number is not None for number in numbers):
                raise ValueError(f"kernel {self.kernel} was not measured but has times")
            return
        if any(number is None or not math.isfinite(number) or number < 0 for number in numbers):
            raise ValueError(f"kernel {self.kernel} has a time that is missing, negative or not finite")
        if not 0 < self.lower_us <= self.median_us <= self.upper_us:  # type: ignore[operator]
            raise ValueError(f"kernel {self.kernel} has quartiles out of order")
        if min(self.rounds, self.input_sets) < 1 or self.input_bytes < 0:
            raise ValueError(f"kernel {self.kernel} has times but no rounds or inputs")


@dataclass(frozen=True)
class MeasuredLayer:
    """One layer: ``density`` of its input maps over the measured images, and every kernel's timing."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")
    name: str
    kind: str
    density: float
    timings: tuple[KernelTiming, ...]


@dataclass(frozen=True)
class Measured:
    """A trace on a real processor.

    Attributes:
        schema: of this record.
        network, variant, synthetic: of the trace.
        weights: ``of the trace``, or how they were made up if the trace has none.
        images: numbers of the images whose maps were used.
        date: UTC, ISO 8601.
        machine: where.
        kernels: what ran.
        layers: in order of execution.
        notes: what a reader must know, for example which kernels could not run here.

    Raises:
        ValueError: the parts do not fit each other.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")
    schema: int
    network: str
    variant: str
    synthetic: bool
    weights: str
    images: tuple[int, ...]
    date: str
    machine: Machine
    kernels: tuple[KernelInfo, ...]
    layers: tuple[MeasuredLayer, ...]
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        names = [kernel.name for kernel in self.kernels]
        for layer in self.layers:
            if [timing.kernel for timing in layer.timings] != names:
                raise ValueError(
                    f"layer {layer.name} does not have the timings of kernels {', '.join(names)}"
                )

    def to_json(self, path: str | os.PathLike[str]) -> None:
        """Write the record.

        Raises:
            MeasureError: the file cannot be written.
        """
        text = json.dumps(asdict(self), indent=1, allow_nan=False) + "\n"
        try:
            with whole_file(path) as partial:
                partial.write_text(text, encoding="ascii")
        except OSError as error:
            raise MeasureError(f"{path}: {error.strerror}: give a file that can be written") from None


def read_measured(path: str | os.PathLike[str]) -> Measured:
    """Read a record that :meth:`Measured.to_json` wrote.

    Raises:
        MeasureError: there is none, it is of a newer schema, or something in it is not what it should be.
    """
    try:
        text = read_text(path)
        document = json.loads(text)
    except OSError as error:
        raise MeasureError(f"{path}: {error.strerror}: give a file that hwsim measure wrote") from None
    except (ValueError, RecursionError):
        raise MeasureError(f"{path} is not JSON: give a file that hwsim measure wrote") from None
    schema = document.get("schema") if isinstance(document, dict) else None
    if type(schema) is not int or schema < 1:
        raise MeasureError(f"{path} holds no measurements: give a file that hwsim measure wrote")
    if schema > SCHEMA:
        raise MeasureError(f"{path} has schema {schema}, this version reads up to {SCHEMA}: upgrade hwsim")
    try:
        # By way of json, so that a key that comes twice is read once, as above.
        return _adapter().validate_json(json.dumps(document), strict=True)
    except ValidationError as error:
        raise MeasureError(f"{path} is damaged ({first_problem(error)}): measure again") from None


@cache
def _adapter() -> TypeAdapter[Measured]:
    return TypeAdapter(Measured)
