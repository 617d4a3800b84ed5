"""Numbers and names as a reader sees them."""

from __future__ import annotations

import re
from typing import Any

TIMES = "\N{MULTIPLICATION SIGN}"
NOT_MEASURED = "not measured"
NOTHING = "-"
_LONG_LIST = 12
_PREFIXES = ("", "k", "M", "G", "T", "P")


def label(name: object, limit: int = 60) -> str:
    """A name from a trace, fit for any output: one line of printable characters, not too long."""
    whole = str(name)
    kept = whole if len(whole) <= limit else whole[: limit - 1] + "…"
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in kept)


def short(name: object, limit: int) -> str:
    """As :func:`label`, cut in the middle: names of layers begin alike and differ at their ends."""
    whole = label(name, 400)
    if len(whole) <= limit:
        return whole
    head = limit // 3
    return f"{whole[:head]}…{whole[head + 1 - limit :]}"


def words(sentence: object) -> str:
    """As :func:`label`, for a sentence: cut only if it fills a paragraph."""
    return label(sentence, 400)


def count(value: float) -> str:
    """A large number in three or four digits: ``1234`` -> ``1.23 k``."""
    return _scaled(value, 1000, _PREFIXES).strip()


def size(value: float) -> str:
    """Bytes: ``12345`` -> ``12.3 kB`` (decimal prefixes)."""
    return _scaled(value, 1000, [f"{prefix}B" for prefix in _PREFIXES])


def energy(microjoules: float) -> str:
    """Energy given in uJ: ``0.5`` -> ``500 nJ``."""
    return _scaled(microjoules * 1e6, 1000, ["pJ", "nJ", "µJ", "mJ", "J", "kJ"])


def seconds(value: float) -> str:
    """A duration given in s: ``0.0012`` -> ``1.20 ms``."""
    return _scaled(value * 1e9, 1000, ["ns", "µs", "ms", "s"])


def duration(microseconds: float) -> str:
    """A duration given in us: ``0.5`` -> ``500 ns``."""
    return seconds(microseconds / 1e6)


def factor(value: float | None) -> str:
    """A ratio: ``1.5`` -> ``1.50x``; one with nothing to divide by (all is zero) is the sign of infinity."""
    if value is None:
        return "\N{INFINITY}"
    return f"{value:.2f}{TIMES}" if value < 99.5 else f"{value:.0f}{TIMES}"


def percent(value: float | None) -> str:
    """A share: ``0.123`` -> ``12.3 %``; one of nothing is a dash."""
    return NOTHING if value is None else f"{value * 100:.1f} %"


def whole(value: float) -> str:
    """A count with thousands apart, averages rounded: ``12345.4`` -> ``12,345``."""
    return f"{value:,.0f}"


def value(entry: Any) -> str:
    """A value of JSON as text: numbers in four digits, long lists cut."""
    if isinstance(entry, dict):
        return ", ".join(f"{key}: {value(part)}" for key, part in entry.items())
    if isinstance(entry, list | tuple):
        shown = ", ".join(value(part) for part in entry[:_LONG_LIST])
        return f"{shown}, … ({len(entry)} in all)" if len(entry) > _LONG_LIST else shown
    if isinstance(entry, bool):
        return "yes" if entry else "no"
    return f"{entry:.4g}" if isinstance(entry, float) else str(entry)


def bare(number: str) -> str:
    """A number without zeros behind its point, as an axis has it: 20 k for 20.0 k."""
    return re.sub(r"\.0+(?!\d)", "", number)


def _scaled(value: float, base: int, units: list[str] | tuple[str, ...]) -> str:
    step = 0
    while abs(value) >= base - 0.5 and step < len(units) - 1:
        value /= base
        step += 1
    whole_number = abs(value) >= 99.95 or (step == 0 and value == int(value))
    digits = 0 if whole_number else 1 if abs(value) >= 9.995 else 2
    return f"{value:.{digits}f} {units[step]}"
