"""Every error that a user is told of: one clear sentence each, that says what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic import ValidationError

__all__ = [
    "ArchError",
    "CaptureError",
    "CodecError",
    "CosimError",
    "DataError",
    "DriverError",
    "ExportError",
    "HwsimError",
    "KernelError",
    "MeasureError",
    "NetworkError",
    "NoWeightsError",
    "OutputError",
    "PeerError",
    "ProgramError",
    "ReproduceError",
    "ResultError",
    "SweepError",
    "SynthesisError",
    "TraceError",
]


class HwsimError(Exception):
    """Base of every error of this package; its message is one line that says what to do."""


class ArchError(HwsimError):
    """A machine description that makes no sense, or a layer that does not fit the machine."""


class CaptureError(HwsimError):
    """A network, pictures or weights that cannot be captured."""


class CodecError(HwsimError):
    """Data that a coder cannot encode or decode; the message names the bit or value position."""


class CosimError(HwsimError):
    """The compiled simulation of the RTL cannot be built, or a pass does not come to its end."""


class DataError(HwsimError):
    """A data set that cannot be read, or makes no sense."""


class DriverError(HwsimError):
    """A machine behind a bus that is not there, is not the one that an image is for, or stopped."""


class ExportError(HwsimError):
    """A file of another tool that cannot be written, or something that its format cannot hold."""


class KernelError(HwsimError):
    """A kernel that cannot compute a layer on this processor; a measurement's record keeps the reason."""


class MeasureError(HwsimError):
    """A measurement that cannot be made here, or a file of measurements that cannot be read."""


class NetworkError(HwsimError):
    """An unknown network, a topology that cannot be read, or densities that do not fit a network."""


class OutputError(HwsimError):
    """A folder or file of a report that cannot be written."""


class PeerError(HwsimError):
    """A published machine that is not known, or that cannot have so many multipliers."""


class ProgramError(HwsimError):
    """A network that no program can hold, or a memory image that cannot be read, or trusted."""


class ReproduceError(HwsimError):
    """Something that no row of the reproduction's tables can be made of."""


class ResultError(HwsimError):
    """A file of results that cannot be read or trusted, or a library missing that is to take them."""


class SweepError(HwsimError):
    """A space, or a folder of results, that a sweep cannot use."""


class SynthesisError(HwsimError):
    """A tool of the synthesis flow is missing, or gave up."""


class TraceError(HwsimError):
    """A trace that cannot be read, or written, or trusted."""


class NoWeightsError(TraceError):
    """A trace that is sound, but has no weights of a layer."""


def one_line(text: object, most: int = 200) -> str:
    """Printable text for a message, of whatever a damaged file holds."""
    words = " ".join(str(text).split())
    return "".join(letter if letter.isprintable() else "?" for letter in words[:most])


def first_problem(error: ValidationError, unnamed: tuple[str, ...] = ()) -> str:
    """The first thing that pydantic found, where, and the value if it is a plain one.

    ``unnamed`` are parts of the place that no file has, such as the alternatives of a union.
    """
    first = error.errors(include_url=False, include_context=False)[0]
    where = ".".join(str(part) for part in first["loc"] if part not in unnamed)
    problem = one_line(f"{where}: {first['msg']}".removeprefix(": ").replace("Value error, ", ""), 600)
    found = first["input"]
    plain = first["type"] != "missing" and isinstance(found, int | float | str | None)
    return f"{problem} (got {shown(found)})" if plain else problem


def shown(value: object) -> str:
    """A value of a stranger in a message, short and printable."""
    if isinstance(value, int) and value.bit_length() > 128:  # Python does not print any length
        return f"a number of {value.bit_length()} bits"
    return one_line(repr(value), 60)
