"""What a capture writes into the provenance for others to read: what it left out, and what it clamped."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, TypeGuard

from pydantic import JsonValue

LEFT_OUT, CLAMPED = "left_out", "clamped"
MOST = 1 << 63  # more is damage


@dataclass(frozen=True)
class LeftOut:
    """Something with MACs that is not among the layers of a trace: totals are without it.

    Attributes:
        layer: its name.
        why: it was left out.
        macs: as published; None if the trace does not say (those written before there was a count).
    """

    layer: str
    why: str
    macs: int | None


@dataclass(frozen=True)
class ClampedValues:
    """Values of a map beyond what its largest code stands for, all pictures together.

    Attributes:
        map: its name.
        values: how many.
        overshoot: the largest, as a multiple of what the largest code stands for.
    """

    map: str
    values: int
    overshoot: float


def left_out(provenance: Mapping[str, Any]) -> tuple[LeftOut, ...]:
    """What a trace leaves out, from its provenance; entries that make no sense are kept as their text."""
    return tuple(_left_out(entry) for entry in _entries(provenance, LEFT_OUT))


def clamped(provenance: Mapping[str, Any]) -> tuple[ClampedValues, ...]:
    """Which maps of a trace were clamped, from its provenance."""
    return tuple(
        ClampedValues(str(entry.get("map")), entry["values"], float(entry["overshoot"]))
        for entry in _entries(provenance, CLAMPED)
        if isinstance(entry, Mapping) and _is_count(entry.get("values")) and _is_size(entry.get("overshoot"))
    )


def cautions(provenance: Mapping[str, Any]) -> tuple[str, ...]:
    """What whoever reads totals of a trace must know, in sentences; none if there is nothing to say."""
    lost, cut = left_out(provenance), clamped(provenance)
    found = []
    if lost:
        known = sum(entry.macs or 0 for entry in lost)
        macs = f", with {known:,} MACs of an image" if known else ""
        found.append(f"{_many(len(lost), 'layer')} left out of the trace{macs}: totals are without them.")
    if cut:
        worst = max(cut, key=lambda entry: entry.overshoot)
        pictures = provenance.get("calibration_pictures")
        behind = f" of {_many(pictures, 'calibration picture')}" if _is_count(pictures) else ""
        found.append(
            f"{_many(len(cut), 'map')} with values beyond the range{behind}, clamped: "
            f"{sum(entry.values for entry in cut):,} values, "
            f"up to {worst.overshoot:.2f} times it ({worst.map})."
        )
    return tuple(found)


def _many(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def as_json(entries: Iterable[LeftOut | ClampedValues]) -> list[JsonValue]:
    """As the provenance holds them."""
    return [asdict(entry) for entry in entries]


def _entries(provenance: Mapping[str, Any], key: str) -> list[Any]:
    found = provenance.get(key)
    return found if isinstance(found, list) else []


def _left_out(entry: Any) -> LeftOut:
    if not isinstance(entry, Mapping):
        layer, _, why = str(entry).partition(": ")
        return LeftOut(layer, why, None)
    macs = entry.get("macs")
    return LeftOut(str(entry.get("layer")), str(entry.get("why")), macs if _is_count(macs) else None)


def _is_count(value: Any) -> TypeGuard[int]:
    """Whether a number from a file counts something: neither of another kind, nor of any size."""
    return type(value) is int and 0 <= value <= MOST


def _is_size(value: Any) -> bool:
    return type(value) in (int, float) and 0 <= value <= MOST
